"""Whether the rows of a fit are what a law wants: single, finished runs, not mostly head."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from isoloss.errors import IsolossError
from isoloss.fitting.result import Check
from isoloss.fitting.solver.descent import Problem
from isoloss.laws.law import Array, Counts, Mask

if TYPE_CHECKING:
    from isoloss.runs import Runs

SAME_POINT = 4
SAME_VALUE = 7
"""Decimals of logarithms in which copies agree: .01% of the variables, 1e-7 of the loss."""
HIGHEST_HEAD_SHARE = 0.3
CHECKPOINTS_DIFFER = 3.0
"""Standard errors by which intermediate rows must lie above the law to be called checkpoints."""
MOST_NAMED = 3
SAME_COUNT = 0.01
"""In logarithms, how far C may lie from 6·N·D for N to be what it counts."""
COUNTED_BY = {
    "6nd_total": "params_total",
    "6nd_non_embedding": "params_non_embedding",
    "matmul": "params_matmul",
}
"""Which parameters the FLOPs of a convention count."""


def no_copies(problem: Problem, run_ids: tuple[str, ...]) -> Check:
    """No two rows may be one run twice: equal variables and an equal loss to seven digits.

    Seeds of one configuration share the variables, not the loss.
    """
    rounded = [np.round(_log(column), SAME_POINT) for column in problem.data.values()]
    rounded.append(np.round(_log(problem.loss), SAME_VALUE))
    _, first, inverse = np.unique(
        np.stack(rounded, axis=1), axis=0, return_index=True, return_inverse=True
    )
    copies = np.flatnonzero(first[inverse] != np.arange(len(inverse)))
    pairs = [f"{run_ids[k]} of {run_ids[int(first[inverse[k]])]}" for k in copies[:MOST_NAMED]]
    more = f" and {len(copies) - MOST_NAMED} more" if len(copies) > MOST_NAMED else ""
    return Check(
        name="copies",
        passed=not len(copies),
        message=f"the same point and loss twice: {', '.join(pairs)}{more}"
        if pairs
        else "no row is a copy of another",
        cure="One run counts twice: keep one row of each, or give copies one parent_id."
        if pairs
        else "",
    )


def no_checkpoints(
    problem: Problem, residual: Array, clusters: Counts, extra: Mapping[str, Array]
) -> Check | None:
    """Points on the way of a run may not lie systematically above the finished runs.

    A row is on the way where its cluster has the same N with more tokens. Branches that were
    annealed lie as near the law as others do; checkpoints under a high learning rate lie above.
    None where N or D is unknown.
    """
    columns = {**problem.data, **extra}
    if "N" not in columns or "D" not in columns:
        return None
    early = _on_the_way(columns["N"], columns["D"], clusters)
    if not early.any():
        return Check(name="checkpoints", passed=True, message="no row is on the way of another")
    above = -residual
    parts = above[early], above[~early]
    differ = 0.0
    if min(len(part) for part in parts) > 1:
        error = math.sqrt(sum(float(part.var(ddof=1)) / len(part) for part in parts))
        differ = float(parts[0].mean() - parts[1].mean()) / max(error, 1e-300)
    passed = differ <= CHECKPOINTS_DIFFER
    return Check(
        name="checkpoints",
        passed=passed,
        message=f"{int(early.sum())} rows lie on the way of a longer run; they lie"
        f" {differ:+.1f} standard errors above the others",
        cure=""
        if passed
        else "Checkpoints before the learning rate has fallen are not finished runs: leave them"
        " out, or fit a law of the curve with its schedule.",
    )


def _on_the_way(n: Array, d: Array, clusters: Counts) -> Mask:
    """Rows (n,) whose cluster has the same N with a larger D."""
    key = np.stack([clusters.astype(np.float64), n], axis=1)
    _, group = np.unique(key, axis=0, return_inverse=True)
    longest = np.full(int(group.max()) + 1, -np.inf)
    np.maximum.at(longest, group, d)
    return d < longest[group] * (1 - 1e-6)


def head_share(runs: Runs, n: str | None) -> Check | None:
    """The output head may not be most of N: it does not grow as the model does.

    None where N leaves the head out, or width and vocabulary are unknown.
    """
    with contextlib.suppress(IsolossError):
        column = runs.n_column(n)
        if column == "params_non_embedding":
            return None
        share = runs.vector("vocab_size") * runs.vector("d_model") / runs.vector("N", n=n)
        if not (share < 1).all():
            return None
        passed = bool(np.median(share) <= HIGHEST_HEAD_SHARE)
        return Check(
            name="head_share",
            passed=passed,
            message=f"the output head is {share.min():.0%} to {share.max():.0%} of {column}",
            cure=""
            if passed
            else "Exponents of N are mostly the vocabulary's: fit with n=params_non_embedding"
            " beside it, or use a smaller vocabulary.",
        )
    return None


def counts_agree(runs: Runs, n: str | None) -> Check | None:
    """N and C must count the same parameters: a budget is spent by what its FLOPs count.

    What C counts is read off the columns, where C is a constant times one count and D in every
    row, else off `flops_convention`. None where neither tells.
    """
    with contextlib.suppress(IsolossError):
        column = runs.n_column(n)
        c, d = runs.vector("C"), runs.vector("D")
        names = [str(x) for x in runs.to_frame().columns if str(x).startswith("params_")]
        spread: dict[str, float] = {}
        for name in names:
            with contextlib.suppress(IsolossError):
                logs = np.log(c / (6 * d * runs.vector(name)))
                if abs(float(np.median(logs))) < SAME_COUNT:
                    spread[name] = float(np.abs(logs).max())
        said = str(runs.constant("flops_convention") or "")
        counted = min(spread, key=lambda name: spread[name], default="")
        how = f"C is 6·{counted}·D in every row"
        if not counted or spread[counted] > SAME_COUNT:
            counted, how = COUNTED_BY.get(said, ""), f"C is counted as {said}"
        if not counted or len(np.unique(c)) < 2:
            return None
        same = counted == column or spread.get(column, math.inf) <= SAME_COUNT
        return Check(
            name="counts",
            passed=same,
            message=f"N is {column}; {how}",
            cure=""
            if same
            else f"Exponents and plans depend on which parameters count: fit with n={counted} too,"
            " or give C in the convention of N.",
        )
    return None


def _log(column: Array) -> Array:
    """Logarithm of a positive column, else the column."""
    return np.log(column) if (column > 0).all() else column

"""Checks of C: which convention it follows against 6ND, and figures that contradict each other."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from isoloss.runs._audit_evidence import Evidence, Finding, counted, rounded
from isoloss.runs._audit_surface import upper_heap

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_EXACT = 0.002
_OFF = 0.03
_JUMPS = ((_EXACT, 10.0), (_EXACT / 4, 100.0))
"""How exactly rows follow 6ND, and up to which factor of N others that do not are a jump: a
ratio that differs by a share of embeddings falls at most with the power 2/3 of N."""
_JUMP = 0.15
_STEEPEST = 0.7
"""Change of log C / (6 N D) between neighbours in log N: a leap, and what it may grow by."""
_COUNTED_AS = {
    "params_total": "6nd_total",
    "params_non_embedding": "6nd_non_embedding",
    "params_matmul": "matmul",
}


@dataclass(frozen=True, kw_only=True)
class Convention:
    """What a count, or C, was found to be.

    Attributes:
        column: the column of the table.
        text: one line of what was found.
        agrees: the convention that it agrees with, or empty.
    """

    column: str
    text: str
    agrees: str = ""


def six_nd_ratio(evidence: Evidence, name: str) -> NDArray[np.float64]:
    """C / (6 N D) of the rows that have all three."""
    import numpy as np

    ratio = evidence.numbers("C") / (6 * evidence.numbers(name) * evidence.numbers("D"))
    return ratio[np.isfinite(ratio)]


def against_compute(name: str, ratio: NDArray[np.float64]) -> Convention:
    """How far C is from 6 N D over the rows, and its convention where it is exact."""
    import numpy as np

    low, middle, high = (float(np.quantile(ratio, q)) for q in (0, 0.5, 1))
    text = f"C / (6 N D) with N = {name}: {low:.3f} to {high:.3f}, {middle:.3f} in the middle"
    exact = max(abs(low - 1), abs(high - 1)) < 5 * _EXACT
    return Convention(
        column="flops",
        text=f"{text}: {_COUNTED_AS[name]}" if exact else text,
        agrees=_COUNTED_AS[name] if exact else "",
    )


def mixed_by_compute(evidence: Evidence, name: str) -> list[int]:
    """Rows off from C = 6 N D where rows of about the same N follow it exactly.

    A convention that differs from 6ND does so smoothly: its ratio moves by a small power of N.
    A jump from exact to beyond 3% between neighbours in N is another way of counting.
    """
    import numpy as np

    n = evidence.numbers(name)
    with np.errstate(divide="ignore", invalid="ignore"):
        away = np.abs(np.log(evidence.numbers("C") / (6 * n * evidence.numbers("D"))))
    off = np.flatnonzero(away > _OFF).tolist()
    keys = rounded(n, 0.01)
    few = max(2, math.ceil(0.1 * len({key for key in keys if key == key})))
    for exactly, factor in _JUMPS:
        exact = np.flatnonzero(away < exactly).tolist()
        sizes = np.sort(n[exact])
        beside = np.searchsorted(sizes, n[off] / factor) < np.searchsorted(sizes, n[off] * factor)
        near = [row for row, is_near in zip(off, beside, strict=True) if is_near]
        if min(len({keys[row] for row in rows}) for rows in (exact, near)) >= few:
            return near if len(near) <= len(exact) else exact
    return _zigzag(n, evidence.numbers("C") / (6 * n * evidence.numbers("D")))


def _zigzag(n: NDArray[np.float64], ratio: NDArray[np.float64]) -> list[int]:
    """Rows of the rarer kind where C / (6 N D) jumps up and down again from one N to the next.

    Under one convention the ratio moves with shares of embeddings and attention, slower than N.
    """
    import numpy as np

    x, y = np.log(n), np.log(ratio)
    order = np.argsort(x, kind="stable")
    order = order[np.isfinite(x[order]) & np.isfinite(y[order])]
    rise = np.diff(y[order])
    allowed = _JUMP + _STEEPEST * np.diff(x[order])
    if min(int((rise > allowed).sum()), int((rise < -allowed).sum())) < 2:
        return []
    upper = upper_heap(y[order])
    fewer = upper if upper.sum() <= len(upper) / 2 else ~upper
    return sorted(order[fewer].tolist())


def own_flop_findings(evidence: Evidence) -> Iterator[Finding]:
    """Costs beyond a trunk that exceed the whole, and shared trunks without them."""
    import numpy as np

    own, flops = evidence.numbers("own_flops"), evidence.numbers("C")
    more = np.flatnonzero(own > flops * (1 + 1e-9))
    if len(more):
        yield Finding(
            name="own_flops",
            severity="warning",
            message=f"{counted(len(more), 'row')} with own_flops above flops: a run cannot cost"
            " more without its trunk than with it",
            cure="own_flops is what the run cost beyond the trunk that it shares.",
            rows=evidence.run_ids(more.tolist()),
        )
    parents = [text for text in evidence.texts("parent_id") if text]
    if len(parents) > len(set(parents)) and not np.isfinite(own).any():
        yield Finding(
            name="own_flops",
            severity="note",
            message="runs share a trunk (parent_id) and have no own_flops: what the table cost is"
            " counted several times",
            cure="Give own_flops, the FLOP of each run without the shared trunk.",
        )


def step_findings(evidence: Evidence) -> Iterator[Finding]:
    """Tokens against steps times batch; fewer are fine where rows are padded."""
    import numpy as np

    whole = evidence.numbers("steps") * evidence.numbers("B")
    ratio = evidence.numbers("D") / whole
    wrong = np.flatnonzero((ratio > 1.05) | (ratio < 0.3))
    if len(wrong):
        row = int(wrong[0])
        yield Finding(
            name="tokens_against_steps",
            severity="warning",
            message=f"{counted(len(wrong), 'row')} where tokens are not steps times batch_tokens"
            f" ({ratio[row]:.3g} of them in {evidence.ids[row]})",
            cure="Check the batch (in tokens, over all devices and accumulated steps).",
            rows=evidence.run_ids(wrong.tolist()),
        )


def head_findings(evidence: Evidence) -> Iterator[Finding]:
    """N that is mostly output head."""
    import numpy as np

    if evidence.n_name not in ("params_matmul", "params_total"):
        return
    share = evidence.numbers("V") * evidence.numbers("d_model") / evidence.numbers("N")
    if np.isfinite(share).any() and float(np.nanmax(share)) > 0.3:
        yield Finding(
            name="head_share",
            severity="note",
            message=f"the output head is up to {np.nanmax(share):.0%} of N ({evidence.n_name}):"
            " exponents depend on how N is counted",
            cure="Fit with --n params_non_embedding too, and look at both.",
        )

"""Which rows are fitted and which are predicted: expanding windows, or one explicit hold-out."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from isoloss.errors import DataError, UsageError
from isoloss.fitting.backtesting import LEAST_ROWS, LEAST_SIZES, TOLERANCE
from isoloss.laws.law import Array, Columns, Mask

if TYPE_CHECKING:
    import pandas as pd

    from isoloss.runs import Runs

FRACTIONS = (0.5, 0.6, 0.7, 0.8, 0.9)
"""Shares of the rows, from the cheapest on, that the windows are fitted to."""
SPARE = 2
"""Rows that a fit has beyond its parameters, at least."""
AXES = {"compute": "C", "n": "N", "d": "D"}
OPERATORS: dict[str, Callable[[Array, float], Mask]] = {
    "<=": np.less_equal, ">=": np.greater_equal, "<": np.less, ">": np.greater,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Split:
    """Rows that are fitted and rows that are then predicted, (rows,), with a label."""

    label: str
    fitted: Mask
    held: Mask


def splits_of(
    runs: Runs,
    columns: Columns,
    holdout: str | Iterable[bool] | Callable[[pd.DataFrame], Iterable[bool]],
    parameters: int,
    n: str | None,
) -> tuple[Split, ...]:
    """The splits that `holdout` asks for; every law of at most `parameters` can be fitted in each.

    Args:
        runs: the whole table; splits are over its used rows.
        columns: of the used rows, N, D and C where they are known.
        holdout: `compute`, `n` or `d`; a condition such as `C > 1e21`; a mask of all rows or a
            function of the frame, true where a row is held out.
        parameters: of the largest law.
        n: which count is N.

    Raises:
        DataError: nothing is held out, or too little is left to fit.
        UsageError: an unknown word, or a mask that does not fit the table.
    """
    least = max(LEAST_ROWS, parameters + SPARE)
    if isinstance(holdout, str) and holdout in AXES:
        return _windows(columns, AXES[holdout], least)
    if isinstance(holdout, str):
        label, held = _condition(runs.used(), holdout, n)
    else:
        label, held = "the rows that were not held out", _masked(runs, holdout)
    return (_explicit(label, held, columns, parameters + 1),)


def _windows(columns: Columns, axis: str, least: int) -> tuple[Split, ...]:
    """Expanding windows along an axis: fitted to what lies below a cut, predicting the rest."""
    if axis not in columns:
        raise DataError(
            f"the table does not give {axis}, so no larger {axis} can be held out",
            hint="Hold out rows by a condition or a mask, for example holdout='unique_tokens>1e9'.",
        )
    values = columns[axis]
    ordered = np.sort(values)
    rises = np.flatnonzero(ordered[1:] > ordered[:-1] * (1 + TOLERANCE)) + 1
    counts = [int(count) for count in rises if _enough(columns, values < ordered[count], least)]
    if not counts:
        raise DataError(
            f"no part of these {len(values)} runs can be fitted and has runs of larger {axis}"
            f" above it: {least} rows of {LEAST_SIZES} sizes are needed below",
            hint="Add runs at other budgets, or hold out rows by a condition or a mask.",
        )
    wanted = [fraction * len(values) for fraction in FRACTIONS]
    chosen = sorted({min(counts, key=lambda count: abs(count - aim)) for aim in wanted})
    return tuple(
        Split(
            label=f"{axis} <= {ordered[count - 1]:.3g}",
            fitted=values < ordered[count],
            held=values >= ordered[count],
        )
        for count in chosen
    )


def _enough(columns: Columns, fitted: Mask, least: int) -> bool:
    """Whether a fit of these rows means something."""
    sizes = len(np.unique(columns["N"][fitted])) if "N" in columns else LEAST_SIZES
    return int(fitted.sum()) >= least and sizes >= LEAST_SIZES


def _condition(used: Runs, text: str, n: str | None) -> tuple[str, Mask]:
    """`C > 1e21` as the rows where it holds, labelled by its opposite."""
    match = re.fullmatch(r"\s*([A-Za-z_]\w*)\s*(<=|>=|<|>)\s*(\S+)\s*", text)
    if match is None:
        close = difflib.get_close_matches(text.strip().lower(), AXES, n=1)
        meant = f"Did you mean {close[0]}? " if close else ""
        raise UsageError(
            f"unknown holdout {text!r}",
            hint=f"{meant}Use compute, n or d, or a condition such as 'C > 1e21'.",
        )
    name, operator, number = match.groups()
    try:
        limit = float(number)
    except ValueError:
        limit = math.nan
    if not math.isfinite(limit):
        raise UsageError(f"holdout {text!r}: expected a number, found {number!r}")
    opposite = {"<=": ">", ">=": "<", "<": ">=", ">": "<="}[operator]
    return f"{name} {opposite} {limit:.3g}", OPERATORS[operator](used.vector(name, n=n), limit)


def _masked(runs: Runs, holdout: Iterable[bool] | Callable[[pd.DataFrame], Iterable[bool]]) -> Mask:
    """The used rows that a mask of all rows holds out."""
    marked = "fitted by compare"
    frame, after = runs.to_frame(), runs.where(holdout, marked).to_frame()
    usable = (frame["reason"] == "").to_numpy() & frame["status"].isin(["", "ok"]).to_numpy()
    return np.asarray((after["reason"] != marked).to_numpy()[usable], dtype=np.bool_)


def _explicit(label: str, held: Mask, columns: Columns, least: int) -> Split:
    if not held.any():
        raise DataError(
            "no usable run is held out", hint="Check the condition or mask against the table."
        )
    rest = int((~held).sum())
    if rest < least:
        raise DataError(
            f"{rest} runs are left to fit, {least} are needed for the largest of these laws",
            hint="Hold out fewer runs, or compare laws with fewer parameters.",
        )
    return Split(label=label, fitted=~held, held=held)

"""What a law says beyond the runs: compute of rows, a run ten times larger, the planned N."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from isoloss.laws import Law
from isoloss.laws.law import Array, Columns

if TYPE_CHECKING:
    from isoloss.fitting.result import FittedRows

GRID = 600
REACH = 1e4
"""The planned N is looked for this many times beyond the runs and the budget."""


def compute_of(columns: Columns) -> Array | None:
    """FLOP of rows (n,): the column C, or 6 N D; None where neither is known."""
    if "C" in columns:
        return columns["C"]
    n, d, m = (columns.get(name) for name in ("N", "D", "M"))
    if n is not None and d is None and m is not None:
        d = n * m
    if d is not None and n is None and m is not None:
        n = d / m
    if n is None or d is None:
        return None
    return 6 * n * d


def largest(data: FittedRows) -> float:
    """FLOP of the largest run; not-a-number where the rows do not tell."""
    compute = compute_of(data.columns)
    return math.nan if compute is None else float(compute.max())


def ahead(law: Law, data: FittedRows, times: float) -> tuple[dict[str, float], str]:
    """The largest run with `times` its compute at the same D/N, or why there is none."""
    compute = compute_of(data.columns)
    if compute is None:
        return {}, f"the law sees {', '.join(law.variables)}: no larger run can be made of that"
    row = int(np.argmax(compute))
    point = {name: float(data.columns[name][row]) for name in law.variables}
    factor = {"C": times, "N": math.sqrt(times), "D": math.sqrt(times)}
    return {name: x * factor.get(name, 1.0) for name, x in point.items()}, ""


def loss_at(law: Law, theta: Array, at: Mapping[str, float]) -> Array:
    """Predictions (S,) of parameters (S, P) at a point; not-a-number without one."""
    if not at:
        return np.full(len(theta), math.nan)
    with np.errstate(all="ignore"):
        return law.value(theta, {name: np.array([x]) for name, x in at.items()})[:, 0]


def planned_n(law: Law, data: FittedRows, theta: Array, flops: float) -> tuple[Array, str]:
    """N of the lowest loss with 6 N D = `flops` for parameters (S, P), or why there is none.

    Variables besides N, D, M and C are those of the largest run. A minimum at the end of the
    grid is none: not-a-number.
    """
    nothing = np.full(len(theta), math.nan)
    compute = compute_of(data.columns)
    if "N" not in law.variables or not {"D", "M", "C"} & set(law.variables) or compute is None:
        return nothing, f"the law sees {', '.join(law.variables)}: N and D cannot be traded off"
    n_seen = data.columns["N"]
    row, stretch = int(np.argmax(compute)), math.sqrt(max(flops / float(compute.max()), 1.0))
    low, high = float(n_seen.min()) / REACH, float(n_seen.max()) * stretch * REACH
    log_n = np.linspace(math.log(low), math.log(high), GRID)
    n = np.exp(log_n)
    d = flops / 6 / n
    line = {"N": n, "D": d, "M": d / n, "C": np.full(GRID, flops)}
    columns = {v: line.get(v, np.full(GRID, data.columns[v][row])) for v in law.variables}
    with np.errstate(all="ignore"):
        value = np.nan_to_num(law.value(theta, columns), nan=math.inf, posinf=math.inf)
    best = np.argmin(value, axis=1)
    inside = (best > 0) & (best < GRID - 1)
    middle, rows = np.clip(best, 1, GRID - 2), np.arange(len(theta))
    left, here, right = (value[rows, middle + k] for k in (-1, 0, 1))
    bend = left - 2 * here + right
    with np.errstate(all="ignore"):
        shift = np.where(bend > 0, 0.5 * (left - right) / bend, 0.0)
    found = np.exp(log_n[middle] + np.nan_to_num(shift) * (log_n[1] - log_n[0]))
    reason = "" if inside[0] else f"the law has no lowest loss at {flops:.3g} FLOP"
    return np.where(inside, found, math.nan), reason

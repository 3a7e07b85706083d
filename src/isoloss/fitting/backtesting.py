"""How well each law predicts runs of the ladder from cheaper ones: the rolling backtest.

Every run that costs at least `ratio` times some cheaper part of the ladder is predicted from
that part alone, as if it had not been trained yet.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from isoloss.fitting.solver.descent import Problem
from isoloss.fitting.solver.objective import Objective
from isoloss.fitting.solver.optimum import solve
from isoloss.laws import Law, get_law
from isoloss.laws.law import Array, Columns

LADDER_OBJECTIVE = Objective(name="huber", delta=0.005)
"""Quadratic within the noise of small runs (about .3%), linear beyond it."""
RATIOS = (3.0, 2.0)
"""How far ahead a backtest looks: as far as a verification run, or less if that gives too few."""
ENOUGH = 4
LEAST_ROWS = 8
LEAST_SIZES = 3
STARTS = 8
TOLERANCE = 1e-3
"""Costs are equal within this: rungs lie on the same budget."""


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """Runs as columns of equal length: N, D, C and loss."""

    n: Array
    d: Array
    c: Array
    loss: Array

    def part(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> Ladder:
        """The runs of a mask or of indices."""
        return Ladder(n=self.n[chosen], d=self.d[chosen], c=self.c[chosen], loss=self.loss[chosen])

    def columns(self) -> dict[str, Array]:
        """As the variables of laws."""
        return {"N": self.n, "D": self.d, "C": self.c}


@dataclass(frozen=True, kw_only=True)
class BacktestRow:
    """One run predicted from runs that cost at most a `ratio`-th of it.

    Attributes:
        index: its row in the ladder; `rows`: how many runs it was predicted from.
        log_errors: log predicted − log measured, for each law.
        baseline: loss by the one-dimensional L(C) of the same runs; not-a-number without one.
    """

    index: int
    rows: int
    ratio: float
    log_errors: Mapping[str, float]
    baseline: float


def backtest(
    ladder: Ladder, laws: Sequence[str], *, near: Mapping[str, Array] | None = None
) -> tuple[BacktestRow, ...]:
    """Predict every run that has enough cheaper ones; empty where none has.

    Args:
        ladder: the runs.
        laws: names of laws of N and D.
        near: parameters (P,) of each law that are a good start.
    """
    found: tuple[BacktestRow, ...] = ()
    for ratio in RATIOS:
        found = _backtest_at(ladder, laws, ratio, near or {})
        if len(found) >= ENOUGH:
            break
    return found


def _backtest_at(
    ladder: Ladder, laws: Sequence[str], ratio: float, near: Mapping[str, Array]
) -> tuple[BacktestRow, ...]:
    rows: list[BacktestRow] = []
    for index in np.argsort(ladder.c, kind="stable").tolist():
        cheap = ladder.c <= ladder.c[index] / ratio * (1 + TOLERANCE)
        if cheap.sum() < LEAST_ROWS or len(np.unique(ladder.n[cheap])) < LEAST_SIZES:
            continue
        part = ladder.part(cheap)
        point = {name: column[index : index + 1] for name, column in ladder.columns().items()}
        measured = math.log(float(ladder.loss[index]))
        rows.append(
            BacktestRow(
                index=index,
                rows=int(cheap.sum()),
                ratio=ratio,
                log_errors={
                    law: log_prediction(law, part, point, near.get(law)) - measured for law in laws
                },
                baseline=baseline_loss(part, float(ladder.c[index])),
            )
        )
    return tuple(rows)


def log_prediction(
    law: str, ladder: Ladder, point: Mapping[str, Array], near: Array | None = None
) -> float:
    """Log of the loss that a law, fitted to a ladder, predicts at a point (columns of one)."""
    return float(log_predictions(get_law(law), ladder.columns(), ladder.loss, point, near)[0])


def log_predictions(
    law: Law, columns: Columns, loss: Array, points: Columns, near: Array | None = None
) -> Array:
    """Log of the losses that a law, fitted to rows (n,), predicts at points (m,): shape (m,).

    Args:
        law: the law.
        columns: its variables over the rows, and perhaps others.
        loss: of the rows.
        points: its variables over the points, and perhaps others.
        near: parameters (P,) that are a good start.
    """
    data = {name: columns[name] for name in law.variables}
    problem = Problem(law=law, data=data, loss=loss, objective=LADDER_OBJECTIVE)
    start = None if near is None else near[None]
    found = solve(problem, starts=STARTS, near=start, confirm=False)
    at = {name: points[name] for name in law.variables}
    with np.errstate(all="ignore"):
        return np.log(law.value(found.theta, at))


def baseline_loss(ladder: Ladder, flops: float) -> float:
    """The plain baseline: `E + A/C**alpha` through the runs that no cheaper run beats."""
    return float(baseline_losses(ladder, np.array([flops]))[0])


def baseline_losses(ladder: Ladder, flops: Array) -> Array:
    """The same at several budgets (m,); not-a-number where fewer than four budgets tell it."""
    order = np.argsort(ladder.c, kind="stable")
    best = np.minimum.accumulate(ladder.loss[order])
    part = ladder.part(order[ladder.loss[order] <= best])
    if len(np.unique(part.c)) < 4:
        return np.full(len(flops), math.nan)
    columns = part.columns()
    logs = log_predictions(get_law("compute"), columns, part.loss, {"C": flops})
    return np.array([math.exp(value) for value in logs.tolist()])

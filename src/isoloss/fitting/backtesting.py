"""How well each law predicts runs of the ladder from cheaper ones: the rolling backtest.

Every run that costs at least `ratio` times some cheaper part of the ladder is predicted from
that part alone, as if it had not been trained yet.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isoloss.fitting.descent import Problem
from isoloss.fitting.objective import Objective
from isoloss.fitting.optimum import solve
from isoloss.laws import get_law
from isoloss.laws.law import Array

LADDER_OBJECTIVE = Objective(name="huber", delta=0.005)
"""Quadratic within the noise of small runs (about .3%), linear beyond it."""
BACKTEST_RATIO = 4.0
LEAST_ROWS = 8
LEAST_SIZES = 3
STARTS = 24


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """Runs as columns of equal length: N, D, C, loss, and the trunk each belongs to."""

    n: Array
    d: Array
    c: Array
    loss: Array
    trunk: np.ndarray

    def part(self, chosen: np.ndarray) -> Ladder:
        """The runs of a mask or of indices."""
        return Ladder(
            n=self.n[chosen],
            d=self.d[chosen],
            c=self.c[chosen],
            loss=self.loss[chosen],
            trunk=self.trunk[chosen],
        )

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
    log_errors: dict[str, float]
    baseline: float


def backtest(
    ladder: Ladder,
    laws: Sequence[str],
    *,
    ratio: float = BACKTEST_RATIO,
    objective: Objective = LADDER_OBJECTIVE,
) -> tuple[BacktestRow, ...]:
    """Predict every run that has enough cheaper ones; empty where none has."""
    rows: list[BacktestRow] = []
    for index in np.argsort(ladder.c, kind="stable"):
        cheap = ladder.c <= ladder.c[index] / ratio * (1 + 1e-9)
        if cheap.sum() < LEAST_ROWS or len(np.unique(ladder.n[cheap])) < LEAST_SIZES:
            continue
        part = ladder.part(cheap)
        point = {k: v[index : index + 1] for k, v in ladder.columns().items()}
        measured = math.log(float(ladder.loss[index]))
        errors = {
            law: log_prediction(law, part, point, objective) - measured for law in laws
        }
        rows.append(
            BacktestRow(
                index=int(index),
                rows=int(cheap.sum()),
                log_errors=errors,
                baseline=baseline_loss(part, float(ladder.c[index])),
            )
        )
    return tuple(rows)


def log_prediction(
    law: str, ladder: Ladder, point: dict[str, Array], objective: Objective
) -> float:
    """Log of the loss that a law, fitted to a ladder, predicts at a point (columns of one)."""
    chosen = get_law(law)
    columns = ladder.columns()
    data = {name: columns[name] for name in chosen.variables}
    problem = Problem(law=chosen, data=data, loss=ladder.loss, objective=objective)
    found = solve(problem, starts=STARTS)
    at = {name: point[name] for name in chosen.variables}
    return float(np.log(chosen.value(found.theta, at))[0])


def baseline_loss(ladder: Ladder, flops: float) -> float:
    """The plain baseline: `E + A/C**alpha` through the runs that no cheaper run beats."""
    order = np.argsort(ladder.c, kind="stable")
    best = np.minimum.accumulate(ladder.loss[order])
    frontier = order[ladder.loss[order] <= best]
    part = ladder.part(frontier)
    if len(np.unique(part.c)) < 4:
        return math.nan
    return math.exp(
        log_prediction("compute", part, {"C": np.array([flops])}, LADDER_OBJECTIVE)
    )

"""Every draw at its own optimum: what the intervals of a plan are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isoloss.planning.chinchilla_optimum import closed_form
from isoloss.planning.goals import Goal, Spend
from isoloss.planning.search import Search, closed_columns
from isoloss.planning.sources import IntArray, Surface

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
GoalOf = Callable[[Surface], Goal]

_GRID, _ZOOM, _POINTS = 129, 3, 17
_AT_ONCE = 256


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Every draw's own optimum.

    Attributes:
        values: N, D, loss and score (4, R) of the draws that have one, width continuous.
        weights: of those draws (R,); they sum to 1.
        at_edge: share of them whose optimum lies at an edge of the search.
        lost: share of all draws that have none.
    """

    values: FloatArray
    weights: FloatArray
    at_edge: float
    lost: float


def own_optima(search: Search, goal_of: GoalOf) -> Drawn | None:
    """Each draw at its own optimum, or None where no belief has draws or there is no choice."""
    if len(search.candidates.real.n) < 3:
        return None

    def found(surface: Surface) -> tuple[FloatArray, BoolArray]:
        goal = goal_of(surface)
        columns = closed_columns(search, goal)
        if columns is not None and isinstance(goal, Spend):
            n, d, loss = closed_form(surface.parts[0][1][:, columns], goal.flops)
            return np.stack([n, d, loss, loss]), _nowhere(len(n))
        return row_optima(search, goal, surface)

    return _over_draws(search, found)


def at_size(search: Search, goal_of: GoalOf, n: float) -> Drawn | None:
    """Each draw's D, loss and score at one N."""
    models = search.candidates.between(np.log(np.array([n])))

    def found(surface: Surface) -> tuple[FloatArray, BoolArray]:
        split = goal_of(surface).split(surface, models)
        rows = len(surface.parts[0][1])
        parts = [np.broadcast_to(x, (rows, 1))[:, 0] for x in (split.d, split.loss, split.score)]
        return np.stack([np.full(rows, n), *parts]), _nowhere(rows)

    return _over_draws(search, found)


def _nowhere(rows: int) -> BoolArray:
    return np.zeros(rows, dtype=np.bool_)


def _over_draws(
    search: Search, found: Callable[[Surface], tuple[FloatArray, BoolArray]]
) -> Drawn | None:
    """`found` for all draws of all beliefs, some at a time; each belief keeps its weight."""
    optima: list[FloatArray] = []
    weights: list[FloatArray] = []
    edges = lost = count = 0
    for belief in search.source.beliefs:
        if belief.draws is None or not len(belief.draws):
            return None
        kept: list[FloatArray] = []
        for start in range(0, len(belief.draws), _AT_ONCE):
            end = min(start + _AT_ONCE, len(belief.draws))
            rows: IntArray = np.arange(start, end, dtype=np.int64)
            values, at_edge = found(search.source.drawn(belief, rows, search.setting))
            good = np.isfinite(values).all(axis=0)
            lost += int((~good).sum())
            edges += int((at_edge & good).sum())
            kept.append(values[:, good])
        count += len(belief.draws)
        together: FloatArray = np.concatenate(kept, axis=1)
        optima.append(together)
        here = len(together.T)
        weights.append(np.full(here, belief.weight / max(here, 1)))
    share = np.concatenate(weights)
    return Drawn(
        values=np.concatenate(optima, axis=1),
        weights=share / share.sum() if len(share) else share,
        at_edge=edges / max(count - lost, 1),
        lost=lost / count,
    )


def row_optima(search: Search, goal: Goal, surface: Surface) -> tuple[FloatArray, BoolArray]:
    """N, D, loss, score (4, R) where each draw scores lowest, and whether that is an edge."""
    low, high = search.candidates.log_range
    grid: FloatArray = np.linspace(low, high, _GRID, dtype=np.float64)
    split = search.scored(goal, surface, search.candidates.between(grid))
    score = split.score
    best = score.argmin(axis=1)
    allowed = np.isfinite(score)
    first, last = allowed.argmax(axis=1), score.shape[1] - 1 - allowed[:, ::-1].argmax(axis=1)
    at_edge: BoolArray = ((best == first) | (best == last)) & (not search.limits.active)
    window = np.broadcast_to(grid, score.shape)
    for _ in range(_ZOOM):
        left = np.take_along_axis(window, np.maximum(best - 1, 0)[:, None], axis=1)
        right = np.take_along_axis(
            window, np.minimum(best + 1, window.shape[1] - 1)[:, None], axis=1
        )
        window = left + (right - left) * np.linspace(0, 1, _POINTS)
        models = search.candidates.between(window)
        split = search.scored(goal, surface, models)
        best = split.score.argmin(axis=1)
    log_n = _vertex(split.score, window, best)[:, None]
    models = search.candidates.between(log_n)
    final = search.scored(goal, surface, models)
    values = [np.broadcast_to(x, log_n.shape)[:, 0] for x in (final.d, final.loss, final.score)]
    return np.stack([models.n[:, 0], *values]), at_edge


def _vertex(score: FloatArray, log_n: FloatArray, best: NDArray[np.intp]) -> FloatArray:
    """Where the parabola through the lowest three points of each row is lowest (R,)."""
    rows = np.arange(len(score))
    inner = np.clip(best, 1, score.shape[1] - 2)
    left, middle, right = (score[rows, inner + shift] for shift in (-1, 0, 1))
    with np.errstate(all="ignore"):
        bend = left - 2 * middle + right
        shift = np.where(bend > 0, 0.5 * (left - right) / bend, 0.0)
    usable = (inner == best) & np.isfinite(shift)
    step = log_n[:, 1] - log_n[:, 0]
    return log_n[rows, best] + step * np.where(usable, np.clip(shift, -1, 1), 0.0)

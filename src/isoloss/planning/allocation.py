"""The best split between parameters and tokens, over real shapes or over N alone.

Real shapes are looked at one by one, with `D = C / (FLOP per token)` by exact count. Where the
source knows no shapes, C = 6 N D: in closed form for the Chinchilla law (Hoffmann et al. 2022,
arXiv:2203.15556, equation 4), by an ever finer grid in log N for any other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from isoloss.architecture import TransformerConfig
from isoloss.errors import UntrustedError, UsageError
from isoloss.planning.candidates import Candidates, Models
from isoloss.planning.chinchilla_optimum import closed_form
from isoloss.planning.draw_optima import Drawn, GoalOf, at_size, own_optima, row_optima
from isoloss.planning.goals import Goal, Spend, Split
from isoloss.planning.limits import describe
from isoloss.planning.search import Search, closed_columns
from isoloss.planning.sources import Surface

FloatArray = NDArray[np.float64]

_ZOOM, _ZOOM_POINTS = 6, 65
_NEAR = 8.0
"""Shapes whose N is within this factor of the optimum are looked at for a target."""


@dataclass(frozen=True, kw_only=True)
class Optimum:
    """Where the score is lowest.

    Attributes:
        n, d, loss, score: the optimum of the point estimate; the score is the loss for a budget
            and FLOP for a loss.
        flops, law_flops: of training it, as the budget and as the law count them.
        smooth: N, D and loss as if width were continuous; the same as above without shapes.
        drawn: every draw's own optimum, or None without draws.
        edge: `smallest` or `largest` N of the search where the optimum lies there, else empty.
        method: how it was found, in words.
        config: the shape, where real shapes were searched.
    """

    n: float
    d: float
    loss: float
    score: float
    flops: float
    law_flops: float
    smooth: tuple[float, float, float]
    drawn: Drawn | None
    edge: str
    method: str
    config: TransformerConfig | None


def optimum(search: Search, goal_of: GoalOf) -> Optimum:
    """The best split, with every draw's own.

    Args:
        search: where to look.
        goal_of: what is minimised, which may depend on whose loss it is (a draw's own quality).

    Raises:
        UsageError: the budget buys less than a run, or no model keeps the limits.
        UntrustedError: the law gives no finite loss.
    """
    goal = goal_of(search.surface)
    if search.limits.n is not None:
        found = _fixed(search, goal, search.limits.n)
    elif search.candidates.config is None:
        found = _closed_optimum(search, goal) or searched(search, goal)
    else:
        found = _of_shapes(search, goal)
    return _with_draws(search, goal_of, found)


def lowest_losses(search: Search, goal: Goal, surface: Surface) -> FloatArray:
    """The lowest loss of a goal on a surface, width continuous: () of a point, (R, 1) of draws."""
    if surface.rows is not None:
        return row_optima(search, goal, surface)[0][2][:, None]
    return np.asarray(_zoomed(search, goal)[2])


def _with_draws(search: Search, goal_of: GoalOf, found: Optimum) -> Optimum:
    if search.limits.n is not None:
        return replace(found, drawn=at_size(search, goal_of, found.n))
    return replace(found, drawn=own_optima(search, goal_of))


def _of_shapes(search: Search, goal: Goal) -> Optimum:
    candidates = search.candidates
    assert candidates.config is not None, "asked for real shapes only"
    smooth = _zoomed(search, goal)
    start, end = 0, len(candidates.real.n)
    if not isinstance(goal, Spend) and np.isfinite(smooth[0]):
        # A target costs a search in D for every shape: those near the optimum are enough.
        start, end = np.searchsorted(candidates.real.n, [smooth[0] / _NEAR, smooth[0] * _NEAR])
        start, end = max(int(start) - 1, 0), int(end) + 1
    real = candidates.real
    models = Models(
        n=real.n[start:end], cost=real.cost[start:end], law_cost=real.law_cost[start:end]
    )
    split = search.scored(goal, search.surface, models)
    best = _lowest(search, goal, split, models)
    counted = int(np.isfinite(split.score).sum())
    return _optimum(
        models,
        split,
        best,
        edge=_edge(split.score, best),
        smooth=smooth,
        method=f"{counted:,} real shapes" + (" around the optimum" if start else ""),
        config=candidates.config(start + best),
    )


def searched(search: Search, goal: Goal) -> Optimum:
    """The best N with C = 6 N D for any law: a grid in log N, then ever finer ones."""
    candidates = search.candidates
    coarse = search.scored(goal, search.surface, candidates.real)
    best = _lowest(search, goal, coarse, candidates.real)
    edge = _edge(coarse.score, best)
    n, *_ = _zoomed(search, goal)
    models = candidates.between(np.log(np.array([n])))
    split = search.scored(goal, search.surface, models)
    return _optimum(
        models, split, 0, edge=edge, smooth=None, method="search in log N with C = 6 N D"
    )


def _fixed(search: Search, goal: Goal, n: float) -> Optimum:
    """The model of that N, or the shape nearest to it."""
    candidates = search.candidates
    if candidates.config is None:
        models, index, config = candidates.between(np.log(np.array([n]))), 0, None
        method = "the N that was given, with C = 6 N D"
    else:
        index = candidates.nearest(n)
        models, config = candidates.real, candidates.config(index)
        method = "the real shape nearest to the N that was given"
    split = search.scored(goal, search.surface, models)
    if not np.isfinite(split.score[index]):
        _explain(search, goal, models, n)
    return _optimum(models, split, index, edge="", smooth=None, method=method, config=config)


def _optimum(
    models: Models,
    split: Split,
    index: int,
    *,
    edge: str,
    smooth: tuple[float, float, float] | None,
    method: str,
    config: TransformerConfig | None = None,
) -> Optimum:
    n, d = float(models.n[index]), float(split.d[index])
    loss = float(np.broadcast_to(split.loss, models.n.shape)[index])
    return Optimum(
        n=n,
        d=d,
        loss=loss,
        score=float(split.score[index]),
        flops=d * float(models.cost[index]),
        law_flops=d * float(models.law_cost[index]),
        smooth=smooth or (n, d, loss),
        drawn=None,
        edge=edge,
        method=method,
        config=config,
    )


def _zoomed(search: Search, goal: Goal) -> tuple[float, float, float]:
    """N, D and loss of the optimum with width continuous, by ever finer grids in log N."""
    grid: FloatArray = np.log(search.candidates.dense.n)
    n = d = loss = math.nan
    for _ in range(_ZOOM + 1):
        models = search.candidates.between(grid)
        split = search.scored(goal, search.surface, models)
        best = int(split.score.argmin())
        if not np.isfinite(split.score[best]):
            break
        n, d = float(models.n[best]), float(split.d[best])
        loss = float(np.broadcast_to(split.loss, models.n.shape)[best])
        low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, len(grid) - 1)])
        grid = np.linspace(low, high, _ZOOM_POINTS, dtype=np.float64)
    return n, d, loss


def _closed_optimum(search: Search, goal: Goal) -> Optimum | None:
    """The closed form, where one Chinchilla law alone splits a budget by C = 6 N D."""
    columns = closed_columns(search, goal)
    if columns is None or not isinstance(goal, Spend):
        return None
    n, d, loss = closed_form(search.source.beliefs[0].theta[columns], goal.flops)
    if not np.isfinite(n):
        return None
    if n < 1 or d < 1:
        raise _too_small(goal.flops)
    return Optimum(
        n=float(n),
        d=float(d),
        loss=float(loss),
        score=float(loss),
        flops=goal.flops,
        law_flops=goal.flops,
        smooth=(float(n), float(d), float(loss)),
        drawn=None,
        edge="",
        method="closed form with C = 6 N D",
        config=None,
    )


def _lowest(search: Search, goal: Goal, split: Split, models: Models) -> int:
    best = int(split.score.argmin())
    if not np.isfinite(split.score[best]):
        _explain(search, goal, models, None)
    return best


def _explain(search: Search, goal: Goal, models: Models, n: float | None) -> None:
    """Raise what says why no model is left."""
    split = goal.split(search.surface, models)
    if isinstance(goal, Spend):
        enough = split.d >= search.candidates.min_tokens
        if not enough.any():
            raise _too_small(goal.flops, search.candidates)
        if not np.isfinite(split.loss[enough]).any():
            raise UntrustedError(
                f"the {search.source.label} gives no finite loss for this budget",
                hint="Look at the fit's parameters and checks before planning with it.",
            )
    elif not np.isfinite(split.score).any():
        at = "no model" if n is None else f"no amount of data at N = {n:.4g}"
        target = float(np.max(getattr(goal, "target", math.nan)))
        much = np.full_like(models.n, 1e26)
        floor = float(search.surface.loss(models.n, much, models.law_cost * much).min())
        raise UsageError(
            f"{at} reaches a loss of {target:.4g} by this law",
            hint=f"Without end of data it stays above {floor:.4g}; ask for more than that.",
        )
    raise UsageError(
        f"no model keeps {describe(search.limits.to_dict())} here"
        if search.limits.active
        else "no split between 0.001 and 10 million tokens per parameter is possible here",
        hint="Loosen a limit, or change the budget.",
    )


def _too_small(flops: float, candidates: Candidates | None = None) -> UsageError:
    if candidates is None or candidates.config is None:
        return UsageError(
            f"a budget of {flops:.4g} FLOP buys less than one parameter or one token",
            hint="Give the budget in FLOP, such as 1e20.",
        )
    cost = float(candidates.real.cost[0]) * candidates.min_tokens
    return UsageError(
        f"a budget of {flops:.4g} FLOP is less than one context of the smallest model",
        hint=f"Give at least {cost:.3g} FLOP, better a thousand times that.",
    )


def _edge(score: FloatArray, best: int) -> str:
    allowed = np.flatnonzero(np.isfinite(score))
    if best == allowed[0]:
        return "smallest"
    return "largest" if best == allowed[-1] else ""

"""The global optimum of a fit, with evidence that it is one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from isoloss.errors import UsageError
from isoloss.fitting.solver._quasi_newton import minimum
from isoloss.fitting.solver.coordinates import Coordinates
from isoloss.fitting.solver.descent import TINY, Problem, descend
from isoloss.fitting.solver.starts import draw_starts
from isoloss.fitting.solver.thinning import thinned
from isoloss.laws.law import Array, Counts, Mask

SAME = 1e-6
"""Points whose objective lies within this relative distance are copies of one optimum."""
CLOSE = 1e-3
"""Starts within this relative distance of the best objective reached its basin."""
SETTLED = 1e-3
"""Largest relative gradient norm of a point that counts as an optimum."""
NEGLIGIBLE = 1e-6
"""Residuals this small (relative to the loss) are zero: the objective says nothing more."""
POLISHED = 4
MOST_POLISHED = 12
"""Promising points that are polished: the first number always, more until two agree."""
LONGEST_WAY = 1000
"""Further steps of a promising point, as long as they gain."""
LAST_STEPS = 6
ROUNDING = 1e-10
"""Relative error of an objective whose residuals are small differences of large numbers."""
LEAST_CURVATURE = 1e-12
"""Of a direction, where that of every parameter is one."""


@dataclass(frozen=True, kw_only=True)
class Optimum:
    """The best point found.

    Attributes:
        theta: parameters (P,).
        value: the objective there; infinite where the law has no value at any start.
        gradient_norm: of the objective, in coordinates where its curvature is about one,
            relative to the root of the objective.
        starts: how many starts were tried, on `start_rows` rows; `agreeing`: how many reached this
            optimum there.
        others: objective values of other optima, rising.
        at_bound: which parameters lie at an end of their domain (P,).
    """

    theta: Array
    value: float
    gradient_norm: float
    starts: int
    agreeing: int
    others: tuple[float, ...]
    at_bound: Mask
    start_rows: int


def solve(
    problem: Problem,
    *,
    starts: int = 64,
    seed: int = 0,
    near: Array | None = None,
    confirm: bool = True,
) -> Optimum:
    """Minimise a problem from many starts, and polish the best to full precision.

    Plain steps sort the starts, accelerated ones take the better half to the ends of their
    valleys. Where there are very many rows the starts see a sample of them (`thinned`), and the
    best points of every optimum found there go on with all rows.

    Args:
        problem: law, data, objective; its loss has shape (n,).
        starts: space-filling starts; 0 for those of `near` alone.
        seed: seeds them.
        near: further starts, parameters (K, P).
        confirm: polish several points until two agree; without it the best one only.

    Raises:
        UsageError: no start at all.
    """
    coordinates = Coordinates.of(problem.law)
    part = thinned(problem, seed) if starts > MOST_POLISHED else problem
    u0 = coordinates.u(draw_starts(problem.law, part.data, part.loss, starts, seed))
    if near is not None:
        u0 = np.concatenate([coordinates.nearest_u(near), u0])
    if not len(u0):
        raise UsageError("a search needs a start", hint="Raise `starts`, or give `near`.")
    search = _searched(part, u0)
    if part is problem:
        return _confirmed(problem, search, confirm, len(u0))
    # What the sample cannot tell apart or puts in the wrong order, all rows decide.
    chosen = _representatives(search)
    whole = _searched(problem, search.better[chosen])
    found = _confirmed(problem, whole, confirm, len(u0))
    return replace(
        found,
        agreeing=_in_basin(part, search, coordinates.u(found.theta)),
        start_rows=len(part.loss),
    )


@dataclass(frozen=True)
class _Search:
    """Objectives of all starts (S,), and of the better half its positions, points and values."""

    value: Array
    order: Counts
    better: Array
    better_value: Array


def _searched(problem: Problem, u0: Array) -> _Search:
    """Descend from all starts, and further from the better half."""
    u, value = descend(problem, u0, iterations=60, tolerance=1e-9)
    order = np.argsort(value, kind="stable")
    # Robust losses converge slowly at the end: more effort for the promising half.
    better = order[: max(POLISHED, len(order) // 2)]
    point, reached = descend(problem, u[better], iterations=150, accelerated=True)
    value[better] = reached
    return _Search(value, better, point, reached)


def _representatives(search: _Search) -> list[int]:
    """Positions of the best points, and of the best one of each of the other optima."""
    order: list[int] = np.argsort(search.better_value, kind="stable").tolist()
    finite = [i for i in order if np.isfinite(search.better_value[i])] or order[:1]
    levels = _levels(search.better_value[finite])
    others = [int(np.argmax(search.better_value == level)) for level in levels]
    return list(dict.fromkeys([*finite[:POLISHED], *others]))


def _in_basin(part: Problem, search: _Search, u: Array) -> int:
    """How many starts reached, on the rows they saw, the optimum that all rows have at u (P,)."""
    _, reached = descend(part, u[None], iterations=150, accelerated=True)
    limit = float(reached[0]) * (1 + CLOSE) + _negligible(part)
    return int((search.value <= limit).sum())


def _confirmed(problem: Problem, search: _Search, confirm: bool, starts: int) -> Optimum:
    """The best point, polished, with what speaks for it."""
    coordinates = Coordinates.of(problem.law)
    value, better = search.value.copy(), search.order
    u_better, value_better = search.better.copy(), search.better_value.copy()
    best, best_value = u_better[0], np.inf
    floor = _negligible(problem)
    for tried, index in enumerate(_distinct(value_better)):
        near_best = value_better <= best_value + CLOSE * abs(best_value) + floor
        if tried and (not confirm or (tried >= POLISHED and near_best.sum() > 1)):
            break  # confirmed by a second start; in a flat valley that takes more of them
        polished, reached = _polish(problem, u_better[index])
        u_better[index], value_better[index] = polished, reached
        if reached < best_value:
            best, best_value = polished, reached
    value[better] = value_better
    close = value <= best_value + CLOSE * abs(best_value) + floor
    others = ~close[better] & np.isfinite(value_better)
    settled = [relative_gradient(problem, point, floor) <= SETTLED for point in u_better[others]]
    return Optimum(
        theta=coordinates.theta(best),
        value=float(best_value),
        gradient_norm=relative_gradient(problem, best, floor),
        starts=starts,
        agreeing=int((close & np.isfinite(value)).sum()),
        others=_levels(value_better[others][settled]),
        at_bound=coordinates.at_bound(best),
        start_rows=len(problem.loss),
    )


def relative_gradient(problem: Problem, u: Array, floor: float = 1e-300) -> float:
    """Gradient norm at u (P,), without parameters that rest at a bound, where curvature is one."""
    gradient, hessian = problem.gradient_and_hessian(u[None])
    if not (np.isfinite(gradient).all() and np.isfinite(hessian).all()):
        return float("inf")
    free = np.flatnonzero(~Coordinates.of(problem.law).resting(u, gradient[0]))
    scale = _whitening(hessian[0][np.ix_(free, free)])
    unit = max(float(problem.total(u[None])[0]), floor)
    return float(np.linalg.norm(scale.T @ gradient[0][free]) / np.sqrt(unit))


def _negligible(problem: Problem) -> float:
    """The objective where every residual is negligible."""
    raw = problem.objective.residual == "raw"
    size = NEGLIGIBLE * (problem.loss if raw else np.ones_like(problem.loss))
    return float(problem.objective.loss(size).sum())


def _levels(values: Array) -> tuple[float, ...]:
    """Distinct objective values, at most three."""
    found: list[float] = []
    for value in np.sort(values).tolist():
        if not found or value > found[-1] * 1.01:
            found.append(value)
    return tuple(found[:3])


def _distinct(value: Array) -> list[int]:
    """Indices of the best points that are not copies of each other, at most `MOST_POLISHED`."""
    chosen: list[int] = []
    for index in np.argsort(value, kind="stable").tolist():
        if not np.isfinite(value[index]) or len(chosen) == MOST_POLISHED:
            break
        if all(abs(value[index] - value[i]) > SAME * abs(value[i]) for i in chosen):
            chosen.append(index)
    return chosen


def _polish(problem: Problem, start: Array) -> tuple[Array, float]:
    """Quasi-Newton in coordinates where the curvature is about one, from where descent ends."""
    coordinates = Coordinates.of(problem.law)
    # A start in a long curved valley may still be on its way; the others end this at once.
    point, values = descend(
        problem, start[None], iterations=LONGEST_WAY, tolerance=1e-6, accelerated=True
    )
    u, value = point[0], float(values[0])
    for _ in range(6):
        gradient, hessian = problem.gradient_and_hessian(u[None])
        free = np.flatnonzero(~coordinates.resting(u, gradient[0]))
        if not len(free) or value <= 0 or not np.isfinite(hessian).all():
            break
        point = _line_of_descents(problem, u, free, _whitening(hessian[0][np.ix_(free, free)]))
        reached = float(problem.total(point[None])[0])
        gain = value - reached
        if gain > 0:
            u, value = point, reached
        if gain <= 1e-13 * abs(value):
            break
    return _settle(problem, u, value)


def _settle(problem: Problem, u: Array, value: float) -> tuple[Array, float]:
    """Undamped Gauss-Newton steps while the gradient falls.

    So close to the optimum the objective changes less than its rounding error; the gradient
    still tells.
    """
    coordinates = Coordinates.of(problem.law)
    norm = relative_gradient(problem, u)
    for _ in range(LAST_STEPS):
        gradient, hessian = problem.gradient_and_hessian(u[None])
        free = np.flatnonzero(~coordinates.resting(u, gradient[0]))
        if value <= 0 or not np.isfinite(norm):
            break
        scale = _whitening(hessian[0][np.ix_(free, free)])
        moved = u.copy()
        moved[free] -= scale @ (scale.T @ gradient[0][free])
        moved = coordinates.inside(moved)
        reached = float(problem.total(moved[None])[0])
        left = relative_gradient(problem, moved)
        if not (reached <= value * (1 + ROUNDING) and left < norm):
            break
        u, value, norm = moved, reached, left
    return u, value


def _line_of_descents(problem: Problem, u: Array, free: Counts, scale: Array) -> Array:
    """One quasi-Newton search from u (P,) over its free coordinates."""
    coordinates = Coordinates.of(problem.law)
    unit = max(float(problem.total(u[None])[0]), 1e-300)

    def point(z: Array) -> Array:
        moved = u.copy()
        moved[free] += scale @ z
        return coordinates.inside(moved)

    def of(z: Array) -> tuple[float, Array]:
        # In these coordinates a step of sqrt(objective) is a natural length.
        at = point(z)[None]
        total = float(problem.total(at)[0])
        slope = problem.gradient_and_hessian(at)[0][0][free]
        with np.errstate(invalid="ignore", over="ignore"):  # far away a law may be infinite
            return total / unit, np.nan_to_num(scale.T @ slope) / unit

    return point(minimum(of, np.zeros(len(free))))


def _whitening(hessian: Array) -> Array:
    """A matrix W with W' H W about one; directions without curvature stay bounded."""
    diagonal = np.diag(hessian)
    size = np.sqrt(np.where(diagonal > TINY, diagonal, 1.0))
    values, vectors = np.linalg.eigh(hessian / np.outer(size, size))
    return vectors / np.sqrt(np.maximum(values, LEAST_CURVATURE)) / size[:, None]

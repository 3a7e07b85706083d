"""Many least-squares problems at once: damped Gauss-Newton with robust weights, in NumPy.

Levenberg-Marquardt (Marquardt 1963) on iteratively reweighted residuals, with geodesic
acceleration (Transtrum and Sethna 2012, arXiv:1201.5885) where asked for. One batch dimension S
holds different starts, different resampled losses, or both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from isoloss.fitting.solver.coordinates import Coordinates
from isoloss.fitting.solver.objective import Objective
from isoloss.laws import Law
from isoloss.laws.law import Array, Columns, Counts, Mask

PATIENCE = 6
"""Rounds without gain after which a start rests; `NEAR_PATIENCE` for one near its optimum."""
NEAR_PATIENCE = 3
FIRST_DAMPING = 1e-2
"""Of a start; `NEAR_DAMPING` of one near its optimum."""
NEAR_DAMPING = 1e-3
LONGEST_STEP = 4.0
"""In search coordinates: a factor of 55 for a positive parameter; see also `_step`."""
RIDGE = 1e-14
"""Added to curvatures of one, so that a matrix has an inverse however small the damping."""
TINY = 1e-200
"""Curvature of a parameter that has no influence."""
PROBE = 0.1
"""Share of a step at which its second derivative is measured."""
FULL = 0.8
"""Share of a batch that must still be going; else what rests makes room."""
AT_ONCE = 16_000
"""Residuals in one batch. Arrays that leave the cache, or that the system hands out page by page,
made an iteration of 250 resamples of 240 rows five times as dear for each as one of 120."""
LARGEST_BEND = 0.75
"""Twice the bend over the step: beyond, the bend is no correction."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Fit `law` to `loss` (n,) or (S, n) at `data`, with row weights of the same shape."""

    law: Law
    data: Columns
    loss: Array
    objective: Objective
    weights: Array | None = None

    def residual_and_jacobian(self, u: Array) -> tuple[Array, Array]:
        """Residuals (S, n) and their derivatives by u, (S, n, P)."""
        coordinates = self.coordinates
        theta = coordinates.theta(u)
        value, residual = self.seen(u)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
            slope = self.law.jacobian(theta, self.data) * coordinates.slope(theta)[..., None, :]
            return residual, slope / value[..., None] if self._logs else slope

    def seen(self, u: Array) -> tuple[Array, Array]:
        """What the law says (S, n), and residuals; not-a-number where it has no value."""
        theta = self.coordinates.theta(u)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
            value = self.law.value(theta, self.data)
            return value, np.log(value) - self._log_loss if self._logs else value - self.loss

    def residual(self, u: Array) -> Array:
        """Residuals (S, n); not-a-number where the law has no value."""
        return self.seen(u)[1]

    def total(self, u: Array) -> Array:
        """The objective, (S,); infinite where the law has no value."""
        return self.total_of(u, self.residual(u))

    def total_of(self, u: Array, residual: Array) -> Array:
        """The objective (S,) at u (S, P), whose residuals (S, n) are known."""
        with np.errstate(over="ignore", invalid="ignore"):  # far from the runs: infinite is right
            loss = self.objective.loss(residual)
            if self.weights is not None:
                loss *= self.weights  # not-a-number where infinite, but the weight is none
            total = loss.sum(axis=-1)
        return np.where(np.isfinite(total), total, np.inf)

    def rows(self, kept: Mask | Counts) -> Problem:
        """The problem of some rows of the batch, where loss or weights differ between them."""
        loss = self.loss[kept] if self.loss.ndim == 2 else self.loss
        weights = self.weights
        if weights is not None and weights.ndim == 2:
            weights = weights[kept]
        return replace(self, loss=loss, weights=weights)

    def gradient_and_hessian(self, u: Array) -> tuple[Array, Array]:
        """Gradient (S, P) and Gauss-Newton Hessian (S, P, P) of the objective."""
        around = self.expansion(u, self.seen(u))
        return around.gradient, around.hessian

    def expansion(self, u: Array, seen: tuple[Array, Array]) -> Expansion:
        """What the search knows of the objective around u (S, P), where the law was `seen`."""
        theta = self.coordinates.theta(u)
        value, residual = seen
        with np.errstate(over="ignore", invalid="ignore", under="ignore", divide="ignore"):
            slopes = self.law.jacobian(theta, self.data)
            pull, curvature = self.objective.pull_and_curvature(residual)
            if self.weights is not None:
                pull *= self.weights
                curvature *= self.weights
            # A derivative of log residuals is one of the law over its value, in search coordinates
            # times a scale: both are put in where arrays are small.
            if self._logs:
                pull /= value
                curvature /= value
                curvature /= value
            scale = self.coordinates.slope(theta)
            transposed = np.swapaxes(slopes, -1, -2)
            gradient = (transposed @ pull[..., None])[..., 0] * scale
            curved = transposed * curvature[..., None, :]
            hessian = (curved @ slopes) * (scale[..., :, None] * scale[..., None, :])
        return Expansion(residual, value if self._logs else None, slopes, curved, scale,
                         gradient, hessian)  # fmt: skip

    @cached_property
    def coordinates(self) -> Coordinates:
        """In which parameters are searched."""
        return Coordinates.of(self.law)

    @cached_property
    def _log_loss(self) -> Array:
        return np.log(self.loss)

    @property
    def _logs(self) -> bool:
        return self.objective.residual == "log"


@dataclass(frozen=True)
class Expansion:
    """The objective around points: what `Problem.expansion` computes.

    Attributes:
        residual: (S, n); `value`: what log residuals' derivatives are divided by, else None.
        slopes: derivatives of the law by its parameters (S, n, P); `scale`: of those by the
            search coordinates (S, P).
        curved: the slopes times the curvature of each row's loss, over value² (S, P, n).
        gradient, hessian: of the objective, (S, P) and (S, P, P).
    """

    residual: Array
    value: Array | None
    slopes: Array
    curved: Array
    scale: Array
    gradient: Array
    hessian: Array

    def along(self, step: Array) -> Array:
        """Derivatives of the residuals along steps (S, P): (S, n)."""
        change = (self.slopes @ (self.scale * step)[:, :, None])[:, :, 0]
        return change if self.value is None else change / self.value

    def pulled(self, change: Array) -> Array:
        """The Jacobian's transpose times the curvature times a change of residuals (S, n)."""
        seen = change if self.value is None else change * self.value
        return self.scale * (self.curved @ seen[:, :, None])[:, :, 0]


def descend(
    problem: Problem,
    start: Array,
    *,
    iterations: int = 100,
    tolerance: float = 1e-13,
    accelerated: bool = False,
    near: bool = False,
) -> tuple[Array, Array]:
    """Improve every start (S, P); returns the points (S, P) and their objective (S,).

    A start rests as soon as it gained less than `tolerance` of its objective seven times in a row;
    four times if starts are said to be `near`, as the optimum of all rows is for a resample of
    them, which also saves the first damped steps. A start where the law has no value stays where
    it is, with an infinite objective. Accelerated steps cost one more evaluation and need far fewer
    rounds in long curved valleys; from far away plain ones are the safer.
    """
    u = problem.coordinates.inside(start)
    value = np.empty(len(u))
    most = max(1, AT_ONCE // int(problem.loss.shape[-1]))
    active, begun = np.arange(min(most, len(u))), min(most, len(u))
    part = problem.rows(active)
    damping = NEAR_DAMPING if near else FIRST_DAMPING
    state = _State.at(part, u[active], damping)
    while len(active):
        _iterate(part, state, tolerance, accelerated)
        going = (state.stalled <= (NEAR_PATIENCE if near else PATIENCE)) & (
            state.rounds < iterations
        )
        # Slicing costs about as much as an iteration over what is cut off.
        if going.sum() <= FULL * len(active):
            u[active], value[active] = state.u, state.value
            fresh = np.arange(begun, min(begun + most - int(going.sum()), len(u)))
            begun += len(fresh)
            active, state = np.concatenate([active[going], fresh]), state.rows(going)
            if len(fresh):
                state = state.with_more(_State.at(problem.rows(fresh), u[fresh], damping))
            part = problem.rows(active)
    return u, value


@dataclass(frozen=True)
class _State:
    """Where a batch stands; its arrays change from round to round.

    Points (S, P), objective, damping, rounds without gain and all rounds (S,), gradient (S, P) and
    Hessian (S, P, P). A point that stays needs no new derivatives.
    """

    u: Array
    value: Array
    damping: Array
    stalled: Counts
    rounds: Counts
    gradient: Array
    hessian: Array

    @staticmethod
    def at(problem: Problem, u: Array, damping: float) -> _State:
        """The state of points (S, P) before their first step."""
        seen = problem.seen(u)
        around = problem.expansion(u, seen)
        none = np.zeros(len(u), dtype=np.int64)
        return _State(
            u.copy(), problem.total_of(u, seen[1]), np.full(len(u), damping), none,
            none.copy(), around.gradient, around.hessian,
        )  # fmt: skip

    def rows(self, kept: Mask) -> _State:
        return _State(*(array[kept] for array in self._arrays()))

    def with_more(self, other: _State) -> _State:
        pairs = zip(self._arrays(), other._arrays(), strict=True)
        return _State(*(np.concatenate(pair) for pair in pairs))

    def _arrays(self) -> tuple[Any, ...]:
        return (
            self.u, self.value, self.damping, self.stalled, self.rounds, self.gradient,
            self.hessian,
        )  # fmt: skip


def _iterate(problem: Problem, state: _State, tolerance: float, accelerated: bool) -> None:
    """One damped step for every point; those that would rise stay, and damp more."""
    candidate = problem.coordinates.inside(state.u + _step(problem, state, accelerated))
    seen = problem.seen(candidate)
    reached = problem.total_of(candidate, seen[1])
    better = reached < state.value
    gain = np.where(better, state.value - np.where(better, reached, 0.0), 0.0)
    gained = gain > tolerance * np.abs(state.value)
    # From hardly any damping, refused steps must not need the whole patience to become small.
    raised = np.maximum(state.damping * np.where(state.stalled > 0, 64.0, 8.0), 1e-6)
    damping = np.where(better, state.damping / 5, raised)
    state.damping[:] = np.clip(damping, 1e-12, 1e9)
    state.stalled[:] = np.where(gained, 0, state.stalled + 1)
    state.rounds[:] += 1
    if better.all():
        around = problem.expansion(candidate, seen)
    elif better.any():
        seen = seen[0][better], seen[1][better]
        around = problem.rows(better).expansion(candidate[better], seen)
    else:
        return
    state.u[better], state.value[better] = candidate[better], reached[better]
    state.gradient[better], state.hessian[better] = around.gradient, around.hessian


def _step(problem: Problem, state: _State, accelerated: bool) -> Array:
    """Damped Gauss-Newton steps (S, P), bent along the valley if `accelerated`."""
    coordinates = problem.coordinates
    u, gradient, hessian = state.u, state.gradient, state.hessian
    # A parameter that leans on its bound stays there.
    free = ~coordinates.leaning(u, gradient)
    gradient = np.where(np.isfinite(gradient) & free, gradient, 0.0)
    both = free[:, :, None] & free[:, None, :]
    hessian = np.where(np.isfinite(hessian) & both, hessian, 0.0)
    # Each coordinate is measured by its own curvature: the scales of parameters do not matter.
    diagonal = np.einsum("spp->sp", hessian)
    felt = diagonal > TINY
    size = np.sqrt(np.where(felt, diagonal, 1.0))
    both_sizes = size[:, :, None] * size[:, None, :]
    ridge = np.where(felt, state.damping[:, None] + RIDGE, 1.0)
    inverse = np.linalg.inv(hessian / both_sizes + ridge[:, :, None] * np.eye(u.shape[1]))
    inverse = inverse / both_sizes
    step = -(inverse @ gradient[:, :, None])[:, :, 0]
    # Far from 0, a coordinate that is no logarithm may change by its own size.
    longest = np.where(coordinates.positive, LONGEST_STEP, np.maximum(LONGEST_STEP, np.abs(u)))
    step = np.minimum(np.maximum(step, -longest), longest)
    if accelerated:
        around = problem.expansion(u, problem.seen(u))
        step = step + _bend(problem, around, u, step, inverse, size * free)
    return step


def _bend(
    problem: Problem, around: Expansion, u: Array, step: Array, inverse: Array, size: Array
) -> Array:
    """What the second derivative of the residuals along a step adds to it, (S, P).

    In a narrow curved valley a straight step soon leaves it. `size` is the length of a step of
    one, 0 where a parameter stays; where the bend is no mere correction there is none.
    """
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        there = problem.residual(u + PROBE * step)
        second = 2 / PROBE * ((there - around.residual) / PROBE - around.along(step))
        bend = -0.5 * (inverse @ around.pulled(second)[:, :, None])[:, :, 0]
        lengths = [np.linalg.norm(part * size, axis=1) for part in (bend, step)]
        small = 2 * lengths[0] <= LARGEST_BEND * lengths[1]
    return np.where(small[:, None] & (size > 0), bend, 0.0)

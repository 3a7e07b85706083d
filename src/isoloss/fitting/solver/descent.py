"""Many least-squares problems at once: damped Gauss-Newton with robust weights, in NumPy.

Levenberg-Marquardt (Marquardt 1963) on iteratively reweighted residuals, with geodesic
acceleration (Transtrum and Sethna 2012, arXiv:1201.5885) where asked for. One batch dimension S
holds different starts, different resampled losses, or both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from isoloss.fitting.solver.coordinates import Coordinates
from isoloss.fitting.solver.objective import Objective
from isoloss.laws import Law
from isoloss.laws.law import Array, Columns, Counts, Mask

PATIENCE = 6
"""Rounds without gain after which a start rests."""
LONGEST_STEP = 4.0
"""In search coordinates: a factor of 55 for a positive parameter; see also `_step`."""
RIDGE = 1e-14
"""Added to curvatures of one, so that a matrix has an inverse however small the damping."""
TINY = 1e-200
"""Curvature of a parameter that has no influence."""
PROBE = 0.1
"""Share of a step at which its second derivative is measured."""
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
        coordinates = Coordinates.of(self.law)
        theta = coordinates.theta(u)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
            value = self.law.value(theta, self.data)
            slope = self.law.jacobian(theta, self.data) * coordinates.slope(theta)[..., None, :]
            if self.objective.residual == "log":
                return np.log(value) - np.log(self.loss), slope / value[..., None]
            return value - self.loss, slope

    def residual(self, u: Array) -> Array:
        """Residuals (S, n); not-a-number where the law has no value."""
        theta = Coordinates.of(self.law).theta(u)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
            value = self.law.value(theta, self.data)
            if self.objective.residual == "log":
                return np.log(value) - np.log(self.loss)
            return value - self.loss

    def total(self, u: Array) -> Array:
        """The objective, (S,); infinite where the law has no value."""
        with np.errstate(over="ignore"):  # far from the runs; infinite is what it says
            loss = self.objective.loss(self.residual(u))
        if self.weights is not None:
            with np.errstate(invalid="ignore"):  # infinite, where the weight is none
                loss = loss * self.weights
        total = loss.sum(axis=-1)
        return np.where(np.isfinite(total), total, np.inf)

    def rows(self, kept: Mask) -> Problem:
        """The problem of some rows of the batch, where loss or weights differ between them."""
        loss = self.loss[kept] if self.loss.ndim == 2 else self.loss
        weights = self.weights
        if weights is not None and weights.ndim == 2:
            weights = weights[kept]
        return replace(self, loss=loss, weights=weights)

    def gradient_and_hessian(self, u: Array) -> tuple[Array, Array]:
        """Gradient (S, P) and Gauss-Newton Hessian (S, P, P) of the objective."""
        around = self.expansion(u)
        return around.gradient, around.hessian

    def expansion(self, u: Array) -> Expansion:
        """What the search knows of the objective around u (S, P)."""
        residual, jacobian = self.residual_and_jacobian(u)
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            weight = self.objective.weight(residual)
            curvature = self.objective.curvature(residual)
            if self.weights is not None:
                weight, curvature = weight * self.weights, curvature * self.weights
            transposed = np.swapaxes(jacobian, -1, -2)
            gradient = (transposed @ (residual * weight)[..., None])[..., 0]
            curved = transposed * curvature[..., None, :]
            hessian = curved @ jacobian
        return Expansion(residual, jacobian, curved, gradient, hessian)


@dataclass(frozen=True)
class Expansion:
    """The objective around points: what `Problem.expansion` computes.

    Attributes:
        residual, jacobian: (S, n) and (S, n, P).
        curved: the Jacobian times the curvature of each row's loss, (S, P, n).
        gradient, hessian: of the objective, (S, P) and (S, P, P).
    """

    residual: Array
    jacobian: Array
    curved: Array
    gradient: Array
    hessian: Array


def descend(
    problem: Problem,
    start: Array,
    *,
    iterations: int = 100,
    tolerance: float = 1e-13,
    accelerated: bool = False,
) -> tuple[Array, Array]:
    """Improve every start (S, P); returns the points (S, P) and their objective (S,).

    A start rests as soon as it gained less than `tolerance` of its objective seven times in a
    row. A start where the law has no value stays where it is, with an infinite objective.
    Accelerated steps cost one more evaluation and need far fewer rounds in long curved valleys;
    from far away plain ones are the safer.
    """
    u = Coordinates.of(problem.law).inside(start)
    value = problem.total(u)
    active = np.arange(len(u))
    state = _State(u.copy(), value.copy(), np.full(len(u), 1e-2), np.zeros(len(u), dtype=np.int64))
    part = problem
    for _ in range(iterations):
        state = _iterate(part, state, tolerance, accelerated)
        going = state.stalled <= PATIENCE
        # Slicing costs about as much as an iteration over what is cut off.
        if going.sum() <= 0.8 * len(active):
            u[active], value[active] = state.u, state.value
            active, state, part = active[going], state.rows(going), part.rows(going)
            if not len(active):
                return u, value
    u[active], value[active] = state.u, state.value
    return u, value


@dataclass(frozen=True)
class _State:
    """Where a batch stands: points (S, P), objective, damping and rounds without gain (S,)."""

    u: Array
    value: Array
    damping: Array
    stalled: Counts

    def rows(self, kept: Mask) -> _State:
        return _State(self.u[kept], self.value[kept], self.damping[kept], self.stalled[kept])


def _iterate(problem: Problem, state: _State, tolerance: float, accelerated: bool) -> _State:
    """One damped step for every point; those that would rise stay, and damp more."""
    coordinates = Coordinates.of(problem.law)
    u, value = state.u, state.value
    candidate = coordinates.inside(u + _step(problem, coordinates, u, state.damping, accelerated))
    reached = problem.total(candidate)
    better = reached < value
    gain = np.where(better, value - np.where(better, reached, 0.0), 0.0)
    gained = gain > tolerance * np.abs(value)
    # From hardly any damping, refused steps must not need the whole patience to become small.
    raised = np.maximum(state.damping * np.where(state.stalled > 0, 64.0, 8.0), 1e-6)
    damping = np.where(better, state.damping / 5, raised)
    return _State(
        u=np.where(better[:, None], candidate, u),
        value=np.where(better, reached, value),
        damping=np.clip(damping, 1e-12, 1e9),
        stalled=np.where(gained, 0, state.stalled + 1),
    )


def _step(
    problem: Problem, coordinates: Coordinates, u: Array, damping: Array, accelerated: bool
) -> Array:
    """Damped Gauss-Newton steps (S, P), bent along the valley if `accelerated`."""
    around = problem.expansion(u)
    gradient, hessian = around.gradient, around.hessian
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
    ridge = np.where(felt, damping[:, None] + RIDGE, 1.0)
    inverse = np.linalg.inv(hessian / both_sizes + ridge[:, :, None] * np.eye(u.shape[1]))
    inverse = inverse / both_sizes
    step = -(inverse @ gradient[:, :, None])[:, :, 0]
    # Far from 0, a coordinate that is no logarithm may change by its own size.
    longest = np.where(coordinates.positive, LONGEST_STEP, np.maximum(LONGEST_STEP, np.abs(u)))
    step = np.minimum(np.maximum(step, -longest), longest)
    if accelerated:
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
        along = (around.jacobian @ step[:, :, None])[:, :, 0]
        second = 2 / PROBE * ((there - around.residual) / PROBE - along)
        bend = -0.5 * (inverse @ (around.curved @ second[:, :, None]))[:, :, 0]
        lengths = [np.linalg.norm(part * size, axis=1) for part in (bend, step)]
        small = 2 * lengths[0] <= LARGEST_BEND * lengths[1]
    return np.where(small[:, None] & (size > 0), bend, 0.0)

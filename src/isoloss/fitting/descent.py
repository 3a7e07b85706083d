"""Many least-squares problems at once: damped Gauss-Newton with robust weights, in NumPy.

Levenberg-Marquardt (Marquardt 1963) on iteratively reweighted residuals. One batch dimension S
holds different starts, different resampled losses, or both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from isoloss.fitting.coordinates import Coordinates
from isoloss.fitting.objective import Objective
from isoloss.laws import Law
from isoloss.laws.law import Array, Columns, Counts, Mask

PATIENCE = 6
"""Rounds without gain after which a start rests."""
LONGEST_STEP = 4.0
"""In search coordinates: a factor of 55 for a positive parameter."""


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
        residual, jacobian = self.residual_and_jacobian(u)
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            weight = self.objective.weight(residual)
            curvature = self.objective.curvature(residual)
            if self.weights is not None:
                weight, curvature = weight * self.weights, curvature * self.weights
            transposed = np.swapaxes(jacobian, -1, -2)
            gradient = (transposed @ (residual * weight)[..., None])[..., 0]
            hessian = (transposed * curvature[..., None, :]) @ jacobian
        return gradient, hessian


def descend(
    problem: Problem, start: Array, *, iterations: int = 100, tolerance: float = 1e-13
) -> tuple[Array, Array]:
    """Improve every start (S, P); returns the points (S, P) and their objective (S,).

    A start rests as soon as it gained less than `tolerance` of its objective seven times in a
    row. A start where the law has no value stays where it is, with an infinite objective.
    """
    u = Coordinates.of(problem.law).inside(start)
    value = problem.total(u)
    active = np.arange(len(u))
    state = _State(u.copy(), value.copy(), np.full(len(u), 1e-2), np.zeros(len(u), dtype=np.int64))
    part = problem
    for _ in range(iterations):
        state = _iterate(part, state, tolerance)
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


def _iterate(problem: Problem, state: _State, tolerance: float) -> _State:
    """One damped step for every point; those that would rise stay, and damp more."""
    coordinates = Coordinates.of(problem.law)
    u, value = state.u, state.value
    candidate = coordinates.inside(u + _step(problem, coordinates, u, state.damping))
    reached = problem.total(candidate)
    better = reached < value
    gain = np.where(better, value - np.where(better, reached, 0.0), 0.0)
    gained = gain > tolerance * np.abs(value)
    # A step that was refused at hardly any damping must not need the whole patience to grow.
    damping = np.where(better, state.damping / 5, np.maximum(state.damping * 8, 1e-6))
    return _State(
        u=np.where(better[:, None], candidate, u),
        value=np.where(better, reached, value),
        damping=np.clip(damping, 1e-12, 1e9),
        stalled=np.where(gained, 0, state.stalled + 1),
    )


def _step(problem: Problem, coordinates: Coordinates, u: Array, damping: Array) -> Array:
    """Damped Gauss-Newton steps (S, P), at most LONGEST_STEP in each coordinate."""
    gradient, hessian = problem.gradient_and_hessian(u)
    # A parameter that leans on its bound stays there.
    free = ~(((u <= coordinates.low) & (gradient > 0)) | ((u >= coordinates.high) & (gradient < 0)))
    gradient = np.where(np.isfinite(gradient) & free, gradient, 0.0)
    both = free[:, :, None] & free[:, None, :]
    hessian = np.where(np.isfinite(hessian) & both, hessian, 0.0)
    diagonal = np.einsum("spp->sp", hessian)
    ridge = damping[:, None] * diagonal + 1e-12 * diagonal.max(axis=1, keepdims=True) + 1e-300
    damped = hessian + np.where(free, ridge, 1.0)[:, :, None] * np.eye(u.shape[1])
    solved = np.linalg.solve(damped, -gradient[:, :, None])[:, :, 0]
    step = np.asarray(solved, dtype=np.float64)
    return np.minimum(np.maximum(step, -LONGEST_STEP), LONGEST_STEP)

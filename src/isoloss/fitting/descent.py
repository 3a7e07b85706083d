"""Many least-squares problems at once: damped Gauss-Newton with robust weights, in NumPy.

Levenberg-Marquardt (Marquardt 1963) on iteratively reweighted residuals. One batch dimension S
holds different starts, different resampled losses, or both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isoloss.fitting.coordinates import Coordinates
from isoloss.fitting.objective import Objective
from isoloss.laws import Law
from isoloss.laws.law import Array, Columns


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Fit `law` to `loss` (n,) or (S, n) at `data`, with row weights of the same shape.

    `prior_mean` and `prior_sd` (P,) in search coordinates add ((u − mean)/sd)² times the squared
    `prior_scale`, the size of a typical residual; an infinite sd means no prior.
    """

    law: Law
    data: Columns
    loss: Array
    objective: Objective
    weights: Array | None = None
    prior_mean: Array | None = None
    prior_sd: Array | None = None
    prior_scale: float = 0.0

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
        """The objective with its prior, (S,); infinite where the law has no value."""
        loss = self.objective.loss(self.residual(u))
        if self.weights is not None:
            loss = loss * self.weights
        total = loss.sum(axis=-1) + self._prior(u)
        return np.where(np.isfinite(total), total, np.inf)

    def _prior(self, u: Array) -> Array | float:
        if self.prior_mean is None or self.prior_sd is None:
            return 0.0
        return ((u - self.prior_mean) / self.prior_sd * self.prior_scale) ** 2 @ np.ones(u.shape[-1])

    def gradient_and_hessian(self, u: Array) -> tuple[Array, Array]:
        """Gradient (S, P) and Gauss-Newton Hessian (S, P, P) of the objective."""
        residual, jacobian = self.residual_and_jacobian(u)
        weight = self.objective.weight(residual)
        if self.weights is not None:
            weight = weight * self.weights
        weighted = jacobian * weight[..., None]
        gradient = np.einsum("snp,sn->sp", weighted, residual)
        hessian = np.swapaxes(weighted, -1, -2) @ jacobian
        if self.prior_mean is not None and self.prior_sd is not None:
            stiffness = 2 * (self.prior_scale / self.prior_sd) ** 2
            gradient = gradient + stiffness * (u - self.prior_mean)
            hessian = hessian + np.diag(stiffness)
        return gradient, hessian


def descend(problem: Problem, start: Array, *, iterations: int = 100) -> tuple[Array, Array]:
    """Improve every start (S, P); returns the points (S, P) and their objective (S,).

    A start where the law has no value stays where it is, with an infinite objective.
    """
    coordinates = Coordinates.of(problem.law)
    u = coordinates.inside(start)
    value = problem.total(u)
    damping = np.full(len(u), 1e-2)
    stalled = np.zeros(len(u), dtype=int)
    for _ in range(iterations):
        gradient, hessian = problem.gradient_and_hessian(u)
        # A parameter that leans on its bound stays there.
        free = ~(
            ((u <= coordinates.low) & (gradient > 0)) | ((u >= coordinates.high) & (gradient < 0))
        )
        gradient = np.where(np.isfinite(gradient) & free, gradient, 0.0)
        both = free[:, :, None] & free[:, None, :]
        hessian = np.where(np.isfinite(hessian) & both, hessian, 0.0)
        diagonal = np.einsum("spp->sp", hessian)
        ridge = damping[:, None] * diagonal + 1e-12 * diagonal.max(axis=1, keepdims=True) + 1e-300
        ridge = np.where(free, ridge, 1.0)
        step = np.linalg.solve(
            hessian + ridge[:, :, None] * np.eye(u.shape[1]), -gradient[:, :, None]
        )[:, :, 0]
        candidate = coordinates.inside(u + np.clip(step, -4.0, 4.0))
        reached = problem.total(candidate)
        better = reached < value
        gain = np.where(better, value - reached, 0.0)
        stalled = np.where(gain > 1e-13 * np.abs(value), 0, stalled + 1)
        u = np.where(better[:, None], candidate, u)
        value = np.where(better, reached, value)
        damping = np.clip(np.where(better, damping / 5, damping * 4), 1e-12, 1e9)
        if (stalled > 6).all():
            break
    return u, value

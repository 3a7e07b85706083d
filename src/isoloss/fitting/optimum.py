"""The global optimum of a fit, with evidence that it is one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isoloss.fitting.coordinates import Coordinates
from isoloss.fitting.descent import Problem, descend
from isoloss.fitting.starts import draw_starts
from isoloss.laws.law import Array

SAME = 1e-6
"""Starts whose objective lies within this relative distance reached the same optimum."""
POLISHED = 4


@dataclass(frozen=True, kw_only=True)
class Optimum:
    """The best point found.

    Attributes:
        theta: parameters (P,).
        value: the objective there.
        gradient_norm: of the objective, in coordinates where its curvature is about one,
            relative to the objective.
        starts: how many starts were tried; `agreeing`: how many reached this optimum.
        others: objective values of other optima, rising.
        at_bound: which parameters lie at an end of their domain (P,).
    """

    theta: Array
    value: float
    gradient_norm: float
    starts: int
    agreeing: int
    others: tuple[float, ...]
    at_bound: Array


def solve(problem: Problem, *, starts: int = 64, seed: int = 0, near: Array | None = None) -> Optimum:
    """Minimise a problem from many starts, and polish the best to full precision.

    Args:
        problem: law, data, objective; its loss has shape (n,).
        starts: space-filling starts.
        seed: seeds them.
        near: further starts, parameters (K, P).
    """
    law = problem.law
    coordinates = Coordinates.of(law)
    theta0 = draw_starts(law, problem.data, problem.loss, starts, seed)
    if near is not None:
        theta0 = np.concatenate([near, theta0])
    u, value = descend(problem, coordinates.u(theta0), iterations=60)
    order = np.argsort(value, kind="stable")
    # Robust losses converge slowly at the end: more effort for the promising half.
    better = order[: max(POLISHED, len(order) // 2)]
    u_better, value_better = descend(problem, u[better], iterations=150)
    best, best_value, gradient_norm = u_better[0], np.inf, np.inf
    for candidate in _distinct(u_better, value_better):
        polished, reached, norm = _polish(problem, candidate)
        if reached < best_value:
            best, best_value, gradient_norm = polished, reached, norm
    value[better] = value_better
    close = value <= best_value + 1e-3 * abs(best_value) + 1e-15
    agreeing = int(close.sum())
    return Optimum(
        theta=coordinates.theta(best),
        value=float(best_value),
        gradient_norm=float(gradient_norm),
        starts=len(theta0),
        agreeing=agreeing,
        others=_others(value[~close]),
        at_bound=coordinates.at_bound(best),
    )


def _others(values: Array) -> tuple[float, ...]:
    """Distinct objective values, at most three."""
    found: list[float] = []
    for value in sorted(float(v) for v in values if np.isfinite(v)):
        if not found or value > found[-1] * 1.01:
            found.append(value)
    return tuple(found[:3])


def _distinct(u: Array, value: Array) -> list[Array]:
    """The best few points that are not copies of each other."""
    chosen: list[Array] = []
    values: list[float] = []
    for index in np.argsort(value, kind="stable"):
        if not np.isfinite(value[index]):
            break
        if all(abs(value[index] - v) > SAME * abs(v) for v in values):
            chosen.append(u[index])
            values.append(float(value[index]))
        if len(chosen) == POLISHED:
            break
    return chosen


def _polish(problem: Problem, start: Array) -> tuple[Array, float, float]:
    """Quasi-Newton in coordinates where the curvature is about one; parameters at a bound rest."""
    from scipy.optimize import minimize

    coordinates = Coordinates.of(problem.law)
    u = start.copy()
    value = float(problem.total(u[None])[0])
    norm = np.inf
    for _ in range(6):
        gradient, hessian = problem.gradient_and_hessian(u[None])
        free = ~(coordinates.at_bound(u))
        scale = _whitening(hessian[0][np.ix_(free, free)])
        unit = max(value, 1e-300)
        norm = float(np.linalg.norm(scale.T @ gradient[0][free]) / np.sqrt(unit))

        def of(z: Array, u: Array = u, free: Array = free, scale: Array = scale, unit: float = unit) -> tuple[float, Array]:
            point = u.copy()
            point[free] += scale @ z
            point = coordinates.inside(point)
            total = float(problem.total(point[None])[0])
            if not np.isfinite(total):
                return 1e30, np.zeros_like(z)
            slope = problem.gradient_and_hessian(point[None])[0][0][free]
            return total / unit, scale.T @ slope / unit

        # In these coordinates a step of sqrt(objective) is a natural length.
        found = minimize(
            of, np.zeros(int(free.sum())), jac=True, method="BFGS",
            options={"gtol": 1e-10, "maxiter": 300},
        )  # fmt: skip
        point = u.copy()
        point[free] += scale @ found.x
        point = coordinates.inside(point)
        reached = float(problem.total(point[None])[0])
        gain = value - reached
        if gain > 0:
            u, value = point, reached
        if gain <= 1e-13 * abs(value):
            break
    return u, value, norm


def _whitening(hessian: Array) -> Array:
    """A matrix W with W' H W about one; directions without curvature stay bounded."""
    values, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
    floor = max(values.max(initial=0.0) * 1e-12, 1e-300)
    return vectors / np.sqrt(np.maximum(values, floor))

"""Whether arms may share exponents and E: the shared law against a law for each arm."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from isoloss.fitting.arms._arm_law import ARM, Arms
from isoloss.fitting.bootstrap import WEBB
from isoloss.fitting.solver.coordinates import Coordinates
from isoloss.fitting.solver.descent import Problem, descend
from isoloss.laws.law import Array, Counts

SIGNIFICANT = 0.05
NEGLIGIBLE = 1e-6
"""Relative residuals this small are rounding: there is nothing to test."""


@dataclass(frozen=True, kw_only=True)
class SharedTest:
    """The test that all arms follow one law up to their multipliers.

    Attributes:
        statistic: F-like: the fall of the objective by letting arms go apart, for each further
            parameter, over what is left for each degree of freedom.
        p_value: share of wild bootstrap samples of the shared law with a statistic as large; not
            a number with the `reason` where it was not tested.
        extra: parameters that the separate laws have more.
        samples: bootstrap samples.
        tenable: whether p exceeds .05; None where it was not tested.
    """

    statistic: float
    p_value: float
    extra: int
    samples: int
    tenable: bool | None
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        known = math.isfinite(self.p_value)
        return {
            "statistic": self.statistic if math.isfinite(self.statistic) else None,
            "p_value": self.p_value if known else None,
            "extra_parameters": self.extra,
            "samples": self.samples,
            "tenable": self.tenable,
            **({} if known else {"p_value_reason": self.reason}),
        }

    def sentence(self) -> str:
        """For a status line."""
        if self.tenable is None:
            return f"whether the arms share exponents and E was not tested: {self.reason}"
        if self.tenable:
            return f"shared exponents and E are tenable (p = {self.p_value:.2g})"
        return (
            f"shared exponents and E are not tenable (p = {self.p_value:.2g}):"
            " the multipliers are those of separate fits and depend on the scale"
        )


def untested(reason: str, extra: int = 0) -> SharedTest:
    """No test, with the reason."""
    return SharedTest(
        statistic=math.nan, p_value=math.nan, extra=extra, samples=0, tenable=None, reason=reason
    )


def shared_arms_test(
    problem: Problem, theta: Array, arms: Arms, apart: float, units: Counts, count: int, seed: int
) -> SharedTest:
    """Compare with the sum of separate optima; p from a wild cluster bootstrap of the shared law.

    The restricted wild bootstrap (residuals and data of the null; Cameron, Gelbach and Miller
    2008, doi:10.1162/rest.90.3.414) holds its size with few clusters, and needs no reference
    distribution for robust objectives.

    Args:
        problem: of the shared law.
        theta: its optimum (Q,).
        apart: summed objective of the separate optima.
        units: rows that share one get one weight (n,).
        count: bootstrap samples.
    """
    own, shared = len(arms.law.names) * len(arms.names), len(theta)
    freedom = len(problem.loss) - own
    u = Coordinates.of(problem.law).u(theta)
    together = float(problem.total(u[None])[0])
    size = NEGLIGIBLE * (
        problem.loss if problem.objective.residual == "raw" else np.ones_like(problem.loss)
    )
    if together <= float(problem.objective.loss(size).sum()):
        return untested("the shared law leaves no residuals", own - shared)
    if not count:
        return untested("the comparison was made without bootstrap (bootstrap=0)", own - shared)

    def statistic(shared_value: Array, separate_value: Array) -> Array:
        fall = np.maximum(shared_value - separate_value, 0.0) / (own - shared)
        return fall / np.maximum(separate_value / freedom, 1e-300)

    seen = float(statistic(np.array([together]), np.array([apart]))[0])
    losses = _null_losses(problem, u, units, count, seed)
    drawn, together_drawn = descend(
        replace(problem, loss=losses), np.repeat(u[None], count, axis=0), **_EFFORT
    )
    thetas = Coordinates.of(problem.law).theta(drawn)
    apart_drawn = np.zeros(count)
    for arm in range(len(arms.names)):
        apart_drawn += _separate(problem, arms, arm, losses, thetas)
    null = statistic(together_drawn, apart_drawn)
    null = null[np.isfinite(null)]
    p = (1 + int((null >= seen).sum())) / (1 + len(null))
    return SharedTest(
        statistic=seen,
        p_value=p,
        extra=own - shared,
        samples=len(null),
        tenable=p > SIGNIFICANT,
    )


_EFFORT: dict[str, Any] = {"iterations": 200, "tolerance": 1e-7}


def _null_losses(problem: Problem, u: Array, units: Counts, count: int, seed: int) -> Array:
    """Losses (count, n) of the shared law with its residuals under Webb weights."""
    rng = np.random.default_rng((seed, 1))
    _, group = np.unique(units, return_inverse=True)
    webb = np.concatenate([-WEBB[::-1], WEBB])
    weights = webb[rng.integers(0, 6, size=(count, int(group.max()) + 1))][:, group]
    residual = problem.residual(u[None])[0]
    if problem.objective.residual == "log":
        return problem.loss * np.exp(residual * (1 - weights))
    return problem.loss + residual * (1 - weights)


def _separate(problem: Problem, arms: Arms, arm: int, losses: Array, thetas: Array) -> Array:
    """Objective (count,) of one arm's own law, from where the shared law ended."""
    rows = np.flatnonzero(problem.data[ARM] == arm)
    own = Problem(
        law=arms.law,
        data={v: problem.data[v][rows] for v in arms.law.variables},
        loss=losses[:, rows],
        objective=problem.objective,
        weights=None if problem.weights is None else problem.weights[rows],
    )
    start = Coordinates.of(arms.law).nearest_u(arms.of_arm(thetas, arm))
    return descend(own, start, **_EFFORT)[1]

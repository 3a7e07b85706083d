"""Parameters that other runs might have given: the bootstrap of a fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from isoloss.fitting.coordinates import Coordinates
from isoloss.fitting.descent import Problem, descend
from isoloss.laws.law import Array, Counts

WEBB = np.sqrt(np.array([0.5, 1.0, 1.5]))
"""Six-point weights (±) of Webb 2023 (doi:10.1111/caje.12661): good with few clusters."""


def bootstrap_draws(
    problem: Problem, theta: Array, clusters: Counts, count: int, seed: int
) -> Array:
    """Refit resampled data, all resamples at once; returns parameters (count, P).

    Rows of one cluster (one trunk) move together. Where every row is a cluster of its own, rows
    are drawn with replacement; otherwise residuals are multiplied by one Webb weight a cluster
    (wild bootstrap), because drawing few clusters leaves some fits without a width.
    """
    coordinates = Coordinates.of(problem.law)
    rng = np.random.default_rng(seed)
    u = coordinates.u(theta)
    _, index = np.unique(clusters, return_inverse=True)
    groups = int(index.max()) + 1
    n = len(problem.loss)
    start = np.repeat(u[None], count, axis=0)
    if groups == n:
        drawn = rng.multinomial(n, np.full(n, 1 / n), size=count).astype(float)
        resampled = replace(problem, weights=drawn)
    else:
        values = np.concatenate([-WEBB[::-1], WEBB])
        weights = values[rng.integers(0, 6, size=(count, groups))][:, index]
        residual = problem.residual(u[None])[0]
        # A little more than the residuals: the fit has already bent towards the data.
        inflated = residual * np.sqrt(n / max(n - len(u), 1))
        if problem.objective.residual == "log":
            loss = problem.loss * np.exp(residual) * np.exp(-weights * inflated)
        else:
            loss = problem.loss + residual - weights * inflated
        resampled = replace(problem, loss=loss)
    found, value = descend(resampled, start, iterations=150, tolerance=1e-7)
    return coordinates.theta(found[np.isfinite(value)])

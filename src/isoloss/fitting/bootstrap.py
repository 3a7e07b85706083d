"""Parameters that other runs might have given: the bootstrap of a fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from isoloss.errors import UsageError
from isoloss.fitting.coordinates import Coordinates
from isoloss.fitting.descent import Problem, descend
from isoloss.laws.law import Array, Counts

WEBB = np.sqrt(np.array([0.5, 1.0, 1.5]))
"""Six-point weights (±) of Webb 2023 (doi:10.1111/caje.12661): good with few clusters."""


Resampling = Literal["auto", "case", "cluster", "wild"]


def bootstrap_draws(
    problem: Problem,
    theta: Array,
    clusters: Counts,
    count: int,
    seed: int,
    resample: Resampling = "auto",
) -> Array:
    """Refit resampled data, all resamples at once; returns parameters (count, P).

    `case` draws rows with replacement, `cluster` whole clusters (one trunk, or the checkpoints
    of one run), and `wild` multiplies residuals by one Webb weight a cluster. `auto` draws rows
    where every row is a cluster of its own; otherwise it is `wild`, because drawing few clusters
    leaves some fits without a width.

    Raises:
        UsageError: another name.
    """
    if resample not in get_args(Resampling):
        raise UsageError(
            f"unknown resampling {resample!r}", hint=f"Use {', '.join(get_args(Resampling))}."
        )
    coordinates = Coordinates.of(problem.law)
    rng = np.random.default_rng(seed)
    u = coordinates.u(theta)
    _, index = np.unique(clusters, return_inverse=True)
    groups = int(index.max()) + 1
    n = len(problem.loss)
    start = np.repeat(u[None], count, axis=0)
    if resample == "auto":
        resample = "case" if groups == n else "wild"
    if resample == "case":
        index, groups = np.arange(n), n
    if resample in ("case", "cluster"):
        drawn = rng.multinomial(groups, np.full(groups, 1 / groups), size=count).astype(float)
        given = 1.0 if problem.weights is None else problem.weights
        resampled = replace(problem, weights=drawn[:, index] * given)
    else:
        values = np.concatenate([-WEBB[::-1], WEBB])
        weights = values[rng.integers(0, 6, size=(count, groups))][:, index]
        residual = problem.residual(u[None])[0]
        inflated = _left_out_residuals(problem, u, index)
        if problem.objective.residual == "log":
            loss = problem.loss * np.exp(residual) * np.exp(-weights * inflated)
        else:
            loss = problem.loss + residual - weights * inflated
        resampled = replace(problem, loss=loss)
    found, value = descend(resampled, start, iterations=150, tolerance=1e-7)
    return coordinates.theta(found[np.isfinite(value)])


def _left_out_residuals(problem: Problem, u: Array, index: Counts) -> Array:
    """Residuals (n,) as if the fit had not seen each one's cluster; `index` (n,) from 0.

    A fit bends towards the few clusters it has, so their residuals are too small by far; the
    jackknife form (CR3, MacKinnon, Nielsen and Webb 2023, doi:10.1016/j.jeconom.2022.04.001)
    undoes that to first order. Directions that a cluster fixes alone are blown up tenfold at most.
    """
    residual, jacobian = problem.residual_and_jacobian(u[None])
    r, j = residual[0], np.nan_to_num(jacobian[0])
    j = j / np.maximum(np.linalg.norm(j, axis=0), 1e-300)
    basis = np.linalg.svd(j, full_matrices=False)[0]
    result = np.empty_like(r)
    for group in range(int(index.max()) + 1):
        own = index == group
        part = basis[own]
        values, vectors = np.linalg.eigh(np.eye(len(part)) - part @ part.T)
        result[own] = vectors @ ((vectors.T @ r[own]) / np.maximum(values, 0.1))
    return result

"""Parameters that other runs might have given: the bootstrap of a fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, cast, get_args

import numpy as np

from isoloss.errors import UsageError
from isoloss.fitting.solver.coordinates import Coordinates
from isoloss.fitting.solver.descent import Problem, descend
from isoloss.laws.law import Array, Counts

WEBB = np.sqrt(np.array([0.5, 1.0, 1.5]))
"""Six-point weights (±) of Webb 2023 (doi:10.1111/caje.12661): good with few clusters."""


ENOUGH_CLUSTERS = 8
AT_ONCE = 1_000_000
"""Residuals of the resamples that are in memory at one time."""
Resampling = Literal["auto", "smooth", "case", "cluster", "wild"]


def bootstrap_draws(
    problem: Problem,
    theta: Array,
    clusters: Counts,
    count: int,
    seed: int,
    resample: Resampling = "auto",
) -> Array:
    """Refit resampled data, all resamples at once; returns parameters (count, P).

    `smooth` gives every row a random weight (exponential, summing to the number of rows: the
    Bayesian bootstrap, Rubin 1981, doi:10.1214/aos/1176345338), `case` draws rows with replacement,
    `cluster` whole clusters (one trunk, or the checkpoints of one run), and `wild` multiplies
    residuals by one Webb weight a cluster. `auto` is `smooth` where every row is a cluster of its
    own: drawn rows leave a third of the table out each time, and with a robust loss, which few
    rows near the law decide, that makes intervals too wide (docs/log.md). Otherwise it draws
    clusters; where there are few of
    them that leaves some fits without a width, so it is `wild` then. It is `wild` for squares
    too, for which that is right; by robust losses it covers 5 points too little
    (benchmarks/coverage.py), because an absolute residual hardly depends on its own size.

    Raises:
        UsageError: another name.
    """
    if resample not in get_args(Resampling):
        raise UsageError(
            f"unknown resampling {resample!r}", hint=f"Use {', '.join(get_args(Resampling))}."
        )
    _, index = np.unique(clusters, return_inverse=True)
    n, groups = len(problem.loss), int(index.max()) + 1
    if resample == "auto":
        few = groups < ENOUGH_CLUSTERS or problem.objective.name == "squared"
        resample = "smooth" if groups == n else "wild" if few else "cluster"
    if resample in ("case", "smooth"):
        index, groups = np.arange(n), n
    rng = np.random.default_rng(seed)
    if resample == "wild":
        resampled = _wild(problem, theta, index, count, rng)
    else:
        resampled = _drawn(problem, index, count, rng, smooth=resample == "smooth")
    found = [_refitted(part, theta) for part in resampled]
    return np.concatenate(found) if found else np.empty((0, len(theta)))


def _at_once(problem: Problem, count: int) -> list[int]:
    """Sizes of the batches, so that memory stays bounded."""
    most = max(1, AT_ONCE // len(problem.loss))
    return [min(most, count - done) for done in range(0, count, most)]


def _drawn(
    problem: Problem, index: Counts, count: int, rng: np.random.Generator, *, smooth: bool
) -> Iterator[Problem]:
    """Clusters drawn with replacement, or weighted at random, as weights of their rows."""
    groups = int(index.max()) + 1
    given = 1.0 if problem.weights is None else problem.weights
    for size in _at_once(problem, count):
        if smooth:
            times = rng.standard_exponential(size=(size, groups))
            times *= groups / times.sum(axis=1, keepdims=True)
        else:
            times = rng.multinomial(groups, np.full(groups, 1 / groups), size=size).astype(float)
        yield replace(problem, weights=times[:, index] * given)


def _wild(
    problem: Problem, theta: Array, index: Counts, count: int, rng: np.random.Generator
) -> Iterator[Problem]:
    """Residuals multiplied by one Webb weight a cluster."""
    u = Coordinates.of(problem.law).u(theta)
    residual = problem.residual(u[None])[0]
    inflated = _left_out_residuals(problem, u, index)
    values = np.concatenate([-WEBB[::-1], WEBB])
    chosen = rng.integers(0, 6, size=(count, int(index.max()) + 1))
    done = 0
    for size in _at_once(problem, count):
        weights = values[chosen[done : done + size]][:, index]
        done += size
        if problem.objective.residual == "log":
            loss = problem.loss * np.exp(residual) * np.exp(-weights * inflated)
        else:
            loss = problem.loss + residual - weights * inflated
        yield replace(problem, loss=loss)


def _refitted(problem: Problem, theta: Array) -> Array:
    """Parameters (K, P) of a batch of resamples; those without a value are left out."""
    size = len(problem.loss) if problem.loss.ndim == 2 else len(cast("Array", problem.weights))
    coordinates = Coordinates.of(problem.law)
    start = np.repeat(coordinates.u(theta)[None], size, axis=0)
    found, value = descend(problem, start, iterations=150, tolerance=1e-7, near=True)
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

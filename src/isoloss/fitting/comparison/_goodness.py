"""How well a law describes all rows: AICc, and a test of what its residuals still contain."""

from __future__ import annotations

import math

import numpy as np

from isoloss.fitting.solver.coordinates import Coordinates
from isoloss.fitting.solver.descent import Problem
from isoloss.fitting.solver.objective import Objective
from isoloss.fitting.solver.optimum import solve
from isoloss.laws import Law
from isoloss.laws.law import Array, Columns, Counts

EXACT = 1e-7
"""Residuals of log loss below this are rounding: nothing is left to test."""
FLIPS = 999
LEAST_CLUSTERS = 8
STARTS = 16


def log_residuals(law: Law, data: Columns, loss: Array, near: Array) -> tuple[Array, Array]:
    """Residuals of log loss (n,) at the least-squares optimum, and their Jacobian (n, P)."""
    problem = Problem(
        law=law, data=data, loss=loss, objective=Objective(name="squared", residual="log")
    )
    found = solve(problem, starts=STARTS, near=near[None])
    residual, jacobian = problem.residual_and_jacobian(Coordinates.of(law).u(found.theta)[None])
    return residual[0], np.nan_to_num(jacobian[0])


def aicc(residual: Array, parameters: int) -> float:
    """Akaike's criterion, corrected for small samples; not-a-number where it has no value.

    n ln(RSS/n) + 2k + 2k(k+1)/(n−k−1), where RSS is the sum of the squared residuals of log loss
    (n,) at their least-squares optimum and k counts the parameters and the variance (Hurvich and
    Tsai 1989, doi:10.1093/biomet/76.2.297). It assumes independent rows of equal noise.

    >>> round(aicc(np.array([0.1, -0.1, 0.1, -0.1, 0.1, -0.1]), 1), 3)
    -19.631
    """
    n, k = len(residual), parameters + 1
    rss = float((residual**2).sum())
    if n - k - 1 <= 0 or rss <= n * EXACT**2:
        return math.nan
    return n * math.log(rss / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1)


def trend_p(
    residual: Array, jacobian: Array, data: Columns, clusters: Counts, seed: int
) -> tuple[float, str]:
    """How often chance alone bends residuals so much: p, or not-a-number with the reason.

    The share of the residuals' squares that the logs of the variables, their squares and products
    take up beyond the law's own derivatives (a score test), against the same with random signs,
    one for each cluster of rows, which keeps unequal noise and outliers as they are (Davidson and
    Flachaire 2008, doi:10.1016/j.jeconom.2008.08.003).

    Args:
        residual, jacobian: (n,) and (n, P) at the least-squares optimum.
        data: variables, (n,) each.
        clusters: (n,), rows that share their noise.
        seed: of the signs.
    """
    if float(np.sqrt((residual**2).mean())) <= EXACT:
        return math.nan, "the law fits these rows exactly"
    groups, index = np.unique(clusters, return_inverse=True)
    own = _basis(jacobian)
    extra = _basis(_without(own, _features(data)), floor=1e-6)
    if not extra.shape[1]:
        return math.nan, "the law bends in every way that is tested"
    if len(groups) < LEAST_CLUSTERS or len(residual) < own.shape[1] + extra.shape[1] + 3:
        return math.nan, f"{len(residual)} rows in {len(groups)} groups are too few to test"
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(FLIPS, len(groups)))
    observed = _share(residual[None], own, extra)[0]
    chance = np.concatenate(
        [_share(part[:, index] * residual, own, extra) for part in np.array_split(signs, 20)]
    )
    return float((1 + (chance >= observed * (1 - 1e-9)).sum()) / (FLIPS + 1)), ""


def _share(residual: Array, own: Array, extra: Array) -> Array:
    """Share of squares (S,) in the extra directions, of what the law leaves of residuals (S, n)."""
    left = (residual**2).sum(axis=1) - ((residual @ own) ** 2).sum(axis=1)
    return ((residual @ extra) ** 2).sum(axis=1) / np.maximum(left, 1e-300)


def _features(data: Columns) -> Array:
    """Logs of the variables, their squares and products, standardised: (n, q)."""
    logs = [np.log(values) for values in data.values() if (values > 0).all()]
    varied = [x for x in logs if np.ptp(x) > 1e-9]
    scaled = [(x - x.mean()) / x.std() for x in varied]
    columns = [*scaled, *(a * b for i, a in enumerate(scaled) for b in scaled[: i + 1])]
    return np.stack(columns, axis=1) if columns else np.empty((len(next(iter(data.values()))), 0))


def _without(basis: Array, columns: Array) -> Array:
    return columns - basis @ (basis.T @ columns)


def _basis(columns: Array, floor: float = 0.0) -> Array:
    """An orthonormal basis (n, r) of columns (n, q) longer than `floor`."""
    sizes = np.linalg.norm(columns, axis=0)
    kept = columns[:, sizes > floor] / sizes[sizes > floor]
    if not kept.shape[1]:
        return np.empty((len(columns), 0))
    left, singular, _ = np.linalg.svd(kept, full_matrices=False)
    return left[:, singular > 1e-6 * singular[0]]

"""How wrong a law was about the dear runs of a table when it had seen only the cheap ones.

Rolling origins (Tashman 2000, doi:10.1016/S0169-2070(00)00065-0): the same law is fitted, under
the same objective, to the runs up to a compute C₀, and predicts the runs beyond. Its log errors,
less the scatter of single runs, are taken to grow with log(C/C₀), as those of a law with a
slightly wrong exponent do: error = growth · log(C/C₀), one growth an origin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from isoloss.fitting._scatter import scatter_trend
from isoloss.fitting.backtesting import LEAST_ROWS, LEAST_SIZES, RATIOS, TOLERANCE
from isoloss.fitting.diagnosis._ahead import compute_of
from isoloss.fitting.solver.coordinates import Coordinates
from isoloss.fitting.solver.descent import Problem, descend
from isoloss.fitting.solver.starts import draw_starts
from isoloss.laws.law import Array, Mask

if TYPE_CHECKING:
    from isoloss.fitting.result import Fit

MOST_ORIGINS = 12
STARTS = 8
PRIOR_GROWTH = 0.010 / math.log(3.0)
"""What a law is trusted to miss before any backtest (1% at three times the compute, as in
`forecasting`), worth `PRIOR_ORIGINS`."""
PRIOR_ORIGINS = 2.0
LEAST_ORIGINS = 2


@dataclass(frozen=True)
class RollingError:
    """`growth`: root mean square log error for each unit of log(C/C₀), with the prior's share."""

    growth: float
    origins: int
    targets: int
    reason: str = ""


def rolling_error(fit: Fit) -> RollingError:
    """Of the law of a fit on the rows of that fit; with a reason where they are too few."""
    from isoloss.fitting.diagnosis.profiling import problem_of

    problem, u = problem_of(fit)
    compute = compute_of(problem.data)
    if compute is None or not (problem.loss > 0).all():
        return RollingError(math.nan, 0, 0, "its rows do not tell compute and a positive value")
    kept = _origins(problem, compute)
    if len(kept) < LEAST_ORIGINS:
        return RollingError(
            math.nan, 0, 0, "too few runs cost half of others to test the law on those"
        )
    points = _fitted(problem, u, kept, fit.seed)
    with np.errstate(all="ignore"):
        value = problem.law.value(Coordinates.of(problem.law).theta(points), problem.data)
        error = np.log(value) - np.log(problem.loss)
    ends = np.array([compute[row].max() for row in kept])
    distance = np.log(compute / ends[:, None])
    beyond = (distance >= math.log(RATIOS[-1]) - TOLERANCE) & np.isfinite(error)
    scatter = _scatter(fit, compute)
    squares = np.where(beyond, error**2 - scatter**2, 0.0).sum(axis=1)
    reach = np.maximum(np.where(beyond, distance**2, 0.0).sum(axis=1), 1e-300)
    growth = np.maximum(squares / reach, 0.0)
    # An origin that saw few runs says less about the fit of all, and targets that are few or
    # near drown in scatter.
    noise = np.where(beyond, scatter**2, 0.0).sum(axis=1) / beyond.sum(axis=1) / reach
    share = kept.mean(axis=1) * PRIOR_GROWTH**2 / (PRIOR_GROWTH**2 + noise)
    total = float((share * growth).sum()) + PRIOR_ORIGINS * PRIOR_GROWTH**2
    mean = total / (float(share.sum()) + PRIOR_ORIGINS)
    return RollingError(math.sqrt(mean), len(kept), int(beyond.any(axis=0).sum()))


def _scatter(fit: Fit, compute: Array) -> Array:
    """Of single runs around the law, in log loss (n,)."""
    assert fit.data is not None
    trend = scatter_trend(fit.law, fit.theta, fit.data)
    if trend is None:
        return np.full(len(compute), fit.scatter)
    return fit.scatter * np.array([trend.factor(c) for c in compute.tolist()])


def _origins(problem: Problem, compute: Array) -> Mask:
    """Rows that each origin sees, (K, n)."""
    least = max(LEAST_ROWS, 2 * len(problem.law.parameters))
    ends: list[float] = []
    for end in np.unique(compute).tolist():
        seen = compute <= end * (1 + TOLERANCE)
        sizes = len(np.unique(problem.data["N"][seen])) if "N" in problem.data else LEAST_SIZES
        ahead = bool((compute >= end * RATIOS[-1]).any())
        apart = not ends or end > ends[-1] * (1 + TOLERANCE)
        if seen.sum() >= least and sizes >= LEAST_SIZES and ahead and apart:
            ends.append(end)
    step = max(len(ends) / MOST_ORIGINS, 1.0)
    picked = np.array([ends[-1 - int(k * step)] for k in range(min(len(ends), MOST_ORIGINS))])
    return compute <= picked[::-1, None] * (1 + TOLERANCE)


def _fitted(problem: Problem, u: Array, kept: Mask, seed: int) -> Array:
    """Optima (K, P) of what each origin sees, the best of several starts."""
    coordinates = Coordinates.of(problem.law)
    drawn = draw_starts(problem.law, problem.data, problem.loss, STARTS - 1, seed)
    starts = np.concatenate([u[None], coordinates.u(drawn)])
    given = np.ones(len(problem.loss)) if problem.weights is None else problem.weights
    weights = np.repeat(kept * given, len(starts), axis=0)
    found, value = descend(
        replace(problem, weights=weights),
        np.tile(starts, (len(kept), 1)),
        iterations=150,
        tolerance=1e-8,
    )
    best = np.argmin(value.reshape(len(kept), -1), axis=1)
    return found.reshape(len(kept), len(starts), -1)[np.arange(len(kept)), best]

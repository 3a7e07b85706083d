"""A power law through compute-optimal points: weighted regression in logs, with its draws.

Each draw takes every point where other losses would have put it, and adds what the points miss
the line by beyond that noise: a random effect (DerSimonian and Laird 1986,
doi:10.1016/0197-2456(86)90046-2), whose size is itself uncertain where there are few points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isoloss.laws.law import Array


@dataclass(frozen=True, kw_only=True)
class Line:
    """y = intercept + slope·x, its draws (R, 2) as (slope, intercept), and the excess scatter."""

    slope: float
    intercept: float
    draws: Array
    excess: float


def weighted_line(x: Array, y: Array, weight: Array) -> tuple[Array, Array]:
    """Slope and intercept of weighted least squares, each (...,).

    Args:
        x: (n,); y: (..., n), not-a-number where a point is missing; weight: (n,).

    >>> slope, intercept = weighted_line(np.array([0., 1, 2]), np.array([1., 3, 5]), np.ones(3))
    >>> round(float(slope), 9), round(float(intercept), 9)
    (2.0, 1.0)
    """
    w = np.where(np.isfinite(y), weight, 0.0)
    total = w.sum(axis=-1)
    filled = np.where(np.isfinite(y), y, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        x_mean = (w * x).sum(axis=-1) / total
        y_mean = (w * filled).sum(axis=-1) / total
        dx = x - x_mean[..., None]
        slope = (w * dx * filled).sum(axis=-1) / (w * dx * dx).sum(axis=-1)
    return slope, y_mean - slope * x_mean


def power_line(x: Array, y: Array, sd: Array, weight: Array, y_draws: Array, seed: int) -> Line:
    """The line through points (n,) and its draws.

    Args:
        x, y: the points; sd: what noise moves each y by; weight: of each.
        y_draws: (R, n) where noise puts the points; not-a-number where a point is lost.
        seed: of the excess scatter.
    """
    slope, intercept = weighted_line(x, y, weight)
    freedom = len(x) - 2
    residual = y - intercept - slope * x
    excess = np.sqrt(max(float((residual**2).sum()) / freedom - float((sd**2).mean()), 0.0))
    rng = np.random.default_rng(seed)
    scale = excess * np.sqrt(freedom / rng.chisquare(freedom, size=(len(y_draws), 1)))
    moved = y_draws + scale * rng.standard_normal(y_draws.shape)
    moved = moved[np.isfinite(moved).sum(axis=1) >= 3]
    draws = np.stack(weighted_line(x, moved, weight), axis=-1)
    return Line(slope=float(slope), intercept=float(intercept), draws=draws, excess=float(excess))

"""Percentiles over draws that may count differently, as intervals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isoloss.planning.interval import Interval
from isoloss.planning.search import Search

FloatArray = NDArray[np.float64]

MIN_DRAWS = 20
ALL_AGREE = "all draws agree on one point or edge of the search"


def quantiles(values: FloatArray, weights: FloatArray, at: tuple[float, float]) -> FloatArray:
    """Weighted quantiles, linear between draws; those of `np.quantile` for equal weights.

    >>> quantiles(np.arange(11.0), np.full(11, 1 / 11), (0.1, 0.9)).tolist()
    [1.0, 9.0]
    """
    values, weights = values[weights > 0], weights[weights > 0]
    if np.ptp(weights) <= 1e-12 * weights.max():
        return np.asarray(np.quantile(values, at), dtype=np.float64)
    order = np.argsort(values)
    ordered, share = values[order], weights[order]
    middle = np.cumsum(share) - 0.5 * share
    span = middle[-1] - middle[0]
    return np.interp(at, (middle - middle[0]) / span, ordered).astype(np.float64)


def interval_of(value: float, values: FloatArray, weights: FloatArray, level: float) -> Interval:
    """Percentiles of draws; infinite ends and too few draws are a reason instead.

    Args:
        value: the point estimate.
        values, weights: of the draws (R,).
        level: of the interval.
    """
    if len(values) < MIN_DRAWS:
        reason = f"only {len(values)} draws have an optimum, fewer than {MIN_DRAWS}"
        return Interval(value=value, reason=reason)
    low, high = _ends(values, weights, level)
    if not np.isfinite(low):
        return Interval(value=value, reason="so many draws never reach it")
    if not np.isfinite(high):
        return Interval(value=value, low=float(low), reason="so many draws never reach it")
    if not low < high:
        return Interval(value=value, reason=ALL_AGREE)
    return Interval(value=value, low=float(low), high=float(high))


def _ends(values: FloatArray, weights: FloatArray, level: float) -> tuple[float, float]:
    """Both percentiles; infinite where infinite draws reach into them."""
    finite = np.where(np.isinf(values), np.nan, values)
    largest = np.nanmax(finite) if np.isfinite(finite).any() else np.nan
    shown = np.where(np.isnan(finite), largest, finite)
    low, high = quantiles(shown, weights, ((1 - level) / 2, (1 + level) / 2))
    never = float(weights[np.isinf(values)].sum() / weights.sum())
    tail = (1 - level) / 2
    return (
        float("inf") if never >= 1 - tail else float(low),
        float("inf") if never > tail else float(high),
    )


def draws_of(search: Search) -> tuple[list[tuple[int, NDArray[np.int64], FloatArray]], str]:
    """For each belief its index, the numbers of its draws and their weights; or why there are none.

    The weights of all draws of all beliefs sum to 1.
    """
    found: list[tuple[int, NDArray[np.int64], FloatArray]] = []
    for index, belief in enumerate(search.source.beliefs):
        if belief.draws is None or not len(belief.draws):
            return [], belief.no_draws_reason or "there are no draws"
        count = len(belief.draws)
        found.append((index, np.arange(count), np.full(count, belief.weight / count)))
    return found, ""

"""The annealing area S2 of a schedule, for any memory.

With m_s = sum_{k<=s} d_k lambda^(s-k) and d_k = eta_{k-1} - eta_k, the sum of m_1 … m_s is
S2(s) = (eta_0 - eta_s - lambda m_s) / (1 - lambda), a geometric series. So m is needed at the
points only, and from one point to the next it follows from the changes between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isoloss.laws.curves import Points
from isoloss.laws.law import Array, Counts


@dataclass(frozen=True)
class AreaTerms:
    """What S2 of n points is made of.

    Attributes:
        change: eta_{k-1} - eta_k of every change before the last point of its curve, (K,).
        age: steps from the change to the next point, (K,).
        first, points: where the changes just before a point begin, for points with any.
        gap: steps since the point before; infinite at the first of a curve, (n,).
        fall: eta_0 - eta_s at each point, (n,).
    """

    change: Array
    age: Array
    first: Counts
    points: Counts
    gap: Array
    fall: Array

    def sums(self, terms: Array) -> Array:
        """Sum terms (K,) between each point and the one before, (n,)."""
        total = np.zeros(len(self.fall))
        if len(self.first):
            total[self.points] = np.add.reduceat(terms, self.first)
        return total


def area_terms(curves: Sequence[Points]) -> AreaTerms:
    """The terms of all points of several curves, one curve after the other."""
    parts = [_changes(curve) for curve in curves]
    count = np.concatenate([count for _, _, count in parts])
    first, points = np.cumsum(count) - count, np.flatnonzero(count)
    return AreaTerms(
        change=np.concatenate([change for change, _, _ in parts]),
        age=np.concatenate([age for _, age, _ in parts]),
        first=first[points],
        points=points,
        gap=np.concatenate([gap for c in curves for gap in ([np.inf], np.diff(c.steps))]),
        fall=np.concatenate([c.schedule.values[0] - c.schedule.values[c.steps] for c in curves]),
    )


def _changes(curve: Points) -> tuple[Array, Array, Counts]:
    """Changes (K,), steps from each to the next point (K,), and how many a point has (n,)."""
    rates, steps = curve.schedule.values, curve.steps
    step = np.flatnonzero(np.diff(rates[: steps[-1] + 1])) + 1
    point = np.searchsorted(steps, step)
    age = (steps[point] - step).astype(np.float64)
    return rates[step - 1] - rates[step], age, np.bincount(point, minlength=len(steps))


def annealing_areas(memory: Array, terms: AreaTerms) -> tuple[Array, Array]:
    """S2 and its derivative by the memory 1/(1 - lambda), both (..., n) for memory (...)."""
    rows = np.array([_area(tau, terms) for tau in memory.ravel().tolist()])
    areas = rows.reshape(*memory.shape, 2, len(terms.fall))
    return areas[..., 0, :], areas[..., 1, :]


def _area(memory: float, terms: AreaTerms) -> tuple[Array, Array]:
    """S2 and its derivative by the memory at one value, (n,) each."""
    decay = 1 - 1 / memory
    momentum, slope = _momentum(decay, terms)
    area = memory * (terms.fall - decay * momentum)
    by_decay = memory * (area - momentum - decay * slope)
    return area, by_decay / memory**2


def _momentum(decay: float, terms: AreaTerms) -> tuple[Array, Array]:
    """m at the points and its derivative by lambda, (n,) each."""
    power = terms.change * decay**terms.age
    lesser = terms.change * terms.age * decay ** np.maximum(terms.age - 1, 0)
    fresh, fresh_slope = terms.sums(power).tolist(), terms.sums(lesser).tolist()
    far = np.isinf(terms.gap)
    kept = np.where(far, 0.0, decay**terms.gap)
    kept_slope = np.where(far, 0.0, np.where(far, 0, terms.gap) * decay ** (terms.gap - 1))
    momentum, slope = np.empty(len(far)), np.empty(len(far))
    m = n = 0.0
    for i, (by, more) in enumerate(zip(kept.tolist(), kept_slope.tolist(), strict=True)):
        m, n = by * m + fresh[i], by * n + more * m + fresh_slope[i]
        momentum[i], slope[i] = m, n
    return momentum, slope

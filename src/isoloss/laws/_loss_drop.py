"""The loss-drop sum of the multi-power law, as few terms as its value needs.

At step t the law sums (eta_{k-1} - eta_k) f(eta_k, S_k(t)) over all changes k <= t of the
learning rate, where S_k(t) is the sum of the learning rates from k to t. Steps without a change
have weight 0 and go exactly. A cosine changes at every step, but far before t its terms vary
slowly: a block of changes that lies further back than it is wide is replaced by a few of its
own members, with the weights that integrate polynomials exactly (barycentric interpolation at
nearly Chebyshev points, Berrut and Trefethen 2004, doi:10.1137/S0036144502417715). A block is
only replaced where that agrees with the full sum to `TOLERANCE` of its total change for powers
of every steepness (`_PROBES`); elsewhere it is halved, and small blocks are summed in full. So
noisy or broken schedules lose time, not digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from isoloss.laws.curves import Points
from isoloss.laws.law import Array, Counts

TOLERANCE = 1e-11
NODES = 12
SMALLEST = 2 * NODES
"""Blocks of fewer changes are summed in full."""
_DISTANCES = (1.0, 16.0)
"""How far behind the block, in its widths, the probes look at it from."""
_PROBES = tuple(
    (size, beta, gamma)
    for size in (0.1, 3.0, 100.0, 1e5)
    for beta, gamma in ((0.2, 0.1), (0.3, 1.5), (0.7, 0.7), (2.0, 0.1), (2.0, 1.5))
)
"""(C S / eta^gamma at the width of the block, beta, gamma) of powers that must be summed right."""


@dataclass(frozen=True)
class DropTerms:
    """The sums of n points as Q terms, ordered by point.

    Attributes:
        log_rate: log learning rate of each change that is used, (M,).
        change: which change each term is, (Q,).
        area: S_k(t) of each term, positive (Q,).
        weight: of each term, (Q,).
        first: where the terms of a point begin, for `points` (those with any term).
        n: how many points there are.
    """

    log_rate: Array
    change: Counts
    area: Array
    weight: Array
    first: Counts
    points: Counts
    n: int

    def sums(self, terms: Array) -> Array:
        """Sum terms (Q,) over each point, (n,)."""
        total = np.zeros(self.n)
        if len(self.first):
            total[self.points] = np.add.reduceat(terms, self.first)
        return total


def drop_terms(curves: Sequence[Points]) -> DropTerms:
    """The terms of all points of several curves, one curve after the other."""
    changes = [_Changes.of(curve) for curve in curves]
    offsets = np.concatenate(([0], np.cumsum([len(c.weight) for c in changes])))
    rows = [
        (index + offset, area, weight)
        for curve, change, offset in zip(curves, changes, offsets, strict=False)
        for index, area, weight in _rows(change, curve)
    ]
    counts = np.array([len(index) for index, _, _ in rows], dtype=np.int64)
    first = np.cumsum(counts) - counts
    points = np.flatnonzero(counts)
    return DropTerms(
        log_rate=np.concatenate([np.log(c.rate) for c in changes]),
        change=np.concatenate([index for index, _, _ in rows]),
        area=np.concatenate([area for _, area, _ in rows]),
        weight=np.concatenate([weight for _, _, weight in rows]),
        first=first[points],
        points=points,
        n=len(rows),
    )


def drops(shape: Array, terms: DropTerms) -> Array:
    """The loss drop B sum weight G for B, C, beta, gamma in `shape` (..., 4): (..., n)."""
    rows = [_drop(row, terms) for row in shape.reshape(-1, 4)]
    return np.array(rows).reshape(*shape.shape[:-1], terms.n)


def drop_slopes(shape: Array, terms: DropTerms) -> Array:
    """Derivatives of the loss drop by B, C, beta and gamma, (..., n, 4)."""
    rows = [_slopes(row, terms) for row in shape.reshape(-1, 4)]
    return np.array(rows).reshape(*shape.shape[:-1], terms.n, 4)


def _drop(row: Array, terms: DropTerms) -> Array:
    b, c, beta, gamma = row.tolist()
    # One row of theta at a time: the terms of one fit into the processor's cache.
    power = np.exp(-beta * np.log1p(_argument(c, gamma, terms)))
    return b * terms.sums(terms.weight * (1 - power))


def _slopes(row: Array, terms: DropTerms) -> Array:
    b, c, beta, gamma = row.tolist()
    x = _argument(c, gamma, terms)
    log = np.log1p(x)
    kept = terms.weight * np.exp(-beta * log)  # what has not taken effect
    rising = kept * (x / (1 + x))
    by_gamma = rising * terms.log_rate[terms.change]
    return np.stack(
        (
            terms.sums(terms.weight - kept),
            (b * beta / c) * terms.sums(rising),
            b * terms.sums(log * kept),
            -b * beta * terms.sums(by_gamma),
        ),
        axis=-1,
    )


def _argument(c: float, gamma: float, terms: DropTerms) -> Array:
    """C S_k / eta_k^gamma of each term, (Q,)."""
    scale: Array = c * np.exp(-gamma * terms.log_rate)
    return scale[terms.change] * terms.area


@dataclass(frozen=True)
class _Changes:
    """Changes of one schedule: step, learning rate after, area before, and -change, (K,)."""

    step: Counts
    rate: Array
    before: Array
    weight: Array
    blocks: dict[tuple[int, int], tuple[Counts, Array] | None] = field(
        default_factory=dict[tuple[int, int], "tuple[Counts, Array] | None"]
    )

    @staticmethod
    def of(curve: Points) -> _Changes:
        rates = curve.schedule.values[: curve.steps[-1] + 1]
        step = np.flatnonzero(np.diff(rates)) + 1
        return _Changes(
            step, rates[step], np.cumsum(rates)[step - 1], rates[step - 1] - rates[step]
        )

    def block(self, a: int, b: int) -> tuple[Counts, Array] | None:
        """Members and weights that stand for the changes a to b - 1; None where none do."""
        if (a, b) not in self.blocks:
            self.blocks[a, b] = self._replace(a, b)
        return self.blocks[a, b]

    def _replace(self, a: int, b: int) -> tuple[Counts, Array] | None:
        chosen = _chebyshev_members(self.before[a:b])
        weight = _interpolation(self.before[a:b], chosen) @ self.weight[a:b]
        full, few = slice(a, b), chosen + a
        error = self._probe(full, self.weight[full], a, b) - self._probe(few, weight, a, b)
        small = TOLERANCE * np.abs(self.weight[full]).sum()
        return (few, weight) if np.abs(error).max() <= small else None

    def _probe(self, members: slice | Counts, weight: Array, a: int, b: int) -> Array:
        """What powers of every steepness sum to over some members of a block."""
        width = self.before[b - 1] - self.before[a]
        log_rate = np.log(self.rate[members]) - np.log(self.rate[a:b]).mean()
        ages = [(self.before[b - 1] - self.before[members]) / width + d for d in _DISTANCES]
        return np.array(
            [
                weight @ np.exp(-beta * np.log1p(size * age * np.exp(-gamma * log_rate)))
                for size, beta, gamma in _PROBES
                for age in ages
            ]
        )


def _chebyshev_members(x: Array) -> Counts:
    """Indices of the members of rising x that lie nearest to Chebyshev points."""
    angles = (2 * np.arange(NODES)[::-1] + 1) * np.pi / (2 * NODES)
    wanted: Array = x[0] + (x[-1] - x[0]) * (1 + np.cos(angles)) / 2
    right = np.clip(np.searchsorted(x, wanted), 1, len(x) - 1)
    return np.unique(np.where(wanted - x[right - 1] < x[right] - wanted, right - 1, right))


def _interpolation(x: Array, chosen: Counts) -> Array:
    """Lagrange polynomials of the chosen members at all members of x, (chosen, all)."""
    nodes: Array = (x[chosen] - x[0]) / (x[-1] - x[0])
    gaps = nodes[:, None] - nodes[None, :]
    np.fill_diagonal(gaps, 1.0)
    barycentric: Array = 1 / (4 * gaps).prod(axis=1)
    away: Array = (x - x[0]) / (x[-1] - x[0]) - nodes[:, None]
    at_node = away == 0
    parts: Array = barycentric[:, None] / np.where(at_node, 1.0, away)
    values: Array = parts / parts.sum(axis=0)
    return np.where(at_node.any(axis=0), at_node, values)


def _rows(changes: _Changes, curve: Points) -> list[tuple[Counts, Array, Array]]:
    """Changes, areas and weights of the terms of each point."""
    found: list[tuple[Counts, Array, Array]] = []
    counts = np.searchsorted(changes.step, curve.steps, side="right")
    for count, area in zip(counts.tolist(), curve.area.tolist(), strict=True):
        parts = list(_cover(changes, count, area))
        index = np.concatenate([np.empty(0, dtype=np.int64), *(p[0] for p in parts)])
        weight = np.concatenate([np.empty(0), *(p[1] for p in parts)])
        found.append((index, area - changes.before[index], weight))
    return found


def _cover(changes: _Changes, count: int, area: float) -> list[tuple[Counts, Array]]:
    """Blocks that hold the first `count` changes, seen from where the area is `area`."""
    parts: list[tuple[Counts, Array]] = []
    open_blocks = [(0, len(changes.step))]
    while open_blocks:
        a, b = open_blocks.pop()
        if a >= count:
            continue
        if b - a < SMALLEST:
            index = np.arange(a, min(b, count))
            parts.append((index, changes.weight[index]))
            continue
        width = changes.before[b - 1] - changes.before[a]
        far = b <= count and area - changes.before[b - 1] >= width * _DISTANCES[0]
        block = changes.block(a, b) if far else None
        if block is not None:
            parts.append(block)
        else:
            middle = (a + b) // 2
            open_blocks += [(a, middle), (middle, b)]
    return parts

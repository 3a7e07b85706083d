"""Which directions of a log-log design the runs fix, and what the others are.

The logarithms of the variables, centred and each divided by its length, are the matrix Z (n, k).
Its singular vectors with (almost) no length are combinations of variables that (almost) do not
vary: what such a combination does to the metric, no fit of these runs can say (Belsley, Kuh and
Welsch 1980, ch. 3). Least squares is done in the other directions alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from isoloss.laws.law import Array, Counts

COLLINEAR = 1e-2
"""Directions shorter than this share of the longest count as not varied: where C is 6ND up to
the share of attention or embeddings, an exponent would rest on that share alone."""
SAME = 1e-9
"""Logarithms that differ by less are those of one value."""
OWN_SHARE = 0.05
"""A variable with less than this in every lost direction keeps its exponent."""
LARGEST_CONDITION = 1e3
ROUNDED = 0.02
"""A coefficient this close to 0 or 1 is written as 0 or 1; also how far from a relation, in
logarithms, a point may lie that is said to fulfil it."""


@dataclass(frozen=True, eq=False)
class LogDesign:
    """The design, taken apart.

    Attributes:
        names: of the variables (k).
        logs: their logarithms (n, k); `centre` (k,) their means, `size` (k,) their lengths.
        left: (n, r), `lengths` (r,), `span` (k, r): singular vectors and values that are kept.
        lost: (k, m), those that are not.
        pivots: positions (m) of the variables that follow from the others.
        follows: (m, k - m): the power with which each pivot follows each of the others.
        constants: (m,): log pivot where the logarithms of the others are 0.
        tightness: (m,): standard deviation of the log pivots around what the others say.
    """

    names: tuple[str, ...]
    logs: Array
    centre: Array
    size: Array
    left: Array
    lengths: Array
    span: Array
    lost: Array
    pivots: tuple[int, ...]
    follows: Array
    constants: Array
    tightness: Array

    @staticmethod
    def of(columns: Mapping[str, Array]) -> LogDesign:
        """Take positive columns (n,) apart."""
        logs = np.log(np.stack(list(columns.values()), axis=1))
        centre = logs.mean(axis=0)
        size = np.linalg.norm(logs - centre, axis=0)
        size = np.where(size > SAME * np.sqrt(len(logs)), size, 1.0)
        left, lengths, right = np.linalg.svd((logs - centre) / size, full_matrices=False)
        kept = lengths > COLLINEAR * max(float(lengths[0]), SAME)
        lost = right[~kept].T
        pivots, follows = _relations(lost / size[:, None])
        rest = [i for i in range(len(size)) if i not in pivots]
        away = logs[:, list(pivots)] - logs[:, rest] @ follows.T
        return LogDesign(
            names=tuple(columns),
            logs=logs,
            centre=centre,
            size=size,
            left=left[:, kept],
            lengths=lengths[kept],
            span=right[kept].T,
            lost=lost,
            pivots=pivots,
            follows=follows,
            constants=away.mean(axis=0),
            tightness=away.std(axis=0),
        )

    def without_rows(self) -> LogDesign:
        """What predictions need: nothing that grows with the runs."""
        return replace(self, logs=self.logs[:0], left=self.left[:0])

    @property
    def rest(self) -> tuple[int, ...]:
        """Positions of the variables that are no pivots."""
        return tuple(i for i in range(len(self.names)) if i not in self.pivots)

    def own(self, position: int) -> bool:
        """Whether the exponent of one variable is identified by itself."""
        return bool(np.linalg.norm(self.lost[position]) < OWN_SHARE)

    def functional(self, intercept: float, direction: Array) -> Array:
        """Weights (r + 1,) of the mean and the kept directions in `intercept` + `direction`·x."""
        return np.concatenate(([intercept], self.span.T @ (direction / self.size)))

    def implied(self, logs_of_rest: Array) -> Array:
        """Log pivots (m,) that the others (k - m,) imply."""
        return self.constants + self.follows @ logs_of_rest

    def off(self, point: Array) -> Array:
        """How far the pivots of a point (k,) lie from what the others imply, in logarithms (m,)."""
        return point[list(self.pivots)] - self.implied(point[list(self.rest)])

    def combination(self, row: int) -> Array:
        """Coefficients (k,) of the exponents of the sum that is identified for `rest[row]`."""
        coefficients = np.zeros(len(self.names))
        coefficients[self.rest[row]] = 1.0
        coefficients[list(self.pivots)] = self.follows[:, row]
        return coefficients

    def relation(self, row: int) -> str:
        """`C = 6 · N · D, within 0.1%`."""
        factors = [
            self.names[i] if abs(p - 1) < ROUNDED else f"{self.names[i]}^{p:.2f}"
            for i, p in zip(self.rest, self.follows[row], strict=True)
            if abs(p) >= ROUNDED
        ]
        close = f"within {100 * np.expm1(2 * self.tightness[row]):.2g}%"
        value = " · ".join([f"{np.exp(self.constants[row]):.3g}", *factors])
        return f"{self.names[self.pivots[row]]} = {value} ({close})"


def _relations(lost: Array) -> tuple[tuple[int, ...], Array]:
    """Which variables follow from the others, the last ones first, and with what powers.

    `lost` (k, m) are directions w with log x · w constant, so log x_p = -(W_p')⁻¹ W_r' log x_r.
    """
    k, m = len(lost), int(lost.shape[1])
    if not m:
        return (), np.zeros((0, k))
    chosen = tuple(range(k - m, k))
    largest = float(np.abs(lost).max())
    candidates: list[tuple[int, ...]] = list(itertools.combinations(range(k), m))
    for pivots in reversed(candidates):
        part = lost[list(pivots)]
        if (
            float(np.linalg.cond(part)) < LARGEST_CONDITION
            and float(np.abs(part).max()) > OWN_SHARE * largest
        ):
            chosen = pivots
            break
    rest = [i for i in range(k) if i not in chosen]
    powers = np.linalg.solve(lost[list(chosen)].T, lost[rest].T)
    return chosen, -np.asarray(powers, dtype=np.float64)


def sandwich(design: LogDesign, residual: Array, clusters: Counts) -> Array:
    """Cluster-robust covariance (r + 1, r + 1) of the mean and the kept coefficients.

    Liang and Zeger 1986 with the usual factor G/(G - 1) · (n - 1)/(n - r - 1).
    """
    n, r = design.left.shape
    rows = np.concatenate((np.full((n, 1), 1 / n), design.left / design.lengths), axis=1)
    _, group = np.unique(clusters, return_inverse=True)
    groups = int(group.max()) + 1
    scores = np.zeros((groups, r + 1))
    np.add.at(scores, group, rows * residual[:, None])
    factor = groups / max(groups - 1, 1) * (n - 1) / max(n - r - 1, 1)
    return factor * scores.T @ scores

"""A joint normal belief about candidates and target, and how one more run changes it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isoloss.laws.law import Array
from isoloss.planning.experiments.posterior import kernel


@dataclass(frozen=True, kw_only=True)
class Points:
    """Features (n, F) and places (n, v) of points; places of pure numbers are not-a-number."""

    features: Array
    places: Array

    def __len__(self) -> int:
        return len(self.features)


@dataclass(frozen=True, kw_only=True)
class Field:
    """Joint belief about candidates and targets before anything is chosen.

    Attributes:
        candidates, targets: what may be run (or was), and what is asked.
        noise: standard deviation of one run of each candidate (n,).
        weights: of the targets (T,), summing to one.
        discrepancy: standard deviation of what the law is wrong by, with `kernel` between places.
    """

    candidates: Points
    targets: Points
    noise: Array
    weights: Array
    discrepancy: float = 0.0

    def start(self) -> State:
        """The state before any choice."""
        ours, theirs = self.candidates, self.targets
        somewhere = np.isfinite(theirs.places).all(axis=1)
        wrong = np.where(somewhere, self.discrepancy**2, 0.0)
        return State(
            field=self,
            variance=(ours.features**2).sum(axis=1) + self.discrepancy**2,
            cross=ours.features @ theirs.features.T + self._wrong(ours.places, theirs.places),
            target=(theirs.features**2).sum(axis=1) + wrong,
            factors=np.zeros((len(ours), 0)),
        )

    def covariance_with(self, row: int) -> Array:
        """Covariance of every candidate with one of them, (n,)."""
        ours = self.candidates
        near = self._wrong(ours.places, ours.places[row : row + 1])[:, 0]
        return ours.features @ ours.features[row] + near

    def _wrong(self, left: Array, right: Array) -> Array:
        """Covariance of the discrepancy, (n, m); none with a number that lies nowhere."""
        if not self.discrepancy:
            return np.zeros((len(left), len(right)))
        return np.nan_to_num(self.discrepancy**2 * kernel(left, right))


@dataclass(frozen=True, kw_only=True)
class State:
    """The belief after some choices: variances (n,), covariances with targets (n, T).

    Attributes:
        target: variances of the targets (T,).
        factors: what each choice explains of every candidate, (n, chosen); times its transpose it
            is what was taken off the candidates' covariance.
    """

    field: Field
    variance: Array
    cross: Array
    target: Array
    factors: Array

    @property
    def total(self) -> float:
        """Weighted variance of the targets."""
        return float(self.field.weights @ self.target)

    def gains(self) -> Array:
        """How much one run of each candidate would take off the weighted target variance, (n,)."""
        return self.cross**2 @ self.field.weights / (self.variance + self.field.noise**2)

    def after(self, row: int) -> State:
        """The belief after one run of a candidate: a rank-one update, exact for a linear model."""
        column = self.field.covariance_with(row) - self.factors @ self.factors[row]
        size = np.sqrt(max(float(column[row]), 0.0) + self.field.noise[row] ** 2)
        explained, towards = column / size, self.cross[row] / size
        return State(
            field=self.field,
            variance=np.maximum(self.variance - explained**2, 0.0),
            cross=self.cross - np.outer(explained, towards),
            target=np.maximum(self.target - towards**2, 0.0),
            factors=np.column_stack([self.factors, explained]),
        )

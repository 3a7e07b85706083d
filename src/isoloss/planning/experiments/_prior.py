"""A weak prior on a law's parameters, so that few runs already give a fit and a covariance.

Where starts are drawn (`Parameter.start`) is where a parameter is expected: the middle of that
region is the mean, half its width one standard deviation, on a log scale for positive parameters.
Regions are told for variables divided by their geometric means; `Law.amplitudes` says what that
changes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from isoloss.fitting.solver.coordinates import Coordinates
from isoloss.laws import Law
from isoloss.laws.law import Array, Columns

WIDTH = 1.0
"""Standard deviations in half of a start region."""
E_SHARE, E_SPREAD = 0.6, 0.3
"""An offset E is expected at this share of the lowest loss, give or take that one."""


@dataclass(frozen=True, kw_only=True)
class Prior:
    """Independent normal beliefs about search coordinates at the centre of the runs.

    Attributes:
        coordinates: the search coordinates.
        mean, spread: of each parameter (P,).
        shifts: for a parameter's position, what moves it to the centre of the runs: a constant,
            and factors of other parameters by position.
    """

    coordinates: Coordinates
    mean: Array
    spread: Array
    shifts: Mapping[int, tuple[float, Mapping[int, float]]]

    @staticmethod
    def of(law: Law, data: Columns, values: Array) -> Prior:
        """The prior of a law at these rows, (n,) each; `values` is what it predicts."""
        middle = [_middle(law, name, values) for name in law.names]
        return Prior(
            coordinates=Coordinates.of(law),
            mean=np.array([mean for mean, _ in middle]),
            spread=np.array([spread for _, spread in middle]),
            shifts=_shifts(law, data),
        )

    def residual(self, theta: Array) -> Array:
        """Standardised distance from the mean, (..., P)."""
        u = self.coordinates.u(theta)
        for position, (constant, factors) in self.shifts.items():
            u[..., position] -= constant
            for other, factor in factors.items():
                u[..., position] -= factor * theta[..., other]
        return (u - self.mean) / self.spread

    def root(self, theta: Array) -> Array:
        """A matrix R with R R' the covariance of search coordinates before any run, (P, P)."""
        by_u = self.slope(theta) * self.coordinates.slope(theta)[None, :]
        return np.asarray(np.linalg.inv(by_u), dtype=np.float64)

    def slope(self, theta: Array) -> Array:
        """Derivatives of `residual` by theta, (..., P, P)."""
        positive = self.coordinates.positive
        diagonal = np.where(positive, 1 / np.where(positive, theta, 1.0), 1.0) / self.spread
        slopes = np.eye(theta.shape[-1]) * diagonal[..., None, :]
        for position, (_, factors) in self.shifts.items():
            for other, factor in factors.items():
                slopes[..., position, other] -= factor / self.spread[position]
        return slopes


def _middle(law: Law, name: str, values: Array) -> tuple[float, float]:
    """Mean and standard deviation of a search coordinate."""
    parameter = law.parameters[law.index(name)]
    low, high = parameter.start
    if name == "E" and name in law.linear and (values > 0).all():
        lowest = float(values.min())
        if parameter.positive:
            return math.log(E_SHARE * lowest), E_SPREAD / E_SHARE
        return E_SHARE * lowest, E_SPREAD * lowest
    if not parameter.positive:
        return (low + high) / 2, max((high - low) / 2, 1e-6) / WIDTH
    mean, spread = (math.log(low) + math.log(high)) / 2, (math.log(high) - math.log(low)) / 2
    if name in law.linear:  # regions are for a loss of about one
        mean += math.log(max(abs(float(np.median(values))), 1e-300))
    return mean, max(spread, 1e-6) / WIDTH


def _shifts(law: Law, data: Columns) -> dict[int, tuple[float, dict[int, float]]]:
    """What dividing every variable by its geometric mean adds to each amplitude's logarithm."""
    found: dict[int, tuple[float, dict[int, float]]] = {}
    for name, powers in {**law.amplitudes, **law.log_amplitudes}.items():
        constant, factors = 0.0, dict[int, float]()
        for variable, text in powers.items():
            sign = -1.0 if text.startswith("-") else 1.0
            column, bare = data[variable], text.removeprefix("-")
            centre = float(np.log(column).mean()) if (column > 0).all() else 0.0
            if bare in law.names:
                position = law.index(bare)
                factors[position] = factors.get(position, 0.0) + sign * centre
            else:
                constant += sign * centre * float(bare)
        found[law.index(name)] = (constant, factors)
    return found

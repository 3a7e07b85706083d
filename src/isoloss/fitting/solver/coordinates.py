"""The coordinates in which parameters are searched: log where positive, raw otherwise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isoloss.laws import Law
from isoloss.laws.law import Array, Mask

CLOSE = 1e-6
"""Share of its width within which the end of a box counts as reached."""
WIDEST = 1e3
"""A width counts up to so many times the region where the parameter's starts are drawn: the domain
of a raw parameter may be far wider than any value that it takes."""


@dataclass(frozen=True)
class Coordinates:
    """A smooth map between parameters theta (..., P) and search coordinates u (..., P)."""

    positive: Mask
    low: Array
    high: Array
    width: Array

    @staticmethod
    def of(law: Law) -> Coordinates:
        """The coordinates of a law's parameters, with their box."""
        positive = np.array([p.positive for p in law.parameters])
        low = np.array([np.log(p.low) if p.positive else p.low for p in law.parameters])
        high = np.array([np.log(p.high) if p.positive else p.high for p in law.parameters])
        width = high - low
        usual = np.array([max(abs(end) for end in (*p.start, 1e-300)) for p in law.parameters])
        width = np.where(positive, width, np.minimum(width, WIDEST * usual))
        return Coordinates(positive, low, high, width)

    def theta(self, u: Array) -> Array:
        """Parameters of search coordinates."""
        return np.where(self.positive, np.exp(np.where(self.positive, u, 0.0)), u)

    def u(self, theta: Array) -> Array:
        """Search coordinates of parameters."""
        return np.where(self.positive, np.log(np.where(self.positive, theta, 1.0)), theta)

    def nearest_u(self, theta: Array) -> Array:
        """Search coordinates of the nearest parameters inside the box, also of negative ones."""
        lowest = np.where(self.positive, np.exp(np.where(self.positive, self.low, 0.0)), theta)
        return self.inside(self.u(np.maximum(theta, lowest)))

    def slope(self, theta: Array) -> Array:
        """d theta / d u, elementwise."""
        return np.where(self.positive, theta, 1.0)

    def inside(self, u: Array) -> Array:
        """The nearest point of the box."""
        return np.clip(u, self.low, self.high)

    def at_bound(self, u: Array) -> Mask:
        """Which coordinates lie at an end of their box."""
        near = CLOSE * self.width
        return (u - self.low < near) | (self.high - u < near)

    def resting(self, u: Array, gradient: Array) -> Mask:
        """Which coordinates lie at an end of their box and would not leave it downhill."""
        near = CLOSE * self.width
        at_low, at_high = u - self.low < near, self.high - u < near
        return (at_low & (gradient >= 0)) | (at_high & (gradient <= 0))

    def leaning(self, u: Array, gradient: Array) -> Mask:
        """Which coordinates lie at an end of their box that they would leave downhill."""
        return ((u <= self.low) & (gradient > 0)) | ((u >= self.high) & (gradient < 0))

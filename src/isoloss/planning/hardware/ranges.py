"""A figure with the range that its assumptions leave: not a confidence interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from isoloss.errors import UsageError

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, kw_only=True)
class Range:
    """A value between the lowest and the highest that the assumptions allow.

    Ranges multiply and divide corner by corner (interval arithmetic), so the ends of a product
    are those of everything going well and of everything going badly at once. They carry no
    probability.

    Attributes:
        value: what is taken, in the unit that the holder names.
        low, high: ends; equal to `value` where nothing is left open.
        basis: where the value comes from: `assumed`, `set`, `measured`, `estimate`, `list price`
            …, and what was assumed in a few words.

    Raises:
        UsageError: a figure is negative or not finite, or `value` lies outside.

    >>> print(Range(value=0.4, low=0.3, high=0.5) * Range.exactly(10))
    4 (3 to 5)
    """

    value: float
    low: float
    high: float
    basis: str = ""

    def __post_init__(self) -> None:
        if not all(math.isfinite(x) and x >= 0 for x in (self.low, self.value, self.high)):
            raise UsageError(f"a range needs finite figures that are not negative, found {self}")
        if not self.low <= self.value <= self.high:
            raise UsageError(f"the value must lie within its range, found {self}")

    @classmethod
    def exactly(cls, value: float, basis: str = "") -> Range:
        """A figure with nothing left open."""
        return cls(value=value, low=value, high=value, basis=basis)

    def __mul__(self, other: Range | float) -> Range:
        by = other if isinstance(other, Range) else Range.exactly(other)
        return Range(value=self.value * by.value, low=self.low * by.low, high=self.high * by.high)

    def __truediv__(self, other: Range | float) -> Range:
        by = other if isinstance(other, Range) else Range.exactly(other)
        if not by.low:
            raise UsageError(f"cannot divide by a range that holds zero, found {by}")
        return Range(value=self.value / by.value, low=self.low / by.high, high=self.high / by.low)

    def __add__(self, other: Range) -> Range:
        return Range(
            value=self.value + other.value, low=self.low + other.low, high=self.high + other.high
        )

    def largest(self, other: Range) -> Range:
        """The larger of two, end by end."""
        return Range(
            value=max(self.value, other.value),
            low=max(self.low, other.low),
            high=max(self.high, other.high),
        )

    def short(self) -> str:
        """Three digits and k, M, B or T.

        >>> Range(value=84.8e6, low=45e6, high=2.3e8).short()
        '84.8M (45M to 230M)'
        """
        if self.low == self.high:
            return _short(self.value)
        return f"{_short(self.value)} ({_short(self.low)} to {_short(self.high)})"

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON."""
        ends = {"value": self.value, "low": self.low, "high": self.high}
        return ends | ({"basis": self.basis} if self.basis else {})

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Range:
        """The range that `to_dict` wrote."""
        return cls(
            value=float(document["value"]),
            low=float(document["low"]),
            high=float(document["high"]),
            basis=str(document.get("basis", "")),
        )

    def __str__(self) -> str:
        if self.low == self.high:
            return f"{self.value:.4g}"
        return f"{self.value:.4g} ({self.low:.4g} to {self.high:.4g})"


def frame_of(ranges: Mapping[str, Range]) -> DataFrame:
    """One row a quantity, with value, low, high and basis, as a pandas frame."""
    import pandas as pd

    rows = [{"quantity": name, "basis": "", **one.to_dict()} for name, one in ranges.items()]
    columns = ["quantity", "value", "low", "high", "basis"]
    return pd.DataFrame(rows, columns=columns).set_index("quantity")


_SUFFIXES = ((1e15, ""), (1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))


def _short(value: float) -> str:
    number = float(f"{value:.3g}")
    for factor, suffix in _SUFFIXES:
        if number >= factor:
            return f"{number / factor:.3g}{suffix}" if suffix else f"{number:.3g}"
    return f"{number:.3g}"

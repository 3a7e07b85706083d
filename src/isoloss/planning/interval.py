"""A value with its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A value with its interval; ends that cannot be given are nan, with the reason."""

    value: float
    low: float = math.nan
    high: float = math.nan
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON: nan as null beside `interval_reason`."""
        ends = {name: or_null(getattr(self, name)) for name in ("value", "low", "high")}
        return ends | ({"interval_reason": self.reason} if self.reason else {})

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Interval:
        """The interval that `to_dict` wrote."""
        return cls(
            value=or_nan(document["value"]),
            low=or_nan(document["low"]),
            high=or_nan(document["high"]),
            reason=str(document.get("interval_reason", "")),
        )

    def __str__(self) -> str:
        if math.isnan(self.low):
            return f"{self.value:.4g}"
        high = "no upper end" if math.isnan(self.high) else f"{self.high:.4g}"
        return f"{self.value:.4g}  [{self.low:.4g}, {high}]"

    def __eq__(self, other: object) -> bool:
        # Not-a-number ends are the same end: a plan that was saved equals the one loaded.
        return isinstance(other, Interval) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(tuple(self.to_dict().items()))


def or_null(value: float) -> float | None:
    """The value, or None where it is not finite."""
    return value if math.isfinite(value) else None


def or_nan(value: Any) -> float:
    """What `or_null` wrote."""
    return math.nan if value is None else float(value)

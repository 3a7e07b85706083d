"""What the user fixes of N and D beforehand."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoloss.errors import UsageError
from isoloss.planning.candidates import MAX_TOKENS_PER_PARAMETER, MIN_TOKENS_PER_PARAMETER

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on the choice; None leaves it open.

    Attributes:
        n: N itself, which leaves only D.
        max_n: largest N.
        min_ratio, max_ratio: fewest and most tokens per parameter.

    Raises:
        UsageError: a bound is no positive number, or two of them exclude each other.
    """

    n: float | None = None
    max_n: float | None = None
    min_ratio: float | None = None
    max_ratio: float | None = None

    def __post_init__(self) -> None:
        for name, value in self.to_dict().items():
            if not (math.isfinite(value) and value > 0):
                raise UsageError(f"{name} must be a positive number, found {value!r}")
        if self.n is not None and self.max_n is not None and self.n > self.max_n:
            raise UsageError(
                f"n = {self.n:.4g} is above max_n = {self.max_n:.4g}",
                hint="Leave one of them out.",
            )
        low, high = self.min_ratio, self.max_ratio
        if low is not None and high is not None and low > high:
            raise UsageError(
                f"min_tokens_per_parameter = {low:.4g} is above max_tokens_per_parameter = "
                f"{high:.4g}",
                hint="Exchange them, or leave one out.",
            )

    @property
    def active(self) -> bool:
        """Whether anything is bounded."""
        return bool(self.to_dict())

    def to_dict(self) -> dict[str, float]:
        """Those that are set, under their names in `plan`."""
        named = {
            "n": self.n,
            "max_n": self.max_n,
            "min_tokens_per_parameter": self.min_ratio,
            "max_tokens_per_parameter": self.max_ratio,
        }
        return {name: value for name, value in named.items() if value is not None}

    def allowed(self, n: FloatArray, d: FloatArray, least: float) -> NDArray[np.bool_]:
        """Which of the splits keep them; those of less than `least` tokens never do."""
        with np.errstate(invalid="ignore", over="ignore"):
            ratio = d / n
            allowed = (
                (d >= least)
                & (ratio >= (self.min_ratio or MIN_TOKENS_PER_PARAMETER) * (1 - 1e-12))
                & (ratio <= (self.max_ratio or MAX_TOKENS_PER_PARAMETER) * (1 + 1e-12))
            )
        if self.max_n is not None:
            allowed &= n <= self.max_n * (1 + 1e-12)
        return allowed


def describe(limits: dict[str, Any]) -> str:
    """The limits in words: `max_n = 3e+09`."""
    return ", ".join(f"{name} = {value:.4g}" for name, value in limits.items())

"""Exponents of a power law with their standard errors, and the sums that are identified."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from isoloss.fitting._json import plain
from isoloss.fitting.power._log_design import ROUNDED, LogDesign
from isoloss.laws.law import Array


@dataclass(frozen=True, kw_only=True)
class Exponent:
    """A parameter of a power law, or a sum of exponents.

    Attributes:
        value: not-a-number with the `reason` where these runs do not identify it.
        stderr: with independent errors of one size; `stderr_robust`: without that assumption,
            by clusters of runs that share a trunk.
        low, high: t interval at the fit's level.
        meaning: what it says.
    """

    value: float
    stderr: float = math.nan
    stderr_robust: float = math.nan
    low: float = math.nan
    high: float = math.nan
    meaning: str = ""
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        numbers = {
            "value": self.value,
            "stderr": self.stderr,
            "stderr_robust": self.stderr_robust,
            "low": self.low,
            "high": self.high,
        }
        return {**plain(numbers, self.reason), "meaning": self.meaning}


@dataclass(frozen=True, kw_only=True, eq=False)
class Covariances:
    """Two covariances (r + 1, r + 1) of the mean and the kept coefficients.

    Intervals use the robust one where runs share a trunk, with G - 1 degrees of freedom for G
    groups, and else the classical one with those of the residuals.
    """

    classical: Array
    robust: Array
    free: int
    groups: int
    rows: int

    @property
    def clustered(self) -> bool:
        """Whether some runs are not independent."""
        return 1 < self.groups < self.rows

    def stderr(self, weights: Array) -> float:
        """Of a weighted sum of the coefficients, as intervals use it."""
        return self.both(weights)[1 if self.clustered else 0]

    def both(self, weights: Array) -> tuple[float, float]:
        """Classical and robust standard error."""
        found = [float(weights @ matrix @ weights) for matrix in (self.classical, self.robust)]
        return math.sqrt(max(found[0], 0.0)), math.sqrt(max(found[1], 0.0))

    def quantile(self, level: float) -> float:
        """Of Student's t, both tails."""
        from scipy.special import stdtrit  # pyright: ignore

        free = self.groups - 1 if self.clustered else self.free
        return float(stdtrit(free, (1 + level) / 2))  # pyright: ignore

    def describe(self) -> str:
        """Which standard error and how many degrees of freedom."""
        if self.clustered:
            return f"cluster-robust, {self.groups} groups, t with {self.groups - 1} degrees"
        return f"classical, t with {self.free} degrees of freedom"


def parameters(
    design: LogDesign,
    covariances: Covariances,
    mean: float,
    coefficients: Array,
    exponents: Mapping[str, str],
    level: float,
) -> dict[str, Exponent]:
    """`a` and the exponent of every variable; `exponents` are their names by variable."""
    found = {"a": _prefactor(design, covariances, mean, coefficients, level)}
    for position, (variable, name) in enumerate(exponents.items()):
        if design.own(position):
            direction = np.zeros(len(design.names))
            direction[position] = 1.0
            weights = design.functional(0.0, direction)
            found[name] = _exponent(
                weights, float(weights[1:] @ coefficients), covariances, level,
                f"relative change with {variable}",
            )  # fmt: skip
        else:
            found[name] = Exponent(value=math.nan, reason=_why(design, position))
    return found


def combinations(
    design: LogDesign,
    covariances: Covariances,
    coefficients: Array,
    exponents: Mapping[str, str],
    level: float,
) -> dict[str, Exponent]:
    """Sums of exponents that are identified although their terms are not, by their text."""
    names = list(exponents.values())
    followers = " and ".join(design.names[i] for i in design.pivots)
    found: dict[str, Exponent] = {}
    for row, position in enumerate(design.rest):
        if design.own(position):
            continue
        sums = design.combination(row)
        weights = design.functional(0.0, sums)
        found[_text(sums, names, position)] = _exponent(
            weights, float(weights[1:] @ coefficients), covariances, level,
            f"relative change with {design.names[position]} where {followers} follows",
        )  # fmt: skip
    return found


def _prefactor(
    design: LogDesign, covariances: Covariances, mean: float, coefficients: Array, level: float
) -> Exponent:
    """`a`: the metric where every variable is 1; far from the runs, so its error is large."""
    meaning = f"the metric where {', '.join(design.names)} are 1"
    if len(design.pivots) and np.abs(design.off(np.zeros(len(design.names)))).max() > ROUNDED:
        return Exponent(value=math.nan, meaning=meaning, reason=_why(design, design.pivots[0]))
    weights = design.functional(1.0, -design.centre)
    log_a = float(weights[1:] @ coefficients) + mean
    logs = _exponent(weights, log_a, covariances, level, meaning)
    with np.errstate(over="ignore"):
        value, low, high = (float(np.exp(x)) for x in (logs.value, logs.low, logs.high))
    return Exponent(
        value=value,
        stderr=value * logs.stderr,
        stderr_robust=value * logs.stderr_robust,
        low=low,
        high=high,
        meaning=meaning,
    )


def _exponent(
    weights: Array, value: float, covariances: Covariances, level: float, meaning: str
) -> Exponent:
    classical, robust = covariances.both(weights)
    reach = covariances.quantile(level) * covariances.stderr(weights)
    return Exponent(
        value=value,
        stderr=classical,
        stderr_robust=robust,
        low=value - reach,
        high=value + reach,
        meaning=meaning,
    )


def _why(design: LogDesign, position: int) -> str:
    """Why an exponent is not identified."""
    rows = [
        row
        for row, pivot in enumerate(design.pivots)
        if pivot == position
        or (
            position in design.rest
            and abs(design.follows[row, design.rest.index(position)]) >= ROUNDED
        )
    ]
    ties = "; ".join(design.relation(row) for row in rows or range(len(design.pivots)))
    return f"not identified: in these runs {ties}"


def _text(sums: Array, names: list[str], first: int) -> str:
    """`b + d`, `b - 0.5·d`."""
    text = names[first]
    for name, coefficient in zip(names, sums.tolist(), strict=True):
        if name != names[first] and abs(coefficient) >= ROUNDED:
            size = abs(coefficient)
            term = name if abs(size - 1) < ROUNDED else f"{size:.2f}·{name}"
            text += f" {'+' if coefficient > 0 else '-'} {term}"
    return text

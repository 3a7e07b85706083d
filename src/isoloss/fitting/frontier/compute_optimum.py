"""Which N and D are best at a budget, as powers of it: the result of approaches 1 and 2."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from isoloss.errors import UsageError
from isoloss.fitting._records import Recorded
from isoloss.fitting.result import Estimate, too_few_draws
from isoloss.laws.law import Array

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class FrontierPoint:
    """The best model at one budget.

    Attributes:
        flops, n, d, loss: of the best model; not-a-number where none was found.
        flops_range: budgets that the point stands for.
        n_sd: standard deviation of log n from noise of the losses; not-a-number unknown.
        sizes: how many model sizes were compared.
        flag: why the point is not part of the line; empty where it is.
        n_by: n by each way of finding it.
    """

    flops: float
    n: float
    d: float
    loss: float
    flops_range: tuple[float, float]
    n_sd: float
    sizes: int
    flag: str = ""
    n_by: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def used(self) -> bool:
        """Whether the line goes through it."""
        return not self.flag

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        return {
            "flops": self.flops,
            "n": _number(self.n),
            "d": _number(self.d),
            "loss": _number(self.loss),
            "flops_low": self.flops_range[0],
            "flops_high": self.flops_range[1],
            "n_sd": _number(self.n_sd),
            "sizes": self.sizes,
            "used": self.used,
            "flag": self.flag,
            "n_by": {name: _number(value) for name, value in self.n_by.items()},
        }


@dataclass(frozen=True, kw_only=True)
class OptimalModel:
    """N* and D* at a budget, with intervals; `extrapolation`: times beyond the used budgets."""

    flops: float
    n: Estimate
    d: Estimate
    extrapolation: float

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        return {
            "flops": self.flops,
            "n": self.n.to_dict(),
            "d": self.d.to_dict(),
            "extrapolation": self.extrapolation,
        }


@dataclass(frozen=True, kw_only=True, repr=False)
class Allocation(Recorded):
    """N* = k_n·C^a and D* = k_d·C^b without a law of the loss.

    Attributes:
        method: `isoflop` (approach 2) or `envelope` (approach 1) of Hoffmann et al. 2022.
        detail: how the points were found.
        a, b: exponents of N* and D*; k_n, k_d: their factors, at C = 1 FLOP.
        points: every budget, also those that were flagged.
        biases: what is known to be wrong with the method, in words, with references.
        notes: what was assumed about this table.
        draws: bootstrap values (R, 4) of a, log k_n, b, log k_d; None with `draws_reason`.
        excess: scatter of log N* about the line beyond the noise of the losses.
        noise: standard deviation of log loss between seeds that was taken, and where from.
        n_convention, flops_convention: of the rows; may be empty.
    """

    method: str
    detail: str
    a: Estimate
    b: Estimate
    k_n: Estimate
    k_d: Estimate
    points: tuple[FrontierPoint, ...]
    biases: tuple[str, ...]
    notes: tuple[str, ...]
    draws: Array | None
    excess: float
    noise: str
    n_convention: str
    flops_convention: str
    n_rows: int
    level: float
    seed: int
    runs_hash: str
    draws_reason: str = ""

    def __repr__(self) -> str:
        used = sum(point.used for point in self.points)
        return (
            f"Allocation({self.method}: a={self.a.value:.4f}, b={self.b.value:.4f}; {used} points)"
        )

    @property
    def used(self) -> tuple[FrontierPoint, ...]:
        """The points that the line goes through."""
        return tuple(point for point in self.points if point.used)

    def at(self, flops: float) -> OptimalModel:
        """The best N and D at a budget, in the conventions of the table.

        Raises:
            UsageError: the budget is not positive.
        """
        if not (math.isfinite(flops) and flops > 0):
            raise UsageError(f"flops must be a positive number, found {flops!r}")
        x = math.log(flops)
        values = [
            estimate_of(
                slope.value * x + math.log(factor.value),
                self._drawn(i, x),
                self.level,
                exponential=True,
                lost=self.draws_reason,
            )
            for i, (slope, factor) in enumerate([(self.a, self.k_n), (self.b, self.k_d)])
        ]
        budgets = [point.flops for point in self.used]
        beyond = max(flops / max(budgets), min(budgets) / flops, 1.0)
        return OptimalModel(flops=float(flops), n=values[0], d=values[1], extrapolation=beyond)

    def _drawn(self, which: int, x: float) -> Array:
        """Log N* (`which` 0) or log D* (1) at log budget `x` in every draw, (R,)."""
        if self.draws is None:
            return np.empty(0)
        return self.draws[:, 2 * which] * x + self.draws[:, 2 * which + 1]

    def summary(self) -> str:
        """The allocation in 80 columns."""
        from isoloss.fitting.frontier._frontier_text import allocation_text

        return allocation_text(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON, without the draws."""
        return {
            "schema_version": SCHEMA_VERSION,
            "method": self.method,
            "detail": self.detail,
            "n_convention": self.n_convention or None,
            "flops_convention": self.flops_convention or None,
            "a": self.a.to_dict(),
            "b": self.b.to_dict(),
            "k_n": self.k_n.to_dict(),
            "k_d": self.k_d.to_dict(),
            "points": [point.to_dict() for point in self.points],
            "excess": self.excess,
            "noise": self.noise,
            "biases": list(self.biases),
            "notes": list(self.notes),
            "n_rows": self.n_rows,
            "level": self.level,
            "seed": self.seed,
            "draws": 0 if self.draws is None else len(self.draws),
            **({"draws_reason": self.draws_reason} if self.draws is None else {}),
            "runs_hash": self.runs_hash,
        }

    def to_frame(self) -> Any:
        """A pandas frame with one row a budget."""
        import pandas as pd

        return pd.DataFrame([point.to_dict() for point in self.points])


def estimate_of(
    value: float, draws: Array, level: float, *, exponential: bool = False, lost: str = ""
) -> Estimate:
    """A value with the quantiles of its draws (R,); of exp of both where asked.

    Not-a-number with the reason where there are too few draws, where they do not differ, or where
    they are `lost`.
    """
    reason = lost or too_few_draws(len(draws), level)
    if not reason and float(np.ptp(draws)) <= 1e-9 * max(abs(value), 1e-3):
        reason = "no noise was assumed and the points lie on the line"
    to = math.exp if exponential else float
    if reason:
        return Estimate(
            value=to(value), stderr=math.nan, low=math.nan, high=math.nan, at_bound=False,
            reason=reason,
        )  # fmt: skip
    tail = (1 - level) / 2
    low, high, sixteenth, eightyfourth = (
        float(q) for q in np.quantile(draws, [tail, 1 - tail, 0.16, 0.84])
    )
    return Estimate(
        value=to(value),
        stderr=(to(eightyfourth) - to(sixteenth)) / 2,
        low=to(min(low, value)),
        high=to(max(high, value)),
        at_bound=False,
    )


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None

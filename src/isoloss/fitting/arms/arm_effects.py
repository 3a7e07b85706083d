"""What a comparison of arms gives back. All frozen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from isoloss.errors import UsageError
from isoloss.fitting._records import Recorded
from isoloss.fitting.arms._arm_sharing import SharedTest
from isoloss.fitting.result import SCHEMA_VERSION, Estimate, Fit
from isoloss.laws import Law


@dataclass(frozen=True, kw_only=True)
class ScalePoint:
    """An arm's multiplier at one size of the target, from the shared law and from separate ones.

    Attributes:
        size: compute (parameters or tokens, where the law knows only those).
        shared, separate: multipliers; not-a-number with the reason where there is none.
    """

    size: float
    shared: Estimate
    separate: Estimate

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        return {
            "size": self.size,
            "shared": self.shared.to_dict(),
            "separate": self.separate.to_dict(),
        }


@dataclass(frozen=True, kw_only=True)
class ArmEffect:
    """What one arm is worth against the baseline, at the target.

    Attributes:
        arm: its name; `n_rows`: its runs.
        source: `shared` law, or `separate` laws where sharing is not tenable.
        multiplier: the baseline needs so many times the compute for the arm's loss (see `unit` of
            the comparison); from `source`.
        loss_gap: the arm's loss less the baseline's; negative is better.
        probability_better: share of bootstrap draws with a lower loss than the baseline's,
            kept off 0 and 1 by half a draw; not-a-number without draws.
        factors: the multipliers of the shared law by name (`parameters`, `data`, `compute`).
        by_scale: the multiplier from the smallest run to the target, by both routes.
        pairs: configurations and seeds that the baseline has too; `pairs_better`, `pairs_worse`:
            with less and with more loss than there.
    """

    arm: str
    n_rows: int
    source: str
    multiplier: Estimate
    loss_gap: Estimate
    probability_better: float
    factors: Mapping[str, Estimate]
    by_scale: tuple[ScalePoint, ...]
    pairs: int
    pairs_better: int
    pairs_worse: int

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        known = math.isfinite(self.probability_better)
        return {
            "arm": self.arm,
            "n_rows": self.n_rows,
            "source": self.source,
            "multiplier": self.multiplier.to_dict(),
            "loss_gap": self.loss_gap.to_dict(),
            "probability_better": self.probability_better if known else None,
            **({} if known else {"probability_better_reason": self.multiplier.reason}),
            "factors": {name: factor.to_dict() for name, factor in self.factors.items()},
            "by_scale": [point.to_dict() for point in self.by_scale],
            "pairs": self.pairs,
            "pairs_better": self.pairs_better,
            "pairs_worse": self.pairs_worse,
        }


@dataclass(frozen=True, kw_only=True, repr=False)
class ArmComparison(Recorded):
    """Arms of runs under one law, each with its worth against a baseline.

    Attributes:
        law: of each arm, with its fixed and tied parameters taken out.
        group: the column that tells arms apart; `baseline`: the arm that others are held against.
        effect: what differs: `both` (multipliers of N and of D), `parameters`, `data`, `compute`.
        unit: what a multiplier counts: compute, parameters or tokens.
        at: the target; with the baseline's best N and D where a budget was named.
        extrapolation: how many times its compute lies beyond the runs'; 1 inside.
        effects: one for each further arm.
        test: whether the arms may share exponents and E.
        shared: the fit of all arms; `separate`: of each arm alone, where it has runs enough.
        status: one sentence; `trusted`: the fits that the multipliers come from are.
        constraints: fixed and tied parameters, in words.
        resample: how intervals were drawn.
    """

    law: Law
    group: str
    baseline: str
    effect: str
    unit: str
    at: Mapping[str, float]
    extrapolation: float
    effects: tuple[ArmEffect, ...]
    test: SharedTest
    shared: Fit
    separate: Mapping[str, Fit]
    status: str
    trusted: bool
    constraints: str
    n_rows: int
    level: float
    seed: int
    resample: str

    def __repr__(self) -> str:
        worth = "; ".join(f"{e.arm} {e.multiplier.value:.3g}x" for e in self.effects)
        return f"ArmComparison({self.unit} against {self.baseline}: {worth}; {self.status})"

    def __getitem__(self, arm: str) -> ArmEffect:
        """The effect of one arm.

        Raises:
            UsageError: there is none of that name, or it is the baseline.
        """
        for effect in self.effects:
            if effect.arm == arm:
                return effect
        raise UsageError(
            f"no arm {arm!r} is held against {self.baseline!r}",
            hint=f"Arms: {', '.join(effect.arm for effect in self.effects)}.",
        )

    def summary(self) -> str:
        """The comparison in 80 columns."""
        from isoloss.fitting.arms._arm_text import comparison_text

        return comparison_text(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        return {
            "schema_version": SCHEMA_VERSION,
            "format": "isoloss-arms-1",
            "law": self.law.name,
            "formula": self.law.formula,
            "n_convention": self.shared.n_convention or None,
            "group": self.group,
            "baseline": self.baseline,
            "effect": self.effect,
            "unit": self.unit,
            "at": dict(self.at),
            "extrapolation": self.extrapolation,
            "arms": [effect.to_dict() for effect in self.effects],
            "test": self.test.to_dict(),
            "shared": self.shared.to_dict(),
            "separate": {name: fit.to_dict() for name, fit in self.separate.items()},
            "status": self.status,
            "trusted": self.trusted,
            "constraints": self.constraints,
            "n_rows": self.n_rows,
            "level": self.level,
            "seed": self.seed,
            "resample": self.resample,
        }

    def to_frame(self) -> Any:
        """A pandas frame with one row an arm and size, the multiplier by both routes."""
        import pandas as pd

        return pd.DataFrame(
            {
                "arm": effect.arm,
                "size": point.size,
                "source": source,
                "multiplier": figure.value,
                "low": figure.low,
                "high": figure.high,
                "used": source == effect.source,
            }
            for effect in self.effects
            for point in effect.by_scale
            for source, figure in (("shared", point.shared), ("separate", point.separate))
        )

"""What a comparison of laws gives back. All frozen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from isoloss.errors import UsageError
from isoloss.fitting._json import SCHEMA_VERSION, plain
from isoloss.fitting._records import Recorded
from isoloss.fitting.predicting import Kind, Prediction
from isoloss.fitting.result import Estimate, Fit, check_level

INTERPOLATION = math.log(2)
"""How far from the runs a point inside their range counts, as a distance in logs."""


@dataclass(frozen=True, kw_only=True)
class ComparedLaw:
    """One law of a comparison. Errors are in percent, (predicted − measured)/measured.

    Attributes:
        law: its name; `parameters`: how many.
        error: mean absolute error on the held-out runs, the windows counting alike.
        bias: mean error: above 0 the law predicts too high.
        best_share: share of resamples of the held-out runs in which it has the lowest error.
        weight: in `Comparison.predict`.
        aicc: over all rows (see `_goodness.aicc`); delta_aicc: above the lowest.
        trend_p: how often chance bends residuals so much; small: the law bends the wrong way.
        status: of its fit to all rows.
        aicc_reason, trend_reason: why a number is missing.
    """

    law: str
    parameters: int
    error: Estimate
    bias: float
    best_share: float
    weight: float
    aicc: float
    delta_aicc: float
    trend_p: float
    status: str
    aicc_reason: str = ""
    trend_reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        error = {"value": self.error.value, "low": self.error.low, "high": self.error.high}
        held_out = {"bias_percent": self.bias, "best_share": self.best_share}
        return {
            "law": self.law,
            "parameters": self.parameters,
            "mean_absolute_error_percent": plain(error, self.error.reason),
            **plain(held_out, self.error.reason),
            "weight": self.weight,
            **plain({"aicc": self.aicc, "delta_aicc": self.delta_aicc}, self.aicc_reason),
            **plain({"trend_p": self.trend_p}, self.trend_reason),
            "status": self.status,
        }


@dataclass(frozen=True, kw_only=True)
class Window:
    """One split: fitted to some rows, then asked for the others.

    Attributes:
        fitted_to: in words; rows, held_out: how many.
        reach: the largest held-out C over the largest fitted one; not-a-number without C.
        errors: mean absolute error of each law, in percent.
        baseline, naive: the same of the plain L(C) and of the lowest loss seen.
    """

    fitted_to: str
    rows: int
    held_out: int
    reach: float
    errors: Mapping[str, float]
    baseline: float
    naive: float

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        return {
            "fitted_to": self.fitted_to,
            "rows": self.rows,
            "held_out": self.held_out,
            **plain({"reach": self.reach}, "the table gives no C"),
            "errors_percent": {law: _number(value) for law, value in self.errors.items()},
            **plain({"baseline_percent": self.baseline}, "fewer than four budgets tell L(C)"),
            "naive_percent": self.naive,
        }


@dataclass(frozen=True, kw_only=True)
class MixedPrediction(Prediction):
    """A weighed prediction of several laws, with an interval that their disagreement widens.

    Attributes:
        weights, predictions: of each law, and the loss that it alone predicts.
        parts: standard deviations of log loss: `parameters`, `laws` (how far they lie apart),
            `discrepancy` (what the mix got wrong on held-out runs, grown with the distance), of
            which the largest counts, and `scatter`, which one run adds.
    """

    weights: Mapping[str, float]
    predictions: Mapping[str, float]

    def __repr__(self) -> str:
        return f"MixedPrediction(loss={self.loss:.4f}, low={self.low:.4f}, high={self.high:.4f})"

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        return super().to_dict() | {
            "weights": dict(self.weights),
            "predictions": dict(self.predictions),
        }

    def summary(self) -> str:
        """A few lines for a terminal."""
        order = sorted(self.weights, key=lambda law: -self.weights[law])
        lines = [super().summary()]
        lines += [
            f"  {self.predictions[law]:.4f}  weight {self.weights[law]:.2f}  {short(law, 50)}"
            for law in order
        ]
        parts = ", ".join(f"{name} {value:.2%}" for name, value in self.parts.items())
        return "\n".join([*lines, f"uncertainty (sd): {parts}"])


@dataclass(frozen=True, kw_only=True, repr=False)
class Comparison(Recorded):
    """Laws ranked by their error on runs that they were not fitted to.

    Attributes:
        rows: the laws, the lowest held-out error first.
        windows: the splits.
        baseline, naive: mean absolute error of the plain L(C) of the frontier, and of the lowest
            loss seen, in percent.
        fits: each law's fit of all rows.
        growth: standard deviation of the mix's log error for each unit of distance in logs.
        holdout: what was held out.
        six_nd: C is 6·N·D because the table does not give it.
        compute_ratio: median C over 6·N·D; not-a-number where one of them is unknown.
        notes: what was assumed.
    """

    rows: tuple[ComparedLaw, ...]
    windows: tuple[Window, ...]
    baseline: float
    naive: float
    fits: Mapping[str, Fit]
    growth: float
    holdout: str
    six_nd: bool
    compute_ratio: float
    notes: tuple[str, ...]
    n_convention: str
    flops_convention: str
    n_rows: int
    level: float
    seed: int
    runs_hash: str

    def __repr__(self) -> str:
        ranked = ", ".join(f"{row.law} {row.error.value:.2f}%" for row in self.rows)
        return f"Comparison({ranked}; naive {self.naive:.2f}%)"

    @property
    def weights(self) -> Mapping[str, float]:
        """Share of each law in `predict`; they sum to one."""
        return {row.law: row.weight for row in self.rows}

    @property
    def trusted(self) -> bool:
        """Whether the best law errs less than the guess that no loss falls further."""
        return self.rows[0].error.value < self.naive

    @property
    def best(self) -> str:
        """The law with the lowest held-out error."""
        return self.rows[0].law

    def predict(
        self, *, level: float | None = None, kind: Kind = "mean", **variables: float
    ) -> MixedPrediction:
        """The loss by all laws, weighed by their held-out error.

        Args:
            level: of the interval; the comparison's own when left out.
            kind: `mean` for the law's loss, `run` for one run with its scatter.
            variables: all that the laws take, for example N=1e9, D=2e10.

        Raises:
            UsageError: a variable is missing, unknown or not positive.
        """
        level = self.level if level is None else level
        check_level(level)
        if kind not in ("mean", "run"):
            raise UsageError(f"unknown kind {kind!r}", hint="Use mean or run.")
        at = self._complete(variables)
        weights = {law: w for law, w in self.weights.items() if w > 0}
        logs: dict[str, float] = {}
        for law in weights:
            logs[law] = log_value(self.fits[law], at)
        mix = sum(weights[law] * logs[law] for law in weights)
        far = {name: self._distance(name, value) for name, value in at.items()}
        parts = self._uncertainty(weights, logs, at, far)
        own_error = max(parts[name] for name in ("parameters", "laws", "discrepancy"))
        spread = math.hypot(own_error, parts["scatter"]) if kind == "run" else own_error
        reach = NormalDist().inv_cdf((1 + level) / 2) * spread
        return MixedPrediction(
            loss=math.exp(mix),
            low=math.exp(mix - reach),
            high=math.exp(mix + reach),
            kind=kind,
            level=level,
            at=at,
            extrapolation=far,
            weights=weights,
            predictions={law: math.exp(value) for law, value in logs.items()},
            parts=parts,
        )

    def _complete(self, variables: Mapping[str, float]) -> dict[str, float]:
        """The variables, with C = 6·N·D where the table had none; refused where one is unknown."""
        wanted = {name for row in self.rows for name in self.fits[row.law].law.variables}
        known = wanted | {"N", "D", "C"}
        at = {name: _positive(name, value) for name, value in variables.items()}
        if self.six_nd and "C" in wanted and "C" not in at and {"N", "D"} <= at.keys():
            at["C"] = 6 * at["N"] * at["D"]
        missing, unknown = sorted(wanted - at.keys()), sorted(at.keys() - known)
        if missing or unknown:
            raise UsageError(
                f"these laws take {', '.join(sorted(wanted))}; "
                + (f"missing {', '.join(missing)}" if missing else f"unknown {', '.join(unknown)}"),
                hint="For example comparison.predict(N=1e9, D=2e10).",
            )
        return at

    def _distance(self, name: str, value: float) -> float:
        """How many times beyond the runs a value lies; 1 inside, not-a-number unknown."""
        for found in self.fits.values():
            if name in found.ranges:
                return found.distance(name, value)
        return math.nan

    def _far(self, at: Mapping[str, float], far: Mapping[str, float]) -> float:
        """The largest distance in logs, also in C where it follows from N and D."""
        factors = [x for x in far.values() if math.isfinite(x)]
        if "C" not in at and {"N", "D"} <= at.keys() and math.isfinite(self.compute_ratio):
            estimated = self._distance("C", self.compute_ratio * 6 * at["N"] * at["D"])
            factors += [estimated] if math.isfinite(estimated) else []
        return math.log(max([1.0, *factors]))

    def _uncertainty(
        self,
        weights: Mapping[str, float],
        logs: Mapping[str, float],
        at: Mapping[str, float],
        far: Mapping[str, float],
    ) -> dict[str, float]:
        """Standard deviations of log loss by part."""
        mix = sum(weights[law] * logs[law] for law in weights)
        parameters = between = scatter = 0.0
        for law, weight in weights.items():
            found = self.fits[law]
            between += weight * (logs[law] - mix) ** 2
            parameters += weight * draw_sd(found, at) ** 2
            scatter += weight * (found.scatter**2 if math.isfinite(found.scatter) else 0.0)
        return {
            "parameters": math.sqrt(parameters),
            "laws": math.sqrt(between),
            "discrepancy": self.growth * math.hypot(INTERPOLATION, self._far(at, far)),
            "scatter": math.sqrt(scatter),
        }

    def summary(self) -> str:
        """The comparison in 80 columns."""
        from isoloss.fitting.comparison._comparison_text import comparison_text

        return comparison_text(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON, with the fits of all rows."""
        baselines = {"baseline_percent": self.baseline, "naive_percent": self.naive}
        return {
            "schema_version": SCHEMA_VERSION,
            "holdout": self.holdout,
            "laws": [row.to_dict() for row in self.rows],
            "best": self.best,
            "trusted": self.trusted,
            "weights": dict(self.weights),
            **plain(baselines, "fewer than four budgets tell L(C)"),
            "windows": [window.to_dict() for window in self.windows],
            "growth": self.growth,
            "compute": "6nd" if self.six_nd else "as given",
            "n_convention": self.n_convention or None,
            "flops_convention": self.flops_convention or None,
            "n_rows": self.n_rows,
            "level": self.level,
            "seed": self.seed,
            "notes": list(self.notes),
            "runs_hash": self.runs_hash,
            "fits": {law: found.to_dict() for law, found in self.fits.items()},
        }

    def to_frame(self) -> Any:
        """A pandas frame with one row a law."""
        import pandas as pd

        table: list[dict[str, Any]] = []
        for row in self.rows:
            values = row.to_dict()
            error = values.pop("mean_absolute_error_percent")
            table.append(
                {"law": row.law, "error_percent": error["value"], "low": error["low"],
                 "high": error["high"]} | values
            )  # fmt: skip
        return pd.DataFrame(table)


def log_value(found: Fit, at: Mapping[str, float]) -> float:
    """Log of the loss that a fit predicts at a point."""
    point = {name: np.array([at[name]]) for name in found.law.variables}
    with np.errstate(all="ignore"):
        value = float(np.log(found.law.value(found.theta, point))[0])
    if not math.isfinite(value):
        raise UsageError(f"the law {found.law.name!r} has no value at {dict(at)}")
    return value


def draw_sd(found: Fit, at: Mapping[str, float]) -> float:
    """Standard deviation of log loss at a point over the draws of a fit; 0 without draws."""
    if found.draws is None:
        return 0.0
    point = {name: np.array([at[name]]) for name in found.law.variables}
    with np.errstate(all="ignore"):
        sample = np.log(found.law.value(found.draws, point)[:, 0])
    sample = sample[np.isfinite(sample)]
    if len(sample) < 2:
        return 0.0
    low, high = np.quantile(sample, [0.16, 0.84]).tolist()
    return (high - low) / 2


def short(name: str, width: int) -> str:
    """A name, cut where it is longer than `width`.

    >>> short("E + A/N**alpha", 8)
    'E + A/N…'
    """
    return name if len(name) <= width else f"{name[: width - 1]}…"


def _positive(name: str, value: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"{name} must be one number, found {value!r}") from error
    if not (math.isfinite(number) and number > 0):
        raise UsageError(f"{name} must be a positive number, found {value!r}")
    return number


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None

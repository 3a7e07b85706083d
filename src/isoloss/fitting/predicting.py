"""What a fit says of a point: a loss with an interval, for the law's mean or for one run.

Three things make the interval, as standard deviations of log loss. *Parameters*: the spread of
the fit's draws. *Scatter*: of single runs around the law, with a size that follows compute where
the residuals say so. *Discrepancy*: how wrong the law itself was, when it was fitted to the
cheaper runs of this table and asked for the dearer ones. No interval within a law covers a wrong
form; the discrepancy and the draws both estimate the error of the law's mean, so the larger one
counts, and the scatter is added to it as a variance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from isoloss.errors import UsageError
from isoloss.fitting._json import SCHEMA_VERSION, plain
from isoloss.fitting.diagnosis._ahead import compute_of
from isoloss.laws.law import Array

if TYPE_CHECKING:
    from isoloss.fitting.result import Fit

Kind = Literal["mean", "run"]


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A predicted loss with its interval.

    Attributes:
        loss: from the fitted parameters.
        low, high: interval at `level`; not-a-number with the `reason` where there is none.
        kind: `mean`: of the law; `run`: of one run, with the scatter of the fitted runs.
        at: the point.
        extrapolation: for each variable, how many times beyond the fitted runs; 1 inside.
        parts: standard deviations of log loss that made the interval: `parameters`, and where
            they enter `scatter` and `discrepancy`.
        notes: what entered the interval, and what could not.
    """

    loss: float
    low: float
    high: float
    kind: Kind
    level: float
    at: Mapping[str, float]
    extrapolation: Mapping[str, float]
    reason: str = ""
    parts: Mapping[str, float] = field(default_factory=dict[str, float])
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Prediction(loss={self.loss:.4f}, low={self.low:.4f}, high={self.high:.4f})"

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        return plain(
            {
                "schema_version": SCHEMA_VERSION,
                "loss": self.loss,
                "low": self.low,
                "high": self.high,
                "kind": self.kind,
                "level": self.level,
                "at": dict(self.at),
                "extrapolation": {
                    name: x if math.isfinite(x) else None for name, x in self.extrapolation.items()
                },
                "parts": dict(self.parts),
                "notes": list(self.notes),
            },
            self.reason,
        )

    def to_frame(self) -> Any:
        """A pandas frame of one row: the point, the loss and its interval."""
        import pandas as pd

        band = {"loss": self.loss, "low": self.low, "high": self.high, "level": self.level}
        return pd.DataFrame([{**self.at, **band, "kind": self.kind}])

    def _repr_html_(self) -> str:
        import html

        return f"<pre>{html.escape(self.summary())}</pre>"

    def summary(self) -> str:
        """A few lines for a terminal."""
        import textwrap

        point = ", ".join(f"{name} = {value:.4g}" for name, value in self.at.items())
        if math.isnan(self.low):
            band = f"no interval: {self.reason}"
        else:
            of = "of the law" if self.kind == "mean" else "of one run"
            band = f"[{self.low:.4f}, {self.high:.4f}]  {self.level:.0%} interval {of}"
        beyond = {name: x for name, x in self.extrapolation.items() if x > 1}
        far = ", ".join(f"{name} {x:.3g}x" for name, x in beyond.items())
        lines = [f"loss {self.loss:.4f}  {band}", f"at {point}"]
        lines += [f"beyond the fitted runs: {far}"] if far else ["inside the range of the runs"]
        for note in self.notes:
            lines += textwrap.wrap(note, 80, subsequent_indent="  ")
        return "\n".join(lines)


def prediction(
    fit: Fit, variables: Mapping[str, float], level: float, kind: Kind, discrepancy: bool | None
) -> Prediction:
    """`Fit.predict` with all arguments given."""
    if kind not in ("mean", "run"):
        raise UsageError(f"unknown kind {kind!r}", hint="Use mean or run.")
    at = _checked(fit, variables)
    data = {name: np.array([value]) for name, value in at.items()}
    with np.errstate(all="ignore"):
        loss = float(fit.law.value(fit.theta, data)[0])
    if not math.isfinite(loss):
        raise UsageError(f"the law {fit.law.name!r} has no finite value at {at}")
    band = _interval(fit, data, loss, level, kind, discrepancy)
    return Prediction(
        loss=loss,
        low=band.low,
        high=band.high,
        kind=kind,
        level=level,
        at=at,
        extrapolation={name: fit.distance(name, value) for name, value in at.items()},
        reason=band.reason,
        parts=band.parts,
        notes=band.notes,
    )


@dataclass(frozen=True)
class _Band:
    low: float = math.nan
    high: float = math.nan
    reason: str = ""
    parts: Mapping[str, float] = field(default_factory=dict[str, float])
    notes: tuple[str, ...] = ()


def _interval(
    fit: Fit,
    data: Mapping[str, Array],
    loss: float,
    level: float,
    kind: Kind,
    discrepancy: bool | None,
) -> _Band:
    """Ends of the interval and what made it, or not-a-number with the reason."""
    from isoloss.fitting.result import too_few_draws

    if fit.draws is None:
        return _Band(reason=fit.draws_reason)
    with np.errstate(all="ignore"):
        sample = np.log(fit.law.value(fit.draws, data)[:, 0])
    sample = sample[np.isfinite(sample)]
    reason = too_few_draws(len(sample), level)
    if reason:
        return _Band(reason=reason)
    low, high = np.quantile(sample, [0.16, 0.84])
    parts = {"parameters": float(high - low) / 2}
    notes: list[str] = []
    added = 0.0
    if kind == "run":
        if not math.isfinite(fit.scatter):
            return _Band(reason="the scatter of the runs is unknown")
        parts["scatter"], note = _scatter(fit, data)
        added += parts["scatter"] ** 2
        notes += [note] if note else []
    wrong, note = _discrepancy(fit, data, discrepancy, kind)
    notes += [note] if note else []
    if wrong > 0:
        parts["discrepancy"] = wrong
        added += max(wrong**2 - parts["parameters"] ** 2, 0.0)
    if added > 0:
        rng = np.random.default_rng(fit.seed)
        sample = sample + math.sqrt(added) * rng.standard_normal(len(sample))
    tail = (1 - level) / 2
    low, high = (float(x) for x in np.exp(np.quantile(sample, [tail, 1 - tail])))
    return _Band(min(low, loss), max(high, loss), "", parts, tuple(notes))


def _scatter(fit: Fit, data: Mapping[str, Array]) -> tuple[float, str]:
    """Of one run at a point, in log loss; with a word where it differs from the fit's own."""
    from isoloss.fitting._scatter import scatter_trend

    compute = compute_of(data)
    if fit.data is None or compute is None:
        return fit.scatter, ""
    trend = scatter_trend(fit.law, fit.theta, fit.data)
    if trend is None:
        return fit.scatter, ""
    factor = trend.factor(float(compute[0]))
    return fit.scatter * factor, (
        f"the scatter goes with C^{trend.slope / 2:+.2g} among the runs: {factor:.2g} times its"
        " mean is taken here"
    )


def _discrepancy(
    fit: Fit, data: Mapping[str, Array], wanted: bool | None, kind: Kind
) -> tuple[float, str]:
    """What the law itself may be wrong by at a point, in log loss, with a word; 0 for nothing.

    Left open (None), it enters the interval of a run that costs more than any of the table.
    """
    from isoloss.fitting._discrepancy import rolling_error

    if wanted is False or (wanted is None and kind == "mean"):
        return 0.0, ""
    if fit.data is None:
        why = "the fit has no rows to test it on"
        return 0.0, f"without the discrepancy of the law: {why}"
    here, seen = compute_of(data), compute_of(fit.data.columns)
    if here is None or seen is None:
        why = "its variables do not tell the compute of a run"
        return 0.0, f"without the discrepancy of the law: {why}"
    reach = float(here[0]) / float(seen.max())
    if reach <= 1:
        return 0.0, ""
    found = rolling_error(fit)
    if found.reason:
        return 0.0, f"without the discrepancy of the law: {found.reason}"
    sd = found.growth * math.log(reach)
    return sd, (
        f"the law misses by {100 * found.growth * math.log(10):.2g}% for each tenfold compute in"
        f" {found.origins} backtests over {found.targets} runs: {100 * sd:.2g}% here"
    )


def _checked(fit: Fit, variables: Mapping[str, float]) -> dict[str, float]:
    """The variables as finite numbers; positive, but for meta_ and metric_ columns."""
    missing = [name for name in fit.law.variables if name not in variables]
    unknown = [name for name in variables if name not in fit.law.variables]
    if missing or unknown:
        raise UsageError(
            f"the law {fit.law.name!r} takes {', '.join(fit.law.variables)}; "
            + (f"missing {', '.join(missing)}" if missing else f"unknown {', '.join(unknown)}"),
            hint=f"Formula: {fit.law.formula}",
        )
    at: dict[str, float] = {}
    for name, value in variables.items():
        try:
            at[name] = float(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise UsageError(f"{name} must be one number, found {value!r}") from error
        positive = fit.ranges.get(name, (1.0, 1.0))[0] > 0
        if not math.isfinite(at[name]) or (positive and at[name] <= 0):
            raise UsageError(f"{name} must be a positive number, found {value!r}")
    return at

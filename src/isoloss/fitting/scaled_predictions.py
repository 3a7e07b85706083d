"""What if everything grows: predictions at multiples of the largest run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from isoloss.errors import UsageError
from isoloss.fitting._json import SCHEMA_VERSION, plain
from isoloss.fitting._records import Recorded
from isoloss.fitting.predicting import Kind, Prediction
from isoloss.laws.metrics import metric_of

if TYPE_CHECKING:
    from isoloss.fitting.power.power_fit import PowerFit
    from isoloss.fitting.result import Fit

GROWING = {"N": 1.0, "D": 1.0, "C": 2.0, "U": 1.0, "M": 0.0}
"""The power of the factor with which a variable grows where N and D grow by it and C is 6ND."""


@dataclass(frozen=True, kw_only=True)
class ScaledRow:
    """The prediction at one factor."""

    factor: float
    prediction: Prediction

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        numbers = {
            "factor": self.factor,
            "loss": self.prediction.loss,
            "low": self.prediction.low,
            "high": self.prediction.high,
        }
        return {
            **plain(numbers, self.prediction.reason),
            "at": dict(self.prediction.at),
            "extrapolation": dict(self.prediction.extrapolation),
            "notes": list(self.prediction.notes),
        }


@dataclass(frozen=True, kw_only=True, repr=False)
class ScaledPredictions(Recorded):
    """Predictions at multiples of the largest run.

    Attributes:
        target: the column that is predicted; `law`: its formula or name.
        base: the variables of the largest run.
        rows: one a factor, rising; the first is the run itself, factor 1.
        assumption: what grows with the factor, and how.
        notes: what else to know.
    """

    target: str
    law: str
    base: Mapping[str, float]
    rows: tuple[ScaledRow, ...]
    kind: Kind
    level: float
    assumption: str
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        found = ", ".join(f"x{r.factor:g}: {r.prediction.loss:.4g}" for r in self.rows)
        return f"ScaledPredictions({self.target}; {found})"

    def summary(self) -> str:
        """A table in 80 columns."""
        from isoloss.fitting.power._power_text import scaled_text

        return scaled_text(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        return {
            "schema_version": SCHEMA_VERSION,
            "target": self.target,
            "law": self.law,
            "base": dict(self.base),
            "scaled": [row.to_dict() for row in self.rows],
            "kind": self.kind,
            "level": self.level,
            "assumption": self.assumption,
            "notes": list(self.notes),
        }

    def to_frame(self) -> Any:
        """A pandas frame with one row a factor."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "factor": row.factor,
                    **row.prediction.at,
                    self.target: row.prediction.loss,
                    "low": row.prediction.low,
                    "high": row.prediction.high,
                }
                for row in self.rows
            ]
        )


def scale_power(
    fit: PowerFit, factors: Sequence[float], *, kind: Kind = "mean", level: float | None = None
) -> ScaledPredictions:
    """What `PowerFit.scale` does."""
    followers = fit.followers
    moving = {v: v_at for v, v_at in fit.largest.items() if v not in followers}

    def predict(factor: float) -> Prediction:
        at = {v: value * factor for v, value in moving.items()}
        return fit.predict(level=level, kind=kind, **at)

    return ScaledPredictions(
        target=fit.target,
        law=fit.formula,
        base=dict(fit.largest),
        rows=_rows(factors, predict),
        kind=kind,
        level=fit.level if level is None else level,
        assumption=_power_assumption(fit, list(moving)),
        notes=(*fit.notes, *_wrong_way(fit.target, predict)),
    )


def scale_fit(
    fit: Fit, factors: Sequence[float], *, kind: Kind = "mean", level: float | None = None
) -> ScaledPredictions:
    """Predictions of any fit where N and D of the largest run grow by each factor.

    C grows by the square of the factor, unique tokens as D does, tokens per parameter not at
    all; every other variable keeps the value of that run.

    Args:
        fit: with its rows; `Fit.data` says which run is the largest.
        factors: positive; 1 is added.
        kind, level: as for `Fit.predict`.

    Raises:
        UsageError: no factor, one that is not positive, a fit that was loaded without its rows,
            or a law of which no variable grows.

    >>> import isoloss as il
    >>> scale_fit(il.fit(il.example_runs(), bootstrap=0), [2]).rows[1].factor
    2.0
    """
    if fit.data is None:
        raise UsageError(
            "this fit was loaded without its rows, so its largest run is unknown",
            hint="Give the run table, or the .npz beside the fit.",
        )
    columns = fit.data.columns
    growing = [v for v in columns if GROWING.get(v, 0.0)]
    if not growing:
        raise UsageError(
            f"no variable of the law {fit.law.name!r} grows with the model: {', '.join(columns)}",
            hint="--scale is for laws of N, D or C.",
        )
    largest = int(np.argmax(sum(np.log(columns[v]) for v in growing)))
    base = {v: float(column[largest]) for v, column in columns.items()}

    def predict(factor: float) -> Prediction:
        at = {v: value * factor ** GROWING.get(v, 0.0) for v, value in base.items()}
        return fit.predict(level=level, kind=kind, **at)

    return ScaledPredictions(
        target=fit.target,
        law=fit.law.name,
        base=base,
        rows=_rows(factors, predict),
        kind=kind,
        level=fit.level if level is None else level,
        assumption=_law_assumption(list(columns)),
        notes=_wrong_way(fit.target, predict),
    )


def _rows(
    factors: Sequence[float], predict: Callable[[float], Prediction]
) -> tuple[ScaledRow, ...]:
    if not factors:
        raise UsageError("no factor to scale by", hint="For example 2, 4, 8.")
    for factor in factors:
        if not (math.isfinite(factor) and factor > 0):
            raise UsageError(f"a factor must be a positive number, found {factor!r}")
    ordered = sorted({1.0, *(float(factor) for factor in factors)})
    return tuple(ScaledRow(factor=f, prediction=predict(f)) for f in ordered)


def _power_assumption(fit: PowerFit, moving: list[str]) -> str:
    """What grows, and what that does to the variables that follow."""
    text = f"{_listed(moving)} of the largest run {_grow(moving)} by the factor"
    if fit.followers:
        found = "; ".join(
            f"{name} follows as in the runs, by the factor to the power {sum(powers.values()):.3g}"
            for name, powers in fit.followers.items()
        )
        return f"{text}; {found}. What {_listed(list(fit.followers))} does alone is not identified"
    if {"N", "D", "C"} <= set(moving):
        return f"{text}, C too; were C = 6ND, it would grow by the square of the factor"
    return text


def _law_assumption(variables: list[str]) -> str:
    told = {
        "N": "N grows by the factor",
        "D": "D grows by the factor",
        "U": "unique tokens as D",
        "C": "C by its square, as 6ND does where N and D grow by the factor",
    }
    kept = [v for v in variables if v not in told]
    found = [text for v, text in told.items() if v in variables]
    return "; ".join([*found, *([f"{_listed(kept)} as in the largest run"] if kept else [])])


def _wrong_way(target: str, predict: Callable[[float], Prediction]) -> tuple[str, ...]:
    """A note where more of everything makes the metric worse."""
    lower = metric_of(target).lower_is_better
    if lower is None:
        return ()
    change = predict(2.0).loss - predict(1.0).loss
    if (change < 0) == lower or change == 0:
        return ()
    return (f"{target} gets worse as the model grows: look at the runs before using this",)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _grow(names: list[str]) -> str:
    return "grows" if len(names) == 1 else "grow"

"""The plain law `a * N^b * D^c * C^d` of a metric, by least squares in logarithms.

The answer is in closed form, so is its uncertainty. What the runs cannot tell apart is not told
apart: where C is a multiple of N·D, `b + d` and `c + d` are reported, and no exponent of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from isoloss.errors import DataError, UsageError
from isoloss.fitting._json import SCHEMA_VERSION, plain
from isoloss.fitting._records import Recorded
from isoloss.fitting.power._log_design import LogDesign, sandwich
from isoloss.fitting.power._power_parts import Covariances, Exponent, combinations, parameters
from isoloss.fitting.predicting import Kind, Prediction
from isoloss.fitting.result import check_level
from isoloss.fitting.scaled_predictions import ScaledPredictions, scale_power
from isoloss.laws.law import Array, Counts
from isoloss.laws.metrics import Metric, metric_of

if TYPE_CHECKING:
    from isoloss.runs import Runs

EXPONENTS = "bcdefghij"
"""Names of the exponents, in the order of the variables."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PowerFit(Recorded):
    """A plain power law of a metric.

    Attributes:
        target: the column; `metric`: what is known of it.
        variables: the columns on the right, each with the exponent of that place: b, c, d, …
        params: `a` and the exponents; not-a-number with the reason where these runs do not
            identify one.
        combinations: sums of exponents that they do identify, by their text.
        relations: what ties the variables to each other in these runs.
        scatter: standard deviation of the log residuals; `r_squared`: of the logarithms.
        intervals: which standard error the intervals use.
        notes: what to know of the metric and of these runs.
        largest: the variables of the run with the largest product of N, D and C.
    """

    target: str
    metric: Metric
    variables: tuple[str, ...]
    params: Mapping[str, Exponent]
    combinations: Mapping[str, Exponent]
    relations: tuple[str, ...]
    scatter: float
    r_squared: float
    intervals: str
    level: float
    n_rows: int
    n_convention: str
    flops_convention: str
    notes: tuple[str, ...]
    largest: Mapping[str, float]
    ranges: Mapping[str, tuple[float, float]]
    _design: LogDesign
    _mean: float
    _coefficients: Array
    _covariances: Covariances

    @property
    def formula(self) -> str:
        """The law as text."""
        powers = zip(self.variables, EXPONENTS, strict=False)
        return "*".join(["a", *(f"{variable}**{name}" for variable, name in powers)])

    def __repr__(self) -> str:
        shown = {**self.params, **self.combinations}
        found = [f"{n}={e.value:.4g}" for n, e in shown.items() if math.isfinite(e.value)]
        return f"PowerFit({self.target} = {self.formula}: {', '.join(found)}; {self.n_rows} rows)"

    def predict(
        self, *, level: float | None = None, kind: Kind = "mean", **variables: float
    ) -> Prediction:
        """The metric at a point, with a t interval.

        A variable that follows from the others in these runs (C from N and D) may be left out.

        Args:
            level: of the interval; the fit's own when left out.
            kind: `mean` of the law, or of one `run` with its scatter.
            variables: for example N=1e6, D=2e7, C=1.2e14.

        Raises:
            UsageError: a variable is missing, unknown or not positive, or the point lies where
                these runs cannot tell (off a relation that all of them fulfil).
        """
        level = self.level if level is None else level
        check_level(level)
        if kind not in ("mean", "run"):
            raise UsageError(f"unknown kind {kind!r}", hint="Use mean or run.")
        point, notes = self._point(variables)
        weights = self._design.functional(1.0, point - self._design.centre)
        log_value = float(weights[1:] @ self._coefficients) + self._mean
        spread = self._covariances.stderr(weights)
        if kind == "run":
            spread = math.hypot(spread, self.scatter)
        reach = self._covariances.quantile(level) * spread
        value = math.exp(log_value)
        at = {v: float(np.exp(x)) for v, x in zip(self.variables, point, strict=True)}
        at |= {name: float(x) for name, x in variables.items()}
        return Prediction(
            loss=value,
            low=math.exp(log_value - reach),
            high=math.exp(log_value + reach),
            kind=kind,
            level=level,
            at={v: at[v] for v in self.variables},
            extrapolation={v: self._distance(v, at[v]) for v in self.variables},
            notes=(*notes, *self._impossible(value)),
        )

    def scale(
        self, *factors: float, kind: Kind = "mean", level: float | None = None
    ) -> ScaledPredictions:
        """What if all variables grow in proportion, from the largest run?

        Every variable is multiplied by each factor. Where one follows from the others in these
        runs (C from N and D), it follows here too, for what it does alone is not identified.

        Raises:
            UsageError: no factor, or one that is not positive.

        >>> import isoloss as il
        >>> fit_power(il.example_runs()).scale(2, 4).rows[-1].factor
        4.0
        """
        return scale_power(self, factors, kind=kind, level=level)

    @property
    def followers(self) -> dict[str, dict[str, float]]:
        """Variables that follow from others in these runs, with the powers of those."""
        design = self._design
        rest = [self.variables[i] for i in design.rest]
        return {
            self.variables[pivot]: dict(zip(rest, powers, strict=True))
            for pivot, powers in zip(design.pivots, design.follows.tolist(), strict=True)
        }

    def _point(self, variables: Mapping[str, float]) -> tuple[Array, tuple[str, ...]]:
        """Logarithms of the variables (k,); those that follow are filled in."""
        design = self._design
        pivots = [self.variables[i] for i in design.pivots]
        needed = [v for v in self.variables if v not in pivots]
        missing = [v for v in needed if v not in variables]
        unknown = [v for v in variables if v not in self.variables]
        if missing or unknown:
            raise UsageError(
                f"this power law takes {', '.join(self.variables)}; "
                + (f"missing {', '.join(missing)}" if missing else f"unknown {', '.join(unknown)}"),
                hint=f"Formula: {self.formula}",
            )
        for name, value in variables.items():
            if not (math.isfinite(value) and value > 0):
                raise UsageError(f"{name} must be a positive number, found {value!r}")
        point = np.zeros(len(self.variables))
        rest = [self.variables.index(v) for v in needed]
        point[rest] = [math.log(variables[v]) for v in needed]
        point[list(design.pivots)] = design.implied(point[rest])
        filled = [v for v in pivots if v not in variables]
        for row, name in enumerate(pivots):
            if name in variables:
                self._refuse_off(row, name, math.log(variables[name]), point)
        if not filled:
            return point, ()
        found = ", ".join(f"{v} = {np.exp(point[self.variables.index(v)]):.4g}" for v in filled)
        return point, (f"{found} follows from the others, as in these runs",)

    def _refuse_off(self, row: int, name: str, given: float, point: Array) -> None:
        implied = float(point[self._design.pivots[row]])
        if abs(given - implied) > max(3 * float(self._design.tightness[row]), 0.02):
            raise UsageError(
                f"these runs do not say what {self.target} is at {name} = {math.exp(given):.4g}:"
                f" in all of them {self.relations[row]}, which gives {math.exp(implied):.4g} here",
                hint=f"Leave {name} out, or add runs that vary it apart from the others.",
            )

    def _distance(self, variable: str, value: float) -> float:
        low, high = self.ranges[variable]
        return 1.0 if low <= value <= high else max(value / high, low / value)

    def _impossible(self, value: float) -> tuple[str, ...]:
        if not self.metric.outside(value):
            return ()
        return (
            f"{value:.4g} is no {self.metric.name}: that lies in {self.metric.range_text}; the"
            " power law was taken too far",
        )

    def summary(self) -> str:
        """The fit in 80 columns."""
        from isoloss.fitting.power._power_text import power_text

        return power_text(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        return {
            "schema_version": SCHEMA_VERSION,
            "law": "power",
            "formula": self.formula,
            "target": self.target,
            "metric": self.metric.name,
            "variables": list(self.variables),
            "n_convention": self.n_convention or None,
            "flops_convention": self.flops_convention or None,
            "params": {name: e.to_dict() for name, e in self.params.items()},
            "combinations": {name: e.to_dict() for name, e in self.combinations.items()},
            "relations": list(self.relations),
            **plain({"scatter": self.scatter, "r_squared": self.r_squared}, "no variation"),
            "intervals": self.intervals,
            "level": self.level,
            "n_rows": self.n_rows,
            "notes": list(self.notes),
        }

    def to_frame(self) -> Any:
        """A pandas frame with one row a parameter or combination."""
        import pandas as pd

        shown = {**self.params, **self.combinations}
        return pd.DataFrame([{"name": name, **e.to_dict()} for name, e in shown.items()])


def fit_power(
    runs: Runs,
    target: str = "loss",
    variables: tuple[str, ...] = ("N", "D", "C"),
    *,
    level: float = 0.9,
    n: str | None = None,
) -> PowerFit:
    """Fit `a * N^b * D^c * C^d` to a metric of the used rows, in closed form.

    Args:
        runs: the table.
        target: the column that is predicted; positive in every row.
        variables: what it is predicted from; any numeric columns.
        level: of the intervals.
        n: which column is N.

    Raises:
        DataError: a column is missing or not positive, or there are too few runs.
        UsageError: no variable, one twice, or a level outside (0, 1).

    >>> import isoloss as il
    >>> sorted(fit_power(il.example_runs()).combinations)
    ['b + 0.91·d', 'c + d']
    """
    check_level(level)
    if not 1 <= len(variables) <= len(EXPONENTS) or len(set(variables)) < len(variables):
        raise UsageError(f"a power law takes 1 to {len(EXPONENTS)} different variables")
    used = runs.used()
    columns = {v: _positive(used, v, n) for v in variables}
    logs = np.log(_positive(used, target, None))
    design = LogDesign.of(columns)
    rank = len(design.lengths)
    free = len(logs) - rank - 1
    if free < 1:
        raise DataError(
            f"{len(logs)} usable runs cannot fix a power law with {rank + 1} unknowns",
            hint="Add runs, or take fewer variables.",
        )
    mean = float(logs.mean())
    coefficients: Array = (design.left.T @ (logs - mean)) / design.lengths
    residual: Array = logs - mean - design.left @ (design.left.T @ (logs - mean))
    covariances = _covariances(design, residual, used.clusters(), free)
    metric = metric_of(target)
    total = float(((logs - mean) ** 2).sum())
    product = np.argmax(design.logs.sum(axis=1))
    exponents = dict(zip(variables, EXPONENTS, strict=False))
    return PowerFit(
        target=target,
        metric=metric,
        variables=tuple(variables),
        params=parameters(design, covariances, mean, coefficients, exponents, level),
        combinations=combinations(design, covariances, coefficients, exponents, level),
        relations=tuple(design.relation(row) for row in range(len(design.pivots))),
        scatter=math.sqrt(float((residual**2).sum()) / free),
        r_squared=1 - float((residual**2).sum()) / total if total > 0 else math.nan,
        intervals=covariances.describe(),
        level=level,
        n_rows=len(logs),
        n_convention=used.n_column(n) if {"N", "M"} & set(variables) else "",
        flops_convention=str(used.constant("flops_convention") or ""),
        notes=_notes(metric, np.exp(logs)),
        largest={v: float(column[product]) for v, column in columns.items()},
        ranges={v: (float(c.min()), float(c.max())) for v, c in columns.items()},
        _design=design.without_rows(),
        _mean=mean,
        _coefficients=coefficients,
        _covariances=covariances,
    )


def _positive(used: Runs, name: str, n: str | None) -> Array:
    """A column (n,) whose logarithm exists."""
    values = used.vector(name, n=n)
    wrong = np.flatnonzero(~((values > 0) & np.isfinite(values)))
    if len(wrong):
        run_id = used.to_frame()["run_id"].tolist()[wrong[0]]
        raise DataError(
            f"run {run_id!r}: {name} is {values[wrong[0]]:g}; a power law needs positive values",
            hint="Leave the run out with a reason, or fit another column.",
        )
    return values


def _covariances(design: LogDesign, residual: Array, clusters: Counts, free: int) -> Covariances:
    variance = float((residual**2).sum()) / free
    classical = variance * np.diag(np.concatenate(([1 / len(residual)], design.lengths**-2)))
    return Covariances(
        classical=classical,
        robust=sandwich(design, residual, clusters),
        free=free,
        groups=len(np.unique(clusters)),
        rows=len(residual),
    )


def _notes(metric: Metric, values: Array) -> tuple[str, ...]:
    """What to know of the metric, and of values that it cannot have."""
    found = [metric.note] if metric.note else []
    outside = [float(v) for v in (values.min(), values.max()) if metric.outside(float(v))]
    if outside:
        found.append(
            f"the column holds {outside[-1]:.4g}, but {metric.name} lies in {metric.range_text}:"
            " is it in per cent, or is it another metric?"
        )
    return tuple(found)

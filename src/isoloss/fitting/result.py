"""What a fit gives back: estimates with intervals, checks, and predictions. All frozen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from isoloss.errors import UsageError
from isoloss.fitting.constraints import Constraints
from isoloss.fitting.descent import Problem
from isoloss.fitting.objective import Objective
from isoloss.laws import Law
from isoloss.laws.law import Array, Counts

SCHEMA_VERSION = 1
FORMAT = "isoloss-fit-1"
Kind = Literal["mean", "run"]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A fitted parameter; an interval that cannot be given is not-a-number with the `reason`."""

    value: float
    stderr: float
    low: float
    high: float
    at_bound: bool
    reason: str = ""
    tied_to: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        return _plain(
            {
                "value": self.value,
                "stderr": self.stderr,
                "low": self.low,
                "high": self.high,
                "at_bound": self.at_bound,
                **({"tied_to": self.tied_to} if self.tied_to else {}),
            },
            self.reason,
        )


@dataclass(frozen=True, kw_only=True)
class Check:
    """One question about a fit: passed or not, what was seen, and what to do."""

    name: str
    passed: bool
    message: str
    cure: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        return {
            "name": self.name,
            "passed": self.passed,
            "message": self.message,
            "cure": self.cure,
        }


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A predicted loss with its interval.

    Attributes:
        loss: from the fitted parameters.
        low, high: interval at `level`; not-a-number with the `reason` where there is none.
        kind: `mean`: of the law; `run`: of one run, with the scatter of the fitted runs.
        at: the point.
        extrapolation: for each variable, how many times beyond the fitted runs; 1 inside.
    """

    loss: float
    low: float
    high: float
    kind: Kind
    level: float
    at: Mapping[str, float]
    extrapolation: Mapping[str, float]
    reason: str = ""

    def __repr__(self) -> str:
        return f"Prediction(loss={self.loss:.4f}, low={self.low:.4f}, high={self.high:.4f})"

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        return _plain(
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
            },
            self.reason,
        )

    def summary(self) -> str:
        """Two lines for a terminal."""
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
        return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class ObjectiveValue:
    """The objective and its value at the optimum, summed over rows."""

    spec: Objective
    value: float

    @property
    def name(self) -> str:
        """Of the objective."""
        return self.spec.name

    @property
    def delta(self) -> float:
        """Where Huber turns from square to line; the scale of Student's t."""
        return self.spec.delta

    @property
    def residual(self) -> str:
        """`log` or `raw`."""
        return self.spec.residual

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        return {**asdict(self.spec), "value": self.value}


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedRows:
    """The rows that a fit saw: what refits, profiles and influences start from.

    Attributes:
        columns: each variable of the law (n,).
        values: what the law predicts (n,), the column `target`.
        weights: of the rows in the objective (n,), or None.
        clusters: one integer a row (n,); rows that share it are not independent.
        run_ids: of the rows.
    """

    columns: Mapping[str, Array]
    values: Array
    target: str
    weights: Array | None
    clusters: Counts
    run_ids: tuple[str, ...]

    def problem(self, law: Law, objective: Objective) -> Problem:
        """The fit of a law to these rows."""
        return Problem(
            law=law,
            data=self.columns,
            loss=self.values,
            objective=objective,
            weights=self.weights,
        )


@dataclass(frozen=True, kw_only=True, repr=False)
class Fit:
    """A law with the parameters that runs gave it, and how far to believe it.

    Attributes:
        law: the law; `theta` (P,): its parameters in order.
        params: the same by name, with intervals at `level`.
        constraints: parameters that were fixed or tied.
        objective: what was minimised and the value reached.
        target: the column that the law predicts.
        status: one sentence; `trusted`: converged and identified.
        checks: what was looked at.
        draws: parameters of bootstrap fits (R, P), or None with `draws_reason`.
        n_convention, flops_convention: of the rows (docs/design.md §3); may be empty.
        ranges: smallest and largest value of each variable, and of N, D and C where known.
        family: vocab_size, context_length, n_layer where all rows share the ladder's shapes.
        scatter: standard deviation of the log residuals, with degrees of freedom taken off.
        runs_hash: of the table that was fitted.
        data: the rows that were fitted; None for a fit that was loaded without its `.npz`.
    """

    law: Law
    theta: Array
    params: Mapping[str, Estimate]
    constraints: Constraints
    objective: ObjectiveValue
    target: str
    status: str
    trusted: bool
    checks: tuple[Check, ...]
    draws: Array | None
    draws_reason: str
    n_convention: str
    flops_convention: str
    n_rows: int
    seed: int
    level: float
    ranges: Mapping[str, tuple[float, float]]
    family: Mapping[str, int]
    scatter: float
    runs_hash: str
    evidence: Mapping[str, Any] = field(default_factory=dict[str, Any])
    data: FittedRows | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={e.value:.4g}" for name, e in self.params.items())
        return f"Fit({self.law.name}: {values}; {self.n_rows} rows; {self.status})"

    def predict(
        self, *, level: float | None = None, kind: Kind = "mean", **variables: float
    ) -> Prediction:
        """Predict the loss at a point; every variable of the law must be given.

        Args:
            level: of the interval; the fit's own when left out.
            kind: `mean` for the law's loss, `run` for one run with its scatter.
            variables: for example N=1e6, D=2e7.

        Raises:
            UsageError: a variable is missing, unknown, not positive, or the level is no share.
        """
        level = self.level if level is None else level
        check_level(level)
        if kind not in ("mean", "run"):
            raise UsageError(f"unknown kind {kind!r}", hint="Use mean or run.")
        at = self._checked(variables)
        data = {name: np.array([value]) for name, value in at.items()}
        with np.errstate(all="ignore"):
            loss = float(self.law.value(self.theta, data)[0])
        if not math.isfinite(loss):
            raise UsageError(f"the law {self.law.name!r} has no finite value at {at}")
        low, high, reason = self._interval(data, loss, level, kind)
        return Prediction(
            loss=loss,
            low=low,
            high=high,
            kind=kind,
            level=level,
            at=at,
            extrapolation={name: self.distance(name, value) for name, value in at.items()},
            reason=reason,
        )

    def _interval(
        self, data: Mapping[str, Array], loss: float, level: float, kind: Kind
    ) -> tuple[float, float, str]:
        """Ends of the interval, or not-a-number with the reason."""
        if self.draws is None:
            return math.nan, math.nan, self.draws_reason
        with np.errstate(all="ignore"):
            sample = np.log(self.law.value(self.draws, data)[:, 0])
        if kind == "run":
            if not math.isfinite(self.scatter):
                return math.nan, math.nan, "the scatter of the runs is unknown"
            rng = np.random.default_rng(self.seed)
            sample = sample + self.scatter * rng.standard_normal(len(sample))
        sample = sample[np.isfinite(sample)]
        reason = too_few_draws(len(sample), level)
        if reason:
            return math.nan, math.nan, reason
        tail = (1 - level) / 2
        low, high = (float(x) for x in np.exp(np.quantile(sample, [tail, 1 - tail])))
        return min(low, loss), max(high, loss), ""

    def distance(self, variable: str, value: float) -> float:
        """How many times beyond the fitted runs a value lies; 1 inside, not-a-number unknown."""
        low, high = self.ranges.get(variable, (0.0, 0.0))
        if low <= value <= high:
            return 1.0
        return max(value / high, low / value) if low > 0 and value > 0 else math.nan

    def _checked(self, variables: Mapping[str, float]) -> dict[str, float]:
        """The variables as finite numbers; positive, but for meta_ and metric_ columns."""
        missing = [name for name in self.law.variables if name not in variables]
        unknown = [name for name in variables if name not in self.law.variables]
        if missing or unknown:
            raise UsageError(
                f"the law {self.law.name!r} takes {', '.join(self.law.variables)}; "
                + (f"missing {', '.join(missing)}" if missing else f"unknown {', '.join(unknown)}"),
                hint=f"Formula: {self.law.formula}",
            )
        at: dict[str, float] = {}
        for name, value in variables.items():
            try:
                at[name] = float(value)
            except (TypeError, ValueError, OverflowError) as error:
                raise UsageError(f"{name} must be one number, found {value!r}") from error
            positive = self.ranges.get(name, (1.0, 1.0))[0] > 0
            if not math.isfinite(at[name]) or (positive and at[name] <= 0):
                raise UsageError(f"{name} must be a positive number, found {value!r}")
        return at

    def summary(self) -> str:
        """The fit in 80 columns."""
        from isoloss.fitting.text import fit_text

        return fit_text(self)

    def _repr_html_(self) -> str:
        import html

        return f"<pre>{html.escape(self.summary())}</pre>"

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON, without the draws."""
        return {
            "schema_version": SCHEMA_VERSION,
            "format": FORMAT,
            "law": self.law.name,
            "formula": self.law.formula,
            "variables": list(self.law.variables),
            "n_convention": self.n_convention or None,
            "flops_convention": self.flops_convention or None,
            "params": {name: estimate.to_dict() for name, estimate in self.params.items()},
            "constraints": asdict(self.constraints),
            "objective": self.objective.to_dict(),
            "target": self.target,
            "status": self.status,
            "trusted": self.trusted,
            "checks": [check.to_dict() for check in self.checks],
            "n_rows": self.n_rows,
            "seed": self.seed,
            "level": self.level,
            "ranges": {name: list(values) for name, values in self.ranges.items()},
            "family": dict(self.family),
            "scatter": self.scatter if math.isfinite(self.scatter) else None,
            "runs_hash": self.runs_hash,
            "draws": 0 if self.draws is None else len(self.draws),
            **({"draws_reason": self.draws_reason} if self.draws is None else {}),
            "evidence": dict(self.evidence),
        }

    def to_frame(self) -> Any:
        """A pandas frame with one row a parameter."""
        import pandas as pd

        return pd.DataFrame([{"name": n, **e.to_dict()} for n, e in self.params.items()])

    def save(self, path: str | Path) -> None:
        """Write `path` (JSON) and, before it, the draws beside it (`.npz`).

        Raises:
            UsageError: the path ends in `.npz`, where the draws go.
            EnvironmentProblem: the folder is not writable or the disk is full.
        """
        from isoloss.fitting._saving import save_fit

        save_fit(self, Path(path))

    @staticmethod
    def load(path: str | Path) -> Fit:
        """Read what `save` wrote; without its `.npz` the intervals of predictions are missing.

        Raises:
            NotFoundError: no such file.
            DataError: not a fit of isoloss, or damaged.
        """
        from isoloss.fitting._saving import load_fit

        return load_fit(Path(path))


def check_level(level: float) -> None:
    """Raise UsageError unless the level of an interval lies between 0 and 1."""
    if not 0 < level < 1:
        raise UsageError(f"level must lie between 0 and 1, found {level}", hint="Try 0.9.")


def too_few_draws(count: int, level: float) -> str:
    """Why an interval at `level` cannot be read off so many draws; empty where it can."""
    if count * (1 - level) / 2 < 1 - 1e-9:
        return f"{count} resamples are too few for a {level:g} interval"
    return ""


def _plain(values: dict[str, Any], reason: str) -> dict[str, Any]:
    """Not-a-number becomes null; the reason stands beside it."""
    missing = [k for k, v in values.items() if isinstance(v, float) and not math.isfinite(v)]
    result = {k: (None if k in missing else v) for k, v in values.items()}
    return result | {f"{k}_reason": reason or "not available" for k in missing}

"""What a fit gives back: estimates with intervals, checks, and predictions. All frozen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoloss.errors import UsageError
from isoloss.fitting._archive import KINDS
from isoloss.fitting._json import SCHEMA_VERSION, plain
from isoloss.fitting.predicting import Kind, Prediction, prediction
from isoloss.fitting.solver.constraints import Constraints
from isoloss.fitting.solver.descent import Problem
from isoloss.fitting.solver.objective import Objective
from isoloss.laws import Law
from isoloss.laws.law import Array, Counts

if TYPE_CHECKING:
    from isoloss.fitting.diagnosis._grouping import By
    from isoloss.fitting.diagnosis.influences import Influence
    from isoloss.fitting.diagnosis.profiling import Profile


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
        return plain(
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
        groups: what the column `group` says of each row, `(empty)` where it says nothing; none
            at all where the table has no such column.
    """

    columns: Mapping[str, Array]
    values: Array
    target: str
    weights: Array | None
    clusters: Counts
    run_ids: tuple[str, ...]
    groups: tuple[str, ...] = ()

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
        family: what all rows share of the ladder's shapes: vocab_size, context_length, n_layer;
            for a family other than the default its name (`architecture`) and the shares of
            tokens that the encoder sees and the head predicts. Empty where rows differ.
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
    family: Mapping[str, Any]
    scatter: float
    runs_hash: str
    evidence: Mapping[str, Any] = field(default_factory=dict[str, Any])
    data: FittedRows | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={e.value:.4g}" for name, e in self.params.items())
        return f"Fit({self.law.name}: {values}; {self.n_rows} rows; {self.status})"

    def predict(
        self,
        *,
        level: float | None = None,
        kind: Kind = "mean",
        discrepancy: bool | None = None,
        **variables: float,
    ) -> Prediction:
        """Predict the loss at a point; every variable of the law must be given.

        Args:
            level: of the interval; the fit's own when left out.
            kind: `mean` for the law's loss, `run` for one run with its scatter.
            discrepancy: whether the interval counts what the law itself may be wrong by, as
                backtests among the runs tell it; left out, for a run beyond their compute.
            variables: for example N=1e6, D=2e7.

        Raises:
            UsageError: a variable is missing, unknown, not positive, or the level is no share.
        """
        level = self.level if level is None else level
        check_level(level)
        return prediction(self, variables, level, kind, discrepancy)

    def profile(self, name: str, *, level: float | None = None, points: int = 25) -> Profile:
        """The objective along one parameter or a formula of them; see `isoloss.fitting.profile`."""
        from isoloss.fitting.diagnosis.profiling import profile

        return profile(self, name, level=level, points=points)

    def influence(self, by: By = "run", *, budget: float | None = None) -> Influence:
        """What changes without each run, group or budget; see `isoloss.fitting.influence`."""
        from isoloss.fitting.diagnosis.influences import influence

        return influence(self, by, budget=budget)

    def posterior(self, *, draws: int = 1000, steps: int = 4000, seed: int | None = None) -> Fit:
        """This fit with draws of a Bayesian posterior; see `isoloss.fitting.posterior`."""
        from isoloss.fitting.diagnosis.posteriors import posterior

        return posterior(self, draws=draws, steps=steps, seed=seed)

    def distance(self, variable: str, value: float) -> float:
        """How many times beyond the fitted runs a value lies; 1 inside, not-a-number unknown."""
        low, high = self.ranges.get(variable, (0.0, 0.0))
        if low <= value <= high:
            return 1.0
        return max(value / high, low / value) if low > 0 and value > 0 else math.nan

    def summary(self) -> str:
        """The fit in 80 columns."""
        from isoloss.fitting.text import fit_text

        return fit_text(self)

    def _repr_html_(self) -> str:
        from isoloss.fitting.text import fit_html

        return fit_html(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON, without the draws."""
        return {
            "schema_version": SCHEMA_VERSION,
            "format": KINDS["Fit"].format,
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

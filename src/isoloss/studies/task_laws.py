"""One route to a score: the law that was chosen, and what it says of a run.

In two steps, the loss from size and data, then the score from the loss, both drawn together
(`isoloss.fitting.chained`); or directly from size, data or compute.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from isoloss.errors import UsageError
from isoloss.fitting.chained import ChainedFit
from isoloss.fitting.result import too_few_draws
from isoloss.laws.law import Array
from isoloss.studies.task_candidates import Candidate, ScoredBy, score_of

if TYPE_CHECKING:
    from isoloss.fitting import Fit
    from isoloss.runs import Runs


@dataclass(frozen=True, kw_only=True)
class ScorePrediction:
    """A score with its interval; what cannot be said is not-a-number with the `reason`."""

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        numbers = {"predicted": self.value, "low": self.low, "high": self.high}
        told: dict[str, Any] = {k: v if math.isfinite(v) else None for k, v in numbers.items()}
        return told | ({"reason": self.reason} if self.reason else {})


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A candidate on the runs: status of its fit, and how far it was off on held-out runs.

    Attributes:
        candidate: the law.
        status: of its fit to all runs; `trusted` whether that may be used.
        errors: predicted minus measured score of each held-out run; none where it has no value.
    """

    candidate: Candidate
    status: str
    trusted: bool
    errors: tuple[float, ...] = ()

    @property
    def rms(self) -> float:
        """Root mean square of the held-out errors, in units of the score."""
        return math.sqrt(float(np.mean(np.square(self.errors)))) if self.errors else math.nan


@dataclass(frozen=True, kw_only=True, repr=False)
class ScoreLaw:
    """One route to a score, with the law that was chosen for it.

    Attributes:
        metric: what is predicted.
        route: `chain` or `direct`.
        status: `identified`, or `not identified` with the `reason`.
        chosen: the candidate, and its `fit`: a `Fit`, or a `ChainedFit` of both steps.
        trials: every candidate.
        held_out: run ids that were held out; `held_reason` where none were.
        measured: their scores.
        scatter: of single runs around the law, in units of the score.
        largest: compute of the dearest run; `ahead`: mean log(C/C₀) of the held-out runs, where
            C₀ is the dearest that was kept.
    """

    metric: ScoredBy
    route: str
    status: str
    reason: str = ""
    chosen: Candidate | None = None
    fit: Fit | ChainedFit | None = None
    trials: tuple[Trial, ...] = ()
    held_out: tuple[str, ...] = ()
    held_reason: str = ""
    measured: tuple[float, ...] = ()
    scatter: float = math.nan
    largest: float = math.nan
    ahead: float = math.nan

    def __repr__(self) -> str:
        law = f", {self.chosen.name}" if self.chosen else ""
        return f"<ScoreLaw {self.metric.name} {self.route}: {self.status}{law}>"

    @property
    def identified(self) -> bool:
        """Whether it has a number to give."""
        return self.fit is not None

    @property
    def trial(self) -> Trial | None:
        """Of the chosen candidate."""
        return next((t for t in self.trials if t.candidate == self.chosen), None)

    def predict(self, *, level: float, **variables: float) -> ScorePrediction:
        """The score of one run.

        Its interval has the draws of the law (of both steps, where there are two), the scatter
        of single runs, and whatever the law was further off on the held-out runs: an error that
        grows with log(C/C₀), as that of a law with a slightly wrong exponent does.

        Args:
            level: of the interval.
            variables: N, D and C of the run; those that the law does not take are ignored.

        Returns:
            The prediction; without a value or an interval it says why.
        """
        if self.fit is None or self.chosen is None:
            return ScorePrediction(reason=self.reason)
        fit, value = self.fit, math.nan
        names = fit.variables if isinstance(fit, ChainedFit) else fit.law.variables
        at: dict[str, Any] = {name: variables[name] for name in names if name in variables}
        try:
            value = float(self._score(np.array([fit.predict(level=level, **at).loss]))[0])
            sample = self._sample(at)
        except UsageError as error:
            return ScorePrediction(value=value, reason=error.message)
        reason = too_few_draws(len(sample), level)
        if reason:
            return ScorePrediction(value=value, reason=reason)
        missed = self._missed(variables.get("C", math.nan))
        low, high = self._ends(sample, value, missed, level)
        return ScorePrediction(value=value, low=low, high=high)

    def errors_on(self, runs: Runs) -> dict[str, float]:
        """The last step on other runs, of another corpus for example: predicted minus measured.

        Only the law of the score is tried: the second step of a chain takes the losses that the
        other runs measured. Their losses must mean the same; bits per byte do across tokenisers,
        nats per token do not.

        Args:
            runs: a table with the metric and what the law takes.

        Returns:
            The error of each run that has a score, by run id; nothing where the law is not
            identified.

        Raises:
            DataError: a run lacks what the law takes.
        """
        if self.fit is None:
            return {}
        last = self.fit.second if isinstance(self.fit, ChainedFit) else self.fit
        from isoloss.runs import Runs

        rows = [row for row in runs.used().rows() if known(row.get(self.metric.column))]
        if not rows:
            return {}
        table = Runs.from_rows(rows)
        columns = {name: table.vector(name) for name in last.law.variables}
        found = self._score(last.law.value(last.theta, columns))
        return {
            str(row["run_id"]): float(value) - float(row[self.metric.column])
            for row, value in zip(rows, found, strict=True)
        }

    def _sample(self, at: dict[str, Any]) -> Array:
        """Scores as the draws have them, (R,)."""
        fit = self.fit
        if isinstance(fit, ChainedFit):
            sample = fit.sample(kinds=("run", "mean"), **at)
        else:
            assert fit is not None
            if fit.draws is None:
                raise UsageError(f"no draws: {fit.draws_reason}")
            point = {name: np.array([at[name]]) for name in fit.law.variables}
            sample = fit.law.value(fit.draws, point)[:, 0]
        return self._score(sample[np.isfinite(sample)])

    def _missed(self, compute: float) -> float:
        """What the law is off by at a compute, as the held-out runs tell it; 0 without them."""
        trial = self.trial
        if trial is None or not trial.errors:
            return 0.0
        reach = math.log(compute / self.largest) / self.ahead if compute > self.largest else 1.0
        return trial.rms * max(reach, 1.0)

    def _ends(
        self, sample: Array, value: float, missed: float, level: float
    ) -> tuple[float, float]:
        own = float(sample.std()) ** 2 + self.scatter**2
        beside = math.sqrt(self.scatter**2 + max(missed**2 - own, 0.0))
        rng = np.random.default_rng(0)
        drawn = self._clipped(sample + beside * rng.standard_normal(len(sample)))
        low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
        return min(float(low), value), max(float(high), value)

    def _clipped(self, values: Array) -> Array:
        """Inside the range of the metric."""
        return np.clip(values, 0.0, self.metric.best if self.metric.bounded else np.inf)

    def _score(self, values: Array) -> Array:
        """The metric, from what the law predicts."""
        assert self.chosen is not None
        return self._clipped(score_of(values, self.chosen.target, self.metric))

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        told: dict[str, Any] = {"status": self.status}
        told |= {"reason": self.reason} if self.reason else {}
        if self.chosen is not None and self.fit is not None:
            last = self.fit.second if isinstance(self.fit, ChainedFit) else self.fit
            told |= {
                "law": self.chosen.name,
                "formula": last.law.formula,
                "predicts": self.chosen.target.removeprefix("metric_"),
                "fixed": dict(self.chosen.fixed),
                "params": {name: estimate.to_dict() for name, estimate in last.params.items()},
                "scatter": self.scatter if math.isfinite(self.scatter) else None,
            }
        if isinstance(self.fit, ChainedFit):
            told |= {
                "first_step": self.fit.first.law.name,
                "first_status": self.fit.first.status,
                "paired_draws": self.fit.paired,
            }
        told["candidates"] = [
            {
                "law": trial.candidate.name,
                "status": trial.status,
                "held_out_rms": trial.rms if math.isfinite(trial.rms) else None,
            }
            for trial in self.trials
        ]
        return told | {"held_out": self._held_out()}

    def _held_out(self) -> dict[str, Any]:
        trial = self.trial
        if trial is None or not trial.errors:
            return {"runs": [], "reason": self.held_reason or self.reason}
        rows = zip(self.held_out, self.measured, trial.errors, strict=True)
        return {
            "rms": trial.rms,
            "runs": [
                {"run_id": run_id, "measured": value, "predicted": value + error, "error": error}
                for run_id, value, error in rows
            ],
        }


def known(value: Any) -> bool:
    """Whether a cell of the run table holds a number."""
    return isinstance(value, int | float) and math.isfinite(value)

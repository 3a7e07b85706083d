"""Two fits in a chain: the second takes what the first predicts, as accuracy takes the loss.

An accuracy jumps about where the loss falls smoothly, so it is predicted in two steps (Gadre et
al. 2024, arXiv:2403.08540; Bhagia et al. 2024, arXiv:2412.04403): loss from size and data, then
accuracy from loss. What the first step does not know, the second inherits: every draw of the
first goes through a draw of the second.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from isoloss.errors import UsageError
from isoloss.fitting._records import Recorded
from isoloss.fitting.predicting import Kind, Prediction
from isoloss.fitting.result import Fit, check_level, too_few_draws
from isoloss.laws.law import Array
from isoloss.runs.columns import ALIASES


def fit_chain(first: Fit, second: Fit) -> ChainedFit:
    """Chain two fits: a variable of the second is what the first predicts.

    Args:
        first: for example the loss from N and D.
        second: for example an accuracy from the loss. It may have further variables.

    Raises:
        UsageError: the second fit has no variable that is the target of the first.

    >>> import isoloss as il
    >>> runs = il.example_runs()
    >>> loss = il.fit(runs, "chinchilla", bootstrap=0)
    >>> bits = il.fit(runs, "a + b*loss", target="bits_per_byte", bootstrap=0)
    >>> fit_chain(loss, bits).variables
    ('N', 'D')
    """
    links = [v for v in second.law.variables if ALIASES.get(v, v) == first.target]
    if len(links) != 1:
        raise UsageError(
            f"the second fit takes {', '.join(second.law.variables)}, but the first predicts"
            f" {first.target!r}",
            hint=f"Fit the second to a law with the variable {first.target}, or give the fits in"
            " the other order.",
        )
    return ChainedFit(first=first, second=second, link=links[0])


@dataclass(frozen=True, kw_only=True, repr=False)
class ChainedFit(Recorded):
    """Two fits whose prediction is one: made by `fit_chain`.

    Attributes:
        first, second: the fits.
        link: the variable of the second law that the first predicts.
    """

    first: Fit
    second: Fit
    link: str

    def __repr__(self) -> str:
        return (
            f"ChainedFit({self.first.law.name} to {self.first.target},"
            f" {self.second.law.name} to {self.target})"
        )

    @property
    def variables(self) -> tuple[str, ...]:
        """What a prediction needs: the variables of the first law, then others of the second."""
        further = (v for v in self.second.law.variables if v != self.link)
        return tuple(dict.fromkeys((*self.first.law.variables, *further)))

    @property
    def target(self) -> str:
        """The column that it predicts."""
        return self.second.target

    @property
    def trusted(self) -> bool:
        """Whether both steps converged and are identified."""
        return self.first.trusted and self.second.trusted

    @property
    def paired(self) -> bool:
        """Whether draw r of both fits comes from the same resample of the same runs.

        Errors of the two steps that have one cause, such as one odd run, then meet in one draw;
        otherwise the steps are taken as independent.
        """
        one, two = self.first, self.second
        if one.data is None or two.data is None or one.draws is None or two.draws is None:
            return False
        return (
            one.data.run_ids == two.data.run_ids
            and one.seed == two.seed
            and len(one.draws) == len(two.draws)
        )

    def predict(
        self,
        *,
        level: float | None = None,
        kind: Kind = "mean",
        discrepancy: bool | None = None,
        **variables: float,
    ) -> Prediction:
        """Predict the second target at a point; its interval carries the errors of both steps.

        Args:
            level: of the interval; the second fit's own when left out.
            kind: `mean` for the laws alone, `run` for one run with the scatter of both steps.
            discrepancy: whether a step counts what its law may be wrong by; see `Fit.predict`.
            variables: for example N=1e9, D=2e10.

        Returns:
            A `Prediction` whose `loss` is the value of the second target. Its `at` and its
            `extrapolation` also have the link: what the first step predicts, and how far that
            lies beyond the runs of the second.

        Raises:
            UsageError: a variable is missing, unknown or not positive; no value there.
        """
        level = self.second.level if level is None else level
        check_level(level)
        self._check(variables)
        first = self.first.predict(
            level=level, kind=kind, discrepancy=discrepancy, **_given(self.first, variables)
        )
        at = _given(self.second, variables) | {self.link: first.loss}
        second = self.second.predict(level=level, kind=kind, discrepancy=discrepancy, **at)
        low, high, reason = self._interval(first, second)
        return Prediction(
            loss=second.loss,
            low=low,
            high=high,
            kind=kind,
            level=level,
            at={**first.at, **second.at},
            extrapolation={**second.extrapolation, **first.extrapolation}
            | {self.link: second.extrapolation[self.link]},
            reason=reason,
            notes=tuple(
                f"{fit.target}: {note}"
                for fit, step in ((self.first, first), (self.second, second))
                for note in step.notes
            ),
        )

    def sample(
        self,
        *,
        kinds: tuple[Kind, Kind] = ("mean", "mean"),
        discrepancy: bool | None = None,
        **variables: float,
    ) -> Array:
        """The second target at a point as the draws of both steps have it, (R,).

        Args:
            kinds: of the first and of the second step, as in `Fit.predict`: a step that is one
                run carries its scatter.
            discrepancy: as in `Fit.predict`.
            variables: for example N=1e9, D=2e10.

        Raises:
            UsageError: a variable is missing, unknown or not positive; a step has no draws.
        """
        self._check(variables)
        first = self.first.predict(
            kind=kinds[0], discrepancy=discrepancy, **_given(self.first, variables)
        )
        at = _given(self.second, variables) | {self.link: first.loss}
        second = self.second.predict(kind=kinds[1], discrepancy=discrepancy, **at)
        for fit, step in ((self.first, first), (self.second, second)):
            if fit.draws is None or step.reason:
                raise UsageError(f"no draws of {fit.target}: {step.reason or fit.draws_reason}")
        return self._sample(first, second)

    def summary(self) -> str:
        """Both fits in a few lines."""
        lines = [
            f"{self.target} from {', '.join(self.variables)}, in two steps",
            f"1  {self.first.target} = {self.first.law.formula}",
            f"   {self.first.status}",
            f"2  {self.target} = {self.second.law.formula}",
            f"   {self.second.status}",
            "draws of both steps from the same resamples of the same runs"
            if self.paired
            else "draws of the two steps taken as independent",
        ]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        return {
            "schema_version": 1,
            "target": self.target,
            "variables": list(self.variables),
            "link": self.link,
            "paired_draws": self.paired,
            "trusted": self.trusted,
            "steps": [self.first.to_dict(), self.second.to_dict()],
        }

    def to_frame(self) -> Any:
        """A pandas frame with one row a parameter of either step."""
        import pandas as pd

        steps = (self.first, self.second)
        return pd.concat(
            [fit.to_frame().assign(step=k + 1, target=fit.target) for k, fit in enumerate(steps)],
            ignore_index=True,
        )

    def _check(self, variables: Mapping[str, float]) -> None:
        """Refuse variables that are missing or unknown, also the link itself."""
        missing = [name for name in self.variables if name not in variables]
        unknown = [name for name in variables if name not in self.variables]
        if missing or unknown:
            raise UsageError(
                f"the chain takes {', '.join(self.variables)}; "
                + (f"missing {', '.join(missing)}" if missing else f"unknown {', '.join(unknown)}"),
                hint=f"{self.link} comes from the first step." if self.link in unknown else "",
            )

    def _interval(self, first: Prediction, second: Prediction) -> tuple[float, float, str]:
        """Ends of the interval, or not-a-number with the reason."""
        for fit, step in ((self.first, first), (self.second, second)):
            if step.reason:
                return math.nan, math.nan, f"no interval of {fit.target}: {step.reason}"
        sample = self._sample(first, second)
        sample = sample[np.isfinite(sample)]
        reason = too_few_draws(len(sample), second.level)
        if reason:
            return math.nan, math.nan, reason
        tail = (1 - second.level) / 2
        low, high = (float(x) for x in np.quantile(sample, [tail, 1 - tail]))
        return min(low, second.loss), max(high, second.loss), ""

    def _sample(self, first: Prediction, second: Prediction) -> Array:
        """The second target as draws of both steps have it, (R,)."""
        rng = np.random.default_rng([self.first.seed, self.second.seed])
        one, two = self._draws(rng)
        with np.errstate(all="ignore"):
            middle = _values(self.first, one, first.at)
            middle = middle * np.exp(_beside_draws(first) * rng.standard_normal(len(middle)))
            value = _values(self.second, two, {**second.at, self.link: middle})
            return value * np.exp(_beside_draws(second) * rng.standard_normal(len(value)))

    def _draws(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """Parameters of both laws, (R, P) and (R, Q): drawn together, or shuffled."""
        one, two = self.first.draws, self.second.draws
        assert one is not None  # a step without draws has a reason
        assert two is not None
        if self.paired:
            return one, two
        rows = max(len(one), len(two))
        return one[rng.permutation(rows) % len(one)], two[rng.permutation(rows) % len(two)]


def _given(fit: Fit, variables: Mapping[str, float]) -> dict[str, float]:
    """Those of the variables that a fit takes."""
    return {name: variables[name] for name in fit.law.variables if name in variables}


def _beside_draws(step: Prediction) -> float:
    """What a step adds to the spread of its draws, in logarithms: scatter and discrepancy."""
    parts = step.parts
    # As in `Fit.predict`: draws and discrepancy estimate one error, so the larger one counts.
    wrong = parts.get("discrepancy", 0.0) ** 2 - parts.get("parameters", 0.0) ** 2
    return math.sqrt(parts.get("scatter", 0.0) ** 2 + max(wrong, 0.0))


def _values(fit: Fit, draws: Array, at: Mapping[str, float | Array]) -> Array:
    """The law of each draw at its own point, (R,); what is one number holds for all draws."""
    columns = {
        name: np.broadcast_to(np.asarray(value, dtype=np.float64), len(draws))[:, None]
        for name, value in at.items()
    }
    return fit.law.value(draws, columns)[:, 0]

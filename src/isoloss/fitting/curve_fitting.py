"""Whole loss curves and their learning-rate schedules → a law that foretells other schedules."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from isoloss.errors import DataError, UsageError
from isoloss.fitting._curve_bootstrap import curve_draws
from isoloss.fitting._curve_text import curve_text
from isoloss.fitting._records import Recorded
from isoloss.fitting.diagnosis.checks import (
    gradient_is_small,
    identified,
    inside_bounds,
    starts_agree,
)
from isoloss.fitting.estimation import intervals_of
from isoloss.fitting.predicted_curves import PredictedCurve
from isoloss.fitting.result import (
    SCHEMA_VERSION,
    Check,
    Estimate,
    ObjectiveValue,
    check_level,
    too_few_draws,
)
from isoloss.fitting.solver.coordinates import Coordinates
from isoloss.fitting.solver.descent import Problem
from isoloss.fitting.solver.objective import LossName, Objective, ResidualName
from isoloss.fitting.solver.optimum import Optimum, solve
from isoloss.laws.annealing import DECAY, annealing_area, multi_power
from isoloss.laws.curves import Curve, Curves, Points, point_columns
from isoloss.laws.law import Array, Law
from isoloss.laws.schedules import LearningRates

CurveLaw = Literal["multi_power", "annealing"]
STARTS = 24
BOOTSTRAP = 200


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CurveFit(Recorded):
    """A law of whole loss curves with the parameters that some curves gave it.

    Attributes:
        law: bound to `curves`; `theta` (P,): its parameters in order.
        params: the same by name, with intervals at `level`.
        objective: what was minimised and the value reached, summed over points.
        status: one sentence; `trusted`: converged and identified.
        checks: what was looked at.
        errors: mean of |predicted / measured - 1| on each fitted curve, by its name.
        decay: lambda of the annealing law where it was fixed, else None.
        flat_warmup: whether warm-ups count as if they ran at their peak.
        draws: parameters of bootstrap fits (R, P), or None with `draws_reason`; `resampling`:
            how they were made.
        evidence: starts, how many agreed, other optima and the gradient norm.
    """

    law: Law
    curves: Curves
    theta: Array
    params: Mapping[str, Estimate]
    objective: ObjectiveValue
    status: str
    trusted: bool
    checks: tuple[Check, ...]
    errors: Mapping[str, float]
    decay: float | None
    flat_warmup: bool
    draws: Array | None
    draws_reason: str
    resampling: str
    level: float
    seed: int
    evidence: Mapping[str, Any]

    DERIVED = ("law",)

    @classmethod
    def _rebuilt(cls, fields: dict[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
        name = stored["law"]["name"]
        if name not in get_args(CurveLaw):
            raise ValueError(f"no law of curves is called {name!r}")
        seen = tuple(_seen(curve, flat=fields["flat_warmup"]) for curve in fields["curves"])
        return {**fields, "law": _bound(name, seen, fields["decay"])}

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={e.value:.4g}" for name, e in self.params.items())
        return f"CurveFit({self.law.name}: {values}; {len(self.curves)} curves; {self.status})"

    @property
    def n_points(self) -> int:
        """How many losses were fitted."""
        return len(self.curves.losses)

    def predict(self, schedule: LearningRates, steps: npt.ArrayLike) -> Array:
        """Losses (n,) after the updates of `steps` (n,) of a run under `schedule`.

        Raises:
            DataError: a step outside the schedule, or a schedule the law has no value for.
        """
        return self._values(self.theta, Points(schedule, steps, "prediction"))

    def predict_curve(
        self, schedule: LearningRates, steps: npt.ArrayLike, *, level: float | None = None
    ) -> PredictedCurve:
        """`predict` with an interval of the law's loss at every step.

        It knows the noise of the fitted curves, not what the law itself may be wrong by under
        another kind of schedule: hold a curve out (`error`) to see that.

        Args:
            level: of the interval; the fit's own when left out.

        Raises:
            DataError: as `predict`.
            UsageError: the level is no share.
        """
        level = self.level if level is None else level
        check_level(level)
        points = Points(schedule, steps, "prediction")
        loss = self._values(self.theta, points)
        reason = self.draws_reason
        if self.draws is not None:
            reason = too_few_draws(len(self.draws), level)
        low = high = np.full_like(loss, math.nan)
        if self.draws is not None and not reason:
            tail = (1 - level) / 2
            low, high = np.quantile(self._values(self.draws, points), [tail, 1 - tail], axis=0)
            low, high = np.minimum(low, loss), np.maximum(high, loss)
        return PredictedCurve(
            steps=points.steps, loss=loss, low=low, high=high, level=level, reason=reason
        )

    def _values(self, theta: Array, points: Points) -> Array:
        """Losses (..., n) of parameters (..., P) at some points."""
        seen = _seen(points, flat=self.flat_warmup)
        law = _bound(self.law.name, (seen,), self.decay)
        return law.value(theta, point_columns((seen,)))

    def error(self, curve: Curve) -> float:
        """Mean of |predicted / measured - 1| on a curve, for example one that was held out."""
        predicted = self.predict(curve.schedule, curve.steps)
        return float(np.abs(predicted / curve.losses - 1).mean())

    def summary(self) -> str:
        """The fit in 80 columns."""
        return curve_text(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON, without the curves' points."""
        return {
            "schema_version": SCHEMA_VERSION,
            "law": self.law.name,
            "formula": self.law.formula,
            "params": {name: estimate.to_dict() for name, estimate in self.params.items()},
            "objective": self.objective.to_dict(),
            "status": self.status,
            "trusted": self.trusted,
            "checks": [check.to_dict() for check in self.checks],
            "curves": [
                {"name": c.name, "points": len(c), "steps": len(c.schedule), "error": error}
                for c, error in zip(self.curves, self.errors.values(), strict=True)
            ],
            "n_points": self.n_points,
            "decay": self.decay,
            "flat_warmup": self.flat_warmup,
            "level": self.level,
            "draws": 0 if self.draws is None else len(self.draws),
            **({"draws_reason": self.draws_reason} if self.draws is None else {}),
            "resampling": self.resampling,
            "seed": self.seed,
            "evidence": dict(self.evidence),
        }

    def to_frame(self) -> Any:
        """A pandas frame with one row a parameter."""
        import pandas as pd

        return pd.DataFrame([{"name": n, **e.to_dict()} for n, e in self.params.items()])


def fit_curves(
    curves: Curves | Iterable[Curve],
    law: CurveLaw = "multi_power",
    *,
    objective: LossName = "huber",
    delta: float = 1e-3,
    residual: ResidualName = "log",
    tau: float = 0.9,
    nu: float = 4.0,
    decay: float | None = DECAY,
    flat_warmup: bool | None = None,
    starts: int = STARTS,
    bootstrap: int = BOOTSTRAP,
    level: float = 0.9,
    seed: int = 0,
) -> CurveFit:
    """Fit a law to whole loss curves of one model and data under different schedules.

    Args:
        curves: with their learning-rate schedules, warm-up included.
        law: `multi_power` (arXiv:2503.12811) or `annealing` (arXiv:2408.11029).
        objective, delta, residual, tau, nu: what is minimised (`isoloss.fitting.Objective`).
        decay: lambda of `annealing`; None fits its memory 1/(1 - lambda) too.
        flat_warmup: count a warm-up as if it ran at its peak; left out, each law does as its
            paper: `annealing` does, `multi_power` does not.
        starts: of the search for the global optimum.
        bootstrap: resamples for the intervals, 0 for none. Of twenty curves or more whole curves
            are drawn; with fewer, losses are made anew along each curve, with the memory that
            its residuals have. What sets a run as a whole apart from others is then not seen.
        level: of the intervals.
        seed: of starts and resamples; the same seed gives the same fit.

    Raises:
        UsageError: an unknown law or objective, no starts, or a level outside (0, 1).
        DataError: no more points than parameters, or a schedule the law has no value for.

    >>> fast = LearningRates.two_stage(900, 1e-3, 1e-4, switch=500, warmup=50)
    >>> fit_curves([Curve("a", fast, [100, 499], [4.1, 3.6])], "annealing")
    Traceback (most recent call last):
    isoloss.errors.DataError: 2 points cannot fix the 4 parameters of 'annealing'
    """
    if law not in get_args(CurveLaw):
        raise UsageError(f"no law of curves is called {law!r}", hint="multi_power or annealing.")
    if starts < 1 or seed < 0:
        raise UsageError(f"a fit needs a start and a seed from 0, found {starts} and {seed}")
    check_level(level)
    if bootstrap < 0:
        raise UsageError(f"bootstrap must not be negative, found {bootstrap}")
    given = curves if isinstance(curves, Curves) else Curves(curves)
    flat = law == "annealing" if flat_warmup is None else flat_warmup
    fixed = decay if law == "annealing" else None
    seen = tuple(_seen(curve, flat=flat) for curve in given)
    spec = Objective(name=objective, delta=delta, residual=residual, tau=tau, nu=nu)
    problem = Problem(
        law=_bound(law, seen, fixed),
        data=point_columns(seen),
        loss=given.losses,
        objective=spec,
    )
    if len(problem.loss) <= len(problem.law.parameters):
        raise DataError(
            f"{len(problem.loss)} points cannot fix the {len(problem.law.parameters)} parameters"
            f" of {law!r}",
            hint="Give more points of the curves, or more curves.",
        )
    optimum = solve(problem, starts=starts, seed=seed)
    if not math.isfinite(optimum.value):
        raise DataError(f"the law {problem.law.name!r} has no value at these points")
    draws, made, reason = None, "", "the fit was made without bootstrap (bootstrap=0)"
    if bootstrap:
        draws, made, reason = curve_draws(problem, optimum.theta, given, bootstrap, seed)
    return _result(given, problem, optimum, fixed, flat, _Drawn(draws, made, reason, level), seed)


@dataclass(frozen=True)
class _Drawn:
    """Bootstrap draws (R, P), how they were made or why there are none, and the level."""

    draws: Array | None
    made: str
    reason: str
    level: float


def _result(
    curves: Curves,
    problem: Problem,
    optimum: Optimum,
    decay: float | None,
    flat: bool,
    drawn: _Drawn,
    seed: int,
) -> CurveFit:
    """What the optimum says, with checks."""
    checks = _checks(problem, optimum)
    status, trusted = _status(checks)
    return CurveFit(
        law=problem.law,
        curves=curves,
        theta=optimum.theta,
        params=_estimates(problem.law, optimum, drawn),
        objective=ObjectiveValue(spec=problem.objective, value=optimum.value),
        status=status,
        trusted=trusted,
        checks=checks,
        errors=_errors(curves, problem.law.value(optimum.theta, problem.data)),
        decay=decay,
        flat_warmup=flat,
        draws=drawn.draws,
        draws_reason=drawn.reason,
        resampling=drawn.made,
        level=drawn.level,
        seed=seed,
        evidence={
            "starts": optimum.starts,
            "start_rows": optimum.start_rows,
            "agreeing": optimum.agreeing,
            "other_optima": list(optimum.others),
            "gradient_norm": optimum.gradient_norm,
        },
    )


def _bound(law: str, points: tuple[Points, ...], decay: float | None) -> Law:
    """The law of a name at some points."""
    return multi_power(points) if law == "multi_power" else annealing_area(points, decay=decay)


def _seen(points: Points, *, flat: bool) -> Points:
    """Points with the schedule that the law sees; a curve stays a curve."""
    if not flat:
        return points
    schedule = points.schedule.with_flat_warmup()
    if isinstance(points, Curve):
        return Curve(points.name, schedule, points.steps, points.losses)
    return Points(schedule, points.steps, points.name)


def _errors(curves: Curves, predicted: Array) -> dict[str, float]:
    """Mean relative error of each curve, from predictions at all points."""
    off = np.abs(predicted / curves.losses - 1)
    ends = np.cumsum([len(curve) for curve in curves])[:-1]
    parts = np.split(off, ends)
    return {name: float(part.mean()) for name, part in zip(curves.names, parts, strict=True)}


def _estimates(law: Law, optimum: Optimum, drawn: _Drawn) -> dict[str, Estimate]:
    """Values with intervals, or why there are none."""
    reason = drawn.reason
    if drawn.draws is not None:
        reason = too_few_draws(len(drawn.draws), drawn.level)
    return intervals_of(law, optimum, drawn.draws, reason, drawn.level)


def _checks(problem: Problem, optimum: Optimum) -> tuple[Check, ...]:
    """The checks that make sense for points of a few curves."""
    with np.errstate(over="ignore"):  # a parameter without any effect: infinite is what it says
        fixed = identified(problem, Coordinates.of(problem.law).u(optimum.theta))
    cure = "Add a curve whose learning rate falls at another time or depth." if fixed.cure else ""
    message = fixed.message.replace(" runs for ", " points for ")
    return (
        starts_agree(optimum, len(problem.loss)),
        gradient_is_small(optimum),
        inside_bounds(problem, optimum),
        replace(fixed, cure=cure, message=message),
    )


def _status(checks: tuple[Check, ...]) -> tuple[str, bool]:
    """One of a few sentences, and whether the fit may be used."""
    failed = {check.name for check in checks if not check.passed}
    if failed & {"starts_agree", "gradient"}:
        return "not converged: no optimum was confirmed; do not use these parameters", False
    if "identifiability" in failed:
        return "converged, but not identified: other parameters fit these curves as well", False
    if failed:
        return "converged at a bound: predictions may serve, that parameter says nothing", True
    return "converged and identified", True

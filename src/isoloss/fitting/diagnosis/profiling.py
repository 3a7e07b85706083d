"""Profiles: the objective as a function of one parameter, all others chosen anew.

Where a profile rises on both sides the runs fix the parameter; where it stays low on one side
they give a bound on the other only, which no standard error can say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from isoloss.errors import UsageError
from isoloss.fitting._json import SCHEMA_VERSION, plain
from isoloss.fitting._records import Recorded
from isoloss.fitting.diagnosis._calibration import Calibration, calibrate
from isoloss.fitting.diagnosis._profile_path import Path, bound, filled, spread_of, walked
from isoloss.fitting.diagnosis._slices import Function, FunctionSlice, ParameterSlice, Slice
from isoloss.fitting.solver.constraints import expanded, reduced_law
from isoloss.fitting.solver.coordinates import Coordinates
from isoloss.fitting.solver.descent import Problem, descend
from isoloss.laws.law import Array

if TYPE_CHECKING:
    from isoloss.fitting.result import Fit

POINTS = 25
FIRST_STEP = 0.5
"""In standard errors, as far as the curvature tells them."""
STIFFNESS = 1e4
"""Of the spring that draws a function to a value, in units of the objective's own curvature."""
LOWER = 1e-4
"""A point lower than the optimum by this share of the limit belongs to a better optimum."""
MOST_RESTARTS = 3


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Profile(Recorded):
    """The objective along one parameter, re-optimised over all others.

    Attributes:
        name: the parameter, or a formula of several.
        value: at the optimum.
        low, high: where the objective has risen by `limit`; not-a-number with `low_reason`,
            `high_reason` where it never does: there is no bound on that side.
        verdict: `E in [1.78, 1.86]`, `E ≥ 1.6, no upper bound`, or that it is not identified.
        grid: values of the parameter (T,), rising; objective: re-optimised (T,).
        theta: parameters of the law (T, P) along the profile.
        limit: rise of the objective that ends the interval at `level`.
        calibration: how the limit was found; `scale` κ and `freedom` f: 2·rise/κ ~ F(1, f).
        notes: what else a reader should know.
    """

    name: str
    value: float
    low: float
    high: float
    low_reason: str
    high_reason: str
    level: float
    verdict: str
    grid: Array
    objective: Array
    theta: Array
    minimum: float
    limit: float
    calibration: str
    scale: float
    freedom: int
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Profile({self.verdict}; {self.level:.0%})"

    @property
    def statistic(self) -> Array:
        """Twice the rise over its scale, (T,): F(1, freedom) if the model holds."""
        return 2 * (self.objective - self.minimum) / self.scale

    def summary(self) -> str:
        """Verdict and curve in 80 columns."""
        from isoloss.fitting.diagnosis._profile_text import profile_text

        return profile_text(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        ends = plain({"low": self.low}, self.low_reason)
        ends |= plain({"high": self.high}, self.high_reason)
        return {
            "schema_version": SCHEMA_VERSION,
            "name": self.name,
            "value": self.value,
            **ends,
            "level": self.level,
            "verdict": self.verdict,
            "minimum": self.minimum,
            **plain({"limit": self.limit, "scale": self.scale}, self.low_reason),
            "freedom": self.freedom,
            "calibration": self.calibration,
            "grid": self.grid.tolist(),
            "objective": [float(x) if math.isfinite(x) else None for x in self.objective],
            "notes": list(self.notes),
        }

    def to_frame(self) -> Any:
        """A pandas frame with one row a point of the curve."""
        import pandas as pd

        return pd.DataFrame(
            {self.name: self.grid, "objective": self.objective, "statistic": self.statistic}
        )


def profile(fit: Fit, name: str, *, level: float | None = None, points: int = POINTS) -> Profile:
    """The profile of a parameter, or of a formula of parameters such as `beta/(alpha+beta)`.

    The bounds lie where the objective has risen by κ/2 times the `level` quantile of
    F(1, n − P); `isoloss.fitting.diagnosis._calibration` says what κ is and why.

    Args:
        fit: with its rows.
        name: a free parameter of the law, or a formula of them.
        level: of the interval; the fit's own when left out.
        points: of the curve.

    Raises:
        UsageError: no such parameter, a fixed one, a level that is no share, fewer than 5
            points, or a fit that was loaded without its rows.

    >>> import isoloss as il
    >>> fit = il.fit(il.example_runs(), bootstrap=0)
    >>> fit.profile("alpha").verdict.startswith("alpha in [")
    True
    """
    from isoloss.fitting.result import check_level

    level = fit.level if level is None else level
    check_level(level)
    if points < 5:
        raise UsageError(f"a profile needs 5 points or more, found {points}")
    problem, u = problem_of(fit)
    cut, calibration = _cut(fit, problem, u, name)
    value = float(cut.shown(cut.z(u[None]))[0])
    if not math.isfinite(calibration.scale):
        return _without_scale(fit, name, value, level, calibration)
    notes: tuple[str, ...] = ()
    path = _walked(cut, u, calibration, level)
    for _ in range(MOST_RESTARTS):
        lowest = int(np.argmin(path.value))
        if path.value[lowest] >= path.base - LOWER * calibration.limit(level):
            break
        better, _ = descend(problem, path.u[lowest][None], iterations=200, accelerated=True)
        # Residuals are others there, and so is what a rise of the objective means.
        cut, calibration = _cut(fit, problem, better[0], name)
        path = _walked(cut, better[0], calibration, level)
        where = float(cut.shown(cut.z(better))[0])
        notes = (
            f"the objective is lower at {name} = {where:.5g} than at the fit: the profile starts"
            " there; fit again with more starts",
        )
    limit = calibration.limit(level)
    low, path = bound(cut, path, limit, -1)
    high, path = bound(cut, path, limit, 1)
    path = filled(cut, path, low, high, points)
    return _profile(fit, name, cut, path, (low, high), level, calibration, notes)


def _walked(cut: Slice, u: Array, calibration: Calibration, level: float) -> Path:
    size = calibration.scale * spread_of(cut.problem, u, cut.gradient(u))
    return walked(cut, u, calibration.limit(level), FIRST_STEP * math.sqrt(size))


def problem_of(fit: Fit) -> tuple[Problem, Array]:
    """The problem of the free parameters, and their optimum."""
    if fit.data is None:
        raise UsageError(
            "this fit was loaded without its rows", hint="Fit the runs again, or find its .npz."
        )
    law = reduced_law(fit.law, fit.constraints)
    theta = np.array([fit.theta[fit.law.index(name)] for name in law.names])
    coordinates = Coordinates.of(law)
    return fit.data.problem(law, fit.objective.spec), coordinates.inside(coordinates.u(theta))


def _cut(fit: Fit, problem: Problem, u: Array, name: str) -> tuple[Slice, Calibration]:
    """What is restricted, and how a rise of the objective is to be read."""
    names = problem.law.names
    clusters = fit.data.clusters if fit.data is not None else np.arange(0)
    name = fit.constraints.tied.get(name, name)
    if name in fit.constraints.fixed:
        raise UsageError(f"{name} is fixed, not fitted: it has no profile")
    free = ~Coordinates.of(problem.law).at_bound(u)
    if name in names:
        cut = ParameterSlice(problem, names.index(name))
        free[cut.position] = True
        return cut, calibrate(problem, u, clusters, cut.gradient(u), free)
    if name.isidentifier():
        raise UsageError(
            f"the law {fit.law.name!r} has no parameter {name!r}",
            hint=f"Parameters: {', '.join(names)}; or a formula of them.",
        )
    function = Function.parse(name, problem.law)
    slope = function.gradient(u[None])[0]
    calibration = calibrate(problem, u, clusters, slope, free)
    spread = max(spread_of(problem, u, slope), 1e-300)
    return FunctionSlice(problem, function, STIFFNESS / spread), calibration


def _profile(
    fit: Fit,
    name: str,
    cut: Slice,
    path: Path,
    bounds: tuple[float, float],
    level: float,
    calibration: Calibration,
    notes: tuple[str, ...],
) -> Profile:
    shown = cut.shown(path.z)
    limit = calibration.limit(level)
    ends: list[float] = []
    reasons: list[str] = []
    for z, way, k in ((bounds[0], "down", 0), (bounds[1], "up", -1)):
        stopped = _stopped_by(cut, path, z)
        reason = "" if math.isfinite(z) else _no_bound(name, way, float(shown[k]), path, k, limit)
        if stopped:
            reason = f"only the domain of {stopped} stops it there, not the runs"
        ends.append(math.nan if reason else float(cut.shown(np.array([z]))[0]))
        reasons.append(reason)
    low, high = ends
    return Profile(
        name=name,
        value=float(cut.shown(np.array([path.start]))[0]),
        low=low,
        high=high,
        low_reason=reasons[0],
        high_reason=reasons[1],
        level=level,
        verdict=_verdict(name, low, high),
        grid=shown,
        objective=path.value,
        theta=_whole(fit, cut, path),
        minimum=path.base,
        limit=limit,
        calibration=calibration.method,
        scale=calibration.scale,
        freedom=calibration.freedom,
        notes=notes,
    )


def _whole(fit: Fit, cut: Slice, path: Path) -> Array:
    """Parameters of the whole law along a path, (T, P)."""
    theta = Coordinates.of(cut.problem.law).theta(path.u)
    return expanded(fit.law, fit.constraints, theta)


def _stopped_by(cut: Slice, path: Path, z: float) -> str:
    """A parameter whose search box, wide as it is, ends where the profile rises; else empty.

    Zero is where an offset ends for good; the boxes of positive parameters are technical.
    """
    if not math.isfinite(z):
        return ""
    coordinates = Coordinates.of(cut.problem.law)
    outer = np.searchsorted(path.z, z) - (1 if z < path.start else 0)
    there = coordinates.at_bound(path.u[min(max(int(outer), 0), len(path.z) - 1)])
    home = coordinates.at_bound(path.u[int(np.searchsorted(path.z, path.start))])
    new = np.flatnonzero(there & ~home & coordinates.positive)
    own = cut.position if isinstance(cut, ParameterSlice) else -1
    names = [cut.problem.law.names[k] for k in new.tolist() if k != own]
    return ", ".join(names)


def _no_bound(name: str, way: str, end: float, path: Path, k: int, limit: float) -> str:
    share = float(path.value[k] - path.base) / limit
    return f"{way} to {name} = {end:.4g} the objective rises by {share:.0%} of what a bound needs"


def _verdict(name: str, low: float, high: float) -> str:
    """In words, with as many digits as the interval is worth."""
    if math.isnan(low) and math.isnan(high):
        return f"{name} is not identified: no bound on either side"
    if math.isnan(high):
        return f"{name} ≥ {low:.3g}, no upper bound"
    if math.isnan(low):
        return f"{name} ≤ {high:.3g}, no lower bound"
    digits = 2
    while digits < 12 and float(f"{high - low:.2g}") < 10 ** (
        math.floor(math.log10(max(abs(low), abs(high), 1e-300))) - digits + 2
    ):
        digits += 1
    return f"{name} in [{low:.{digits}g}, {high:.{digits}g}]"


def _without_scale(
    fit: Fit, name: str, value: float, level: float, calibration: Calibration
) -> Profile:
    """Nothing tells how far the objective must rise."""
    reason = f"no interval: {calibration.reason}"
    return Profile(
        name=name,
        value=value,
        low=math.nan,
        high=math.nan,
        low_reason=reason,
        high_reason=reason,
        level=level,
        verdict=f"{name} = {value:.6g}, {reason}",
        grid=np.array([value]),
        objective=np.array([fit.objective.value]),
        theta=fit.theta[None],
        minimum=fit.objective.value,
        limit=math.nan,
        calibration="none",
        scale=math.nan,
        freedom=calibration.freedom,
    )

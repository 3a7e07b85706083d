"""What the runs are for: a prediction, or a number that follows from the law."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from isoloss.errors import UsageError
from isoloss.fitting.solver.coordinates import Coordinates
from isoloss.laws import Law
from isoloss.laws.law import Array, Columns
from isoloss.planning.experiments.beliefs import Quantity, log_places
from isoloss.planning.experiments.posterior import Mode, ResidualName

if TYPE_CHECKING:
    from isoloss.fitting import Fit

STEP = 1e-4
"""Of central differences in search coordinates, for numbers that have no Jacobian."""
GRID_RATIOS = (1e-2, 1e6)
"""Tokens per parameter between which N* is looked for."""
GRID_POINTS = 4097


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is to become less uncertain.

    Attributes:
        name: in words.
        unit: what a standard error is in: `relative` (of a loss or of N*), `loss` or `absolute`.
        quantity: of a mode, values (T,) and derivatives by search coordinates (T, P).
        points: the variables (T,) each where the target is predictions, else none.
    """

    name: str
    unit: str
    quantity: Quantity
    points: Columns | None

    def places(self, names: Sequence[str], count: int) -> Array:
        """Where the targets lie (T, v); not-a-number for a number that lies nowhere."""
        if self.points is None:
            return np.full((count, len(names)), np.nan)
        return log_places(self.points, names)


def target_of(
    wish: Mapping[str, Any] | Sequence[Mapping[str, Any]], fit: Fit, residual: ResidualName
) -> Target:
    """The target of a wish.

    Args:
        wish: `dict(flops=1e22)`: the loss of that budget's optimum; a point such as
            `dict(N=70e9, D=2e12)`, or a list of points: the loss there; `dict(optimum=1e22)`: N*
            of that budget; `dict(exponent="a")`: of N* = k C^a; `dict(parameter="alpha")`.
        fit: what a budget's optimum is taken from.
        residual: in which predictions are told.

    Raises:
        UsageError: no such wish, or one that the law does not allow.
    """
    if not isinstance(wish, Mapping):
        return _points([dict(point) for point in wish], fit.law, residual)
    if len(wish) == 1:
        ((key, value),) = wish.items()
        if key == "flops":
            return _budget(float(value), fit, residual)
        if key == "optimum":
            return _optimum(_positive(key, value), fit.law)
        if key == "exponent":
            return _exponent(str(value), fit.law)
        if key == "parameter":
            return _parameter(str(value), fit.law)
    return _points([dict(wish)], fit.law, residual)


def _positive(name: str, value: Any) -> float:
    number = float(value)
    if not (math.isfinite(number) and number > 0):
        raise UsageError(f"target {name} must be a positive number, found {value!r}")
    return number


def _budget(flops: float, fit: Fit, residual: ResidualName) -> Target:
    from isoloss.planning import plan

    best = plan(fit, flops=_positive("flops", flops))
    known = {"N": best.n.value, "D": best.d.value, "C": flops, "U": best.d.value,
             "M": best.d.value / best.n.value}  # fmt: skip
    missing = [name for name in fit.law.variables if name not in known]
    if missing:
        raise UsageError(
            f"a budget does not settle {missing[0]!r}, a variable of {fit.law.name!r}",
            hint="Give the target as a point: every variable of the law with its value.",
        )
    point = {name: known[name] for name in fit.law.variables}
    told = _points([point], fit.law, residual)
    name = f"loss at {flops:.3g} FLOP (N {best.n.value:.3g}, D {best.d.value:.3g})"
    return Target(name=name, unit=told.unit, quantity=told.quantity, points=told.points)


def _points(points: list[dict[str, Any]], law: Law, residual: ResidualName) -> Target:
    for point in points:
        for name in point:
            if name not in law.variables:
                close = difflib.get_close_matches(name, law.variables, n=1)
                known = ", ".join(law.variables)
                raise UsageError(
                    f"target {name!r} is no variable of {law.name!r}",
                    hint=(f"Did you mean {close[0]!r}? " if close else "")
                    + f"Variables: {known}; or flops, optimum, exponent, parameter.",
                )
        lost = [name for name in law.variables if name not in point]
        if lost:
            raise UsageError(
                f"a target point lacks {', '.join(map(repr, lost))}",
                hint=f"The law {law.name!r} needs {', '.join(law.variables)}.",
            )
    if not points:
        raise UsageError("the list of target points is empty", hint="Give one point or more.")
    columns = {
        name: np.array([_positive(name, point[name]) for point in points]) for name in law.variables
    }
    return target_at(columns, law, residual)


def target_at(columns: Columns, law: Law, residual: ResidualName) -> Target:
    """The losses at points: the law's variables (T,) each."""

    def quantity(mode: Mode) -> tuple[Array, Array]:
        return mode.values(columns, residual), mode.slopes(columns, residual)

    count = len(columns[law.variables[0]])
    shown = ", ".join(f"{name} {float(columns[name][0]):.4g}" for name in law.variables)
    name = f"loss at {shown}" if count == 1 else f"loss at {count} points"
    unit = "relative" if residual == "log" else "loss"
    return Target(name=name, unit=unit, quantity=quantity, points=columns)


def _optimum(flops: float, law: Law) -> Target:
    if not {"N", "D"} <= set(law.variables) or set(law.variables) - {"N", "D"}:
        raise UsageError(
            f"N* needs a law of N and D alone, found {law.name!r} of {', '.join(law.variables)}",
            hint="Fit such a law, for example chinchilla.",
        )
    return Target(
        name=f"N* at {flops:.3g} FLOP (6 N D)",
        unit="relative",
        quantity=_differences(lambda theta: _log_n_star(law, theta, flops)),
        points=None,
    )


def _log_n_star(law: Law, theta: Array, flops: float) -> float:
    """log N* under C = 6 N D: the lowest point of a fine grid, refined by a parabola."""
    ratio = np.geomspace(*GRID_RATIOS, GRID_POINTS)
    log_n = 0.5 * np.log(flops / (6 * ratio))
    n = np.exp(log_n)
    loss = law.value(theta, {"N": n, "D": flops / (6 * n)})
    best = int(np.nanargmin(loss))
    if not 0 < best < len(n) - 1:
        return float(log_n[best])
    left, middle, right = loss[best - 1 : best + 2]
    bend = left - 2 * middle + right
    shift = 0.5 * (left - right) / bend if bend > 0 else 0.0
    return float(log_n[best] + shift * (log_n[1] - log_n[0]))


def _exponent(name: str, law: Law) -> Target:
    if name != "a" or not {"alpha", "beta"} <= set(law.names):
        raise UsageError(
            f"exponent {name!r} is not known of the law {law.name!r}",
            hint="exponent='a', of N* = k C^a, follows from alpha and beta of a Chinchilla law;"
            " for a parameter give parameter=NAME.",
        )
    alpha, beta = law.index("alpha"), law.index("beta")
    return Target(
        name="exponent a of N* = k C^a",
        unit="absolute",
        quantity=_differences(lambda theta: float(theta[beta] / (theta[alpha] + theta[beta]))),
        points=None,
    )


def _parameter(name: str, law: Law) -> Target:
    if name not in law.names:
        close = difflib.get_close_matches(name, law.names, n=1)
        raise UsageError(
            f"the law {law.name!r} has no parameter {name!r}",
            hint=f"Did you mean {close[0]!r}?" if close else f"It has {', '.join(law.names)}.",
        )
    position = law.index(name)
    return Target(
        name=f"parameter {name}",
        unit="absolute",
        quantity=_differences(lambda theta: float(theta[position])),
        points=None,
    )


def _differences(function: Callable[[Array], float]) -> Quantity:
    """Values and central differences of a number that follows from a mode's parameters."""

    def quantity(mode: Mode) -> tuple[Array, Array]:
        coordinates = Coordinates.of(mode.law)
        u = coordinates.u(mode.theta)
        step = STEP * np.eye(len(u))
        slopes = [
            (function(coordinates.theta(u + s)) - function(coordinates.theta(u - s))) / (2 * STEP)
            for s in step
        ]
        return np.array([function(mode.theta)]), np.array([slopes])

    return quantity

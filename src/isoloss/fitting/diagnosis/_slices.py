"""A problem restricted to one value of a parameter, or of a function of parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from isoloss.errors import UsageError
from isoloss.fitting.solver.coordinates import Coordinates
from isoloss.fitting.solver.descent import Expansion, Problem
from isoloss.laws import Law
from isoloss.laws.law import Array, Columns, Counts, Mask


class Slice(Protocol):
    """Where a profile is cut: `z` is the search coordinate of what is restricted."""

    @property
    def problem(self) -> Problem:
        """Without the restriction."""
        ...

    def z(self, u: Array) -> Array:
        """Its value (S,) at points (S, P)."""
        ...

    def gradient(self, u: Array) -> Array:
        """Its gradient (P,) at a point (P,)."""
        ...

    def restricted(self, z: Array) -> Problem:
        """The problem with the value held at z (S,)."""
        ...

    def placed(self, u: Array, z: Array) -> Array:
        """Points (S, P) moved to z (S,)."""
        ...

    def shown(self, z: Array) -> Array:
        """Values as a reader knows them."""
        ...

    @property
    def ends(self) -> tuple[float, float]:
        """The domain, as search coordinates."""
        ...


@dataclass(frozen=True)
class ParameterSlice:
    """One parameter, held exactly: its column of the Jacobian is zero, so no step moves it."""

    problem: Problem
    position: int

    @property
    def positive(self) -> bool:
        """Whether z is a logarithm."""
        return self.problem.law.parameters[self.position].positive

    def z(self, u: Array) -> Array:
        return u[:, self.position]

    def gradient(self, u: Array) -> Array:
        unit = np.zeros(u.shape[-1])
        unit[self.position] = 1.0
        return unit

    def restricted(self, z: Array) -> Problem:
        law = self.problem.law
        held = replace(law, jacobian=_WithoutColumn(law, self.position))
        return replace(self.problem, law=held)

    def placed(self, u: Array, z: Array) -> Array:
        moved = u.copy()
        moved[:, self.position] = z
        return moved

    def shown(self, z: Array) -> Array:
        return np.exp(z) if self.positive else z

    @property
    def ends(self) -> tuple[float, float]:
        coordinates = Coordinates.of(self.problem.law)
        return float(coordinates.low[self.position]), float(coordinates.high[self.position])


@dataclass(frozen=True)
class _WithoutColumn:
    law: Law
    position: int

    def __call__(self, theta: Array, data: Columns) -> Array:
        jacobian = self.law.jacobian(theta, data).copy()
        jacobian[..., self.position] = 0.0
        return jacobian


@dataclass(frozen=True)
class FunctionSlice:
    """A function of parameters, drawn to a value by a stiff spring.

    Wherever the spring leaves it, the point minimises the objective among all points with the
    same value: it lies on the profile exactly, only not exactly where it was asked for.
    """

    problem: Problem
    function: Function
    stiffness: float

    def z(self, u: Array) -> Array:
        return self.function.value(u)

    def gradient(self, u: Array) -> Array:
        return self.function.gradient(u[None])[0]

    def restricted(self, z: Array) -> Problem:
        given = self.problem
        return SpringProblem(
            law=given.law, data=given.data, loss=given.loss, objective=given.objective,
            weights=given.weights, function=self.function, aim=z, stiffness=self.stiffness,
        )  # fmt: skip

    def placed(self, u: Array, z: Array) -> Array:
        return u

    def shown(self, z: Array) -> Array:
        return z

    @property
    def ends(self) -> tuple[float, float]:
        return -np.inf, np.inf


@dataclass(frozen=True)
class Function:
    """A formula of the parameters of a law, by search coordinates, with exact derivatives."""

    law: Law
    formula: Law
    columns: tuple[int, ...]

    @staticmethod
    def parse(text: str, law: Law) -> Function:
        """Read a formula such as `beta/(alpha+beta)`.

        Raises:
            UsageError: it is none, or names what is no free parameter.
        """
        from isoloss.laws.formula import parse_law

        # A law has a variable; at N = 1 this one is the function itself.
        formula = parse_law(f"({text})*N")
        unknown = [name for name in formula.names if name not in law.names]
        unknown += [name for name in formula.variables if name != "N"]
        if unknown:
            raise UsageError(
                f"{text!r} names {', '.join(unknown)}, which is no free parameter",
                hint=f"Free parameters: {', '.join(law.names)}.",
            )
        return Function(law, formula, tuple(law.index(name) for name in formula.names))

    def value(self, u: Array) -> Array:
        """(S,) at points (S, P)."""
        theta = Coordinates.of(self.law).theta(u)[:, list(self.columns)]
        with np.errstate(all="ignore"):
            return self.formula.value(theta, {"N": np.ones(1)})[:, 0]

    def gradient(self, u: Array) -> Array:
        """By u, (S, P)."""
        coordinates = Coordinates.of(self.law)
        theta = coordinates.theta(u)
        result = np.zeros_like(u)
        with np.errstate(all="ignore"):
            slope = self.formula.jacobian(theta[:, list(self.columns)], {"N": np.ones(1)})[:, 0]
        result[:, list(self.columns)] = slope
        return np.nan_to_num(result * coordinates.slope(theta))


@dataclass(frozen=True, kw_only=True)
class SpringProblem(Problem):
    """A problem with `stiffness`/2 · (function − aim)² added; `aim` has shape (S,)."""

    function: Function
    aim: Array
    stiffness: float

    def total_of(self, u: Array, residual: Array) -> Array:
        bent = self.stiffness / 2 * (self.function.value(u) - self.aim) ** 2
        total = Problem.total_of(self, u, residual) + bent
        return np.where(np.isfinite(total), total, np.inf)

    def rows(self, kept: Mask | Counts) -> Problem:
        return replace(self, aim=self.aim[kept])

    def expansion(self, u: Array, seen: tuple[Array, Array]) -> Expansion:
        around = Problem.expansion(self, u, seen)
        slope = self.function.gradient(u)
        pull = self.stiffness * (self.function.value(u) - self.aim)
        return replace(
            around,
            gradient=around.gradient + pull[:, None] * slope,
            hessian=around.hessian + self.stiffness * slope[:, :, None] * slope[:, None, :],
        )

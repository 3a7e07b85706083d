"""Parameters that are given, or equal to another: the law of the ones that are left.

A fit searches `reduced_law(law, constraints)`, which has fewer parameters, and `expanded` puts
the others back, so that predictions and plans see the whole law.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from isoloss.errors import UsageError
from isoloss.laws import Law
from isoloss.laws.law import Array, Columns


@dataclass(frozen=True)
class Constraints:
    """`fixed`: values of parameters; `tied`: parameters that equal another one."""

    fixed: Mapping[str, float] = field(default_factory=dict[str, float])
    tied: Mapping[str, str] = field(default_factory=dict[str, str])

    def __bool__(self) -> bool:
        return bool(self.fixed or self.tied)

    def check(self, law: Law) -> None:
        """Refuse what the law does not have.

        Raises:
            UsageError: an unknown parameter, a value outside its domain, a chain of ties, or
                nothing left to fit.
        """
        for name in (*self.fixed, *self.tied, *self.tied.values()):
            if name not in law.names:
                close = difflib.get_close_matches(name, law.names, n=1)
                raise UsageError(
                    f"the law {law.name!r} has no parameter {name!r}",
                    hint=(f"Did you mean {close[0]!r}? " if close else "")
                    + f"Parameters: {', '.join(law.names)}.",
                )
        for name, other in self.tied.items():
            if name in self.fixed or other in self.tied or name == other:
                raise UsageError(
                    f"{name} cannot be tied to {other}: each may be given once, without chains",
                    hint="Fix the one that the others are tied to, or tie all to the same one.",
                )
        for name, value in self.fixed.items():
            parameter = law.parameters[law.index(name)]
            if not (math.isfinite(value) and parameter.low <= value <= parameter.high):
                raise UsageError(
                    f"{name} = {value:g} lies outside its domain"
                    f" [{parameter.low:g}, {parameter.high:g}]"
                )
        if len(self.fixed) + len(self.tied) >= len(law.names):
            raise UsageError("every parameter is fixed or tied: there is nothing to fit")

    def describe(self) -> str:
        """`E = 0, beta = alpha`; empty without constraints."""
        given = [f"{name} = {value:g}" for name, value in self.fixed.items()]
        return ", ".join(given + [f"{name} = {other}" for name, other in self.tied.items()])


def reduced_law(law: Law, constraints: Constraints) -> Law:
    """The law of the free parameters; the law itself without constraints.

    >>> from isoloss.laws import get_law
    >>> reduced_law(get_law("chinchilla"), Constraints({"E": 0.0}, {"beta": "alpha"})).names
    ('A', 'B', 'alpha')
    """
    constraints.check(law)
    if not constraints:
        return law
    bound = {**constraints.fixed, **constraints.tied}
    free = [name for name in law.names if name not in bound]
    matrix, offset = _expansion(law, constraints, free)
    tied = set(constraints.tied.values())
    return replace(
        law,
        parameters=tuple(law.parameters[law.index(name)] for name in free),
        value=_Reduced(law, constraints, matrix, offset),
        jacobian=_ReducedJacobian(law, matrix, offset),
        linear=tuple(n for n in law.linear if n in free and n not in tied),
        amplitudes=_kept(law.amplitudes, constraints, free),
        log_amplitudes=_kept(law.log_amplitudes, constraints, free),
    )


def constrained_from(law: Law) -> tuple[Law, Constraints] | None:
    """What `reduced_law` made a law from; None for other laws.

    >>> from isoloss.laws import get_law
    >>> made = constrained_from(reduced_law(get_law("chinchilla"), Constraints({"E": 1.5})))
    >>> made[0].names if made else ()
    ('E', 'A', 'B', 'alpha', 'beta')
    """
    made = law.value
    return (made.law, made.constraints) if isinstance(made, _Reduced) else None


def expanded(law: Law, constraints: Constraints, theta: Array) -> Array:
    """Parameters of the whole law (..., P) from those of the reduced one (..., K)."""
    if not constraints:
        return theta
    bound = {**constraints.fixed, **constraints.tied}
    matrix, offset = _expansion(law, constraints, [n for n in law.names if n not in bound])
    return theta @ matrix.T + offset


def _expansion(law: Law, constraints: Constraints, free: list[str]) -> tuple[Array, Array]:
    """Matrix (P, K) and offset (P,) with theta = matrix · reduced + offset."""
    matrix = np.zeros((len(law.names), len(free)))
    offset = np.zeros(len(law.names))
    for row, name in enumerate(law.names):
        if name in constraints.fixed:
            offset[row] = constraints.fixed[name]
        else:
            matrix[row, free.index(constraints.tied.get(name, name))] = 1.0
    return matrix, offset


def _kept(
    amplitudes: Mapping[str, Mapping[str, str]], constraints: Constraints, free: list[str]
) -> dict[str, dict[str, str]]:
    """Amplitudes that are free, with the exponents that are left standing for those that went."""

    def exponent(text: str) -> str:
        name = text.removeprefix("-")
        if name in constraints.tied:
            return text.replace(name, constraints.tied[name])
        if name in constraints.fixed:
            sign = -1 if text != name else 1
            return repr(sign * constraints.fixed[name])
        return text

    return {
        name: {variable: exponent(text) for variable, text in powers.items()}
        for name, powers in amplitudes.items()
        if name in free
    }


@dataclass(frozen=True)
class _Reduced:
    law: Law
    constraints: Constraints
    matrix: Array
    offset: Array

    def __call__(self, theta: Array, data: Columns) -> Array:
        return self.law.value(theta @ self.matrix.T + self.offset, data)


@dataclass(frozen=True)
class _ReducedJacobian:
    law: Law
    matrix: Array
    offset: Array

    def __call__(self, theta: Array, data: Columns) -> Array:
        whole = self.law.jacobian(theta @ self.matrix.T + self.offset, data)
        return np.swapaxes(self.matrix.T @ np.swapaxes(whole, -1, -2), -1, -2)

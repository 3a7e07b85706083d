"""What a law is: a formula as text, its parameters and variables, and its exact derivatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Columns = Mapping[str, Array]
Function = Callable[[Array, Columns], Array]


@dataclass(frozen=True)
class Parameter:
    """One fitted number of a law.

    Attributes:
        name: as written in the formula.
        low, high: its domain; a positive `low` means that it is searched on a log scale.
        start: the region where starts are drawn, for a law whose variables were divided by
            their geometric means and whose loss is about 1 to 10.
        meaning: one phrase.
    """

    name: str
    low: float
    high: float
    start: tuple[float, float]
    meaning: str = ""

    @property
    def positive(self) -> bool:
        """Whether it is searched on a log scale."""
        return self.low > 0


@dataclass(frozen=True, kw_only=True)
class Law:
    """A law: `formula` is the source of truth, `value` and `jacobian` compute it.

    `value(theta, data)` takes parameters (..., P) and columns (n,) and returns (..., n);
    `jacobian(theta, data)` returns (..., n, P), the derivatives by the parameters.

    Attributes:
        linear: names of the parameters that enter linearly, where the rest are fixed.
        amplitudes: for an amplitude, the exponent with which each variable divides it (a
            parameter's name, with a minus where the variable multiplies, or a number); dividing
            a variable by a constant then changes the amplitude alone.
        log_amplitudes: the same for parameters that are logarithms of amplitudes.
        target: the column of the run table that it predicts.
        units: of each variable, or what it counts.
        evidence: what its formula was tested against here; empty means unverified.
        constants: published values of all parameters, by source.
        reference: paper and equation.
        note: when to use it, and when it misleads.
    """

    name: str
    formula: str
    title: str
    reference: str
    parameters: tuple[Parameter, ...]
    variables: tuple[str, ...]
    note: str
    value: Function = field(repr=False, compare=False)
    jacobian: Function = field(repr=False, compare=False)
    linear: tuple[str, ...] = ()
    target: str = "loss"
    units: Mapping[str, str] = field(default_factory=dict[str, str], repr=False, compare=False)
    evidence: str = ""
    constants: Mapping[str, Mapping[str, float]] = field(
        default_factory=dict[str, Mapping[str, float]], repr=False, compare=False
    )
    amplitudes: Mapping[str, Mapping[str, str]] = field(
        default_factory=dict[str, Mapping[str, str]], repr=False, compare=False
    )
    log_amplitudes: Mapping[str, Mapping[str, str]] = field(
        default_factory=dict[str, Mapping[str, str]], repr=False, compare=False
    )

    @property
    def names(self) -> tuple[str, ...]:
        """Parameter names, in the order of `theta`."""
        return tuple(parameter.name for parameter in self.parameters)

    def index(self, name: str) -> int:
        """Position of a parameter in `theta`."""
        return self.names.index(name)

    @property
    def positive_variables(self) -> tuple[str, ...]:
        """Variables that count something, and so are positive: all but `meta_` and `metric_`."""
        return tuple(v for v in self.variables if not v.startswith(("meta_", "metric_")))

    @cached_property
    def latex(self) -> str:
        """The formula for a paper."""
        from isoloss.laws.formula import to_latex

        return to_latex(self.formula)

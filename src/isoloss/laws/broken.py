"""Broken neural scaling laws: power laws that turn smoothly into others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from isoloss.errors import UsageError
from isoloss.laws.compiled import library_law
from isoloss.laws.law import Array, Columns, Function, Law, Parameter

MOST_BREAKS = 3
_UNITS = {"N": "parameters", "D": "training tokens", "C": "training FLOP"}


def broken_formula(breaks: int, variable: str) -> str:
    """The text of a law with some breaks.

    >>> broken_formula(1, "D")
    'a + b/D**c0*(1 + (D/d1)**(1/f1))**(-c1*f1)'
    """
    factors = [f"(1 + ({variable}/d{i})**(1/f{i}))**(-c{i}*f{i})" for i in range(1, breaks + 1)]
    return "*".join([f"a + b/{variable}**c0", *factors])


def _parameters(breaks: int) -> tuple[Parameter, ...]:
    """Those of a formula come in this order too, so that a saved fit reads back.

    Starts of the breaks lie one after the other, for the order of the breaks is arbitrary.
    """
    which = range(1, breaks + 1)
    ends = [10 ** (2.0 * i / breaks - 1) for i in range(breaks + 1)]
    return (
        Parameter("a", 0.0, 1e3, (0.0, 1.0), "the value at infinity"),
        Parameter("b", 1e-12, 1e24, (0.1, 5.0), "size of the part that falls"),
        Parameter("c0", -5.0, 5.0, (0.0, 1.0), "slope before the first break"),
        *(
            Parameter(f"c{i}", -20.0, 20.0, (-0.5, 1.5), f"change of slope at break {i}")
            for i in which
        ),
        *(
            Parameter(f"d{i}", 1e-9, 1e30, (ends[i - 1], ends[i]), f"where break {i} lies")
            for i in which
        ),
        *(
            Parameter(f"f{i}", 1e-3, 10.0, (0.05, 1.0), f"how smooth break {i} is; 0: a corner")
            for i in which
        ),
    )


def _law(breaks: int) -> Law:
    many = "a break" if breaks == 1 else f"{breaks} breaks"
    return library_law(
        name=f"broken{breaks}",
        formula=broken_formula(breaks, "D"),
        title=f"Broken neural scaling law with {many}",
        reference="Caballero et al. 2022, arXiv:2210.14891, eq. 1",
        parameters=_parameters(breaks),
        variables={"D": _UNITS["D"]},
        note="For metrics of a task that change their pace: an ability that appears, double"
        f" descent. {3 + 3 * breaks} parameters ask for well more points than that, on both sides"
        " of every break; a break beyond the runs cannot be seen in them. The order of the breaks"
        " is arbitrary. `broken_law` makes it of another variable.",
        evidence="4-digit addition: 14 points fitted, 3 predicted"
        if breaks == 1
        else "its closed form; recovered from its own values",
    )


BROKEN = tuple(_law(breaks) for breaks in range(1, MOST_BREAKS + 1))


def broken_law(breaks: int, variable: str = "D") -> Law:
    """The broken law with 1 to 3 breaks of any variable or column of the run table.

    Raises:
        UsageError: another number of breaks, or a variable that is no name.

    >>> broken_law(1, "C").formula
    'a + b/C**c0*(1 + (C/d1)**(1/f1))**(-c1*f1)'
    """
    if not 1 <= breaks <= MOST_BREAKS:
        raise UsageError(f"a broken law has 1 to {MOST_BREAKS} breaks, found {breaks}")
    law = BROKEN[breaks - 1]
    if variable == "D":
        return law
    if not variable.isidentifier() or variable in law.names:
        raise UsageError(
            f"{variable!r} cannot be the variable of a broken law",
            hint="Give N, D, C or the name of a column.",
        )
    formula = broken_formula(breaks, variable)
    return replace(
        law,
        name=formula,
        formula=formula,
        variables=(variable,),
        units={variable: _UNITS.get(variable, "a column of the run table")},
        value=_Renamed(law.value, variable),
        jacobian=_Renamed(law.jacobian, variable),
        amplitudes=_renamed(law.amplitudes, variable),
    )


def _renamed(
    amplitudes: Mapping[str, Mapping[str, str]], variable: str
) -> dict[str, dict[str, str]]:
    return {name: {variable: powers["D"]} for name, powers in amplitudes.items()}


@dataclass(frozen=True)
class _Renamed:
    """A function of D, of another variable."""

    of_d: Function
    variable: str

    def __call__(self, theta: Array, data: Columns) -> Array:
        return self.of_d(theta, {"D": data[self.variable]})

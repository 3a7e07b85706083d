"""A law of the library from its data: the NumPy code was made from the formula beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType

import numpy as np

from isoloss.laws.law import Array, Columns, Law, Parameter


def library_law(
    *,
    name: str,
    formula: str,
    title: str,
    reference: str,
    parameters: tuple[Parameter, ...],
    variables: Mapping[str, str],
    note: str,
    target: str = "loss",
    evidence: str = "",
    constants: Mapping[str, Mapping[str, float]] | None = None,
) -> Law:
    """A law whose value and derivatives lie in `_compiled`, made from `formula` by `make laws`.

    Args:
        name, formula, title, reference, note, target, evidence: see `Law`.
        parameters: in the order of `theta`.
        variables: columns of the run table, with their units or meaning.
        constants: published values of all parameters, by source.
    """
    module = _module(name)
    return Law(
        name=name,
        formula=formula,
        title=title,
        reference=reference,
        parameters=parameters,
        variables=tuple(variables),
        units=variables,
        note=note,
        target=target,
        evidence=evidence,
        constants=constants or {},
        value=_Compiled(name, "value"),
        jacobian=_Compiled(name, "jacobian"),
        linear=getattr(module, "LINEAR", ()),
        amplitudes=getattr(module, "AMPLITUDES", {}),
        log_amplitudes=getattr(module, "LOG_AMPLITUDES", {}),
    )


@dataclass(frozen=True)
class _Compiled:
    """A function of a compiled module; pickles and compares by its name."""

    law: str
    function: str

    def __call__(self, theta: Array, data: Columns) -> Array:
        # Far from the runs a law may overflow: infinite is what it says there.
        with np.errstate(all="ignore"):
            return getattr(_module(self.law), self.function)(theta, data)


@cache
def _module(name: str) -> ModuleType:
    try:
        return import_module(f"isoloss.laws._compiled.{name}")
    except ModuleNotFoundError:  # a new law, before `make laws`
        return ModuleType(name)

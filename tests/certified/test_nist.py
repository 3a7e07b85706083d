"""The non-linear regression problems of NIST StRD, through the solver that fits scaling laws.

`nist/` holds the figures of https://www.itl.nist.gov/div898/strd/nls/nls_main.shtml: data, both
official starts, and certified values to 11 digits. Each start is tried alone: no space-filling
starts help it. What is asked of the solver is stated before it sees a certified value: a
parameter is searched on a log scale where both starts are positive, else as it is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from isoloss.errors import UsageError
from isoloss.fitting import Objective, Optimum, Problem, solve
from isoloss.laws.formula import parse_law
from isoloss.laws.law import Array, Law

FOLDER = Path(__file__).parent / "nist"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
LOG_RESPONSE = {"Nelson"}
BEYOND_DOUBLES = {"Lanczos1"}
"""Its residuals are 1e-13: rounding y to a double changes their squares in the third digit."""


@dataclass(frozen=True)
class Certified:
    """One problem: what is solved, from where, and what must come out."""

    problem: Problem
    starts: Array
    values: Array
    squares: float


def text_of(name: str) -> str:
    return (FOLDER / f"{name}.json").read_text("utf-8")


def with_domains(law: Law, starts: Array) -> Law:
    """The law with parameters of either sign, but for those that start positive twice."""
    positive = (starts > 0).all(axis=0)
    domains = [(1e-12, 1e30) if above else (-1e6, 1e6) for above in positive]
    pairs = zip(law.parameters, domains, strict=True)
    return replace(law, parameters=tuple(replace(p, low=a, high=b) for p, (a, b) in pairs))


@cache
def load(name: str) -> Certified:
    stored = json.loads(text_of(name))
    columns = {key: np.array(values) for key, values in stored["data"].items()}
    y = columns.pop("y")
    starts = np.array(stored["starts"])
    law = with_domains(parse_law(stored["formula"], tuple(columns)), starts)
    assert law.names == tuple(f"b{i + 1}" for i in range(starts.shape[1]))
    problem = Problem(
        law=law,
        data=columns,
        loss=np.log(y) if name in LOG_RESPONSE else y,
        objective=Objective(name="squared", residual="raw"),
    )
    return Certified(problem, starts, np.array(stored["certified"]), stored["rss"])


def solved(name: str, start: int) -> tuple[Certified, Optimum]:
    certified = load(name)
    found = solve(certified.problem, starts=0, near=certified.starts[start - 1 : start])
    assert found.starts == 1
    return certified, found


def test_all_problems_are_here() -> None:
    assert len(NAMES) == 27


@pytest.mark.parametrize("start", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_certified_values(name: str, start: int) -> None:
    certified, found = solved(name, start)
    np.testing.assert_allclose(found.theta, certified.values, rtol=1e-8)
    squares = 1e-2 if name in BEYOND_DOUBLES else 1e-9
    assert found.value == pytest.approx(certified.squares, rel=squares)
    assert found.gradient_norm < 1e-5
    assert not found.at_bound.any()


@pytest.mark.parametrize("start", [1, 2])
def test_squares_beyond_doubles_in_decimals(start: int) -> None:
    """At the parameters found, with 50 digits: what doubles cannot add up is right all the same.

    The certified parameters themselves, rounded to 11 digits, give 27,840 times as much.
    """
    _, found = solved("Lanczos1", start)
    stored = json.loads(text_of("Lanczos1"), parse_float=Decimal)
    with localcontext() as context:
        context.prec = 50
        b = [Decimal(value) for value in found.theta.tolist()]
        squares = Decimal(0)
        for x, y in zip(stored["data"]["x"], stored["data"]["y"], strict=True):
            fitted = sum(b[i] * (-b[i + 1] * x).exp() for i in (0, 2, 4))
            squares += (fitted - y) ** 2
        assert squares / stored["rss"] == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_the_size_of_residuals_does_not_matter(name: str) -> None:
    """Residuals a thousand times as large have the same optimum."""
    certified = load(name)
    weighed = replace(certified.problem, weights=np.full(len(certified.problem.loss), 1e6))
    found = solve(weighed, starts=0, near=certified.starts[1:])
    np.testing.assert_allclose(found.theta, certified.values, rtol=1e-6)


def test_a_search_without_a_start_is_refused() -> None:
    with pytest.raises(UsageError, match="start"):
        solve(load("DanWood").problem, starts=0)

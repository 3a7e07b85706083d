"""Formulas of users: what they may say, what is refused, and what is read off them."""

from __future__ import annotations

import time

import numpy as np
import pytest

from isoloss.errors import UsageError
from isoloss.fitting import Objective, Problem, solve
from isoloss.laws import get_law
from isoloss.laws.formula import parse_law

REFUSED = [
    "N.__class__",
    "A*N.real",
    "(lambda: N)()",
    "lambda N: A",
    "[N for x in A]",
    "{N: A}",
    "__import__('os').system('true')*A*N",
    "open('x')*A*N",
    "eval(N)*A",
    "foo(N)*A",
    "exp(N, A)",
    "exp(x=N)*A",
    "exp(*N)*A",
    "exp*N*A",
    "A*N if N else 1",
    "A @ N",
    "A // N",
    "A % N",
    "A and N",
    "N < A",
    "'x'*N*A",
    "f'{N}'*A",
    "A*1j*N",
    "A*True*N",
    "A*None*N",
    "A*N[0]",
    "A := N",
    "A*N; B",
    "A N",
    "",
    "*A",
    "\x00A*N",
]
TOO_LARGE = [
    "A**9**9**9/N",
    "(((9**60)**60)**60)**60*A/N",
    "((((3**50)**50)**50)**50)*A/N",
    "exp(exp(exp(60)))*A*N",
    "A*N**1000",
    "A*1e999*N",
    "A*10**31*N",
    "(1/10**15)**40*A*N",
    "x" * 601 + "*N",
    "-" * 100 + "A*N",
    "A*N" + "+A*N" * 60,
    "tanh(" * 40 + "A*N" + ")" * 40,
]
NO_VALUE = ["A/0+N", "A*N/(1-1)", "log(-1)*A*N", "sqrt(-1)*A*N", "A*N*log(0)", "(-1)**alpha*N",
            "A*N*(-1)**0.5", "0**alpha*N"]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED + TOO_LARGE + NO_VALUE)
def test_refused(text: str) -> None:
    began = time.process_time()
    with pytest.raises(UsageError):
        parse_law(text)
    assert time.process_time() - began < 3


@pytest.mark.parametrize(
    "text", ["N**" * 25 + "A", "A**" * 29 + "N", "exp(" * 28 + "A*N" + ")" * 28]
)
def test_deep_but_allowed_formulas_end(text: str) -> None:
    began = time.process_time()
    assert parse_law(text).names == ("A",)
    assert time.process_time() - began < 5


def test_messages_name_what_is_missing() -> None:
    with pytest.raises(UsageError, match="no parameter"):
        parse_law("N**2")
    with pytest.raises(UsageError, match="no variable") as caught:
        parse_law("A + B")
    assert "N" in caught.value.hint
    with pytest.raises(UsageError, match="cancels out"):
        parse_law("0**N*A + B*D")


@pytest.mark.parametrize(
    "text",
    [
        "E + A/N**alpha + B/D**beta",
        "((Nc/N)**(aN/aD) + Dc/D)**aD",
        "exp(a)/N**alpha + exp(b - beta*log(D)) + exp(e)",
        "E + A*tanh(k*log(N)/30)/sqrt(D)",
        "E + A/(N*D)**alpha",
        "sqrt(A**2)/N + 2/3 - -1",
        "E + A/(M + 1)**alpha*V**0.01*lr**0.1",
    ],
)
def test_value_and_jacobian(text: str) -> None:
    law = get_law(text)
    rng = np.random.default_rng(0)
    theta = rng.uniform(0.2, 1.0, (4, len(law.names)))
    data = {name: rng.uniform(1.5, 9.0, 5) for name in law.variables}
    value = law.value(theta, data)
    # An independent reading of the text: Python's own, for these trusted texts only.
    names = dict(data) | {p: theta[:, i, None] for i, p in enumerate(law.names)}
    functions = {"exp": np.exp, "log": np.log, "sqrt": np.sqrt, "tanh": np.tanh}
    np.testing.assert_allclose(value, eval(text, functions | names), rtol=1e-12)  # noqa: S307
    exact = law.jacobian(theta, data)
    for i in range(len(law.names)):
        step = np.zeros_like(theta)
        step[:, i] = 1e-6
        numeric = (law.value(theta + step, data) - law.value(theta - step, data)) / 2e-6
        np.testing.assert_allclose(exact[..., i], numeric, rtol=1e-5, atol=1e-8)


def test_amplitudes_are_found() -> None:
    assert parse_law("E + (A/N**alpha + B*D**beta)**k").amplitudes == {
        "A": {"N": "alpha"},
        "B": {"D": "-beta"},
    }
    assert parse_law("((Nc/N)**(aN/aD) + Dc/D)**aD").amplitudes == {
        "Nc": {"N": "1.0"},
        "Dc": {"D": "1.0"},
    }
    logs = parse_law("exp(a)/N**alpha + exp(b - beta*log(D)) + exp(e)")
    assert logs.log_amplitudes == {"a": {"N": "alpha"}, "b": {"D": "beta"}, "e": {}}
    assert logs.amplitudes == {}


def test_linear_parameters_are_linear_together() -> None:
    assert parse_law("E + A*B/N").linear == ("A", "E")
    assert parse_law("E + A/N**alpha").linear == ("A", "E")


def test_domains() -> None:
    law = parse_law("E + A/N**alpha + exp(a)/D")
    positive = {p.name: p.positive for p in law.parameters}
    assert positive == {"A": True, "E": True, "a": False, "alpha": False}


def test_columns_are_variables_where_they_are_named() -> None:
    assert "experts" in parse_law("E + A/experts**alpha + B/N").names
    law = parse_law("E + A/experts**alpha", variables=["experts"])
    assert law.variables == ("experts",)
    assert parse_law("E + A/meta_width**alpha").variables == ("meta_width",)


def test_coefficients_of_logarithms_may_be_large() -> None:
    """b lies outside the domain of an exponent, [-5, 5]; a quadratic in log N cancels so."""
    law = parse_law("exp(a + b*log(N) + c*log(N)**2)")
    domains = {p.name: (p.low, p.high) for p in law.parameters}
    assert domains["b"] == domains["c"] == (-50.0, 50.0)
    mixed = parse_law("exp(a + b*log(N)) + E/D**d")
    assert {p.name: p.high for p in mixed.parameters}["d"] == 5.0
    data, truth = {"N": np.geomspace(1e6, 1e10, 40)}, np.array([71.0, -7.5, 0.2])
    problem = Problem(
        law=law, data=data, loss=law.value(truth, data), objective=Objective(name="squared")
    )
    np.testing.assert_allclose(solve(problem, starts=16).theta, truth, rtol=1e-5)

"""Laws by name: the text, the NumPy function and its derivatives say the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoloss.errors import NotFoundError
from isoloss.laws import Law, get_law, law_names
from isoloss.laws.formula import parse_law, to_expression

DATA = {
    "N": np.array([1e6, 3e7, 7e10]),
    "D": np.array([2e7, 5e9, 1.4e12]),
    "C": np.array([1e14, 1e18, 6e23]),
}
VALUES = {
    "E": 1.7, "A": 400.0, "B": 900.0, "alpha": 0.34, "beta": 0.28, "k": 0.8, "gamma": -0.1,
    "c": 1.3, "n": -0.07, "d": -0.09, "nd": -0.01, "nn": 0.004, "dd": 0.005,
}  # fmt: skip


def _theta(law: Law) -> np.ndarray:
    return np.array([VALUES[name] for name in law.names])


@pytest.mark.parametrize("name", law_names())
def test_jacobian_equals_finite_differences(name: str) -> None:
    law = get_law(name)
    theta = _theta(law)
    exact = law.jacobian(theta, DATA)
    assert exact.shape == (3, len(theta))
    for i, value in enumerate(theta):
        step = np.zeros_like(theta)
        step[i] = 1e-6 * abs(value)
        numeric = (law.value(theta + step, DATA) - law.value(theta - step, DATA)) / (2 * step[i])
        np.testing.assert_allclose(exact[:, i], numeric, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", law_names())
def test_value_and_jacobian_equal_sympy_of_the_text(name: str) -> None:
    law = get_law(name)
    theta = _theta(law)
    expression = to_expression(law.formula)
    symbols = {str(s): s for s in expression.free_symbols}
    for row in range(3):
        at = {symbols[p]: VALUES[p] for p in law.names}
        at |= {symbols[v]: DATA[v][row] for v in law.variables}
        assert law.value(theta, DATA)[row] == pytest.approx(float(expression.evalf(subs=at)))
        slopes = [float(expression.diff(symbols[p]).evalf(subs=at)) for p in law.names]
        np.testing.assert_allclose(law.jacobian(theta, DATA)[row], slopes, rtol=1e-9)


@pytest.mark.parametrize("name", law_names())
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_the_text_as_a_formula_agrees(name: str, data: st.DataObject) -> None:
    law = get_law(name)
    values = {}
    for p in law.parameters:
        low, high = p.start
        values[p.name] = data.draw(st.floats(low, high), label=p.name)
    sizes = st.floats(1e3, 1e13)
    columns = {v: np.array([data.draw(sizes, label=v)]) for v in law.variables}
    formula = parse_law(law.formula)
    assert set(formula.names) == set(law.names)
    assert formula.variables == tuple(sorted(law.variables))
    ours = np.array([values[n] for n in law.names])
    theirs = np.array([values[n] for n in formula.names])
    np.testing.assert_allclose(law.value(ours, columns), formula.value(theirs, columns), rtol=1e-11)
    order = [formula.index(n) for n in law.names]
    np.testing.assert_allclose(
        law.jacobian(ours, columns),
        formula.jacobian(theirs, columns)[:, order],
        rtol=1e-8,
        atol=1e-12,
    )


@pytest.mark.parametrize("name", law_names())
def test_batches_of_parameters(name: str) -> None:
    law = get_law(name)
    theta = np.stack([_theta(law), 0.9 * _theta(law)])
    assert law.value(theta, DATA).shape == (2, 3)
    assert law.jacobian(theta, DATA).shape == (2, 3, len(law.names))
    np.testing.assert_array_equal(law.value(theta, DATA)[1], law.value(theta[1], DATA))


@pytest.mark.parametrize("name", [name for name in law_names() if get_law(name).amplitudes])
def test_dividing_a_variable_changes_the_amplitudes_alone(name: str) -> None:
    law = get_law(name)
    moved = dict(zip(law.names, _theta(law), strict=True))
    for amplitude, powers in law.amplitudes.items():
        for exponent in powers.values():
            moved[amplitude] /= 1e3 ** VALUES[exponent]
    scaled = {k: v / 1e3 for k, v in DATA.items()}
    theta = np.array([moved[n] for n in law.names])
    np.testing.assert_allclose(law.value(theta, scaled), law.value(_theta(law), DATA), rtol=1e-12)


@pytest.mark.parametrize("name", law_names())
def test_linear_parameters_are_linear(name: str) -> None:
    law = get_law(name)
    theta = _theta(law)
    at = [law.index(p) for p in law.linear]
    zero = theta.copy()
    zero[at] = 0.0
    whole = law.value(zero, DATA) + law.jacobian(theta, DATA)[:, at] @ theta[at]
    np.testing.assert_allclose(whole, law.value(theta, DATA), rtol=1e-12)
    assert law.reference
    assert law.note


def test_unknown_names_say_what_is_close() -> None:
    with pytest.raises(NotFoundError, match="chinchila") as caught:
        get_law("chinchila")
    assert "Did you mean chinchilla?" in caught.value.hint
    assert get_law(get_law("skaling")) is get_law(" skaling ")


def test_latex() -> None:
    assert get_law("chinchilla").latex == r"A N^{- \alpha} + B D^{- \beta} + E"
    assert r"\beta" in get_law("exp(b - beta*log(D)) + E").latex

"""Laws by name: the text, the NumPy function and its derivatives say the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Float

from isoloss.errors import NotFoundError
from isoloss.laws import Law, get_law, law_names
from isoloss.laws.formula import parse_law, to_expression

COLUMNS = {
    "N": np.array([1e6, 3e7, 7e10]),
    "D": np.array([2e7, 5e9, 1.4e12]),
    "C": np.array([1e14, 1e18, 6e23]),
    "U": np.array([1.5e7, 5e9, 2e10]),
    "M": np.array([5.0, 20.0, 600.0]),
    "V": np.array([4e3, 3.2e4, 2.56e5]),
}


class _Data(dict[str, np.ndarray]):
    """Columns of every law; those that are not listed hold small positive numbers."""

    def __missing__(self, name: str) -> np.ndarray:
        return np.array([0.2, 0.5, 0.9]) if name.startswith("share") else np.array([1.0, 4.0, 32.0])


DATA = _Data(COLUMNS)


def _theta(law: Law) -> np.ndarray:
    """Published constants, else the middle of the start region with amplitudes for this data."""
    for constants in law.constants.values():
        return np.array([constants[name] for name in law.names])
    middle = {p.name: _middle(*p.start) for p in law.parameters}
    for name, powers in law.amplitudes.items():
        for variable, text in powers.items():
            exponent = middle.get(text.removeprefix("-"))
            exponent = float(text.removeprefix("-")) if exponent is None else exponent
            sign = -1 if text.startswith("-") else 1
            middle[name] *= float(np.exp(sign * exponent * np.log(DATA[variable]).mean()))
    return np.array([middle[name] for name in law.names])


def _middle(low: float, high: float) -> float:
    return float(np.sqrt(low * high)) if low > 0 else 0.4 * low + 0.6 * high


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
        # What rounding of the values leaves of a difference between them.
        noise = 4e-16 * float(np.abs(law.value(theta, DATA)).max()) / step[i]
        np.testing.assert_allclose(exact[:, i], numeric, rtol=1e-6, atol=max(1e-9, noise))


@pytest.mark.parametrize("name", law_names())
def test_value_and_jacobian_equal_sympy_of_the_text(name: str) -> None:
    law = get_law(name)
    theta = _theta(law)
    expression = to_expression(law.formula)
    symbols = {str(s): s for s in expression.free_symbols}
    for row in range(3):
        at = {symbols[p]: Float(value, 30) for p, value in zip(law.names, theta, strict=True)}
        at |= {symbols[v]: Float(DATA[v][row], 30) for v in law.variables}
        # evalf(subs=at) would compute nested min and max again and again.
        assert law.value(theta, DATA)[row] == pytest.approx(float(expression.xreplace(at)))
        slopes = [float(expression.diff(symbols[p]).xreplace(at)) for p in law.names]
        # A slope that vanishes beside the others is rounding in either.
        rounding = 1e-15 * float(np.abs(slopes).max())
        np.testing.assert_allclose(law.jacobian(theta, DATA)[row], slopes, rtol=1e-9, atol=rounding)


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
    slopes = formula.jacobian(theirs, columns)[:, order]
    # A slope that is the small difference of large parts is rounding in either.
    rounding = 1e-13 * float(np.abs(np.nan_to_num(slopes)).max())
    np.testing.assert_allclose(
        law.jacobian(ours, columns), slopes, rtol=1e-8, atol=max(1e-12, rounding)
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
    before = dict(moved)
    for amplitude, powers in law.amplitudes.items():
        for text in powers.values():
            name = text.removeprefix("-")
            exponent = before[name] if name in before else float(name)
            moved[amplitude] /= 1e3 ** (-exponent if name != text else exponent)
    divided = {variable for powers in law.amplitudes.values() for variable in powers}
    scaled = {k: DATA[k] / (1e3 if k in divided else 1.0) for k in law.variables}
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

"""The text of a formula → a checked expression → a law with exact derivatives.

The text goes through Python's `ast` and a whitelist (`_reading`) into SymPy: numbers, names,
+ - * / **, and a few functions. Nothing is ever evaluated as code.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from isoloss.errors import UsageError
from isoloss.laws._reading import check_numbers, to_expression
from isoloss.laws._structure import (
    amplitudes_of,
    exponents_of,
    linear_of,
    log_amplitudes_of,
    of_logarithms,
)
from isoloss.laws.law import Array, Columns, Law, Parameter

__all__ = ["VARIABLES", "parse_law", "to_expression", "to_latex"]

VARIABLES = frozenset(
    {"N", "D", "C", "U", "M", "V", "L", "lr", "loss", "tokens", "flops", "unique_tokens",
     "params_total", "params_matmul", "params_non_embedding", "params_active",
     "learning_rate", "batch_tokens", "n_layer", "n_head", "d_model", "d_ff", "vocab_size",
     "context_length", "steps"}
)  # fmt: skip
"""Names that are always variables. B and E are not: `B/D**beta` and `E` are parameters."""
PREFIXES = ("meta_", "metric_", "params_")
ONE_ARGUMENT: dict[str, Callable[[Array], Array]] = {
    "exp": np.exp, "log": np.log, "tanh": np.tanh, "Abs": np.abs, "sign": np.sign,
    "sin": np.sin, "cos": np.cos, "atan": np.arctan,
}  # fmt: skip
SEVERAL_ARGUMENTS: dict[str, Callable[[Any, Any], Any]] = {
    "Max": np.maximum, "Min": np.minimum, "Heaviside": np.heaviside,
}  # fmt: skip


def parse_law(text: str, variables: Collection[str] = ()) -> Law:
    """Make a law of a formula; names that are no variables are its parameters.

    Parameters are positive, but for those in an exponent or inside `exp`, which may have
    either sign: write `E - b*log(N)` where a term falls.

    Args:
        text: the formula.
        variables: further names that are variables, such as columns of a table.

    Raises:
        UsageError: not a formula, or one with something that is not allowed; no parameter.
    """
    text = text.strip()
    names = {str(symbol) for symbol in to_expression(text).free_symbols}
    given = tuple(sorted(n for n in names if n in variables or _is_variable(n)))
    parameters = tuple(sorted(names - set(given)))
    _refuse_empty(text, given, parameters)
    plain = to_expression(text)
    exponents = exponents_of(plain)
    wide = of_logarithms(plain)
    # What is positive may be taken out of powers: (X/N)**a = X**a * N**-a.
    positive = {n for n in names if n in VARIABLES} | (set(parameters) - exponents)
    expression = to_expression(text, positive)
    symbols = {str(symbol): symbol for symbol in expression.free_symbols}
    if len(symbols) < len(names):
        lost = ", ".join(sorted(names - set(symbols)))
        raise UsageError(f"{lost} cancels out of the formula {text!r}")
    by_parameter = [expression.diff(symbols[p]) for p in parameters]
    for slope in by_parameter:
        check_numbers(slope, text)
    products = expression.expand(
        power_exp=True, power_base=True, mul=False, multinomial=False, log=False, basic=False
    )
    logs = log_amplitudes_of(products, given, parameters)
    return Law(
        name=text,
        formula=text,
        title="a formula of your own",
        reference="",
        parameters=tuple(_parameter(p, p in exponents, p in logs, p in wide) for p in parameters),
        variables=given,
        note="",
        value=_Value(expression, parameters),
        jacobian=_Jacobian(tuple(by_parameter), parameters),
        linear=linear_of(parameters, by_parameter),
        amplitudes=amplitudes_of(products, given, tuple(set(parameters) - exponents)),
        log_amplitudes=logs,
    )


def to_latex(text: str) -> str:
    """The formula in LaTeX.

    >>> to_latex("E + A/N**alpha")
    'A N^{- \\\\alpha} + E'
    """
    from sympy import latex  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

    return str(latex(to_expression(text)))  # pyright: ignore[reportUnknownArgumentType]


def _is_variable(name: str) -> bool:
    return name in VARIABLES or name.startswith(PREFIXES)


def _refuse_empty(text: str, variables: tuple[str, ...], parameters: tuple[str, ...]) -> None:
    if not parameters:
        raise UsageError(
            f"the formula {text!r} has no parameter to fit",
            hint="Every name that is no variable is one, for example 'E + A/N**alpha'.",
        )
    if not variables:
        raise UsageError(
            f"the formula {text!r} has no variable",
            hint=f"Variables: {', '.join(sorted(VARIABLES))}, meta_… and metric_….",
        )


@dataclass(frozen=True)
class _Value:
    """The NumPy function of an expression."""

    expression: Any
    parameters: tuple[str, ...]

    def __call__(self, theta: Array, data: Columns) -> Array:
        return _evaluate((self.expression,), self.parameters, theta, data)[0]


@dataclass(frozen=True)
class _Jacobian:
    """The NumPy function of an expression's derivatives."""

    slopes: tuple[Any, ...]
    parameters: tuple[str, ...]

    def __call__(self, theta: Array, data: Columns) -> Array:
        slopes = np.stack(_evaluate(self.slopes, self.parameters, theta, data), axis=-2)
        return np.swapaxes(slopes, -1, -2)  # as in the library: one parameter after the other


def _evaluate(
    expressions: tuple[Any, ...], parameters: tuple[str, ...], theta: Array, data: Columns
) -> list[Array]:
    """Walk the expression trees with NumPy: no generated code is executed."""
    known = dict(data) | {p: theta[..., i, None] for i, p in enumerate(parameters)}
    shape = np.broadcast_shapes(*(np.shape(v) for v in known.values()))
    done: dict[Any, Any] = {}
    with np.errstate(invalid="ignore", over="ignore", divide="ignore", under="ignore"):
        return [
            np.broadcast_to(np.asarray(_compute(e, known, done), dtype=np.float64), shape)
            for e in expressions
        ]


def _compute(node: Any, known: dict[str, Array], done: dict[Any, Any]) -> Any:
    """The value of a SymPy node, broadcast to (..., n); equal parts are computed once."""
    if node in done:
        return done[node]
    if node.is_Symbol:
        value: Any = known[str(node)]
    elif node.is_number:
        value = float(node)
    else:
        value = _combine(node, known, done)
    done[node] = value
    return value


def _combine(node: Any, known: dict[str, Array], done: dict[Any, Any]) -> Any:
    parts = [_compute(argument, known, done) for argument in node.args]
    if node.is_Add:
        return sum(parts[1:], parts[0])
    if node.is_Mul:
        product = parts[0]
        for part in parts[1:]:
            product = product * part
        return product
    if node.is_Pow:
        base, exponent = node.args
        if base.is_Symbol and base.is_positive and not exponent.is_number:
            # Logarithms of columns are taken once: twice as fast as powers.
            key = ("log", base)
            if key not in done:
                done[key] = np.log(parts[0])
            return np.exp(parts[1] * done[key])
        return np.power(parts[0], parts[1])
    if type(node).__name__ in SEVERAL_ARGUMENTS:
        return reduce(SEVERAL_ARGUMENTS[type(node).__name__], parts)
    return ONE_ARGUMENT[type(node).__name__](parts[0])


def _parameter(name: str, exponent: bool, logarithm: bool, wide: bool) -> Parameter:
    if logarithm:
        return Parameter(name, -200.0, 200.0, (-3.0, 2.0), "the logarithm of an amplitude")
    if wide:  # of uncentred logarithms: those of a polynomial may be large and cancel
        return Parameter(name, -50.0, 50.0, (0.02, 1.0), "the coefficient of a logarithm")
    if exponent:
        return Parameter(name, -5.0, 5.0, (0.02, 1.0), "an exponent")
    return Parameter(name, 1e-12, 1e30, (0.05, 5.0), "an amplitude or an offset")

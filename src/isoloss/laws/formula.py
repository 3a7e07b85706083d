"""The text of a formula → a checked expression → a law with exact derivatives.

The text goes through Python's `ast` and a whitelist into SymPy: numbers, names, + - * / **,
and the functions below. Nothing is ever evaluated as code.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import numpy as np

from isoloss.errors import UsageError
from isoloss.laws.law import Array, Columns, Law, Parameter

VARIABLES = frozenset(
    {"N", "D", "C", "U", "M", "V", "lr", "tokens", "flops", "unique_tokens", "params_total",
     "params_matmul", "params_non_embedding", "params_active", "learning_rate", "batch_tokens",
     "n_layer", "d_model", "vocab_size", "context_length", "steps"}
)  # fmt: skip
FUNCTIONS = ("exp", "log", "sqrt", "tanh")
LONGEST = 400
DEEPEST = 30
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: a**b,
}


def parse_law(text: str) -> Law:
    """Make a law of a formula; names that are no variables are its parameters.

    Parameters are positive unless the formula says otherwise by its use; those named like an
    exponent (alpha, beta, gamma, delta, k, or in the exponent of the formula) start small.

    Raises:
        UsageError: not a formula, or one with something that is not allowed; no parameter.
    """
    import sympy

    expression = to_expression(text)
    symbols = sorted(str(s) for s in expression.free_symbols)
    variables = tuple(s for s in symbols if s in VARIABLES or s.startswith(("meta_", "metric_")))
    parameters = tuple(s for s in symbols if s not in variables)
    if not parameters:
        raise UsageError(f"the formula {text!r} has no parameter to fit")
    if not variables:
        raise UsageError(
            f"the formula {text!r} has no variable",
            hint=f"Variables: {', '.join(sorted(VARIABLES))}, meta_… and metric_….",
        )
    by_parameter = [sympy.diff(expression, sympy.Symbol(p, real=True)) for p in parameters]
    value = _numpy_function(parameters, [expression])
    derivatives = _numpy_function(parameters, by_parameter)
    linear = tuple(
        p
        for p, slope in zip(parameters, by_parameter, strict=True)
        if sympy.Symbol(p, real=True) not in slope.free_symbols
    )
    exponents = _names_in_exponents(expression)
    return Law(
        name=text,
        formula=text,
        title="a formula of your own",
        reference="",
        parameters=tuple(_parameter(p, p in exponents) for p in parameters),
        variables=variables,
        note="",
        value=lambda theta, data: value(theta, data)[0],
        jacobian=lambda theta, data: np.stack(derivatives(theta, data), axis=-1),
        linear=linear,
    )


def to_expression(text: str) -> Any:
    """A SymPy expression of a formula's text.

    Raises:
        UsageError: naming the part that is not allowed.
    """
    if len(text) > LONGEST:
        raise UsageError(f"a formula may have {LONGEST} characters, found {len(text)}")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UsageError(
            f"{text!r} is no formula ({getattr(error, 'msg', error)})",
            hint="Write it as in Python, for example 'E + A/N**alpha + B/D**beta'.",
        ) from error
    return _convert(tree.body, text, 0)


def to_latex(text: str) -> str:
    """The formula in LaTeX."""
    import sympy

    return str(sympy.latex(to_expression(text)))


def _convert(node: ast.expr, text: str, depth: int) -> Any:
    import sympy

    if depth > DEEPEST:
        raise UsageError(f"the formula {text!r} is nested too deeply")
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        if abs(node.value) > 1e30:
            raise UsageError(f"the number {node.value} in {text!r} is too large")
        return sympy.Integer(node.value) if isinstance(node.value, int) else sympy.Float(node.value)
    if isinstance(node, ast.Name):
        if node.id in FUNCTIONS:
            raise UsageError(f"{node.id} is a function: write {node.id}(…) in {text!r}")
        return sympy.Symbol(node.id, real=True)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = (_convert(side, text, depth + 1) for side in (node.left, node.right))
        if isinstance(node.op, ast.Pow) and left.is_number and right.is_number and abs(right) > 64:
            raise UsageError(f"the power {ast.unparse(node)} in {text!r} is too large")
        return _OPERATORS[type(node.op)](left, right)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        inner = _convert(node.operand, text, depth + 1)
        return -inner if isinstance(node.op, ast.USub) else inner
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in FUNCTIONS
        and len(node.args) == 1
        and not node.keywords
    ):
        return getattr(sympy, node.func.id)(_convert(node.args[0], text, depth + 1))
    raise UsageError(
        f"{ast.unparse(node)!r} is not allowed in the formula {text!r}",
        hint=f"Use numbers, names, + - * / ** and {', '.join(FUNCTIONS)}.",
    )


def _numpy_function(
    parameters: tuple[str, ...], expressions: list[Any]
) -> Callable[..., tuple[Array, ...]]:
    """Walk the expression trees with NumPy: no generated code is executed."""

    def function(theta: Array, data: Columns) -> tuple[Array, ...]:
        known = dict(data) | {p: theta[..., i, None] for i, p in enumerate(parameters)}
        shape = np.broadcast_shapes(*(np.shape(v) for v in known.values()))
        return tuple(
            np.broadcast_to(np.asarray(_compute(e, known), dtype=np.float64), shape)
            for e in expressions
        )

    return function


def _compute(node: Any, known: dict[str, Array]) -> Any:
    """The value of a SymPy node, (..., n)."""
    if node.is_Symbol:
        return known[str(node)]
    if node.is_number:
        return float(node)
    parts = [_compute(argument, known) for argument in node.args]
    if node.is_Add:
        return sum(parts[1:], parts[0])
    if node.is_Mul:
        product = parts[0]
        for part in parts[1:]:
            product = product * part
        return product
    if node.is_Pow:
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            return np.power(parts[0], parts[1])
    name = type(node).__name__.lower()
    if name in FUNCTIONS:
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            return getattr(np, name)(parts[0])
    raise UsageError(f"cannot compute {node}")


def _names_in_exponents(expression: Any) -> set[str]:
    """Names that stand in the exponent of a power or inside exp."""
    import sympy

    powers = [node.exp for node in expression.atoms(sympy.Pow)]
    powers += [node.args[0] for node in expression.atoms(sympy.exp)]
    return {str(symbol) for power in powers for symbol in power.free_symbols}


def _parameter(name: str, exponent: bool) -> Parameter:
    if exponent:
        return Parameter(name, -5.0, 5.0, (0.02, 1.0), "an exponent")
    return Parameter(name, 1e-12, 1e30, (0.05, 5.0), "an amplitude or an offset")

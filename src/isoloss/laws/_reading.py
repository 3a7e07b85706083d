"""Text → SymPy expression, through a whitelist of syntax."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Collection
from typing import Any

from isoloss.errors import UsageError

FUNCTIONS = ("exp", "log", "log10", "sqrt", "tanh", "sin", "cos", "arctan")
PAIRS = ("min", "max")
"""Functions of two arguments."""
_OF_SYMPY = {"arctan": "atan", "min": "Min", "max": "Max"}
"""Functions that SymPy calls otherwise than NumPy."""
LONGEST = 600
DEEPEST = 30
LARGEST_NUMBER = 1e30
LARGEST_POWER = 64
NODES = frozenset(
    {"Add", "Mul", "Pow", "Symbol", "exp", "log", "tanh", "sin", "cos", "atan", "Abs", "sign",
     "Min", "Max", "Heaviside"}
)  # fmt: skip
"""What an expression or its derivatives may consist of, besides numbers."""
_ARGUMENTS: dict[str, int] = {**dict.fromkeys(FUNCTIONS, 1), **dict.fromkeys(PAIRS, 2)}
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: a**b,
}


def to_expression(text: str, positive: Collection[str] = ()) -> Any:
    """A SymPy expression of a formula's text; all names are real numbers, some positive.

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
    expression = _convert(tree.body, _Context(text, positive), 0)
    check_numbers(expression, text)
    return expression


def check_numbers(expression: Any, text: str) -> None:
    """Refuse what has no finite real value or no function here.

    Raises:
        UsageError: a division by zero, a root of a negative number, and the like.
    """
    from sympy import preorder_traversal  # pyright: ignore

    for node in preorder_traversal(expression):  # pyright: ignore[reportUnknownVariableType]
        if not (_is_number(node) or type(node).__name__ in NODES):  # pyright: ignore
            raise UsageError(f"the formula {text!r} has no value or no derivative ({node})")


def _is_number(node: Any) -> bool:
    return bool(node.is_number and node.is_real and node.is_finite)


class _Context:
    """The text, for messages, and the symbols of its names."""

    def __init__(self, text: str, positive: Collection[str]) -> None:
        self.text = text
        self.positive = positive

    def symbol(self, name: str) -> Any:
        from sympy import Symbol  # pyright: ignore

        return Symbol(name, positive=True) if name in self.positive else Symbol(name, real=True)

    def refuse(self, what: str, hint: str = "") -> UsageError:
        return UsageError(f"{what} in the formula {self.text!r}", hint=hint)


def _convert(node: ast.expr, context: _Context, depth: int) -> Any:
    if depth > DEEPEST:
        raise UsageError(f"the formula {context.text!r} is nested too deeply")
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return _number(node.value, context)
    if isinstance(node, ast.Name):
        if node.id in (*FUNCTIONS, *PAIRS):
            raise context.refuse(f"{node.id} is a function: write {node.id}(…)")
        return context.symbol(node.id)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left = _convert(node.left, context, depth + 1)
        right = _convert(node.right, context, depth + 1)
        _refuse_operation(node, left, right, context)
        return _checked(_OPERATORS[type(node.op)](left, right), node, context)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        inner = _convert(node.operand, context, depth + 1)
        return -inner if isinstance(node.op, ast.USub) else inner
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and len(node.args) == _ARGUMENTS.get(node.func.id)
        and not node.keywords
    ):
        return _call(node, context, [_convert(a, context, depth + 1) for a in node.args])
    raise context.refuse(
        f"{ast.unparse(node)!r} is not allowed",
        hint=f"Use numbers, names, + - * / ** and {', '.join((*FUNCTIONS, *PAIRS))}.",
    )


def _number(value: Any, context: _Context) -> Any:
    import sympy  # pyright: ignore

    if not abs(value) <= LARGEST_NUMBER:
        raise context.refuse("a number is too large")
    return sympy.Integer(value) if isinstance(value, int) else sympy.Float(value)


def _call(node: ast.Call, context: _Context, arguments: list[Any]) -> Any:
    import sympy  # pyright: ignore

    name, argument = ast.unparse(node.func), arguments[0]
    # SymPy computes numbers exactly: exp(exp(99)) would never end.
    if name == "exp" and argument.is_number and abs(float(argument)) > LARGEST_POWER:
        raise context.refuse(f"{ast.unparse(node)} is too large")
    if name == "log10":
        return _checked(sympy.log(argument) / sympy.log(10), node, context)
    return _checked(getattr(sympy, _OF_SYMPY.get(name, name))(*arguments), node, context)


def _refuse_operation(node: ast.BinOp, left: Any, right: Any, context: _Context) -> None:
    """Refuse, before SymPy computes it, what is no number or a huge one."""
    if isinstance(node.op, ast.Div) and right.is_zero:
        raise context.refuse(f"{ast.unparse(node)} divides by zero")
    if isinstance(node.op, ast.Pow) and right.is_number:
        power = abs(float(right))
        size = abs(float(left)) if left.is_number else 1.0
        if power > LARGEST_POWER or (size > 0 and power * abs(math.log(size)) > 70):
            raise context.refuse(f"the power {ast.unparse(node)} is too large")


def _checked(value: Any, node: ast.expr, context: _Context) -> Any:
    if value.is_number and not (_is_number(value) and abs(float(value)) <= LARGEST_NUMBER):
        raise context.refuse(f"{ast.unparse(node)} is no finite real number")
    return value

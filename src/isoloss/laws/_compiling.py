"""A formula → the text of a NumPy module: what `make laws` writes into `_compiled/`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from isoloss.laws._structure import amplitudes_of, exponents_of, linear_of, log_amplitudes_of
from isoloss.laws.law import Law

WIDTH = 96
_CALLS = {
    "exp": "np.exp", "log": "np.log", "tanh": "np.tanh", "Abs": "np.abs", "sign": "np.sign",
    "sin": "np.sin", "cos": "np.cos", "atan": "np.arctan",
    "Max": "np.maximum", "Min": "np.minimum", "Heaviside": "np.heaviside",
}  # fmt: skip


def compiled_text(law: Law) -> str:
    """The module of a law of the library, from its formula, parameters and variables alone.

    Raises:
        UsageError: a formula that is not allowed.
        ValueError: the formula has other names than the parameters and variables of the law.
    """
    from isoloss.laws._reading import to_expression

    positive = {p.name for p in law.parameters if p.positive} | set(law.positive_variables)
    expression = to_expression(law.formula, positive)
    symbols = {str(symbol): symbol for symbol in expression.free_symbols}
    if set(symbols) != {*law.names, *law.variables}:
        raise ValueError(f"{law.name}: the formula has the names {', '.join(sorted(symbols))}")
    slopes = [expression.diff(symbols[name]) for name in law.names]
    products = expression.expand(
        power_exp=True, power_base=True, mul=False, multinomial=False, log=False, basic=False
    )
    exponents = exponents_of(expression)
    beside = [name for name in law.names if name not in exponents]
    amplitudes = _ordered(amplitudes_of(products, law.variables, beside), law)
    logs = _ordered(log_amplitudes_of(products, law.variables, law.names), law)
    return "\n".join(
        [
            f'"""{law.name}: {law.title}. Made by `make laws`."""',
            "",
            "# pyright: basic",
            "import numpy as np",
            "",
            f"FORMULA = {law.formula!r}",
            f"LINEAR = {linear_of(law.names, slopes)!r}",
            f"AMPLITUDES = {amplitudes!r}",
            f"LOG_AMPLITUDES = {logs!r}",
            "",
            "",
            "def value(theta, data):",
            *_body(law, [expression], stacked=False),
            "",
            "",
            "def jacobian(theta, data):",
            *_body(law, slopes, stacked=True),
            "",
        ]
    )


def _ordered(powers: dict[str, dict[str, str]], law: Law) -> dict[str, dict[str, str]]:
    """The same in the order of the law, so that the text does not depend on hashes."""
    return {
        name: {v: powers[name][v] for v in law.variables if v in powers[name]}
        for name in law.names
        if name in powers
    }


def _body(law: Law, expressions: Sequence[Any], *, stacked: bool) -> list[str]:
    """Lines that compute expressions, one or all of them; equal parts are computed once."""
    logs, rewritten = _with_logs(law, expressions)
    shared, results = _shared_parts(rewritten)
    used = {str(s) for part in [*(e for _, e in shared), *results] for s in part.free_symbols}
    lines = [f"{name} = theta[..., {i}, None]" for i, name in enumerate(law.names) if name in used]
    lines += [f'{name} = data["{name}"]' for name in law.variables if name in used | set(logs)]
    lines += [f"_log_{name} = np.log({name})" for name in logs]
    lines += [f"{symbol} = {_text(part)}" for symbol, part in shared]
    if not stacked:
        return [f"    {line}" for line in [*lines, f"return {_text(results[0])}"]]
    # One parameter after the other in memory: they are written and multiplied row by row.
    lines.append(
        f'slopes = np.empty((*theta.shape[:-1], {len(results)}, len(data["{law.variables[0]}"])))'
    )
    lines += [f"slopes[..., {i}, :] = {_text(result)}" for i, result in enumerate(results)]
    lines.append("return np.swapaxes(slopes, -1, -2)")
    return [f"    {line}" for line in lines]


def _shared_parts(expressions: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Pairs of a symbol and what it stands for, and the expressions in those symbols."""
    import sympy  # pyright: ignore

    module: Any = sympy
    names = module.numbered_symbols("_x")
    return module.cse(expressions, symbols=names, order="canonical")


def _with_logs(law: Law, expressions: Sequence[Any]) -> tuple[list[str], list[Any]]:
    """Powers of columns as exp of their logarithms, which are taken once: twice as fast."""
    from sympy import Function, Symbol  # pyright: ignore

    kept = Function("exp_")  # SymPy would turn exp(a*log(N)) back into N**a
    columns = {name: Symbol(f"_log_{name}", real=True) for name in law.positive_variables}
    found: set[str] = set()

    def is_power(node: Any) -> bool:
        return bool(
            node.is_Pow
            and not node.args[1].is_number
            and node.args[0].is_Symbol
            and str(node.args[0]) in columns
        )

    def power(node: Any) -> Any:
        found.add(str(node.args[0]))
        return kept(node.args[1] * columns[str(node.args[0])])

    def is_log(node: Any) -> bool:
        return type(node).__name__ == "log" and str(node.args[0]) in columns

    def log(node: Any) -> Any:
        found.add(str(node.args[0]))
        return columns[str(node.args[0])]

    changed = [e.replace(is_power, power).replace(is_log, log) for e in expressions]
    return [name for name in law.variables if name in found], changed


def _text(node: Any) -> str:
    """A SymPy node as NumPy source."""
    if node.is_Symbol:
        return str(node)
    if node.is_number:
        return _number(node)
    if node.is_Add:
        return "(" + " + ".join(_text(part) for part in node.args) + ")"
    if node.is_Mul:
        return _product(node.args)
    if node.is_Pow:
        return _power(*node.args)
    name = type(node).__name__
    call = "np.exp" if name == "exp_" else _CALLS[name]
    arguments = [_text(part) for part in node.args]
    while len(arguments) > 2:  # min and max of three or more
        arguments = [f"{call}({arguments[0]}, {arguments[1]})", *arguments[2:]]
    return f"{call}({', '.join(arguments)})"


def _number(node: Any) -> str:
    if node.is_Integer:
        return str(int(node)) if node >= 0 else f"({int(node)})"
    value = float(node)
    return repr(value) if value >= 0 else f"({value!r})"


def _product(factors: Iterable[Any]) -> str:
    over: list[str] = []
    under: list[str] = []
    sign = ""
    for factor in factors:
        if factor == -1:
            sign = "-"
        elif factor.is_Pow and factor.args[1] == -1:
            under.append(_text(factor.args[0]))
        else:
            over.append(_text(factor))
    text = sign + (" * ".join(over) if over else "1.0")
    return f"({text} / {' / '.join(under)})" if under else f"({text})"


def _power(base: Any, exponent: Any) -> str:
    if exponent == -1:
        return f"(1.0 / {_text(base)})"
    if exponent.is_number and float(exponent) == 0.5:
        return f"np.sqrt({_text(base)})"
    if exponent.is_Integer:
        return f"{_text(base)} ** {_number(exponent)}"
    return f"np.power({_text(base)}, {_text(exponent)})"

"""What an expression says about its parameters: exponents, amplitudes, linear ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

Powers = dict[str, dict[str, str]]


def exponents_of(expression: Any) -> set[str]:
    """Names that stand in the exponent of a power or inside exp."""
    powers = [node.args[1] for node in _nodes(expression) if node.is_Pow]
    powers += [node.args[0] for node in _nodes(expression) if _is_exp(node)]
    return {str(symbol) for power in powers for symbol in power.free_symbols}


def of_logarithms(expression: Any) -> set[str]:
    """Names that multiply a logarithm inside exp: coefficients of a polynomial in log N, say."""
    terms = [
        term
        for node in _nodes(expression)
        if _is_exp(node)
        for term in (node.args[0].expand().args if node.args[0].expand().is_Add else node.args)
    ]
    with_logs = [t for t in terms if any(type(n).__name__ == "log" for n in _nodes(t))]
    return {str(symbol) for term in with_logs for symbol in term.free_symbols}


def linear_of(parameters: Sequence[str], slopes: Sequence[Any]) -> tuple[str, ...]:
    """Parameters that enter linearly together, where the others are fixed; the first win."""
    chosen: list[str] = []
    for name, slope in zip(parameters, slopes, strict=True):
        within = {str(symbol) for symbol in slope.free_symbols}
        if name not in within and not within & set(chosen):
            chosen.append(name)
    return tuple(chosen)


def amplitudes_of(expression: Any, variables: Sequence[str], parameters: Sequence[str]) -> Powers:
    """For each parameter beside powers of variables, the exponent with which each divides it."""
    found: Powers = {}
    for node in _nodes(expression):
        if not node.is_Mul:
            continue
        powers = _powers(node)
        beside = {name: power for name, power in powers.items() if name in variables}
        for name in sorted(set(powers) & set(parameters) - set(found)):
            if beside and (exponents := _texts(beside, powers[name])):
                found[name] = exponents
                break
    return found


def log_amplitudes_of(
    expression: Any, variables: Sequence[str], parameters: Sequence[str]
) -> Powers:
    """The same for parameters that are the logarithm of a factor: a in exp(a)/N**alpha."""
    found: Powers = {}
    for node in _nodes(expression):
        factors = node.args if node.is_Mul else (node,)
        for factor in factors:
            if _is_exp(factor):
                beside = {n: p for n, p in _powers(node).items() if n in variables}
                for name in _shifts(factor.args[0], parameters):
                    if not found.get(name):
                        found[name] = _texts(beside, None)
    return found


def _shifts(argument: Any, parameters: Sequence[str]) -> list[str]:
    """Parameters that are terms of the argument of exp."""
    terms = argument.args if argument.is_Add else (argument,)
    return [str(term) for term in terms if term.is_Symbol and str(term) in parameters]


def _logarithms(argument: Any) -> dict[str, Any]:
    """Names whose logarithm is in the argument of exp, with the powers that makes."""
    logs = [node for node in _nodes(argument) if type(node).__name__ == "log"]
    return {str(log.args[0]): argument.coeff(log) for log in logs if log.args[0].is_Symbol}


def _powers(node: Any) -> dict[str, Any]:
    """The names among the factors of a product, with their powers."""
    factors = node.args if node.is_Mul else (node,)
    pairs = [factor.as_base_exp() for factor in factors]
    powers = {str(base): power for base, power in pairs if base.is_Symbol}
    for factor in factors:
        if _is_exp(factor):
            powers |= _logarithms(factor.args[0])
    return powers


def _texts(beside: dict[str, Any], of_amplitude: Any) -> dict[str, str]:
    """Exponents as a name, a name with a minus, or a number; none where one is more."""
    texts: dict[str, str] = {}
    for variable, power in beside.items():
        divides = -power if of_amplitude is None else -power / of_amplitude
        if divides.is_Symbol:
            texts[variable] = str(divides)
        elif (-divides).is_Symbol:
            texts[variable] = f"-{-divides}"
        elif divides.is_number:
            texts[variable] = repr(float(divides))
        else:
            return {}
    return texts


def _nodes(expression: Any) -> Iterator[Any]:
    yield expression
    for argument in expression.args:
        yield from _nodes(argument)


def _is_exp(node: Any) -> bool:
    return type(node).__name__ == "exp"

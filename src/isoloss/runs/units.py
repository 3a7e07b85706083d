"""Factors between a table's units and ours: `Tokens (B):1e9` means billions of tokens."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal

from isoloss.runs._cells import is_empty

_WORDS: dict[str, float] = {
    "k": 1e3,
    "m": 1e6,
    "mm": 1e6,
    "b": 1e9,
    "bn": 1e9,
    "g": 1e9,
    "t": 1e12,
    "thousand": 1e3,
    "million": 1e6,
    "billion": 1e9,
    "trillion": 1e12,
}
_NUMBER = re.compile(r"[+]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_CELL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_HEADER = re.compile(r"^(?P<base>.*\S)\s*[\(\[]\s*(?:in\s+)?(?P<unit>[^\s\)\]]+)\s*[\)\]]$")
_TAIL = re.compile(r"^(?P<base>.*\S)[ _](?:in[ _])?(?P<unit>thousands?|millions?|billions?)$", re.I)


def factor_of(text: str) -> float | None:
    """The factor that a suffix says, or None where it says none.

    >>> factor_of("1e9"), factor_of("B"), factor_of("millions"), factor_of("loss")
    (1000000000.0, 1000000000.0, 1000000.0, None)
    """
    word = text.strip().lower()
    plain = _WORDS.get(word) or _WORDS.get(word.removesuffix("s") if len(word) > 3 else word)
    if plain is not None:
        return plain
    if not _NUMBER.fullmatch(word):
        return None
    factor = float(word)
    return factor if math.isfinite(factor) and factor > 0 else None


def split_factor(text: str) -> tuple[str, float | None]:
    """A name and the factor after its last colon; a colon before anything else is the name's.

    >>> split_factor("Tokens (B):1e9"), split_factor("eval:loss"), split_factor("loss:2:1")
    (('Tokens (B)', 1000000000.0), ('eval:loss', None), ('loss:2', 1.0))
    """
    name, colon, suffix = text.rpartition(":")
    factor = factor_of(suffix) if colon and name.strip() else None
    return (text, None) if factor is None else (name.strip(), factor)


def split_columns(
    columns: Mapping[str, str] | None,
) -> tuple[dict[str, str], dict[str, float]]:
    """A mapping their name → `ours` or `ours:factor` as plain names, and our names' factors.

    >>> split_columns({"Tokens (B)": "tokens:1e9", "Loss": "loss"})
    ({'Tokens (B)': 'tokens', 'Loss': 'loss'}, {'tokens': 1000000000.0})
    """
    plain: dict[str, str] = {}
    factors: dict[str, float] = {}
    for theirs, text in (columns or {}).items():
        ours, factor = split_factor(text)
        plain[theirs] = ours
        if factor is not None:
            factors[ours] = factor
    return plain, factors


def header_unit(name: str) -> tuple[str, float] | None:
    """What a column is called without its unit, and the factor that the unit says.

    >>> header_unit("Tokens (B)"), header_unit("params [millions]"), header_unit("loss (C4)")
    (('Tokens', 1000000000.0), ('params', 1000000.0), None)
    """
    for pattern in (_HEADER, _TAIL):
        found = pattern.match(name.strip())
        factor = factor_of(found["unit"]) if found else None
        if found and factor is not None and not found["unit"][0].isdigit():
            return found["base"], factor
    return None


def scaled(value: object, factor: float) -> object:
    """A cell times a factor, in decimals: .07 billion is exactly 70 million.

    What is no number comes back as it is, for whoever checks the cell.

    >>> scaled("0.07", 1e9), scaled("n/a", 1e9)
    (70000000.0, 'n/a')
    """
    if isinstance(value, bool) or is_empty(value) or factor == 1:
        return value
    if hasattr(value, "item"):
        value = getattr(value, "item")()  # noqa: B009
    text = value.strip() if isinstance(value, str) else repr(value)
    if not _CELL.fullmatch(text):
        return value
    try:
        product = float(Decimal(text) * Decimal(repr(factor)))
    except ArithmeticError:
        return value
    return product if math.isfinite(product) else value

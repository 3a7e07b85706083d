"""How numbers look: one way for a loss, a count, a compute and a percentage everywhere."""

from __future__ import annotations

import math
from typing import Any

MISSING = "–"
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SUFFIXES = ((1e15, ""), (1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))


def finite(value: Any) -> float | None:
    """The number, or None for whatever is none: missing, text, a truth value, not finite.

    >>> finite(3), finite(float("nan")), finite("3"), finite(True)
    (3.0, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def loss_text(value: Any) -> str:
    """Four decimals: the fourth is below the noise of any run.

    >>> loss_text(3.01234), loss_text(None)
    ('3.0123', '–')
    """
    number = finite(value)
    return MISSING if number is None else f"{number:.4f}"


def percent_text(value: Any) -> str:
    """A signed percentage.

    >>> percent_text(-0.281), percent_text(None)
    ('-0.28%', '–')
    """
    number = finite(value)
    return MISSING if number is None else f"{number:+.2f}%"


def level_text(level: Any) -> str:
    """An interval's level.

    >>> level_text(0.9), level_text(0.975)
    ('90%', '97.5%')
    """
    number = finite(level)
    return MISSING if number is None else f"{100 * number:.4g}%"


def short_text(value: Any) -> str:
    """Three digits and k, M, B or T, for parameters and tokens.

    >>> short_text(25600), short_text(1.4e6), short_text(7e10), short_text(999_999), short_text(16)
    ('25.6k', '1.4M', '70B', '1M', '16')
    """
    number = finite(value)
    if number is None:
        return MISSING
    number = float(f"{number:.3g}")
    for factor, suffix in _SUFFIXES:
        if abs(number) >= factor:
            return f"{number / factor:.3g}{suffix}" if suffix else f"{number:.2e}"
    return f"{number:.3g}"


def count_text(value: Any) -> str:
    """All digits up to a million million, for tables.

    >>> count_text(212992), count_text(7.5e14), count_text(None)
    ('212,992', '7.50×10¹⁴', '–')
    """
    number = finite(value)
    if number is None:
        return MISSING
    return f"{round(number):,}" if abs(number) < 1e12 else power_text(number)


def flops_text(value: Any) -> str:
    """Compute for the terminal.

    >>> flops_text(1.2345e12), flops_text(5e9)
    ('1.23e12', '5.00e9')
    """
    number = finite(value)
    if number is None:
        return MISSING
    mantissa, exponent = f"{number:.2e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def power_text(value: Any) -> str:
    """Compute for pages.

    >>> power_text(1.2345e12), power_text(0)
    ('1.23×10¹²', '0')
    """
    number = finite(value)
    if number is None:
        return MISSING
    if number == 0:
        return "0"
    mantissa, exponent = f"{number:.2e}".split("e")
    return f"{mantissa}×10{str(int(exponent)).translate(_SUPERSCRIPTS)}"


def general_text(value: Any) -> str:
    """A fitted parameter of any magnitude: four significant digits.

    >>> general_text(406.4), general_text(0.3392), general_text(1.2e7)
    ('406.4', '0.3392', '1.2×10⁷')
    """
    number = finite(value)
    if number is None:
        return MISSING
    text = f"{number:.4g}"
    if "e" not in text:
        return text
    mantissa, exponent = text.split("e")
    return f"{mantissa}×10{str(int(exponent)).translate(_SUPERSCRIPTS)}"


def interval_text(low: Any, high: Any, text: Any = loss_text) -> str:
    """Both ends in brackets, or the sign of absence where one is missing.

    >>> interval_text(2.981, 3.044), interval_text(None, 3.0)
    ('[2.9810, 3.0440]', '–')
    """
    if finite(low) is None or finite(high) is None:
        return MISSING
    return f"[{text(low)}, {text(high)}]"


def factor_text(value: Any) -> str:
    """How many times larger, in two digits.

    >>> factor_text(2.61), factor_text(258.0), factor_text(None)
    ('2.6×', '260×', '–')
    """
    number = finite(value)
    if number is None:
        return MISSING
    rounded = float(f"{number:.2g}")
    if rounded >= 1e6:
        return f"{power_text(rounded)}×"
    return f"{rounded:,.0f}×" if rounded >= 10 else f"{rounded:g}×"


def duration_text(seconds: Any) -> str:
    """A duration as people say it.

    >>> duration_text(42), duration_text(754), duration_text(7320)
    ('42 s', '12 min 34 s', '2 h 2 min')
    """
    number = finite(seconds)
    if number is None:
        return MISSING
    whole = round(number)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"

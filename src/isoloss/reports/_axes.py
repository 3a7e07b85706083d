"""Axes, colours and tooltips that the charts share. Imports Altair: import it late."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import altair as alt

from isoloss.reports._contours import nice_steps
from isoloss.reports._numbers import power_text, short_text

HEIGHT = 340
MOST_SIZES = 8
"""With more model sizes than these a legend of them would outgrow a phone: a gradient then."""

_SHORT = "replace(format(datum.value, '.3~s'), 'G', 'B')"
_POWERS = "".join("⁰¹²³⁴⁵⁶⁷⁸⁹")
_EXPONENT = "floor(log(datum.value) / LN10 + 1e-9)"
_DIGITS = "[" + ", ".join(f"'{digit}'" for digit in _POWERS) + "]"
# Python writes the tick values, Vega writes their labels: 2×10¹¹, and 10¹¹ where it is 1.
_POWER = (
    f"(abs(datum.value / pow(10, {_EXPONENT}) - 1) < 1e-6 ? '' : "
    f"format(datum.value / pow(10, {_EXPONENT}), '.2~f') + '×') + '10' + "
    f"({_EXPONENT} >= 10 ? {_DIGITS}[floor({_EXPONENT} / 10)] : '') + "
    f"{_DIGITS}[{_EXPONENT} % 10]"
)
_MANTISSAS = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0))


def chart(values: Sequence[Any]) -> alt.Chart:
    """A chart over inline records."""
    return alt.Chart(alt.Data(values=list(values)))


def padded(values: Iterable[float], share: float = 0.06) -> list[float]:
    """The range of positive values with room at both ends of a logarithmic axis.

    >>> [round(v, 3) for v in padded([1, 100], 0.5)]
    [0.1, 1000.0]
    """
    found = [value for value in values if value > 0]
    low, high = min(found), max(found)
    room = share * math.log(high / low) if high > low else math.log(1.1)
    return [low * math.exp(-room), high * math.exp(room)]


def log_ticks(low: float, high: float) -> list[float]:
    """Readable ticks of a logarithmic axis: powers of ten, or as much finer as is needed.

    >>> log_ticks(5e10, 2e13)
    [100000000000.0, 300000000000.0, 1000000000000.0, 3000000000000.0, 10000000000000.0]
    >>> log_ticks(2.95, 4.1)
    [3.0, 3.2, 3.4, 3.6, 3.8, 4.0]
    """
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for mantissas in _MANTISSAS:
        ticks = [m * 10.0**e for e in exponents for m in mantissas]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) >= 4:
            return ticks[:: math.ceil(len(ticks) / 9)]
    return nice_steps(low, high, 6)


def decimals(ticks: Sequence[float]) -> str:
    """The format in which every tick has as many decimals as the finest.

    >>> decimals([3.0, 3.5, 4.0]), decimals([1.0, 10.0])
    ('.1f', '.0f')
    """
    finest = max((len(f"{tick:.6g}".partition(".")[2]) for tick in ticks), default=1)
    return f".{finest}f"


def compute_axis(field: str, domain: list[float], convention: str) -> alt.X:
    """Training compute, from left to right."""
    return alt.X(
        field,
        type="quantitative",
        scale=alt.Scale(type="log", domain=domain, nice=False),
        axis=alt.Axis(
            title=f"Training compute C (FLOP, {convention})",
            values=log_ticks(*domain),
            labelExpr=_POWER,
            labelOverlap=True,
        ),
    )


def count_axis(field: str, domain: list[float], title: str) -> alt.X:
    """Parameters or tokens, from left to right."""
    return alt.X(
        field,
        type="quantitative",
        scale=alt.Scale(type="log", domain=domain, nice=False),
        axis=alt.Axis(title=title, values=log_ticks(*domain), labelExpr=_SHORT, labelOverlap=True),
    )


def tall_count_axis(field: str, domain: list[float], title: str) -> alt.Y:
    """Parameters or tokens, from bottom to top."""
    return alt.Y(
        field,
        type="quantitative",
        scale=alt.Scale(type="log", domain=domain, nice=False),
        axis=alt.Axis(title=title, values=log_ticks(*domain), labelExpr=_SHORT),
    )


def plain_loss_axis(field: str, domain: list[float], unit: str) -> alt.X:
    """Loss, from left to right, magnified: a linear axis."""
    ticks = nice_steps(domain[0], domain[1], 4)
    return alt.X(
        field,
        type="quantitative",
        scale=alt.Scale(domain=domain, nice=False, zero=False),
        axis=alt.Axis(title=f"Loss L ({unit})", values=ticks, format=decimals(ticks)),
    )


def loss_axis(field: str, domain: list[float], unit: str, title: str = "Loss L") -> alt.Y:
    """Loss, from bottom to top, on a logarithmic axis."""
    ticks = log_ticks(*domain)
    return alt.Y(
        field,
        type="quantitative",
        scale=alt.Scale(type="log", domain=domain, nice=False),
        axis=alt.Axis(title=f"{title} ({unit})", values=ticks, format=decimals(ticks)),
    )


def size_colour(values: Iterable[float], field: str, title: str) -> alt.Color:
    """Colour by model size or token count: a legend of a few, a gradient of many."""
    distinct = sorted(set(values))
    if len(distinct) > MOST_SIZES:
        return alt.Color(
            field,
            type="quantitative",
            scale=alt.Scale(type="log"),
            legend=alt.Legend(
                orient="top", title=title, titleLimit=0, labelExpr=_SHORT, gradientLength=180
            ),
        )
    return alt.Color(
        field,
        type="ordinal",
        scale=alt.Scale(domain=distinct),
        legend=alt.Legend(
            orient="top",
            title=title,
            labelExpr=_SHORT,
            symbolType="circle",
            symbolOpacity=1,
            columns=4,
            titleLimit=0,
        ),
    )


def hints(**titles: str) -> list[alt.Tooltip]:
    """Tooltips of nominal fields, whose texts are made in Python: field=title."""
    return [alt.Tooltip(name, type="nominal", title=title) for name, title in titles.items()]


def texts(n: Any, d: Any, flops: Any) -> dict[str, str]:
    """What tooltips say of a run's size."""
    return {"n_text": short_text(n), "d_text": short_text(d), "c_text": power_text(flops)}


def finished(layers: Sequence[alt.Chart], description: str, height: int = HEIGHT) -> dict[str, Any]:
    """The spec of layers that fill the width of their container."""
    layered = alt.layer(*layers).properties(
        width="container", height=height, description=description
    )
    return layered.to_dict()

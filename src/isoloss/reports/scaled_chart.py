"""The figure of predictions at multiples of the largest run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isoloss._files import write_text_atomic
from isoloss.errors import UsageError
from isoloss.reports._numbers import level_text, short_text

_WIDTH = 680


@dataclass(frozen=True, kw_only=True)
class ScaledPoint:
    """A prediction at one factor; an interval that there is not is not-a-number."""

    factor: float
    value: float
    low: float
    high: float
    at: Mapping[str, float]


def scaled_figure(points: Iterable[ScaledPoint], *, target: str, level: float) -> dict[str, Any]:
    """The Vega-Lite spec: the prediction with its interval against the factor.

    Args:
        points: one a factor.
        target: the name of the axis.
        level: of the intervals.

    Raises:
        UsageError: a prediction is not positive; the axis is logarithmic.
    """
    from isoloss.reports import _axes as axes

    found = list(points)
    if not all(p.value > 0 for p in found):
        raise UsageError(f"{target} is not positive everywhere: the figure has a logarithmic axis")
    x = _factor_axis([p.factor for p in found])
    bounded = [p for p in found if math.isfinite(p.low) and math.isfinite(p.high)]
    values = [v for p in found for v in (p.value, p.low, p.high) if math.isfinite(v)]
    y = axes.loss_axis("value", axes.padded(values), f"{level_text(level)} interval", target)
    line = axes.chart(
        [
            {"factor": p.factor, "value": p.value, "text": f"{p.value:.5g}"} | _texts(p)
            for p in found
        ]
    )
    bars = axes.chart([{"factor": p.factor, "value": p.low, "high": p.high} for p in bounded])
    layers = [bars.mark_rule(style="interval").encode(x=x, y=y, y2="high:Q")] if bounded else []
    layers += [
        line.mark_line(style="frontier").encode(x=x, y=y),
        line.mark_point(filled=True, style="plain-run").encode(
            x=x, y=y, tooltip=axes.hints(text=target, sizes="at")
        ),
    ]
    return axes.finished(
        layers,
        f"{target} at {len(found)} multiples of the largest run, from"
        f" {found[0].value:.4g} to {found[-1].value:.4g}.",
    )


def write_scaled_svg(
    path: str | Path, points: Iterable[ScaledPoint], *, target: str, level: float
) -> None:
    """Write the figure as SVG, atomically.

    Raises:
        UsageError: the path does not end in .svg.
        EnvironmentProblem: the folder is not writable or the disk is full.
    """
    if Path(path).suffix.lower() != ".svg":
        raise UsageError(f"{path}: the figure is an SVG file", hint="Give a name ending in .svg.")
    import vl_convert

    from isoloss.reports._theme import LIGHT, chart_config

    config = {**chart_config(LIGHT), "background": LIGHT.background}
    spec = scaled_figure(points, target=target, level=level)
    write_text_atomic(path, vl_convert.vegalite_to_svg({**spec, "width": _WIDTH, "config": config}))


def _factor_axis(factors: list[float]) -> Any:
    import altair as alt

    from isoloss.reports._axes import padded

    return alt.X(
        "factor",
        type="quantitative",
        scale=alt.Scale(type="log", domain=padded(factors), nice=False),
        axis=alt.Axis(title="Times the largest run", values=sorted(set(factors)), format="~g"),
    )


def _texts(point: ScaledPoint) -> dict[str, str]:
    return {"sizes": ", ".join(f"{name} {short_text(x)}" for name, x in point.at.items())}

"""The figure of a plan's valley: how much loss another size gives up on the same budget."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from isoloss._files import write_text_atomic
from isoloss.errors import UsageError
from isoloss.reports._numbers import level_text, short_text

_WIDTH = 680
_TOP = 3.0
"""Percent of the loss that the figure shows; beyond, a size is no choice any more."""


def valley_figure(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The Vega-Lite spec: loss above the best in percent against N, with the draws' band.

    Args:
        plan: the document of a plan (`Plan.to_dict`).

    Raises:
        UsageError: the plan has no valley, as one made by an earlier version.
    """
    import altair as alt

    from isoloss.reports import _axes as axes

    valley = plan.get("valley")
    if not valley or len(valley["curve"]["n"]) < 3:
        raise UsageError("this plan has no valley to draw", hint="Make the plan again.")
    points = [point for point in _points(valley["curve"]) if point["percent"] <= _TOP]
    x = axes.count_axis(
        "n",
        axes.padded([point["n"] for point in points], 0.02),
        f"Parameters N ({plan['n_convention']})",
    )
    y = alt.Y(
        "percent",
        type="quantitative",
        scale=alt.Scale(domain=[0, _TOP], nice=False, clamp=True),
        axis=alt.Axis(title="Loss above the best (%)", values=[0, 0.1, 1, 2, 3], format="~g"),
    )
    band = [point for point in points if "high" in point]
    layers: list[alt.Chart] = []
    if band:
        shown = axes.chart([{**point, "percent": point["low"]} for point in band])
        layers.append(shown.mark_area(style="band", clip=True).encode(x=x, y=y, y2="high:Q"))
    layers += [
        axes.chart([{"percent": height} for height in (0.1, 1.0)])
        .mark_rule(style="guide")
        .encode(y=y),
        axes.chart(points).mark_line(style="frontier", clip=True).encode(x=x, y=y),
        *_best(plan, x, axes),
        axes.chart(points)
        .mark_point(opacity=0, size=60)
        .encode(x=x, y=y, tooltip=axes.hints(n_text="N", text="Loss above the best")),
    ]
    return axes.finished(layers, _words(plan), height=300)


def write_valley_svg(path: str | Path, plan: Mapping[str, Any]) -> None:
    """Write the figure as SVG, atomically; equal plans give equal bytes on one machine.

    Raises:
        UsageError: the path does not end in .svg, or the plan has no valley.
        EnvironmentProblem: the folder is not writable or the disk is full.
    """
    if Path(path).suffix.lower() != ".svg":
        raise UsageError(f"{path}: the figure is an SVG file", hint="Give a name ending in .svg.")
    spec = valley_figure(plan)
    import vl_convert

    from isoloss.reports._theme import LIGHT, chart_config

    config = {**chart_config(LIGHT), "background": LIGHT.background}
    svg = vl_convert.vegalite_to_svg({**spec, "width": _WIDTH, "config": config})
    # Vega counts identifiers through all that a process ever drew.
    found = dict.fromkeys(re.findall(r'\bid="([A-Za-z_]+\d+)"', svg))
    for number, old in enumerate(found):
        svg = re.sub(rf'(["#]){old}(?=["\)])', rf"\1valley-{number}", svg)
    write_text_atomic(path, svg)


def _points(curve: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One record a size, with the ends of the draws' band where there is one."""
    records: list[dict[str, Any]] = []
    for k, (n, percent) in enumerate(zip(curve["n"], curve["percent"], strict=True)):
        record = {"n": n, "percent": percent, "n_text": short_text(n), "text": f"{percent:.2g}%"}
        if curve["high"]:
            record |= {"low": min(curve["low"][k], _TOP), "high": min(curve["high"][k], _TOP)}
        records.append(record)
    return records


def _best(plan: Mapping[str, Any], x: Any, axes: Any) -> list[Any]:
    """A line at the plan's N, and its interval along the bottom."""
    n = plan["n"]
    layers = [axes.chart([{"n": n["value"]}]).mark_rule(style="prediction").encode(x=x)]
    if n["low"] is not None and n["high"] is not None:
        low, high = plan["valley"]["curve"]["n"][0], plan["valley"]["curve"]["n"][-1]
        span = {"n": max(n["low"], low), "end": min(n["high"], high), "percent": 0.03}
        bar = axes.chart([span]).mark_rule(style="prediction", strokeWidth=4)
        layers.append(bar.encode(x=x, x2="end:Q", y="percent:Q"))
    return layers


def _words(plan: Mapping[str, Any]) -> str:
    n = plan["n"]
    words = (
        f"Loss above the best in percent against parameters, for {plan['flops']:.4g} FLOP; the "
        f"plan has N = {short_text(n['value'])}"
    )
    if n["low"] is not None and n["high"] is not None:
        words += (
            f", {level_text(plan['level'])} interval {short_text(n['low'])} to "
            f"{short_text(n['high'])}; the band is what the draws of the fit say"
        )
    return words + "."

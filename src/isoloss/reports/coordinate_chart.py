"""The figure of a coordinate check: how far each layer moved, against the width."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from isoloss._files import write_bytes_atomic
from isoloss.errors import UsageError

FORMATS = (".svg", ".png", ".html")
_PANEL, _COLUMNS = 230, 3
_PNG_SCALE = 2.0


def coordinate_figure(check: Mapping[str, Any]) -> dict[str, Any]:
    """The Vega-Lite spec: one panel a layer, one line a step, both axes logarithmic.

    A flat line is a layer that moves as much at every width. Points are geometric means over
    seeds.

    Args:
        check: `CoordinateCheck.to_dict()`.

    Raises:
        UsageError: nothing moved, so that there is nothing to draw.
    """
    import altair as alt

    from isoloss.reports import _axes as axes

    panels = {row["layer"]: _panel(row) for row in check["slopes"]}
    values = _points(check, panels)
    if not values:
        raise UsageError(
            "no layer moved: there is nothing to draw", hint="Take more steps or a higher rate."
        )
    widths = sorted(check["widths"])
    x = alt.X(
        "width",
        type="quantitative",
        scale=alt.Scale(type="log", domain=axes.padded(widths), nice=False),
        axis=alt.Axis(title="Width", values=widths, format="d", grid=False),
    )
    domain = axes.padded([row["change"] for row in values])
    y = alt.Y(
        "change",
        type="quantitative",
        scale=alt.Scale(type="log", domain=domain, nice=False),
        axis=alt.Axis(title="Change since step 0", values=axes.log_ticks(*domain), format="~g"),
    )
    colour = alt.Color("step", type="ordinal", legend=alt.Legend(orient="top", title="Step"))
    told = [
        *axes.hints(layer="Layer", step="Step", width="Width"),
        alt.Tooltip("change", type="quantitative", title="Change", format=".4g"),
    ]
    base = axes.chart(values).encode(x=x, y=y, color=colour, tooltip=told)
    layered = alt.layer(base.mark_line(style="law"), base.mark_point(filled=True, size=28))
    facet = alt.Facet(
        "panel",
        type="nominal",
        sort=list(panels.values()),
        title=None,
        header=alt.Header(labelFontSize=11, labelLimit=0, labelPadding=4),
    )
    return (
        layered.properties(width=_PANEL, height=130)
        .facet(facet, columns=_COLUMNS, spacing=14)
        .properties(title=_title(check), description=_description(check))
        .to_dict()
    )


def write_coordinate_figure(path: str | Path, check: Mapping[str, Any]) -> None:
    """Write the figure as SVG, PNG or one offline HTML page, atomically.

    Raises:
        UsageError: the path ends in something else, or there is nothing to draw.
        EnvironmentProblem: the folder is not writable or the disk is full.
    """
    suffix = check_figure_name(path)
    import vl_convert

    from isoloss.reports._theme import LIGHT, chart_config

    config = {**chart_config(LIGHT), "background": LIGHT.background}
    spec = {**coordinate_figure(check), "config": config}
    if suffix == ".png":
        data = vl_convert.vegalite_to_png(spec, scale=_PNG_SCALE)
    elif suffix == ".svg":
        data = vl_convert.vegalite_to_svg(spec).encode("utf-8")
    else:
        data = vl_convert.vegalite_to_html(spec, bundle=True).encode("utf-8")
    write_bytes_atomic(path, data)


def check_figure_name(path: str | Path) -> str:
    """The ending of a figure's name; ask before the work that the figure is of.

    Raises:
        UsageError: it is none of `FORMATS`.

    >>> check_figure_name("check.PNG")
    '.png'
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise UsageError(
            f"{path}: the figure is a file of {', '.join(FORMATS)}",
            hint="Give a name with one of these endings.",
        )
    return suffix


def _panel(row: Mapping[str, Any]) -> str:
    slope = row["slope"]
    if slope is None or not math.isfinite(slope):
        return str(row["layer"])
    return f"{row['layer']}: {_signed(slope)}" + ("" if row["passed"] else " (off)")


def _signed(slope: float) -> str:
    """With the minus sign of print.

    >>> _signed(-0.5)
    '−0.50'
    """
    return f"{slope:+.2f}".replace("-", "−")


def _points(check: Mapping[str, Any], panels: Mapping[str, str]) -> list[dict[str, Any]]:
    """One record a layer, step and width, where all its seeds moved."""
    groups: dict[tuple[str, int, int], list[float]] = {}
    for row in check["sizes"]:
        if row["step"] > 0:
            key = (row["layer"], row["step"], row["width"])
            groups.setdefault(key, []).append(row["change"])
    return [
        {
            "layer": layer,
            "panel": panels[layer],
            "step": step,
            "width": width,
            "change": math.exp(sum(map(math.log, found)) / len(found)),
        }
        for (layer, step, width), found in groups.items()
        if all(0 < value < math.inf for value in found)
    ]


def _title(check: Mapping[str, Any]) -> str:
    name = "µP" if check["parameterization"] == "mup" else check["parameterization"]
    return (
        f"Coordinate check {check['status']}: {check['family']}, {check['optimizer']}, {name},"
        f" rate {check['learning_rate']:g} (exponents in the panels)"
    )


def _description(check: Mapping[str, Any]) -> str:
    return (
        f"Change of each layer in the first {check['steps']} steps against the width, on"
        f" logarithmic axes; {check['status']}: {check['message']}."
    )

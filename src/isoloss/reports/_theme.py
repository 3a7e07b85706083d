"""Colours of the charts, light and dark; marks name a style and the theme gives it its colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

FONT = (
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, "
    "'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', 'Noto Sans', sans-serif"
)


@dataclass(frozen=True, kw_only=True)
class Palette:
    """One colour scheme; `ramp` is the part of viridis that stands out from the background."""

    ink: str
    muted: str
    grid: str
    accent: str
    background: str
    ramp: tuple[float, float]


LIGHT = Palette(
    ink="#1b1f24",
    muted="#57606a",
    grid="#e4e7eb",
    accent="#c2410c",
    background="#ffffff",
    ramp=(0.0, 0.82),
)
DARK = Palette(
    ink="#e6e9ed",
    muted="#a9b1ba",
    grid="#2d333b",
    accent="#ff9a57",
    background="#14171a",
    ramp=(0.28, 1.0),
)


def chart_config(palette: Palette) -> dict[str, Any]:
    """The Vega-Lite config of a palette."""
    ramp = {"scheme": "viridis", "extent": list(palette.ramp)}
    words = {"labelColor": palette.muted, "titleColor": palette.ink}
    return {
        "background": "transparent",
        "font": FONT,
        "view": {"stroke": None},
        "axis": {
            **words,
            "gridColor": palette.grid,
            "domainColor": palette.muted,
            "tickColor": palette.muted,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": 500,
            "titlePadding": 8,
        },
        "legend": {**words, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": 500},
        "range": {"ordinal": ramp, "ramp": ramp, "heatmap": ramp},
        "style": _styles(palette),
    }


def _styles(palette: Palette) -> dict[str, Any]:
    # Vega-Lite takes a style's `color` over its own blue; a style's `fill` and `stroke` it
    # overrules with that blue wherever the mark could take its colour from there.
    return {
        "run": {"size": 62, "opacity": 0.95},
        "plain-run": {"color": palette.ink, "size": 42, "opacity": 0.9},
        "law": {"strokeWidth": 1.6, "opacity": 0.85},
        "frontier": {"color": palette.ink, "strokeWidth": 1.6},
        "band": {"color": palette.ink, "fillOpacity": 0.13},
        "guide": {"color": palette.muted, "strokeWidth": 1.2, "strokeDash": [4, 4]},
        "prediction": {"color": palette.ink, "strokeWidth": 2},
        "interval": {"color": palette.muted, "strokeWidth": 1.4},
        "predicted": {"color": palette.ink, "strokeWidth": 2, "opacity": 1},
        "measured": {"color": palette.accent, "opacity": 1},
        "baseline": {"color": palette.muted, "strokeWidth": 1.6, "opacity": 1},
        "label": {"color": palette.ink, "fontSize": 12},
        "contour": {"strokeWidth": 1.5, "strokeCap": "round"},
    }

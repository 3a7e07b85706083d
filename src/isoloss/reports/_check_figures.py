"""The figures that check the law: residuals, backtest, and lines of equal loss."""

from __future__ import annotations

from typing import Any

import altair as alt

from isoloss.reports import _axes as axes
from isoloss.reports._contours import contour_segments, nice_steps
from isoloss.reports._loss_figures import Spec, n_title, run_records
from isoloss.reports._numbers import finite, interval_text, loss_text, percent_text
from isoloss.reports._reading import (
    Results,
    baseline_of,
    flops_convention,
    ladder,
    level,
    loss_unit,
    part,
    rows,
)

_SIZE = {"n_text": "N", "d_text": "D (tokens)", "c_text": "C (FLOP)"}


def contours_figure(results: Results, description: str) -> Spec:
    """Lines of equal loss over N and D, the runs, the verification run and the frontier."""
    curves = part(results, "curves")
    grid = part(curves, "contours")
    n_values, d_values, losses = list(grid["n"]), list(grid["d"]), list(grid["loss"])
    x = axes.count_axis("n", [n_values[0], n_values[-1]], n_title(results))
    y = axes.tall_count_axis("d", [d_values[0], d_values[-1]], "Training tokens D")
    segments, labels = _contour_records(n_values, d_values, losses)
    tips = axes.hints(run="Run", **_SIZE, loss_text="Loss")
    colour = alt.Color("level:Q").legend(None)
    layers: list[Any] = [
        axes.chart(segments)
        .mark_rule(style="contour", clip=True)
        .encode(x=x, x2="n2", y=y, y2="d2", color=colour, tooltip=axes.hints(text="Loss")),
    ]
    frontier = [row for row in rows(curves, "frontier") if row.get("n") and row.get("d")]
    if frontier:
        path = [{"n": row["n"], "d": row["d"], "order": row["flops"]} for row in frontier]
        line = axes.chart(path).mark_line(style="guide", clip=True)
        layers.append(line.encode(x=x, y=y, order="order:Q"))
    points = axes.chart(run_records(ladder(results))).mark_point(filled=True, style="plain-run")
    layers.append(points.encode(x=x, y=y, tooltip=tips))
    layers += _verification_layer(results, x, y)
    words = axes.chart(labels).mark_text(style="label", align="left", dx=5, dy=-7, clip=True)
    layers.append(words.encode(x=x, y=y, text="text:N"))
    return axes.finished(layers, description, height=420)


def _contour_records(
    n_values: list[float], d_values: list[float], losses: list[list[float]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    known = [value for row in losses for value in row if finite(value) is not None]
    segments, labels = [], []
    levels = nice_steps(min(known), max(known), 10)
    # Words to the right of a line need room: none stands at the very edge.
    edge = n_values[-1] * (n_values[0] / n_values[-1]) ** 0.1
    for value in levels:
        pieces = contour_segments(n_values, d_values, losses, value)
        text = format(value, axes.decimals(levels))
        segments += [
            {"n": a[0], "d": a[1], "n2": b[0], "d2": b[1], "level": value, "text": text}
            for a, b in pieces
        ]
        if pieces:
            ends = [point for piece in pieces for point in piece]
            n, d = max((p for p in ends if p[0] <= edge), default=ends[0])
            labels.append({"n": n, "d": d, "text": text})
    return segments, labels


def _verification_layer(results: Results, x: Any, y: Any) -> list[Any]:
    row = part(results, "verification")
    n, d = finite(row.get("n")), finite(row.get("d"))
    if n is None or d is None:
        return []
    record = {
        "n": n,
        "d": d,
        "predicted": loss_text(row.get("predicted")),
        "measured": loss_text(row.get("measured")),
        **axes.texts(n, d, row.get("flops") or 0),
    }
    tips = axes.hints(**_SIZE, predicted="Predicted", measured="Measured")
    mark = axes.chart([record]).mark_point(style="measured", filled=True, size=120, shape="diamond")
    return [mark.encode(x=x, y=y, tooltip=tips)]


def residuals_figure(results: Results, description: str) -> Spec:
    """Residuals in per cent against compute; the band is the noise between seeds."""
    found = [dict(row) for row in rows(results, "residuals") if row.get("flops")]
    for row in found:
        row["run"] = str(row.get("run_id", ""))[:12]
        row["residual_text"] = percent_text(row["residual_percent"])
        row.update(axes.texts(row["n"], row["d"], row["flops"]))
    noise = finite(part(results, "noise").get("sd_percent"))
    largest = max([abs(row["residual_percent"]) for row in found] + [2 * (noise or 0), 1e-6])
    domain = [-1.15 * largest, 1.15 * largest]
    x_domain = axes.padded((row["flops"] for row in found), 0.05)
    x = axes.compute_axis("flops", x_domain, flops_convention(results))
    y = alt.Y("residual_percent:Q").scale(domain=domain, nice=False)
    y = y.axis(title="Residual (% of loss)", format="+.2~f", tickCount=6)
    layers: list[Any] = []
    if noise is not None:
        band = [{"residual_percent": -2 * noise, "high": 2 * noise}]
        layers.append(axes.chart(band).mark_rect(style="band").encode(y=y, y2="high"))
    zero = axes.chart([{"residual_percent": 0}]).mark_rule(style="guide").encode(y=y)
    points = axes.chart(found).mark_point(filled=True, style="run")
    colour = _colour(results, found)
    tips = axes.hints(run="Run", **_SIZE, residual_text="Residual")
    layers += [zero, points.encode(x=x, y=y, color=colour, tooltip=tips)]
    return axes.finished(layers, description, height=300)


def _colour(results: Results, found: list[dict[str, Any]]) -> alt.Color:
    """The colours of the whole ladder, so that a size has one colour in every figure."""
    sizes = {run.n for run in ladder(results)} | {row["n"] for row in found}
    return axes.size_colour(sizes, "n", n_title(results))


def _backtest_records(results: Results) -> list[dict[str, Any]]:
    found = []
    for row in rows(results, "backtest"):
        names = ("n", "measured", "predicted", "low", "high")
        record = {
            **{name: finite(row.get(name)) for name in names},
            "baseline": baseline_of(row),
            "run": str(row.get("run_id", ""))[:12],
            "measured_text": loss_text(row.get("measured")),
            "predicted_text": loss_text(row.get("predicted")),
            "interval_text": interval_text(row.get("low"), row.get("high")),
            "error_text": percent_text(row.get("error_percent")),
            **axes.texts(row.get("n"), row.get("d"), row.get("flops")),
        }
        if record["measured"] is not None and record["predicted"] is not None:
            found.append(record)
    return found


def backtest_figure(results: Results, description: str) -> Spec:
    """Predicted against measured loss of runs held out from the largest compute down."""
    found = _backtest_records(results)
    names = ("measured", "predicted", "low", "high", "baseline")
    domain = axes.padded(row[name] for row in found for name in names if row[name] is not None)
    unit = loss_unit(results)
    ticks = axes.log_ticks(*domain)
    x = alt.X("measured:Q").scale(type="log", domain=domain, nice=False)
    x = x.axis(
        title=f"Measured loss ({unit})",
        values=ticks,
        format=axes.decimals(ticks),
        labelOverlap=True,
    )
    tips = axes.hints(
        run="Run",
        measured_text="Measured",
        predicted_text="Predicted",
        interval_text=level(results),
        error_text="Error",
        **_SIZE,
    )

    def y(field: str) -> alt.Y:
        return axes.loss_axis(field, domain, unit, "Predicted loss")

    ends = [{"measured": value, "predicted": value} for value in domain]
    banded = [row for row in found if row["low"] is not None and row["high"] is not None]
    others = [row for row in found if row["baseline"] is not None]
    colour = _colour(results, found)
    layers: list[Any] = [axes.chart(ends).mark_line(style="guide").encode(x=x, y=y("predicted"))]
    if banded:
        bars = axes.chart(banded).mark_rule(style="interval")
        layers.append(bars.encode(x=x, y=y("low"), y2="high", tooltip=tips))
    if others:
        crosses = axes.chart(others).mark_point(style="baseline", shape="cross", size=40)
        layers.append(crosses.encode(x=x, y=y("baseline"), tooltip=tips))
    points = axes.chart(found).mark_point(filled=True, style="run")
    layers.append(points.encode(x=x, y=y("predicted"), color=colour, tooltip=tips))
    return axes.finished(layers, description)

"""The figures of loss: against compute, N and D, and the registered prediction's interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from isoloss.reports import _axes as axes
from isoloss.reports._contours import loss_along_n
from isoloss.reports._numbers import (
    finite,
    interval_text,
    loss_text,
    percent_text,
    short_text,
)
from isoloss.reports._reading import (
    Results,
    Run,
    flops_convention,
    ladder,
    level,
    loss_unit,
    n_convention,
    part,
    rows,
)

Spec = dict[str, Any]
_SIZE = {"n_text": "N", "d_text": "D (tokens)", "c_text": "C (FLOP)"}


def n_title(results: Results) -> str:
    """The title of an axis of N, with its convention."""
    return f"Parameters N ({n_convention(results)})"


def run_records(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Records of runs with the texts of their tooltips."""
    return [
        {
            "run": run.run_id[:12],
            "n": run.n,
            "d": run.d,
            "flops": run.flops,
            "loss": run.loss,
            "loss_text": loss_text(run.loss),
            **axes.texts(run.n, run.d, run.flops),
        }
        for run in runs
    ]


def compute_figure(results: Results, description: str) -> Spec:
    """Loss against compute: runs, frontier with band, prediction and measurement."""
    runs = ladder(results)
    checked = _verification(results)
    frontier = [dict(row) for row in rows(part(results, "curves"), "frontier")]
    computes = [run.flops for run in runs] + [row["flops"] for row in checked]
    # The frontier may be drawn to budgets far away; the runs are what the figure is about.
    reach = 3 * max([*computes, *(row["flops"] for row in frontier[:1])])
    frontier = [row for row in frontier if row["flops"] <= reach]
    losses = [run.loss for run in runs] + [
        value
        for row in (*checked, *frontier)
        for value in (row.get("low"), row.get("high"), row.get("measured"), row.get("loss"))
        if value is not None
    ]
    x_domain = axes.padded([*computes, *(row["flops"] for row in frontier)], 0.03)
    x = axes.compute_axis("flops", x_domain, flops_convention(results))
    domain, unit = axes.padded(losses), loss_unit(results)
    y = axes.loss_axis("loss", domain, unit)
    layers = _frontier_layers(frontier, x, domain, unit, level(results))
    layers.append(
        axes.chart(run_records(runs))
        .mark_point(filled=True, style="run")
        .encode(
            x=x,
            y=y,
            color=axes.size_colour((run.n for run in runs), "n", n_title(results)),
            tooltip=axes.hints(run="Run", **_SIZE, loss_text="Loss"),
        )
    )
    layers += _prediction_layers(checked, x, domain, unit, level(results))
    return axes.finished(layers, description, height=400)


def _frontier_layers(
    frontier: list[dict[str, Any]], x: Any, domain: list[float], unit: str, level_name: str
) -> list[Any]:
    if not frontier:
        return []
    for row in frontier:
        row["loss_text"] = loss_text(row["loss"])
        row["band_text"] = interval_text(row.get("low"), row.get("high"))
        row.update(axes.texts(row.get("n"), row.get("d"), row["flops"]))
    tips = axes.hints(
        loss_text="Frontier", band_text=level_name, c_text="C (FLOP)", n_text="N", d_text="D"
    )
    y = axes.loss_axis("loss", domain, unit)
    line = axes.chart(frontier).mark_line(style="frontier", clip=True).encode(x=x, y=y)
    layers = [line.encode(tooltip=tips)]
    banded = [row for row in frontier if row["band_text"] != "–"]
    if banded:
        band = axes.chart(banded).mark_area(style="band", clip=True)
        layers.insert(0, band.encode(x=x, y=axes.loss_axis("low", domain, unit), y2="high"))
    return layers


def _verification(results: Results) -> list[dict[str, Any]]:
    """The registered prediction as one record, none where nothing was predicted."""
    row = part(results, "verification")
    predicted = finite(row.get("predicted"))
    if predicted is None or finite(row.get("flops")) is None:
        return []
    record = {
        "flops": row["flops"],
        "predicted": predicted,
        "low": finite(row.get("low")),
        "high": finite(row.get("high")),
        "measured": finite(row.get("measured")),
        "predicted_text": loss_text(predicted),
        "interval_text": interval_text(row.get("low"), row.get("high")),
        "measured_text": loss_text(row.get("measured")),
        "error_text": percent_text(row.get("error_percent")),
        **axes.texts(row.get("n") or 0, row.get("d") or 0, row["flops"]),
    }
    return [record]


def _prediction_layers(
    checked: list[dict[str, Any]], x: Any, domain: list[float], unit: str, level_name: str
) -> list[Any]:
    tips = axes.hints(
        predicted_text="Predicted",
        interval_text=level_name,
        measured_text="Measured",
        error_text="Error",
        **_SIZE,
    )
    layers = []
    for row in checked:
        base = axes.chart([row])
        if row["low"] is not None and row["high"] is not None:
            bar = base.mark_rule(style="prediction").encode(
                x=x, y=axes.loss_axis("low", domain, unit), y2="high", tooltip=tips
            )
            layers.append(bar)
        point = base.mark_point(style="predicted", filled=False, size=90, shape="circle").encode(
            x=x, y=axes.loss_axis("predicted", domain, unit), tooltip=tips
        )
        layers.append(point)
        if row["measured"] is not None:
            mark = base.mark_point(style="measured", filled=True, size=110, shape="diamond")
            layers.append(
                mark.encode(x=x, y=axes.loss_axis("measured", domain, unit), tooltip=tips)
            )
    return layers


def verification_figure(results: Results, description: str) -> Spec:
    """The registered interval, the measured loss and the baseline on one magnified axis."""
    import altair as alt

    row = _verification(results)[0]
    baseline = finite((part(results, "verification").get("baseline") or {}).get("predicted"))
    names = ["Predicted", "Measured", "Baseline L(C)"]
    values = [row["predicted"], row["measured"], baseline]
    marks = [
        {"row": name, "value": value, "text": loss_text(value)}
        for name, value in zip(names, values, strict=True)
        if value is not None
    ]
    ends = [v for v in (row["low"], row["high"], *values) if v is not None]
    x = axes.plain_loss_axis("value", axes.padded(ends, 0.12), loss_unit(results))
    y = alt.Y("row:N").sort([str(mark["row"]) for mark in marks]).axis(title=None, grid=True)
    tips = axes.hints(row="What", text="Loss")
    layers: list[Any] = []
    if row["low"] is not None and row["high"] is not None:
        spans = [{"row": mark["row"], "value": row["low"], "high": row["high"]} for mark in marks]
        layers.append(
            axes.chart(spans[:1]).mark_rule(style="prediction").encode(x=x, x2="high", y=y)
        )
        layers.insert(0, axes.chart(spans[:1]).mark_rect(style="band").encode(x=x, x2="high"))
    styles = {"Predicted": ("predicted", "circle"), "Measured": ("measured", "diamond")}
    for mark in marks:
        style, shape = styles.get(str(mark["row"]), ("baseline", "cross"))
        base = axes.chart([mark])
        layers.append(
            base.mark_point(style=style, filled=style == "measured", size=110, shape=shape).encode(
                x=x, y=y, tooltip=tips
            )
        )
        words = base.mark_text(style="label", dy=-14).encode(x=x, y=y, text="text:N")
        layers.append(words)
    return axes.finished(layers, description, height=52 * len(marks))


def parameters_figure(results: Results, description: str) -> Spec:
    """Loss against N: a law line for each token count of the ladder."""
    runs = ladder(results)
    groups = token_groups(runs)
    records = [{**record, "group": _group(record["d"], groups)} for record in run_records(runs)]
    x = axes.count_axis("n", axes.padded((run.n for run in runs), 0.08), n_title(results))
    y = axes.loss_axis("loss", axes.padded(run.loss for run in runs), loss_unit(results))
    colour = axes.size_colour(groups, "group", "Tokens D")
    lines = [
        {"n": n, "loss": loss, "group": group, "law": loss_text(loss), "d_text": short_text(group)}
        for group in groups
        for n, loss in _law_line(results, group)
    ]
    return axes.finished(_lines_and_points(lines, records, x, y, colour, "group"), description)


def tokens_figure(results: Results, description: str) -> Spec:
    """Loss against D: a law line for each model size of the ladder."""
    runs = ladder(results)
    sizes = sorted({run.n for run in runs})
    x = axes.count_axis("d", axes.padded((run.d for run in runs), 0.08), "Training tokens D")
    y = axes.loss_axis("loss", axes.padded(run.loss for run in runs), loss_unit(results))
    # The verification's own line would stretch the colours beyond the runs shown here.
    lines = [
        {
            "n": row["n"],
            "d": row["d"],
            "loss": row["loss"],
            "law": loss_text(row["loss"]),
            "n_text": short_text(row["n"]),
        }
        for row in rows(part(results, "curves"), "by_width")
        if row["n"] in sizes
    ]
    colour = axes.size_colour(sizes, "n", n_title(results))
    layers = _lines_and_points(lines, run_records(runs), x, y, colour, "n")
    return axes.finished(layers, description)


def _lines_and_points(
    lines: list[dict[str, Any]], records: list[dict[str, Any]], x: Any, y: Any, colour: Any, by: str
) -> list[Any]:
    layers = []
    if lines:
        fixed = {"d_text": "D (tokens)"} if by == "group" else {"n_text": "N"}
        layers.append(
            axes.chart(lines)
            .mark_line(style="law", clip=True)
            .encode(
                x=x, y=y, color=colour, detail=f"{by}:N", tooltip=axes.hints(law="Law", **fixed)
            )
        )
    tips = axes.hints(run="Run", **_SIZE, loss_text="Loss")
    points = axes.chart(records).mark_point(filled=True, style="run")
    return [*layers, points.encode(x=x, y=y, color=colour, tooltip=tips)]


def _law_line(results: Results, tokens: float) -> list[tuple[float, float]]:
    grid = part(part(results, "curves"), "contours")
    losses = loss_along_n(grid.get("d") or [], grid.get("loss") or [], tokens)
    return [] if losses is None else list(zip(grid["n"], losses, strict=True))


def token_groups(runs: Sequence[Run]) -> list[float]:
    """Token counts that differ by more than rounding to whole steps, rising.

    >>> run = dict(run_id="", role="ladder", n=1, flops=1, loss=1)
    >>> token_groups([Run(d=d, **run) for d in (1000, 1004, 1414)])
    [1000, 1414]
    """
    found: list[float] = []
    for tokens in sorted({run.d for run in runs}):
        if not found or math.log(tokens / found[-1]) > 0.03:
            found.append(tokens)
    return found


def _group(tokens: float, groups: Sequence[float]) -> float:
    return min(groups, key=lambda group: abs(math.log(tokens / group)))

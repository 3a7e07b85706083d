"""The figures of a task: its score against compute, and what counts beside what moves evenly.

A metric that counts right answers may look as if models jumped, where the likelihood of the right
answer rose all along (arXiv:2304.15004); so the two are never drawn apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from isoloss.reports._numbers import finite, general_text, interval_text
from isoloss.reports._reading import Results, flops_convention, n_convention, part
from isoloss.reports.charts import Figure

Spec = dict[str, Any]
NAMES = ("task", "task-metrics")
_REACH = 3.0
"""How far beyond the dearest run a law is drawn."""


def task_drawings(results: Results) -> tuple[Figure, ...]:
    """The figures of the task; none for a study without one."""
    return (_score(results), _shapes(results)) if part(results, "task") else ()


def metric_text(name: str) -> str:
    """A metric as words.

    >>> metric_text("answer_bits_per_byte"), metric_text("bleu")
    ('answer bits per byte', 'BLEU')
    """
    upper = {"bleu": "BLEU", "chrf": "chrF", "ter": "TER", "f1": "F1"}
    return upper.get(name, name.replace("_", " "))


def score_verdict(results: Results, name: str) -> str:
    """What was predicted of a score of the verification run, and what it measured."""
    row = part(part(part(results, "task"), "verification"), name)
    if finite(row.get("predicted")) is None:
        return f"{metric_text(name)}: not identified: {row.get('reason') or 'no law was fitted'}"
    band = interval_text(row.get("low"), row.get("high"), general_text)
    told = f"{metric_text(name)}: predicted {general_text(row['predicted'])} {band}"
    if finite(row.get("measured")) is None:
        return f"{told}, not measured"
    side = {True: ", inside", False: ", outside", None: ""}[row.get("inside")]
    return f"{told}, measured {general_text(row['measured'])}{side}"


def tried_study(check: Mapping[str, Any]) -> str:
    """A study that a law was tried on: its name and the name of its folder."""
    return f"{check['study']} ({PurePath(check['folder']).name})"


def check_lines(results: Results) -> list[str]:
    """How the law from loss to score did on each other study, a sentence for each that is known."""
    task, lines = part(results, "task"), list[str]()
    for check in task.get("checks") or ():
        for name, told in check["metrics"].items():
            about = f"{metric_text(name)} from the loss, on the runs of {tried_study(check)}"
            if not part(part(task, "chain"), name).get("law"):
                continue
            if told.get("rms") is None:
                lines.append(f"{about}: not tried: {told.get('reason')}")
                continue
            held = finite(told.get("held_out_rms"))
            across = "none held out" if held is None else f"{general_text(held)} held out"
            lines.append(
                f"{about}: off by {general_text(told['rms'])} (mean {told['mean_error']:+.3g},"
                f" {told['n_runs']} runs); across sizes of its own {across}"
            )
    return lines


def _score(results: Results) -> Figure:
    task = part(results, "task")
    name = str(task.get("main"))
    metric = part(part(task, "metrics"), name)
    reason = "" if metric.get("points") else f"No run has a value of {name}."
    laws = [
        f"{words} ({law['law']})"
        for route, words in (("chain", "the line the score by way of the loss"),
                             ("direct", "the dashed line the score directly"))
        if (law := part(part(task, route), name)).get("law")
    ]  # fmt: skip
    caption = "Each dot is a run of the ladder"
    caption += (
        f", {', '.join(laws)}, both along the sizes of the lowest loss"
        if laws
        else "; no law of the score is identified"
    )
    caption += ", the open circle with its bar is what was registered before the largest run and"
    caption += " the diamond what that run measured."
    description = f"Score against training compute. {score_verdict(results, name)}."
    return Figure(
        name=NAMES[0],
        title=f"{metric_text(name)} against compute",
        caption=caption,
        description=description,
        spec=None if reason else _score_figure(results, name, description),
        reason=reason,
    )


def _shapes(results: Results) -> Figure:
    task = part(results, "task")
    moving = {
        name: metric
        for name, metric in part(task, "metrics").items()
        if len({one["value"] for one in metric.get("means") or ()}) > 1
    }
    reason = "" if moving else "No score moves over the ladder."
    sentence = str(task.get("sentence") or "")
    caption = (
        "Each metric as a share of its way from the worst to the best mean of runs of about one"
        " compute: dashed what counts right answers, solid what moves with every gain. "
    )
    return Figure(
        name=NAMES[1],
        title="Metrics that count beside smooth ones",
        caption=(caption + sentence).strip(),
        description=f"Shares of their way of {', '.join(map(metric_text, moving))}. {sentence}",
        spec=None if reason else _shapes_figure(results, moving, sentence),
        reason=reason,
    )


def _score_figure(results: Results, name: str, description: str) -> Spec:
    from isoloss.reports import _axes as axes

    task = part(results, "task")
    points = [dict(point) for point in part(part(task, "metrics"), name)["points"]]
    checked = _checked(results, name)
    computes = [p["flops"] for p in (*points, *checked)]
    curves = {
        route: [p for p in part(part(task, route), name).get("curve") or ()
                if min(computes) / _REACH <= p["flops"] <= _REACH * max(computes)]
        for route in ("chain", "direct")
    }  # fmt: skip
    x = axes.compute_axis("flops", axes.padded(computes, 0.04), flops_convention(results))
    values = [p["value"] for p in (*points, *curves["chain"], *curves["direct"])]
    values += [v for p in checked for k in ("predicted", "low", "high", "measured")
               if (v := p[k]) is not None]  # fmt: skip
    axis = _Values(values, metric_text(name))
    layers = _curve_layers(curves, x, axis)
    for point in points:
        point["text"] = general_text(point["value"])
        point["interval"] = interval_text(point.get("low"), point.get("high"), general_text)
        point |= axes.texts(point["n"], point["d"], point["flops"])
    tips = axes.hints(
        run_id="Run", n_text="N", d_text="D", c_text="C", text="Score", interval="Over examples"
    )
    layers.append(
        axes.chart(points)
        .mark_point(filled=True, style="run")
        .encode(
            x=x,
            y=axis.of("value"),
            color=axes.size_colour((p["n"] for p in points), "n", f"N ({n_convention(results)})"),
            tooltip=tips,
        )
    )
    return axes.finished([*layers, *_checked_layers(checked, x, axis)], description)


class _Values:
    """A linear axis of scores, the same for every layer."""

    def __init__(self, values: Sequence[float], title: str) -> None:
        low, high = min(values), max(values)
        room = 0.06 * ((high - low) or abs(high) or 1.0)
        self._domain = [max(low - room, 0.0) if low >= 0 else low - room, high + room]
        self._title = title

    def of(self, field: str) -> Any:
        """The axis over a field."""
        import altair as alt

        return alt.Y(
            field,
            type="quantitative",
            scale=alt.Scale(domain=self._domain, nice=False, zero=False),
            axis=alt.Axis(title=self._title),
        )


def _curve_layers(curves: Mapping[str, list[Any]], x: Any, axis: _Values) -> list[Any]:
    from isoloss.reports import _axes as axes

    layers: list[Any] = []
    banded = [p for p in curves["chain"] if p.get("low") is not None]
    if banded:
        band = axes.chart(banded).mark_area(style="band", clip=True)
        layers.append(band.encode(x=x, y=axis.of("low"), y2="high"))
    for route, style in (("direct", "guide"), ("chain", "frontier")):
        if curves[route]:
            line = axes.chart(curves[route]).mark_line(style=style, clip=True)
            layers.append(line.encode(x=x, y=axis.of("value")))
    return layers


def _checked(results: Results, name: str) -> list[dict[str, Any]]:
    """The verification run as one record; none where it has neither prediction nor score."""
    row = part(part(part(results, "task"), "verification"), name)
    flops = finite(part(results, "verification").get("flops"))
    told = {key: finite(row.get(key)) for key in ("predicted", "low", "high", "measured")}
    if flops is None or (told["predicted"] is None and told["measured"] is None):
        return []
    return [{"flops": flops, **told, "text": score_verdict(results, name)}]


def _checked_layers(checked: list[dict[str, Any]], x: Any, axis: _Values) -> list[Any]:
    from isoloss.reports import _axes as axes

    tips = axes.hints(text="Largest run")
    layers: list[Any] = []
    for row in checked:
        base = axes.chart([row])
        if row["low"] is not None and row["high"] is not None:
            bar = base.mark_rule(style="prediction")
            layers.append(bar.encode(x=x, y=axis.of("low"), y2="high", tooltip=tips))
        for field, style, shape in (
            ("predicted", "predicted", "circle"),
            ("measured", "measured", "diamond"),
        ):
            if row[field] is not None:
                mark = base.mark_point(
                    style=style, filled=field == "measured", size=100, shape=shape
                )
                layers.append(mark.encode(x=x, y=axis.of(field), tooltip=tips))
    return layers


def _shapes_figure(results: Results, metrics: Mapping[str, Any], sentence: str) -> Spec:
    import altair as alt

    from isoloss.reports import _axes as axes

    records: list[dict[str, Any]] = []
    for name, metric in metrics.items():
        values = [one["value"] for one in metric["means"]]
        worst, best = min(values), max(values)
        for one in metric["means"]:
            share = (one["value"] - worst) / (best - worst)
            records.append(
                {
                    "flops": one["flops"],
                    "share": share if metric["higher_is_better"] else 1 - share,
                    "metric": metric_text(name),
                    "kind": "smooth" if metric["smooth"] else "counts",
                    "text": general_text(one["value"]),
                }
            )
    domain = axes.padded((r["flops"] for r in records), 0.04)
    base = axes.chart(records).encode(
        x=axes.compute_axis("flops", domain, flops_convention(results)),
        y=alt.Y(
            "share:Q",
            scale=alt.Scale(domain=[-0.04, 1.04], nice=False),
            axis=alt.Axis(title="Share of the way to its best", format=".0%"),
        ),
        color=alt.Color(
            "metric:N",
            sort=[metric_text(name) for name in metrics],
            scale=alt.Scale(scheme="viridis"),
            legend=alt.Legend(orient="top", title=None, columns=3, labelLimit=0),
        ),
        tooltip=axes.hints(metric="Metric", text="Mean", kind="Kind"),
    )
    dash = alt.StrokeDash(
        "kind:N",
        scale=alt.Scale(domain=["smooth", "counts"], range=[[1, 0], [5, 4]]),
        legend=None,
    )
    layers = [
        base.mark_line(style="law").encode(strokeDash=dash),
        base.mark_point(filled=True, style="run"),
    ]
    return axes.finished(layers, f"Shares of their way. {sentence}")

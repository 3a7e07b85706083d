"""One HTML file with a task's scores and the examples behind them, from its saved result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from isoloss._files import write_text_atomic
from isoloss.reports._html import asset, escape, head_html, page_style, pairs_html, table_html
from isoloss.reports._metric_words import DEFINITIONS
from isoloss.reports._numbers import MISSING, finite, level_text
from isoloss.reports._samples import SHADES, sample_html
from isoloss.reports.tables import Table
from isoloss.reports.task_document import Document, Selection, scores_of, selected

MOST_SAMPLES = 60
HUMAN = "human_"
_HEADLINES = ("distinct_2", "seq_rep_4", "self_bleu", "zipf")


def write_sample_page(
    document: Document, path: str | Path, *, most: int = MOST_SAMPLES, by: str | None = None
) -> Selection:
    """Write the page of a task's result, all or nothing; says which examples are on it.

    Raises:
        UsageError: as `build_sample_page`; EnvironmentProblem: the folder is not writable or the
            disk is full.
    """
    write_text_atomic(path, build_sample_page(document, most=most, by=by))
    return selected(document, most=most, by=by)


def build_sample_page(
    document: Document, *, most: int = MOST_SAMPLES, by: str | None = None
) -> str:
    """The page of a task's result as one text: no script, and nothing is fetched.

    Args:
        document: as `TaskResult.save` writes and `read_task_document` reads.
        most: examples to show; of more, the worst, the middle and the best.
        by: the metric of single examples that orders them.

    Raises:
        UsageError: no such metric of single examples.
    """
    style = page_style("sample_page.css")
    chosen = selected(document, most=most, by=by)
    definitions = _definitions(document)
    return Template(asset("sample_page.html")).substitute(
        head=head_html(_shown(f"{document.get('task')}: {document.get('model')}"), style),
        header=_header(document),
        links='<a href="#definitions">Definitions</a>' if definitions else "",
        scores=_scores(document),
        samples=_samples(document, chosen),
        definitions=definitions,
        provenance=_provenance(document),
    )


def _shown(value: Any) -> str:
    return escape(str(value).encode("utf-8", "replace").decode("utf-8"))


def _own(document: Document) -> list[str]:
    """Metrics without those of the human texts beside them."""
    metrics = document["metrics"]
    return [
        name for name in metrics if name.removeprefix(HUMAN) not in metrics or name[:6] != HUMAN
    ]


def _value(metric: Mapping[str, Any] | None) -> str:
    number = finite((metric or {}).get("value"))
    return MISSING if number is None else f"{number:.4g}"


def _interval(metric: Mapping[str, Any] | None) -> str:
    low, high = (finite((metric or {}).get(name)) for name in ("low", "high"))
    return MISSING if low is None or high is None else f"{low:.4g} to {high:.4g}"


def _header(document: Document) -> str:
    metrics, own = document["metrics"], _own(document)
    headlines = [name for name in _HEADLINES if name in own] or own[:4]
    cells: list[str] = []
    for name in headlines:
        human = metrics.get(HUMAN + name)
        under = f"human text {_value(human)}" if human else _interval(metrics[name])
        cells.append(
            f"<div><dt>{_shown(name)}</dt><dd>{_value(metrics[name])}"
            f"<small>{_shown(under)}</small></dd></div>"
        )
    notes = "".join(f"<li>{_shown(note)}</li>" for note in document["notes"])
    count = finite(document.get("n_examples")) or 0
    made = f" Outputs: {_shown(document['made'])}." if document.get("made") else ""
    return (
        f"<h1>{_shown(document.get('task'))}: {_shown(document.get('model'))}</h1>\n"
        f'<section class="answer" aria-label="The scores in short">\n'
        f'<dl class="facts">{"".join(cells)}</dl>\n'
        f"<p>{count:,.0f} examples.{made}</p>\n"
        + (f"<h3>Notes</h3><ul>{notes}</ul>\n" if notes else "")
        + "</section>"
    )


def _scores(document: Document) -> str:
    metrics, own = document["metrics"], _own(document)
    paired = any(HUMAN + name in metrics for name in own)
    rows: list[tuple[str, ...]] = []
    for name in own:
        found, human = metrics[name], metrics.get(HUMAN + name)
        better = "higher" if found.get("higher_is_better") else "lower"
        beside = (_value(human), _interval(human)) if paired else (better,)
        rows.append((name, _value(found), _interval(found), *beside, str(found.get("unit") or "")))
    beside = ("Human text#", "Its interval#") if paired else ("Better",)
    known = any(_interval(metric) != MISSING for metric in metrics.values())
    level = level_text(document.get("level"))
    caption = f"Intervals of {level} over examples." if known else "No metric has an interval."
    caption += _missing(metrics)
    if paired:
        caption += " The human texts are the yardstick: cut to the same number of words."
    return table_html(
        Table(
            name="metrics",
            title="All metrics",
            caption=caption,
            columns=("Metric", "Value#", "Interval#", *beside, "Unit"),
            rows=tuple(rows),
            reason="the result has no metrics.",
        )
    )


def _missing(metrics: Mapping[str, Any]) -> str:
    """Why metrics have no interval, those with the same reason together."""
    names: dict[str, list[str]] = {}
    for name, metric in metrics.items():
        reason = metric.get("interval_reason")
        if reason and _interval(metric) == MISSING:
            names.setdefault(str(reason), []).append(name)
    return "".join(f" No interval of {', '.join(who)}: {why}." for why, who in names.items())


def _samples(document: Document, chosen: Selection) -> str:
    outputs, scores = document["outputs"], scores_of(document)
    human = any(name.startswith(HUMAN) for name in document["metrics"])
    order = f"ordered by {chosen.by}" if chosen.by else "in the order of the file"
    parts = [
        f'<p class="caption">{chosen.shown:,} of {chosen.total:,} examples, {_shown(order)}.'
        f"{_legend(document)}</p>"
    ]
    for title, numbers in chosen.groups:
        parts.append(f"<h3>{escape(title)}</h3>")
        parts += [
            sample_html(
                number + 1, outputs[number], {n: v[number] for n, v in scores.items()}, human
            )
            for number in numbers
        ]
    return "\n".join(parts)


def _legend(document: Document) -> str:
    outputs = document["outputs"]
    told = ""
    if any("repeated" in one for one in outputs):
        told += " <mark>Underlined</mark>: within four words that stood there before."
    if any("pieces" in one for one in outputs):
        shades = ", ".join(
            f'<span class="p{place}">below {100 * limit:g}%</span>'
            for place, limit in enumerate(SHADES, start=1)
        )
        told += f" Shaded: tokens whose probability under the model was {shades}."
    return told


def _definitions(document: Document) -> str:
    items = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(DEFINITIONS[name])}</dd>"
        for name in _own(document)
        if name in DEFINITIONS
    )
    if not items:
        return ""
    return (
        '<section aria-labelledby="definitions">\n<h2 id="definitions">Definitions</h2>\n'
        f"<dl>{items}</dl>\n</section>"
    )


def _provenance(document: Document) -> str:
    names = {"task": "Task", "model": "Model", "run_id": "Run", "signature": "Signature"}
    pairs = {
        title: str(document[name]).encode("utf-8", "replace").decode("utf-8")
        for name, title in names.items()
        if document.get(name)
    }
    return pairs_html("The result", {**pairs, "Format": document.get("format")})

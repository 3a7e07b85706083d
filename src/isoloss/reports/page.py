"""One HTML file that needs no network: the answer first, then charts, tables and definitions."""

from __future__ import annotations

import json
from pathlib import Path
from string import Template
from typing import Any

from isoloss._files import write_text_atomic
from isoloss.reports._html import asset, escape, head_html, page_style, pairs_html, table_html
from isoloss.reports._numbers import (
    MISSING,
    count_text,
    duration_text,
    finite,
    interval_text,
    level_text,
    loss_text,
    percent_text,
    power_text,
)
from isoloss.reports._reading import (
    Results,
    aim_text,
    best_form,
    conventions,
    failed_checks,
    ladder,
    level,
    loss_unit,
    missing_measurement,
    part,
    verdict,
)
from isoloss.reports._theme import DARK, LIGHT, chart_config
from isoloss.reports.charts import NAMES, Figure, drawings
from isoloss.reports.tables import tables
from isoloss.reports.task_chart import check_lines, score_verdict
from isoloss.reports.task_tables import task_tables

_NAMES = {
    "sources": "Sources",
    "documents": "Documents",
    "duplicates": "Duplicates removed",
    "bytes": "Bytes",
    "train_tokens": "Training tokens",
    "validation_tokens": "Validation tokens",
    "vocab_size": "Vocabulary",
    "bytes_per_token": "Bytes per token",
    "fingerprint": "Fingerprint",
    "split": "Split by",
}


def write_report(results: Results, path: str | Path) -> None:
    """Write the page of a study, all or nothing.

    Raises:
        EnvironmentProblem: the folder is not writable or the disk is full.
    """
    write_text_atomic(path, build_page(results))


def build_page(results: Results) -> str:
    """The page of a study as one text.

    Args:
        results: the dictionary of `study.json`.

    Script and style are inline and named by hash in the page's content security policy, which
    forbids everything else: nothing that a name in the results holds can run or be fetched.
    """
    shown = drawings(results)
    style, script = page_style(), _script()
    return Template(asset("page.html")).substitute(
        head=head_html(escape(_title(results)), style, script),
        header=_header(results),
        warnings=_warnings(results),
        figures="\n".join(
            _figure(figure, conventions(results)) for figure in shown if figure.name in NAMES
        ),
        task=_task(results, shown),
        tables="\n".join(table_html(table, conventions(results)) for table in tables(results)),
        definitions=_definitions(results),
        provenance=_provenance(results),
        data=_script_json(_chart_data(shown)),
        script=script,
    )


def _script() -> str:
    import vl_convert

    # Without a snippet the bundle leaves vegaEmbed on `window`; the stub misses the default.
    bundle = vl_convert.javascript_bundle()  # pyright: ignore[reportCallIssue]
    text = f"{bundle}\n{asset('page.js')}"
    # Only inside a string could this stand in valid code, and there the two mean the same.
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _script_json(value: Any) -> str:
    """JSON that may stand in a script element: no `<` can end the element or open a comment."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for mark in "<>&\u2028\u2029":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return text


def _chart_data(shown: tuple[Figure, ...]) -> dict[str, Any]:
    specs = {}
    for figure in shown:
        if figure.spec is not None:
            # The address of the schema is only a name, and an offline page holds no addresses.
            kept = {k: v for k, v in figure.spec.items() if k not in ("$schema", "config")}
            specs[figure.name] = kept
    # A chart's element is labelled; the marks within would be read out one by one.
    themes = {
        name: {**chart_config(palette), "aria": False}
        for name, palette in (("light", LIGHT), ("dark", DARK))
    }
    return {"specs": specs, "themes": themes}


def _title(results: Results) -> str:
    return f"Scaling law: {part(results, 'study').get('name') or 'study'}"


def _header(results: Results) -> str:
    row = part(results, "verification")
    absent = missing_measurement(results)
    tone = "open" if absent or row.get("inside") is None else "good" if row["inside"] else "bad"
    interval = interval_text(row.get("low"), row.get("high"))
    facts = [
        ("Predicted loss", loss_text(row.get("predicted"))),
        (f"{level(results)} interval", interval),
        ("Measured loss", loss_text(row.get("measured"))),
        ("Error", percent_text(row.get("error_percent"))),
    ]
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts
    )
    told = f"Not measured: {absent}" if absent else _sentence_of_verdict(results)
    return (
        f"<h1>{escape(_title(results))}</h1>\n"
        f'<section class="answer {tone}" aria-label="The answer">\n<dl class="facts">{cells}</dl>\n'
        f'<p class="verdict">{escape(told)}</p>\n'
        + "".join(f"<p>{escape(text)}</p>\n" for text in _lead(results))
        + "</section>"
    )


def _sentence_of_verdict(results: Results) -> str:
    said = verdict(results)
    if said == "no interval":
        reason = part(results, "verification").get("interval_reason") or "none could be given"
        return f"The prediction has no interval: {reason}."
    return f"The measured loss lies {said} of the registered prediction."


def _lead(results: Results) -> list[str]:
    row, fit, best = part(results, "verification"), part(results, "fit"), best_form(results)
    lead = []
    if finite(row.get("predicted")) is not None:
        lead.append(_registration(row, loss_unit(results)))
    baseline = row.get("baseline") or {}
    if finite(baseline.get("predicted")) is not None:
        told = f"The baseline L(C) predicted {loss_text(baseline['predicted'])}"
        if finite(baseline.get("error_percent")) is not None:
            told += f", an error of {percent_text(baseline['error_percent'])}"
        lead.append(told + ".")
    status = str(fit.get("status") or "unknown").rstrip(".")
    failed = failed_checks(results)
    trust = f" {len(failed)} of its checks failed, see below." if failed else ""
    weight = finite(best.get("weight"))
    weighed = "" if weight is None else f" (weight {level_text(weight)})"
    lead.append(f"Best form: {best.get('formula')}{weighed}. The fit: {status}.{trust}")
    study, runs = part(results, "study"), ladder(results)
    total = power_text(sum(run.flops for run in runs))
    lead.append(
        f"The law was fitted to {fit.get('n_rows', MISSING)} of {len(runs)} finished runs "
        f"({total} FLOP); the study took {duration_text(study.get('seconds'))}." + aim_text(results)
    )
    return lead


def _registration(row: Any, unit: str) -> str:
    told = (
        f"The run has {count_text(row.get('n'))} parameters and saw {count_text(row.get('d'))} "
        f"tokens: {power_text(row.get('flops'))} FLOP"
    )
    ratio = finite(row.get("compute_ratio"))
    told += "." if ratio is None else f", {ratio:.3g} times the largest run of the ladder."
    if row.get("registered_at"):
        told += f" Its loss was predicted and registered at {row['registered_at']}"
        told += f", it was trained at {row['trained_at']}." if row.get("trained_at") else "."
    return f"{told} Losses are in {unit}."


def _warnings(results: Results) -> str:
    found = [str(text) for text in results.get("warnings") or []]
    if not found:
        return ""
    items = "".join(f"<li>{escape(text)}</li>" for text in found)
    return (
        '<section class="warnings" aria-label="Warnings">'
        f"<h2>Warnings</h2><ul>{items}</ul></section>"
    )


def _figure(figure: Figure, convention: str) -> str:
    heading = f'<h3 id="figure-{figure.name}">{escape(figure.title)}</h3>'
    if figure.spec is None:
        return f'<div class="absent">{heading}<p>Not drawn: {escape(figure.reason)}</p></div>'
    return (
        f"{heading}\n<figure>\n"
        f'<div class="chart" id="chart-{figure.name}" role="img" '
        f'aria-label="{escape(figure.description)}"></div>\n'
        f"<figcaption>{escape(figure.caption)}"
        f'<span class="convention">{escape(convention)}</span></figcaption>\n</figure>'
    )


def _task(results: Results, shown: tuple[Figure, ...]) -> str:
    """The section on the task; nothing for a study without one."""
    task, convention = part(results, "task"), conventions(results)
    if not task:
        return ""
    found = part(task, "verification")
    told = [*(score_verdict(results, name) for name in found), *check_lines(results)]
    items = "".join(f"<li>{escape(line)}</li>" for line in told)
    notes = "".join(f"<p>{escape(note)}</p>" for note in task.get("notes") or ())
    figures = "\n".join(_figure(f, convention) for f in shown if f.name not in NAMES)
    return (
        '<section aria-labelledby="task">\n<h2 id="task">How the task scales</h2>\n'
        f"<p>{escape(task.get('name'))}, {count_text(task.get('n_examples'))} held-out examples,"
        f" every run scored on the same. {escape(task.get('sentence') or '')}</p>\n"
        f"<ul>{items}</ul>\n{notes}\n{figures}\n"
        + "\n".join(table_html(table, convention) for table in task_tables(results))
        + "\n</section>"
    )


def _definitions(results: Results) -> str:
    items = "".join(
        f"<dt>{escape(str(name).replace('_', ' '))}</dt><dd>{escape(text)}</dd>"
        for name, text in part(results, "definitions").items()
    )
    return f"<p>{escape(conventions(results))}</p><dl>{items}</dl>"


def _provenance(results: Results) -> str:
    study = part(results, "study")
    groups = (
        ("The text", {_NAMES.get(k, k): v for k, v in part(results, "corpus").items()}),
        (
            "The study",
            {
                "Size": study.get("size"),
                "Minutes asked for": study.get("minutes"),
                "Started": study.get("started_at"),
                "Finished": study.get("finished_at"),
                "Noise between seeds": _noise(results),
                **part(results, "provenance"),
            },
        ),
        ("Files", part(results, "paths")),
    )
    return "\n".join(pairs_html(title, pairs) for title, pairs in groups if pairs)


def _noise(results: Results) -> str:
    noise = part(results, "noise")
    spread = finite(noise.get("sd_percent"))
    if spread is None:
        return f"not measured: {noise.get('reason') or 'no rung was repeated'}"
    freedom = noise.get("degrees_of_freedom")
    return f"{spread:.2f}% of the loss (standard deviation, {freedom} degrees of freedom)"

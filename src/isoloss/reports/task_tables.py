"""The tables of a task: scores predicted and measured, and the laws behind them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isoloss.reports._numbers import MISSING, finite, general_text, interval_text, level_text
from isoloss.reports._reading import Results, part
from isoloss.reports.tables import Table
from isoloss.reports.task_chart import metric_text

ROUTES = {"chain": "by way of the loss", "direct": "directly"}


def task_tables(results: Results) -> tuple[Table, ...]:
    """The tables of the task; none for a study without one."""
    return (_scores(results), _laws(results)) if part(results, "task") else ()


def _scores(results: Results) -> Table:
    task = part(results, "task")
    cells: list[tuple[str, ...]] = []
    for name, row in part(task, "verification").items():
        routes: Mapping[str, Any] = row.get("routes") or {"": row}
        for route, told in routes.items():
            cells.append(
                (
                    metric_text(name),
                    ROUTES.get(route, MISSING),
                    general_text(told.get("predicted")),
                    interval_text(told.get("low"), told.get("high"), general_text),
                    general_text(row.get("measured")),
                    interval_text(row.get("measured_low"), row.get("measured_high"), general_text),
                    _signed(told.get("error")),
                    _inside(told, row.get("measured")),
                    str(told.get("reason") or ""),
                )
            )
    level = level_text(task.get("level"))
    columns = (
        f"Score|Route|Predicted#|{level} interval#|Measured#|{level} over examples#|Error#|"
        "Interval holds|Note"
    )
    caption = (
        "Scores of the verification run, registered before it was trained and measured after; the"
        " error is predicted less measured, in units of the score."
    )
    return Table(
        name="task-scores",
        title="Scores of the verification run",
        caption=caption,
        columns=tuple(columns.split("|")),
        rows=tuple(cells),
        reason="" if cells else "No score was predicted.",
    )


def _signed(value: Any) -> str:
    number = finite(value)
    return MISSING if number is None else f"{number:+.3g}"


def _inside(told: Mapping[str, Any], measured: Any) -> str:
    ends = [finite(value) for value in (told.get("low"), measured, told.get("high"))]
    low, value, high = ends
    if low is None or value is None or high is None:
        return MISSING
    return "inside" if low <= value <= high else "outside"


def _laws(results: Results) -> Table:
    task = part(results, "task")
    cells: list[tuple[str, ...]] = []
    for name in part(task, "metrics"):
        for route, words in ROUTES.items():
            law = part(part(task, route), name)
            held = part(law, "held_out")
            count = len(held.get("runs") or ())
            first = f"{law['first_step']}, then " if law.get("first_step") else ""
            cells.append(
                (
                    metric_text(name),
                    words,
                    f"{first}{law['law']}" if law.get("law") else MISSING,
                    str(law.get("formula") or MISSING),
                    general_text(held.get("rms")),
                    str(count) if count else MISSING,
                    str(law.get("reason") or held.get("reason") or law.get("status") or ""),
                )
            )
    columns = "Score|Route|Law|Formula|Held-out error#|Runs held out#|Status"
    caption = (
        "The law that came nearest to the largest runs when it had not seen them (root mean square"
        " error, in units of the score); `share` and `error` count from 0 to 1."
    )
    return Table(
        name="task-laws",
        title="Laws of the scores",
        caption=caption,
        columns=tuple(columns.split("|")),
        rows=tuple(cells),
        reason="" if cells else "No law was fitted.",
    )

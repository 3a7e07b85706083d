"""The tables of a task: scores predicted and measured, and the laws behind them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isoloss.reports._numbers import MISSING, finite, general_text, interval_text, level_text
from isoloss.reports._reading import Results, part
from isoloss.reports.tables import Table
from isoloss.reports.task_chart import metric_text, tried_study

ROUTES = {"chain": "by way of the loss", "direct": "directly"}


def task_tables(results: Results) -> tuple[Table, ...]:
    """The tables of the task; none for a study without one."""
    task = part(results, "task")
    if not task:
        return ()
    checks = (_checks(results),) if task.get("checks") else ()
    return (_scores(results), _laws(results), *checks)


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


def _checks(results: Results) -> Table:
    cells: list[tuple[str, ...]] = []
    for check in part(results, "task")["checks"]:
        for name, told in check["metrics"].items():
            law = f"{told['law']}, {told['formula']}" if told.get("law") else MISSING
            outside = told.get("n_outside")
            cells.append(
                (
                    metric_text(name),
                    tried_study(check),
                    law,
                    str(check["loss_unit"]).replace("_", " "),
                    str(told.get("n_runs") or MISSING),
                    MISSING if outside is None else str(outside),
                    general_text(told.get("rms")),
                    _signed(told.get("mean_error")),
                    general_text(told.get("held_out_rms")),
                    str(told.get("reason") or "; ".join(check.get("notes") or ())),
                )
            )
    columns = (
        "Score|Tried on|Law of the loss|Loss|Runs#|Outside#|Error#|Mean error#|Across sizes#|Note"
    )
    caption = (
        "The step from loss to score, fitted to this study's runs and given the losses that the"
        " runs of other studies measured: root mean square and mean of predicted less measured, in"
        " units of the score; runs whose loss lies outside of this study's; and the error of the"
        " same step on this study's own largest runs when it had not seen them."
    )
    return Table(
        name="task-checks",
        title="The law of the score on other studies",
        caption=caption,
        columns=tuple(columns.split("|")),
        rows=tuple(cells),
        reason="" if cells else "No law was tried.",
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

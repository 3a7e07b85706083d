"""The tables of a page as plain texts: nothing here is escaped, the page does that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from isoloss.reports._numbers import (
    MISSING,
    count_text,
    factor_text,
    finite,
    general_text,
    interval_text,
    loss_text,
    percent_text,
    power_text,
    short_text,
)
from isoloss.reports._reading import Results, baseline_of, level, n_convention, part, rows
from isoloss.runs import usable


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table.

    Attributes:
        name: its anchor on the page.
        title: its heading.
        caption: one sentence on what it holds.
        columns: the header; a text that ends in `#` is a column of numbers.
        rows: the cells; the first of a row is its header.
        reason: why there are no rows; empty where there are.
    """

    name: str
    title: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    reason: str


def tables(results: Results) -> tuple[Table, ...]:
    """Every table in the order of the page."""
    makers = (
        plans_table,
        parameters_table,
        checks_table,
        forms_table,
        backtest_table,
        rungs_table,
        runs_table,
    )
    return tuple(make(results) for make in makers)


def _table(
    name: str, title: str, caption: str, columns: str, cells: list[tuple[str, ...]], reason: str
) -> Table:
    return Table(
        name=name,
        title=title,
        caption=caption,
        columns=tuple(columns.split("|")),
        rows=tuple(cells),
        reason="" if cells else reason,
    )


def plans_table(results: Results) -> Table:
    """What to train at each budget."""
    cells = []
    for plan in rows(results, "plans"):
        shape = plan.get("architecture") or {}
        cells.append(
            (
                power_text(plan.get("flops")),
                *_estimate(plan.get("n"), short_text),
                *_estimate(plan.get("d"), short_text),
                *_estimate(plan.get("loss"), loss_text),
                shape_text(shape),
                factor_text(plan.get("extrapolation")),
                _conventions_text(plan.get("flops_by_convention") or {}),
                str(plan.get("caveat") or ""),
            )
        )
    interval = level(results)
    columns = (
        f"Budget C (FLOP)#|N#|N {interval}#|D (tokens)#|D {interval}#|Loss#|Loss {interval}#|"
        "Architecture|Beyond the runs#|The same budget as|Caveat"
    )
    caption = (
        "The model size and token count that the law says reach the lowest loss at each budget, "
        "with the nearest architecture of the family that was measured."
    )
    return _table("plans", "Plans", caption, columns, cells, "No plan was made.")


def _estimate(value: Any, text: Any) -> tuple[str, str]:
    estimate = value if isinstance(value, Mapping) else {}
    return text(estimate.get("value")), interval_text(
        estimate.get("low"), estimate.get("high"), text
    )


def shape_text(shape: Mapping[str, Any]) -> str:
    """An architecture in one line.

    >>> shape_text({"d_model": 64, "n_layer": 3, "n_head": 4, "d_ff": 256})
    'width 64, 3 layers, 4 heads, feed-forward 256'
    """
    words = (
        ("d_model", "width {}"),
        ("n_layer", "{} layers"),
        ("n_head", "{} heads"),
        ("d_ff", "feed-forward {}"),
        ("vocab_size", "vocabulary {}"),
        ("context_length", "context {}"),
    )
    told = [form.format(shape[name]) for name, form in words if shape.get(name) is not None]
    return ", ".join(told) or MISSING


def _conventions_text(flops: Mapping[str, Any]) -> str:
    return "; ".join(f"{name} {power_text(value)}" for name, value in flops.items())


def parameters_table(results: Results) -> Table:
    """The fitted parameters with their intervals."""
    fit = part(results, "fit")
    cells = []
    for name, estimate in part(fit, "params").items():
        notes = ["at its bound"] if estimate.get("at_bound") else []
        reasons = {str(text) for key, text in estimate.items() if "reason" in key and text}
        cells.append(
            (
                str(name),
                general_text(estimate.get("value")),
                general_text(estimate.get("stderr")),
                interval_text(estimate.get("low"), estimate.get("high"), general_text),
                "; ".join([*notes, *sorted(reasons)]),
            )
        )
    objective = part(fit, "objective")
    caption = f"The law {fit.get('formula') or MISSING}, fitted to {fit.get('n_rows')} runs"
    if objective:
        caption += f" by {objective.get('name')} of {objective.get('residual')} residuals"
        caption += f" (delta {objective['delta']:g})" if finite(objective.get("delta")) else ""
    columns = f"Parameter|Value#|Standard error#|{level(results)} interval#|Note"
    return _table("parameters", "Fitted parameters", caption + ".", columns, cells, "No fit.")


def checks_table(results: Results) -> Table:
    """What the fit was checked for, with cause and cure."""
    cells = [
        (
            str(check.get("name")).replace("_", " "),
            "passed" if check.get("passed") else "failed",
            str(check.get("message") or ""),
            "" if check.get("passed") else str(check.get("cure") or ""),
        )
        for check in rows(part(results, "fit"), "checks")
    ]
    caption = f"Whether to believe the fit: {part(results, 'fit').get('status') or 'unknown'}"
    columns = "Check|Result|What was found|What to do"
    caption = caption.rstrip(".") + "."
    return _table("checks", "Checks of the fit", caption, columns, cells, "No check was made.")


def forms_table(results: Results) -> Table:
    """The laws that were compared."""
    cells = []
    for form in rows(results, "forms"):
        weight, error = finite(form.get("weight")), finite(form.get("backtest_rms_percent"))
        cells.append(
            (
                str(form.get("law")),
                str(form.get("formula")),
                MISSING if weight is None else f"{weight:.3f}",
                MISSING if error is None else f"{error:.2f}%",
                str(form.get("status") or ""),
            )
        )
    caption = "The laws that were fitted to the same runs, with their weight in the prediction."
    columns = "Law|Formula|Weight#|Backtest RMS error#|Status"
    return _table("forms", "Forms compared", caption, columns, cells, "Only one form was fitted.")


def backtest_table(results: Results) -> Table:
    """Predictions of runs held out."""
    cells = [
        (
            str(row.get("run_id", ""))[:12],
            count_text(row.get("n")),
            count_text(row.get("d")),
            power_text(row.get("flops")),
            loss_text(row.get("predicted")),
            interval_text(row.get("low"), row.get("high")),
            loss_text(row.get("measured")),
            percent_text(row.get("error_percent")),
            _side(row.get("inside")),
            loss_text(baseline_of(row)),
        )
        for row in rows(results, "backtest")
    ]
    columns = (
        f"Run|N#|D (tokens)#|C (FLOP)#|Predicted#|{level(results)} interval#|Measured#|Error#|"
        "Interval holds|Baseline L(C)#"
    )
    caption = "Runs predicted by a law that was fitted without them and without larger ones."
    reason = str(results.get("backtest_reason") or "No run was held out.")
    return _table("backtest", "Backtest", caption, columns, cells, reason)


def _side(inside: Any) -> str:
    return MISSING if inside is None else "inside" if inside else "outside"


def rungs_table(results: Results) -> Table:
    """One row for each model size of the ladder."""
    n_name = n_convention(results)
    groups: dict[float, list[Mapping[str, Any]]] = {}
    for row in rows(results, "runs"):
        n = finite(row.get(n_name))
        if n is not None and row.get("role") != "verification":
            groups.setdefault(n, []).append(row)
    cells = [_rung(n, group) for n, group in sorted(groups.items())]
    caption = "One row for each model size of the ladder, without the verification run."
    columns = (
        f"N ({n_name})#|Width#|Layers#|Head in N#|Runs#|D (tokens)#|C (FLOP)#|Loss#|Learning rate#"
    )
    return _table("rungs", "Rungs", caption, columns, cells, "No run was made.")


def _rung(n: float, group: list[Mapping[str, Any]]) -> tuple[str, ...]:
    first = group[0]
    vocabulary, width = finite(first.get("vocab_size")), finite(first.get("d_model"))
    share = (
        MISSING if vocabulary is None or width is None else f"{100 * vocabulary * width / n:.0f}%"
    )
    return (
        count_text(n),
        count_text(width),
        count_text(first.get("n_layer")),
        share,
        str(len(group)),
        _span(group, "tokens", short_text),
        _span(group, "flops", power_text),
        _span([row for row in group if usable(row)], "loss", loss_text),
        _span(group, "learning_rate", general_text),
    )


def _span(group: list[Mapping[str, Any]], name: str, text: Any) -> str:
    values = [value for row in group if (value := finite(row.get(name))) is not None]
    if not values:
        return MISSING
    low, high = text(min(values)), text(max(values))
    return low if low == high else f"{low} to {high}"


def runs_table(results: Results) -> Table:
    """Every run, also those that failed, with the reason."""
    n_name = n_convention(results)
    cells = []
    for row in rows(results, "runs"):
        told = str(row.get("status") or "ok")
        told += f": {row['reason']}" if row.get("reason") else ""
        cells.append(
            (
                str(row.get("run_id") or row.get("name") or "")[:12],
                str(row.get("role") or ""),
                MISSING if row.get("seed") is None else str(row["seed"]),
                count_text(row.get("d_model")),
                count_text(row.get(n_name)),
                count_text(row.get("tokens")),
                power_text(row.get("flops")),
                loss_text(row.get("loss")),
                loss_text(row.get("loss_se")),
                loss_text(row.get("bits_per_byte")),
                told,
            )
        )
    columns = (
        f"Run|Role|Seed#|Width#|N ({n_name})#|D (tokens)#|C (FLOP)#|Loss#|Standard error#|"
        "Bits per byte#|Status"
    )
    caption = "Every run with the loss that it measured; rows that a fit leaves out say why."
    return _table("runs", "Runs", caption, columns, cells, "No run was made.")

"""From a run's history to rows: the end of it, or one row a measured loss."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from isoloss.runs._cells import is_empty
from isoloss.runs.columns import kind_of
from isoloss.runs.importers._points import number as as_number
from isoloss.runs.importers.history import RunHistory, Series
from isoloss.runs.importers.mapping import Mapped
from isoloss.runs.importers.names import is_evaluation, is_loss, normal
from isoloss.runs.units import scaled

Row = dict[str, Any]

HELPERS: dict[str, tuple[str, ...]] = {
    "meta_global_batch_size": ("global_batch_size", "global_train_batch_size"),
    "meta_consumed_samples": ("consumed_samples", "consumed_train_samples"),
    "meta_flops_per_token": ("flops_per_token",),
}
"""What tokens and FLOP can be derived from, by its normalised names."""

LATE = 0.99
"""The last loss should be of a step no earlier than this share of the run."""

_TOTALS = ("tokens", "flops")


def names_of(histories: Sequence[RunHistory]) -> dict[str, bool]:
    """Every name that can be mapped (metrics, `config.KEY`, `summary.KEY`): is it a number?"""
    names: dict[str, bool] = {}
    for history in histories:
        names.update(dict.fromkeys(history.metrics, True))
        for prefix, place in (("config.", history.config), ("summary.", history.summary)):
            for key, value in place.items():
                number = as_number(value) is not None
                names[prefix + key] = names.get(prefix + key, False) or number
    return names


def rows_of(
    history: RunHistory, mapping: Sequence[Mapped], *, every: bool
) -> tuple[list[Row], list[str]]:
    """Rows of a run, in our columns, and what is to be told of them.

    Args:
        history: the run.
        mapping: which name is which column.
        every: a row for each step at which the loss was measured; those before the last are
            marked with `meta_checkpoint`. Otherwise only the last.
    """
    loss = next((one for one in mapping if one.ours == "loss"), None)
    curve = history.metrics.get(loss.theirs) if loss else None
    last = _last_step(history)
    broken = _divergence(history, curve)
    notes: list[str] = []
    if curve is None or not curve.steps:
        points = [last]
    else:
        points = [
            step
            for step, value in zip(curve.steps, curve.values, strict=True)
            if math.isfinite(value) and step > 0  # what was not trained has no tokens
        ] or [curve.steps[-1]]
        points = points if every else points[-1:]
        if last and points[-1] < LATE * last and not broken:
            notes.append(
                f"{history.name}: the last loss is of step {points[-1]:g}, the run went to {last:g}"
            )
    rows = [_row(history, mapping, step, last) for step in points]
    for row in rows:
        if broken:
            row["status"], row["reason"] = "diverged", broken
    if every:
        for row in rows[:-1]:
            row["meta_checkpoint"] = True
            if not broken:
                row["status"], row["reason"] = "ok", ""
        rows[-1]["meta_checkpoint"] = False
    if broken and rows:
        rows[-1].pop("loss", None)
    return rows, notes


def _row(
    history: RunHistory, mapping: Sequence[Mapped], step: float | None, last: float | None
) -> Row:
    row: Row = {
        "name": history.name,
        "status": history.status,
        "reason": history.reason,
        "created_at": history.created_at,
    }
    if step:
        row["steps"] = step
    how: dict[str, str] = {}
    for one in mapping:
        value, text = _value(history, one, step, last)
        if not is_empty(value):
            row[one.ours] = scaled(value, one.factor)
            how |= {one.ours: text} if text else {}
    add_unit(row, mapping)
    _add_peak_rate(row, history, how)
    row |= _helpers(history, step) | _evaluations(history, mapping, step) | _named(history)
    if how:
        row["meta_derived"] = how
    return row | dict(history.ours)


def add_unit(row: Row, mapping: Sequence[Mapped]) -> None:
    """Say that a loss is in bits per byte, where its name does."""
    name = next((normal(one.theirs) for one in mapping if one.ours == "loss"), "")
    if is_empty(row.get("loss_unit")) and ({"bpb"} & set(name.split("_")) or "per_byte" in name):
        row["loss_unit"] = "bits_per_byte"


def _value(
    history: RunHistory, one: Mapped, step: float | None, last: float | None
) -> tuple[object, str]:
    """A column's value at a step, and how it was had where it is not as written."""
    for prefix, place in (("config.", history.config), ("summary.", history.summary)):
        key = one.theirs.removeprefix(prefix)
        if one.theirs.startswith(prefix) and key in place:
            return _share(place[key], one.ours, step, last)
    series = history.metrics.get(one.theirs)
    if series is None or not series.steps:
        return None, ""
    if step is None:
        return series.values[-1], ""
    if one.ours == "learning_rate":
        finite = [value for value in series.values if math.isfinite(value)]
        return max(finite, default=None), "the peak of its curve"
    return _at(series, step, total=one.ours in _TOTALS)


def rising(
    mapping: Sequence[Mapped], histories: Sequence[RunHistory]
) -> tuple[tuple[Mapped, ...], tuple[str, ...]]:
    """The columns without guessed totals that do not rise: they may be of one step each."""
    kept: list[Mapped] = []
    notes: list[str] = []
    for one in mapping:
        curves = [h.metrics[one.theirs] for h in histories if one.theirs in h.metrics]
        flat = any(len(c.values) > 1 and not c.values[-1] > c.values[0] for c in curves)
        if one.ours in _TOTALS and one.how != "given" and flat:
            notes.append(
                f"{one.theirs!r} does not rise as a total would: left out; if it is the total of "
                f'{one.ours}, say --map "{one.ours}={one.theirs}"'
            )
        else:
            kept.append(one)
    return tuple(kept), tuple(notes)


def _share(value: object, ours: str, step: float | None, last: float | None) -> tuple[object, str]:
    """A total of the whole run; at an earlier step the share of the steps."""
    number = as_number(value)
    if ours not in _TOTALS or number is None or not step or not last or step >= last:
        # A setting of the wrong kind (a list, a name where we count) says nothing.
        wrong = kind_of(ours) not in ("text", "free") and number is None
        return (None, "") if wrong and not isinstance(value, str) else (value, "")
    return number * step / last, f"the share {step:g}/{last:g} of the run's total"


def _at(series: Series, step: float, *, total: bool) -> tuple[float | None, str]:
    """A curve at a step: as logged there, on the line between its neighbours, or its end.

    A total (of tokens) goes on in proportion to the steps, where it was logged no further.
    """
    index = bisect_right(series.steps, step)
    if index and series.steps[index - 1] == step:
        return series.values[index - 1], ""
    if index == 0 or index == len(series.steps):
        near = series.steps[0] if index == 0 else series.steps[-1]
        value = series.values[0] if index == 0 else series.values[-1]
        if total and near > 0:
            return value * step / near, f"in proportion to that of step {near:g}"
        return value, f"of step {near:g}, the nearest to {step:g}"
    before, after = series.steps[index - 1], series.steps[index]
    near = index - 1 if step - before < after - step else index
    if not total and abs(series.steps[near] - step) <= (1 - LATE) * step:
        return series.values[near], f"of step {series.steps[near]:g}, the nearest to {step:g}"
    part = (step - before) / (after - before)
    value = series.values[index - 1] * (1 - part) + series.values[index] * part
    return value, f"between steps {before:g} and {after:g}"


def _add_peak_rate(row: Row, history: RunHistory, how: dict[str, str]) -> None:
    """The highest learning rate of its curve, where no setting says one."""
    if "learning_rate" in row:
        return
    curves = [s for name, s in history.metrics.items() if normal(name) in ("lr", "learning_rate")]
    values = [value for series in curves[:1] for value in series.values if math.isfinite(value)]
    if values and max(values) > 0:
        row["learning_rate"] = max(values)
        how["learning_rate"] = "the peak of its curve"


def _helpers(history: RunHistory, step: float | None) -> Row:
    found: Row = {}
    for ours, names in HELPERS.items():
        for name, series in history.metrics.items():
            if normal(name) in names and series.steps:
                at = series.steps[-1] if step is None else step
                found[ours] = _at(series, at, total=ours == "meta_consumed_samples")[0]
        for place in (history.summary, history.config):
            for name, value in place.items():
                if normal(name) in names and ours not in found and as_number(value) is not None:
                    found[ours] = value
    return found


def _evaluations(history: RunHistory, mapping: Sequence[Mapped], step: float | None) -> Row:
    """Other figures on held-out data, as `metric_NAME`, at the step or the last before it."""
    taken = {one.theirs for one in mapping}
    found: Row = {}
    for name, series in history.metrics.items():
        if name in taken or not is_evaluation(name):
            continue
        index = bisect_right(series.steps, step) if step is not None else len(series.steps)
        if index and math.isfinite(series.values[index - 1]):
            found[f"metric_{normal(name)}"] = series.values[index - 1]
    return found


def _named(history: RunHistory) -> Row:
    """What a reader has given one of our free names: a score, or how it was measured."""
    return {
        name: value
        for name, value in history.summary.items()
        if name.startswith("meta_lm_eval") or (name.startswith("metric_") and _is_finite(value))
    }


def _is_finite(value: object) -> bool:
    number = as_number(value)
    return number is not None and math.isfinite(number)


def _last_step(history: RunHistory) -> float | None:
    """How far the run went."""
    steps = [series.steps[-1] for series in history.metrics.values() if series.steps]
    said = as_number(history.summary.get("global_step"))
    return max([*steps, *([said] if said else [])], default=None)


def _divergence(history: RunHistory, curve: Series | None) -> str:
    """Why a run counts as diverged: the end of its loss, or of its training loss, is no number."""
    curves = {name: series for name, series in history.metrics.items() if is_loss(name)}
    if curve is not None:
        curves = {"the loss": curve, **curves}
    for name, series in curves.items():
        if series.values and not math.isfinite(series.values[-1]):
            first = len(series.values)
            while first and not math.isfinite(series.values[first - 1]):
                first -= 1
            return f"{name} is {series.values[-1]:g} from step {series.steps[first]:g} on"
    return ""

"""Scores of a task in the run table: `metric_*` columns in the row of the run that was scored."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from isoloss._files import canonical_json
from isoloss.errors import DataError
from isoloss.runs.recording import record
from isoloss.runs.store import RunStore

FORMAT = "isoloss-task-1"
"""Of the files that `isoloss evaluate … -o RESULT` writes."""

SCORES_ONLY = "scores without a training run: join them to its row by run_id or name"
"""The reason in a row of scores alone, so that no fit uses it as it stands."""

TOLD = "meta_scores"
"""JSON: for each task its signature, how many examples, the level, and the names of its metrics."""

_ENDS = {"value": "", "low": "_low", "high": "_high"}
_NAME = re.compile(r"[\w.@+-]{1,200}")


@dataclass(frozen=True, kw_only=True)
class Added:
    """What became of scores in a store.

    Attributes:
        run_id: of the row.
        how: `added` (a new row), `amended` (columns of a row) or `unchanged` (it says so already).
        columns: the columns that were set, `meta_*` left out.
    """

    run_id: str
    how: str
    columns: tuple[str, ...]


def scored_row(document: Mapping[str, object], *, label: str) -> dict[str, Any]:
    """A row of scores alone, from what `TaskResult.to_dict` gives or its file holds.

    Returns:
        `name`, `reason`, `metric_NAME` with `_low` and `_high` where there is an interval,
        `meta_scores`, and `run_id` where the result names a run.

    Raises:
        DataError: something is missing or of the wrong kind; it is named.

    >>> row = scored_row({
    ...     "task": "translation", "model": "out/small", "run_id": "0123", "n_examples": 200,
    ...     "signature": "greedy|max_tokens:128", "level": 0.9,
    ...     "metrics": {"bleu": {"value": 14.1, "low": 11.3, "high": 16.1}},
    ... }, label="small.json")
    >>> row["run_id"], row["metric_bleu"], row["metric_bleu_high"]
    ('0123', 14.1, 16.1)
    """
    task, model, run_id, signature = (
        _text(document, key, label) for key in ("task", "model", "run_id", "signature")
    )
    scores = _mapping(document.get("metrics"), f"{label}: 'metrics'")
    columns: dict[str, Any] = {}
    for name, score in scores.items():
        if not _NAME.fullmatch(name):
            raise DataError(f"{label}: {name!r} is no name of a metric", hint=_HINT)
        values = _mapping(score, f"{label}: 'metrics.{name}'")
        for key, end in _ENDS.items():
            number = _number(values.get(key), f"{label}: 'metrics.{name}.{key}'")
            if number is not None:
                columns[f"metric_{name}{end}"] = number
    if not columns:
        raise DataError(f"{label}: no metric has a value", hint=_HINT)
    about = {
        "signature": signature,
        "examples": _number(document.get("n_examples"), f"{label}: 'n_examples'"),
        "level": _number(document.get("level"), f"{label}: 'level'"),
        "metrics": list(scores),
    }
    named = {"run_id": run_id} if run_id else {}
    told = canonical_json({task: about})
    return {**named, "name": model, "reason": SCORES_ONLY, **columns, TOLD: told}


def metrics_text(columns: Iterable[str]) -> str:
    """Columns of scores in a sentence, the ends of intervals told once.

    >>> metrics_text(["metric_bleu", "metric_bleu_low", "metric_bleu_high", "metric_ter"])
    'metric_bleu (with _low and _high), metric_ter'
    """
    names = list(columns)
    parts: list[str] = []
    for name in names:
        ends = {f"{name}{end}" for end in _ENDS.values()} - {name}
        if any(name == f"{other}{end}" for other in names for end in _ENDS.values() if end):
            continue
        parts.append(f"{name} (with _low and _high)" if ends <= set(names) else name)
    return ", ".join(parts)


def is_scores_only(row: Mapping[str, object]) -> bool:
    """Whether a row holds scores and no training run."""
    return row.get("reason") == SCORES_ONLY and TOLD in row


def score_changes(row: Mapping[str, Any], scores: Mapping[str, Any]) -> dict[str, Any]:
    """What scores change in a row: column → new value, None where an interval has gone.

    Args:
        row: of a run, perhaps with earlier scores.
        scores: a row of scores.
    """
    told = _told(scores)
    names = [str(name) for about in told.values() for name in about["metrics"]]
    columns = {f"metric_{name}{end}": None for name in names for end in _ENDS.values()}
    columns |= {name: value for name, value in scores.items() if name in columns}
    kept = {
        task: {**about, "metrics": [name for name in about["metrics"] if name not in names]}
        for task, about in _told(row).items()
        if task not in told
    }
    kept = {task: about for task, about in kept.items() if about["metrics"]}
    changes = {**columns, TOLD: canonical_json({**kept, **told})}
    trained_with = str(row.get("meta_task") or "")
    if trained_with in told:  # the columns that training with scores writes
        about = told[trained_with]
        changes |= {
            "meta_task_signature": about["signature"],
            "meta_task_examples": about["examples"],
        }
    return {name: value for name, value in changes.items() if row.get(name) != value}


def add_scores(
    store: RunStore, scores: Mapping[str, Any], *, row: Mapping[str, Any] | None = None
) -> Added:
    """Put scores into the row of their run; what the row said before stays in its history.

    Args:
        store: where to.
        scores: a row of scores with its `run_id`.
        row: of the run, where the store may lack it; a row of scores alone is made otherwise.

    Raises:
        DataError: the row is no valid row of a run table.
    """
    run_id = str(scores["run_id"])
    changed: dict[str, Any] = {}
    how = "unchanged"
    if not store.has(run_id):
        alone = {name: scores[name] for name in ("name", "reason")}
        base = {**(row or alone), "run_id": run_id}
        changed = score_changes(base, scores)
        record(store, base | {name: value for name, value in changed.items() if value is not None})
        how = "added"
    # Also after that: another process may have been first, and the first row wins.
    later = score_changes(store.get(run_id), scores)
    if later:
        store.amend(run_id, later, why=f"scored on {', '.join(_told(scores))}")
        changed, how = later, "amended"
    columns = tuple(name for name in changed if name.startswith("metric_"))
    return Added(run_id=run_id, how=how, columns=columns)


_HINT = "Give a file written by `isoloss evaluate … -o RESULT`."


def _told(row: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The tasks of a row's scores; none where somebody else has written that column."""
    try:
        found = json.loads(str(row.get(TOLD) or "{}"))
        return {
            str(task): {**about, "metrics": list(about["metrics"])} for task, about in found.items()
        }
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def _mapping(value: object, what: str) -> dict[str, object]:
    if not isinstance(value, Mapping):
        raise DataError(f"{what}: expected an object, found {_short(value)}", hint=_HINT)
    return {str(key): item for key, item in cast("Mapping[object, object]", value).items()}


def _text(document: Mapping[str, object], key: str, label: str) -> str:
    value = document.get(key)
    if not isinstance(value, str):
        raise DataError(f"{label}: {key!r}: expected text, found {_short(value)}", hint=_HINT)
    return value


def _number(value: object, what: str) -> float | None:
    """A finite number; None for one that is not given, as not-a-number is written."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise DataError(f"{what}: expected a number, found {_short(value)}", hint=_HINT)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise DataError(f"{what}: expected a finite number, found {_short(value)}", hint=_HINT)
    return number


def _short(value: object) -> str:
    return "nothing" if value is None else f"{value!r:.60}"

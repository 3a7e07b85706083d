"""isoloss's own format for any trainer: one JSON object a line, with an `event`.

`config` says what was set, `step` and `eval` what was measured at a `step`, `end` how it ended;
`run` tells several runs in one file apart. docs/importing.md describes it.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from isoloss.errors import DataError
from isoloss.runs.importers._flat import flat
from isoloss.runs.importers._logs import Curves, head, read_lines
from isoloss.runs.importers._points import number as as_number
from isoloss.runs.importers.history import RunHistory

EVENTS = ("config", "step", "eval", "end")
_NOT_METRICS = frozenset({"event", "run", "step", "time"})


@dataclass(kw_only=True)
class _Run:
    curves: Curves = field(default_factory=Curves)
    config: dict[str, object] = field(default_factory=dict[str, object])
    summary: dict[str, object] = field(default_factory=dict[str, object])
    began: str = ""
    status: str = ""
    reason: str = ""


def looks_like_json_lines(path: Path) -> bool:
    """Whether the first lines of a file are such events."""
    if path.suffix.lower() not in (".jsonl", ".ndjson", ".json", ".log", ".txt", ""):
        return False
    for line in head(path).split("\n")[:20]:
        if line.strip():
            event = _object(line)
            return event is not None and event.get("event") in EVENTS
    return False


def read_json_lines(path: Path) -> list[RunHistory]:
    """The runs that a file of events tells, in the order in which they begin.

    A last line that is cut short is left out, with a note.

    Raises:
        NotFoundError, EnvironmentProblem: as for any log; DataError: a line is no event.
    """
    runs: dict[str, _Run] = {}
    notes: list[str] = []
    lines = read_lines(path)
    last = max((i for i, line in enumerate(lines) if line.strip()), default=-1)
    for index, line in enumerate(lines):
        if not line.strip():
            continue
        event = _object(line)
        if event is None and index == last and runs:
            notes.append("the last line is cut short: left out")
            continue
        if event is None:
            raise DataError(
                f"{path}, line {index + 1}: expected a JSON object, found {line[:60]!r}",
                hint="One JSON object a line.",
            )
        _add(runs.setdefault(str(event.get("run") or path.stem), _Run()), event, path, index + 1)
    if not runs:
        raise DataError(f"{path}: no events", hint='Begin with {"event": "config", …}.')
    return [_history(name, run, path, notes) for name, run in runs.items()]


def _add(run: _Run, event: dict[str, object], path: Path, line: int) -> None:
    kind = event.get("event")
    if kind not in EVENTS:
        close = difflib.get_close_matches(str(kind), EVENTS, n=1)
        raise DataError(
            f"{path}, line {line}: expected an 'event' of {', '.join(EVENTS)}, found {kind!r}",
            hint=f"Did you mean {close[0]!r}?" if close else "See docs/importing.md.",
        )
    values = flat({key: item for key, item in event.items() if key not in _NOT_METRICS})
    if kind == "config":
        run.config |= values
        run.began = run.began or str(event.get("time") or "")
    elif kind == "end":
        run.status = str(values.pop("status", None) or "ok")
        run.reason = str(values.pop("reason", None) or "")
        run.summary |= values
    else:
        step = as_number(event.get("step"))
        if step is None:
            raise DataError(
                f"{path}, line {line}: expected a number 'step', found {event.get('step')!r}",
                hint="Events of training and evaluation say their optimiser step.",
            )
        for name, item in values.items():
            value = float("nan") if item is None else as_number(item)
            if value is not None:
                run.curves.add(
                    f"eval/{name}" if kind == "eval" and name == "loss" else name, step, value
                )


def _history(name: str, run: _Run, path: Path, notes: list[str]) -> RunHistory:
    status, reason = run.status, run.reason
    if not status:
        status, reason = "running", "the log has no event 'end'"
    elif status != "ok" and not reason:
        reason = f"it ended with status {status!r}"
    return RunHistory(
        name=name,
        source=str(path),
        config=run.config,
        summary=run.summary,
        metrics=run.curves.series(),
        status=status,
        reason=reason,
        created_at=run.began,
        notes=(*run.curves.notes(), *notes),
    )


def _object(line: str) -> dict[str, object] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, object]", value) if isinstance(value, dict) else None

"""What the records of a `.wandb` file say of a run.

Field numbers are those of wandb_internal.proto as in wandb 0.31; the format of these files is
meant to stay readable by later versions, so that numbers are never given a new meaning.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from isoloss.runs.importers._finding import counted, listed, utc
from isoloss.runs.importers._flat import as_text, flat, mapping, parsed
from isoloss.runs.importers._points import Points, number
from isoloss.runs.importers._protobuf import Message
from isoloss.runs.importers._scalars import Path, scalars
from isoloss.runs.importers._wandb_axes import Axes
from isoloss.runs.importers.history import RunHistory

_HISTORY, _SUMMARY, _CONFIG, _METRIC, _RUN, _EXIT = 2, 3, 5, 12, 17, 18
# Of JSON texts, nested as the configuration is.
Tree = dict[str, Any]
_DEEPEST = 12
_USED = (_HISTORY, _SUMMARY, _CONFIG, _METRIC, _RUN, _EXIT)


@dataclass
class WandbRun:
    """What was said so far; values as JSON text, decoded at the end."""

    identity: str = ""
    facts: dict[str, str] = field(default_factory=dict[str, str])
    tags: list[str] = field(default_factory=list[str])
    began: float = 0.0
    config: Tree = field(default_factory=dict[str, Any])
    summary: Tree = field(default_factory=dict[str, Any])
    axes: Axes = field(default_factory=Axes)
    points: Points = field(default_factory=Points)
    skipped: set[str] = field(default_factory=set[str])
    step: float = 0
    exit_code: int | None = None
    notes: list[str] = field(default_factory=list[str])

    def take(self, record: Message) -> None:
        """Add a record (Record: history 2, summary 3, config 5, metric 12, run 17, exit 18)."""
        for kind in _USED:
            part = record.message(kind)
            if part is None:
                continue
            if kind == _HISTORY:
                self._take_history(part)
            elif kind == _SUMMARY:
                _update(self.summary, part)
            elif kind == _CONFIG:
                _update(self.config, part)
            elif kind == _METRIC:
                self.axes.define(part.text(1), part.text(2), part.text(4))
            elif kind == _RUN:
                self._take_run(part)
            elif not part.integer(3):
                # 3: a node of several that only says that its own part is done.
                self.exit_code = part.integer(1)

    def _take_run(self, run: Message) -> None:
        """RunRecord: id 1, project 3, config 4, summary 5, group 6, job type 7, name 8, tags 10,
        start 17."""
        self.identity = self.identity or run.text(1)
        # A later process that goes on with the run has not ended yet.
        self.exit_code = None
        for name, place in (("project", 3), ("group", 6), ("job_type", 7), ("name", 8)):
            if run.text(place):
                self.facts[name] = run.text(place)
        self.tags = run.texts(10) or self.tags
        for known, place in ((self.config, 4), (self.summary, 5)):
            part = run.message(place)
            if part is not None:
                _update(known, part)
        start = run.message(17)
        if start is not None and not self.began:
            self.began = start.integer(1) + start.integer(2) / 1e9

    def _take_history(self, history: Message) -> None:
        """HistoryRecord: items 1, step 2 (number 1)."""
        row: dict[Path, object] = {}
        for item in history.messages(1):
            path, text = _item(item)
            if path:
                row[path] = parsed(text)
        step = history.message(2)
        logged = number(row.get(("_step",)))
        if step is not None:
            self.step = step.integer(1)
        elif logged is not None:
            self.step = logged
        else:
            self.step += 1
        for name, value in scalars(row, self.skipped):
            if name != "_step":
                self.points.add(name, self.step, value)

    def history(self, source: str) -> RunHistory:
        """The run, complete."""
        status, reason = "ok", ""
        if self.exit_code is None:
            status = "running"
            reason = "its log has no end: it is still going, or it was killed"
        elif self.exit_code:
            status, reason = "failed", f"it ended with exit code {self.exit_code}"
        metrics, notes = self.axes.applied(self.points)
        notes = [*self.notes, *notes]
        if self.skipped:
            names = sorted(self.skipped)
            notes.append(
                f"Not numbers and left out: {counted(len(names), 'metric')} ({listed(names)})."
            )
        facts = {f"wandb.{key}": value for key, value in self.facts.items() if key != "name"}
        if self.tags:
            facts["wandb.tags"] = ", ".join(self.tags)
        return RunHistory(
            name=self.facts.get("name") or self.identity,
            source=source,
            config={**_decoded(self.config), "wandb.id": self.identity, **facts},
            summary=_decoded(self.summary),
            metrics=metrics,
            status=status,
            reason=reason,
            created_at=utc(self.began or None),
            notes=tuple(notes),
        )


def _update(known: Tree, part: Message) -> None:
    """ConfigRecord and SummaryRecord: updates 1, removals 2. A value takes the place of all that
    was nested under its name."""
    for item in part.messages(1):
        path, text = _item(item)
        if path and path[0] != "_wandb":
            _branch(known, path)[path[-1]] = text
    for item in part.messages(2):
        path, _ = _item(item)
        if path:
            _branch(known, path).pop(path[-1], None)


def _branch(known: Tree, path: Path) -> Tree:
    """The mapping that holds the last name of a path, made where there is none."""
    for name in path[:-1]:
        below = known.get(name, "")
        if isinstance(below, str):
            nested = mapping(parsed(below)) or {}
            below = known[name] = {key: as_text(value) for key, value in nested.items()}
        known = cast("Tree", below)
    return known


def _item(item: Message) -> tuple[Path, str]:
    """HistoryItem, ConfigItem, SummaryItem: key 1 or nested key 2, value as JSON 16."""
    nested = tuple(item.texts(2))
    if len(nested) > _DEEPEST:
        nested = (*nested[:_DEEPEST], ".".join(nested[_DEEPEST:]))
    return nested or tuple(filter(None, [item.text(1)])), item.text(16)


def _decoded(known: Tree, above: str = "") -> dict[str, object]:
    values: dict[str, object] = {}
    for name, found in known.items():
        path = f"{above}.{name}" if above else name
        if not isinstance(found, str):
            values |= _decoded(found, path)
            continue
        for leaf, value in flat(parsed(found), path).items():
            special = number(value) if isinstance(value, str) else None
            values[leaf] = value if special is None else special
    return values

"""trackio's local databases: one SQLite file a project, in `~/.cache/huggingface/trackio`.

Read without trackio. Configuration and metrics are read; media, tables, histograms, traces,
system metrics, alerts and artifacts are not. trackio does not record how a run ended.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from isoloss.errors import DataError, IsolossError
from isoloss.runs.importers._finding import (
    counted,
    distinct,
    existing,
    files_under,
    listed,
    utc_of_text,
    with_note,
)
from isoloss.runs.importers._flat import flat, mapping, parsed
from isoloss.runs.importers._points import Points, number
from isoloss.runs.importers._scalars import scalars
from isoloss.runs.importers._sqlite import is_sqlite, opened
from isoloss.runs.importers.history import RunHistory

_INBOX = "inbox"


@dataclass
class _Run:
    """A run while its rows are read."""

    identity: str
    name: str
    project: str
    source: str
    began: str = ""
    config: dict[str, object] = field(default_factory=dict[str, object])
    points: Points = field(default_factory=Points)
    skipped: set[str] = field(default_factory=set[str])
    bad: int = 0


def looks_like_trackio(path: str | Path) -> bool:
    """Whether it is a project's database or a folder with one."""
    path = Path(path)
    try:
        files = [path] if path.is_file() else sorted(path.glob("*.db"))[:20]
        return any(_is_project(file) for file in files)
    except OSError:
        return False


def read_trackio(path: str | Path) -> list[RunHistory]:
    """The runs of a project's database, or of all projects in a folder.

    Raises:
        NotFoundError: there is nothing; EnvironmentProblem: it cannot be read;
        DataError: it has no runs of trackio.
    """
    path = existing(path)
    if path.is_file():
        files = [path]
    else:
        candidates = files_under(path, lambda name: name.endswith(".db"), without=("media",))
        files = [file for file in candidates if _is_project(file)]
    runs = [run for file in files for run in _project_runs(file)]
    if not runs:
        raise DataError(
            f"{path}: no runs of trackio in it",
            hint="Give PROJECT.db, or its folder ($TRACKIO_DIR or ~/.cache/huggingface/trackio).",
        )
    histories = distinct([_history(run) for run in runs], [run.identity for run in runs])
    if path.is_dir() and next((path / _INBOX).glob("*/*.jsonl"), None) is not None:
        histories = with_note(
            histories,
            f"Not read: metrics in {path / _INBOX}; trackio takes them in when it starts.",
        )
    return histories


def _is_project(path: Path) -> bool:
    try:
        if not is_sqlite(path):
            return False
        with opened(path) as reader:
            return reader.columns("metrics") >= {"run_name", "step", "metrics"}
    except IsolossError:
        return False


def _project_runs(path: Path) -> list[_Run]:
    """Runs by their ids; before version 0.24 trackio knew them by their names only."""
    runs: dict[str, _Run] = {}
    with opened(path) as reader:
        if not reader.columns("metrics") >= {"run_name", "step", "metrics"}:
            raise DataError(
                f"{path}: not a database of trackio: it has no table of metrics by run and step",
                hint="Give the file PROJECT.db out of trackio's folder.",
            )
        names = ("run_id", "run_name", "timestamp", "step", "metrics")
        for identity, name, time, step, metrics in reader.rows("metrics", names):
            run = _run_of(runs, path, identity, name)
            run.began = min(filter(None, (run.began, _text(time))), default="")
            _take_metrics(run, step, metrics)
        for identity, name, config in reader.rows("configs", ("run_id", "run_name", "config")):
            _take_config(_run_of(runs, path, identity, name), config)
    return list(runs.values())


def _run_of(runs: dict[str, _Run], path: Path, identity: object, name: object) -> _Run:
    key = _text(identity) or _text(name)
    fresh = _Run(identity=key, name=_text(name) or key, project=path.stem, source=str(path))
    return runs.setdefault(key, fresh)


def _take_metrics(run: _Run, step: object, metrics: object) -> None:
    row = mapping(parsed(metrics)) if isinstance(metrics, (str, bytes)) else None
    at = number(step)
    if row is None or at is None:
        run.bad += 1
        return
    for name, value in scalars({(key,): value for key, value in row.items()}, run.skipped):
        run.points.add(name, at, value)


def _take_config(run: _Run, config: object) -> None:
    """Keys that begin with an underscore are trackio's own: who, when and which group."""
    found = mapping(parsed(config)) if isinstance(config, (str, bytes)) else None
    if found is None:
        run.bad += 1
        return
    for name, value in flat(found).items():
        if not name.startswith("_"):
            special = number(value) if isinstance(value, str) else None
            run.config[name] = value if special is None else special
    if isinstance(found.get("_Group"), str):
        run.config["trackio.group"] = found["_Group"]
    run.began = _text(found.get("_Created")) or run.began


def _history(run: _Run) -> RunHistory:
    notes = ["trackio does not record whether a run came to its end."]
    if run.bad:
        notes.append(f"Left out: {counted(run.bad, 'row')} without a JSON object or a step.")
    if run.skipped:
        names = sorted(run.skipped)
        notes.append(
            f"Not numbers and left out: {counted(len(names), 'metric')} ({listed(names)})."
        )
    metrics = run.points.series()
    return RunHistory(
        name=run.name,
        source=run.source,
        config={**run.config, "trackio.project": run.project, "trackio.id": run.identity},
        metrics=metrics,
        created_at=utc_of_text(run.began),
        notes=(*notes, *run.points.notes()),
    )


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else "" if value is None else str(value)

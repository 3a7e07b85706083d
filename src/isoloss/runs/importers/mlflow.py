"""MLflow's runs: its folder of files (`mlruns/`) or its SQLite database (`mlflow.db`).

Read without MLflow. Parameters, metrics with their whole history, tags and status are read;
artifacts, data sets, models and traces are not. Deleted runs are left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from isoloss.errors import DataError, IsolossError
from isoloss.runs.importers._finding import (
    counted,
    distinct,
    existing,
    files_under,
    utc,
    with_note,
)
from isoloss.runs.importers._mlflow_files import (
    looks_like_files,
    meta_of,
    points_under,
    run_folders,
    status_of,
    values_under,
)
from isoloss.runs.importers._points import Points, number
from isoloss.runs.importers._sqlite import is_sqlite, opened
from isoloss.runs.importers.history import RunHistory

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_WORDS = {"True": True, "False": False, "None": None}
# MLflow keeps infinities as the largest double.
_LARGEST = 1.7976931348623157e308


@dataclass
class _Run:
    """A run of either store."""

    identity: str
    name: str
    experiment: str
    source: str
    status: str
    deleted: bool
    began: float | None
    params: dict[str, str] = field(default_factory=dict[str, str])
    tags: dict[str, str] = field(default_factory=dict[str, str])
    points: Points = field(default_factory=Points)
    notes: list[str] = field(default_factory=list[str])


def looks_like_mlflow(path: str | Path) -> bool:
    """Whether it is a database with MLflow's tables, or a folder of its files."""
    path = Path(path)
    if path.is_file():
        return is_sqlite(path) and _has_tables(path)
    try:
        return (path / "mlflow.db").is_file() or looks_like_files(path)
    except (IsolossError, OSError):
        return False


def read_mlflow(path: str | Path) -> list[RunHistory]:
    """The runs of a tracking folder, an experiment's or run's folder, or an SQLite database.

    MLflow keeps parameters as text: those that are numbers, `True`, `False` or `None` are taken
    as such. The experiment's name is `mlflow.experiment` of the configuration.

    Raises:
        NotFoundError: there is nothing; EnvironmentProblem: it cannot be read;
        DataError: it has no runs of MLflow, or only deleted ones.
    """
    path = existing(path)
    if path.is_file():
        runs = _database_runs(path)
    else:
        runs = _folder_runs(path)
        for database in files_under(path, lambda name: name == "mlflow.db") if not runs else []:
            runs += _database_runs(database)
    if not runs:
        raise DataError(
            f"{path}: no runs of MLflow in it",
            hint="Give the folder mlruns, or the database (mlflow.db).",
        )
    kept = [run for run in runs if not run.deleted]
    if not kept:
        raise DataError(
            f"{path}: of {counted(len(runs), 'run')} all are deleted",
            hint="Bring them back with `mlflow runs restore --run-id RUN`.",
        )
    histories = distinct([_history(run) for run in kept], [run.identity for run in kept])
    gone = len(runs) - len(kept)
    return with_note(histories, f"Left out: {counted(gone, 'deleted run')}.") if gone else histories


def _history(run: _Run) -> RunHistory:
    status, reason = "ok", ""
    if run.status in ("FAILED", "KILLED"):
        status, reason = "failed", f"MLflow has it as {run.status.lower()}"
    elif run.status != "FINISHED":
        said = run.status.lower() or "without a status"
        status, reason = "running", f"MLflow has it as {said}: still going, or killed"
    config: dict[str, object] = {key: _typed(value) for key, value in run.params.items()}
    for key, value in run.tags.items():
        if not key.startswith("mlflow.") or key == "mlflow.parentRunId":
            config[key if key.startswith("mlflow.") else f"tags.{key}"] = value
    if run.experiment:
        config["mlflow.experiment"] = run.experiment
    metrics = run.points.series()
    return RunHistory(
        name=run.name or run.tags.get("mlflow.runName") or run.identity,
        source=run.source,
        config={**config, "mlflow.run_id": run.identity},
        metrics=metrics,
        status=status,
        reason=reason,
        created_at=utc(run.began),
        notes=(*run.notes, *run.points.notes()),
    )


def _folder_runs(root: Path) -> list[_Run]:
    experiments: dict[Path, str] = {}
    runs: list[_Run] = []
    for folder in run_folders(root):
        meta, above = meta_of(folder), folder.parent
        if above not in experiments:
            experiments[above] = meta_of(above).get("name", "")
        points, notes = points_under(folder / "metrics")
        runs.append(
            _Run(
                identity=meta.get("run_id") or meta.get("run_uuid") or folder.name,
                name=meta.get("run_name", ""),
                experiment=experiments[above],
                source=str(folder),
                status=status_of(meta),
                deleted=meta.get("lifecycle_stage") == "deleted" or ".trash" in folder.parts,
                began=_seconds(_typed(meta.get("start_time", ""))),
                params=dict(values_under(folder / "params")),
                tags=dict(values_under(folder / "tags")),
                points=points,
                notes=notes,
            )
        )
    return runs


def _database_runs(path: Path) -> list[_Run]:
    """The runs of a database, whatever of MLflow's versions made it."""
    with opened(path) as reader:
        missing = sorted(table for table in _TABLES if not reader.columns(table))
        if missing:
            raise DataError(
                f"{path}: not a database of MLflow: it has no table {missing[0]!r}",
                hint="Give the file that the tracking address sqlite:///… names.",
            )
        stages = {
            row[0]: (_text(row[1]), row[2] == "deleted")
            for row in reader.rows("experiments", ("experiment_id", "name", "lifecycle_stage"))
        }
        runs: dict[object, _Run] = {}
        names = ("run_uuid", "name", "status", "start_time", "lifecycle_stage", "experiment_id")
        for identity, name, status, began, stage, experiment in reader.rows("runs", names):
            title, trashed = stages.get(experiment, ("", False))
            runs[identity] = _Run(
                identity=_text(identity),
                name=_text(name),
                experiment=title,
                source=str(path),
                status=_text(status),
                deleted=stage == "deleted" or trashed,
                began=_seconds(began),
            )
        for table in ("params", "tags"):
            for identity, key, value in reader.rows(table, ("run_uuid", "key", "value")):
                if identity in runs:
                    run = runs[identity]
                    (run.params if table == "params" else run.tags)[_text(key)] = _text(value)
        columns = ("run_uuid", "key", "value", "step", "is_nan")
        for row in reader.rows("metrics", columns):
            _take_metric(runs, row)
    return list(runs.values())


_TABLES = frozenset({"experiments", "runs", "metrics", "params", "tags"})


def _take_metric(runs: Mapping[object, _Run], row: tuple[object, ...]) -> None:
    identity, key, raw, at, is_nan = row
    run, value, step = runs.get(identity), number(raw), number(at)
    if run is None or value is None:
        return
    if is_nan:
        value = float("nan")
    elif abs(value) >= _LARGEST:
        value = float("inf") if value > 0 else float("-inf")
    run.points.add(_text(key), step or 0, value)


def _typed(text: str) -> object:
    if text in _WORDS:
        return _WORDS[text]
    if _NUMBER.fullmatch(text) and len(text) <= 400:
        return int(text) if text.lstrip("+-").isdigit() else float(text)
    return text


def _seconds(milliseconds: object) -> float | None:
    value = number(milliseconds)
    return None if value is None else value / 1000


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _has_tables(path: Path) -> bool:
    try:
        with opened(path) as reader:
            return all(reader.columns(table) for table in _TABLES)
    except IsolossError:
        return False

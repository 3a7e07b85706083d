"""W&B's offline logs: a `.wandb` file, a run's folder, or a whole `wandb/` folder.

Read without the `wandb` package, which no longer reads these files itself. Configuration, history,
summary, exit code and `define_metric` are read; media, tables, histograms, system metrics, console
output and artifacts are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from isoloss.errors import DataError
from isoloss.runs.importers._finding import (
    counted,
    distinct,
    existing,
    files_under,
    glance,
    readable,
    with_note,
)
from isoloss.runs.importers._protobuf import MalformedMessage, Message
from isoloss.runs.importers._wandb_log import IDENT, WandbLog
from isoloss.runs.importers._wandb_run import WandbRun
from isoloss.runs.importers.history import RunHistory


def looks_like_wandb(path: str | Path) -> bool:
    """Whether it is a `.wandb` file or a folder with one."""
    path = Path(path)
    if not path.is_file():
        return glance(path, _is_log)
    try:
        with path.open("rb") as file:
            return file.read(len(IDENT)) == IDENT
    except OSError:
        return False


def read_wandb(path: str | Path) -> list[RunHistory]:
    """The runs of a `.wandb` file or of all those in a folder.

    Files of one run id are parts of one run that went on later, in the order of their folders'
    names, which begin with their times.

    Raises:
        NotFoundError: there is nothing; EnvironmentProblem: it cannot be read;
        DataError: there are no `.wandb` files, or none holds a run.
    """
    path = existing(path)
    files = [path] if path.is_file() else files_under(path, _is_log)
    if not files:
        raise DataError(
            f"{path}: no .wandb files in it",
            hint="Give the folder `wandb` beside the training script, or a run's folder in it.",
        )
    runs: dict[str, WandbRun] = {}
    sources: dict[str, list[Path]] = {}
    refused: list[DataError] = []
    for file in files:
        try:
            identity = _read_file(file, runs)
        except DataError as error:
            refused.append(error)
            continue
        sources.setdefault(identity, []).append(file)
    if not sources:
        raise refused[0]
    found = [_history(runs[identity], group) for identity, group in sources.items()]
    histories = distinct(found, list(sources))
    for error in refused:
        histories = with_note(histories, f"Not read: {error.message}.")
    return histories


def _is_log(name: str) -> bool:
    return name.endswith(".wandb")


def _history(run: WandbRun, files: Sequence[Path]) -> RunHistory:
    if len(files) > 1:
        run.notes.append(f"Put together from {len(files)} files of the run {run.identity}.")
    return run.history(str(files[0]))


def _read_file(path: Path, runs: dict[str, WandbRun]) -> str:
    """Add a file to the run that it belongs to, and return that run's id."""
    run: WandbRun | None = None
    bad = 0
    with readable(path), path.open("rb") as file:
        log = WandbLog(file, str(path))
        for data in log:
            try:
                record = Message(data)
                if run is None:
                    # The record of the run itself comes before all others that are of use.
                    run = _run_of(record, runs)
                if run is not None:
                    run.take(record)
            except MalformedMessage:
                bad += 1
    if run is None:
        raise DataError(
            f"{path}: no run in it: its log is empty, or damaged at its beginning",
            hint="W&B writes 32 KiB at a time: of a run killed before, nothing is kept.",
        )
    if bad or log.damaged:
        run.notes.append(f"{path.name}: left out {counted(bad + log.damaged, 'damaged place')}.")
    if log.oversized:
        run.notes.append(f"{path.name}: left out {counted(log.oversized, 'record')} over 64 MiB.")
    if log.cut:
        run.notes.append(f"{path.name} ends in the middle of a record.")
    return run.identity


def _run_of(record: Message, runs: dict[str, WandbRun]) -> WandbRun | None:
    part = record.message(17)
    identity = part.text(1) if part is not None else ""
    if not identity:
        return None
    return runs.setdefault(identity, WandbRun(identity=identity))

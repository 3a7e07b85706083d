"""TensorBoard event files: a file, the folder of a run, or a tree of runs.

Read without TensorBoard. Scalars of both styles (`simple_value`, and tensors of the scalars
plugin), hyperparameters, and texts that are JSON objects are read; histograms, images, audio,
graphs and other texts are not, and a note says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from isoloss.errors import DataError
from isoloss.runs.importers._finding import (
    counted,
    existing,
    files_under,
    glance,
    listed,
    readable,
    utc,
)
from isoloss.runs.importers._protobuf import MalformedMessage, Message
from isoloss.runs.importers._tensorboard_events import EventLog
from isoloss.runs.importers._tfrecord import RecordFile, masked_crc32c
from isoloss.runs.importers.history import RunHistory, Series

_SPLITS = frozenset({"train", "training", "validation", "valid", "val", "eval", "test"})
_TIMESTAMP = re.compile(r"\d{9,}(\.\d+)?", re.ASCII)


def looks_like_tensorboard(path: str | Path) -> bool:
    """Whether it is an event file or a folder with one."""
    path = Path(path)
    return _is_event_file(path.name) if path.is_file() else glance(path, _is_event_file)


def read_tensorboard(path: str | Path) -> list[RunHistory]:
    """The runs of an event file, a run's folder or a tree of folders, each folder one run.

    A folder named like a time that holds only hyperparameters (PyTorch's `add_hparams` makes it)
    belongs to the run above it; folders named `train`, `validation`, … beside or below the files
    of a run (Keras, estimators) are its parts, their metrics named `train/…`.

    Raises:
        NotFoundError: there is nothing; EnvironmentProblem: it cannot be read;
        DataError: there are no event files, or nothing in them can be read.
    """
    path = existing(path)
    single = path.is_file()
    files = [path] if single else files_under(path, _is_event_file)
    if not files:
        raise DataError(
            f"{path}: no TensorBoard event files in it",
            hint="Give a folder with files named events.out.tfevents.….",
        )
    root = path.parent if single else path
    folders: dict[tuple[str, ...], list[Path]] = {}
    for file in files:
        folders.setdefault(file.parent.relative_to(root).parts, []).append(file)
    found = {parts: _read_folder(group) for parts, group in folders.items()}
    if not any(folder.records for folder in found.values()):
        raise DataError(
            f"{files[0]}: no events can be read in it: empty, damaged or not an event file",
            hint="Copy it again from where the run wrote it.",
        )
    top = root.resolve().name or "run"
    runs = {
        parts: folder.history("/".join(parts) or top, path if single else root.joinpath(*parts))
        for parts, folder in found.items()
    }
    hyperparameters = {parts for parts, one in found.items() if one.log.has_hyperparameters}
    return list(_joined_splits(_joined_hyperparameters(runs, hyperparameters), top).values())


def _is_event_file(name: str) -> bool:
    return "tfevents" in name and not name.endswith((".gz", ".zip", ".tmp"))


@dataclass
class _Folder:
    """The event files of one folder, read one after the other."""

    log: EventLog = field(default_factory=EventLog)
    records: int = 0
    cut: bool = False
    notes: list[str] = field(default_factory=list[str])

    def history(self, name: str, source: Path) -> RunHistory:
        status, reason = "ok", ""
        if self.log.failed:
            status, reason = "failed", "its hyperparameter session says that it failed"
        elif not self.records:
            status, reason = "failed", "nothing in its event files can be read"
        elif self.cut:
            status, reason = "running", "its event file ends in the middle of a record"
        metrics = self.log.points.series()
        notes = [*self.notes, *self.log.points.notes()]
        if self.log.skipped:
            tags = sorted(self.log.skipped)
            notes.append(f"Not scalars and left out: {counted(len(tags), 'tag')} ({listed(tags)}).")
        if status == "ok":
            notes.append("Event files do not say whether a run came to its end.")
        return RunHistory(
            name=name,
            source=str(source),
            config=self.log.config,
            metrics=metrics,
            status=status,
            reason=reason,
            created_at=utc(self.log.began),
            notes=tuple(notes),
        )


def _read_folder(files: Sequence[Path]) -> _Folder:
    folder = _Folder()
    for path in files:
        with readable(path), path.open("rb") as file:
            records = RecordFile(file)
            bad = sum(not used for used in _read_records(records, folder.log))
        folder.records += records.read - bad
        # Only the newest file of a run is still written to.
        folder.cut = records.cut
        folder.notes += _damage(path, records, bad)
    return folder


def _read_records(records: RecordFile, log: EventLog) -> Iterator[bool]:
    """For each record whether it was sound; checksums only of those with something to use."""
    for data, checksum in records:
        try:
            event = Message(data)
            if log.matters(event):
                if masked_crc32c(data) != checksum:
                    yield False
                    continue
                log.take(event)
        except MalformedMessage:
            yield False
        else:
            yield True


def _damage(path: Path, records: RecordFile, bad: int) -> Iterator[str]:
    if records.damaged is not None:
        yield f"{path.name} is damaged at byte {records.damaged}; what follows was not read."
    if bad:
        yield f"{path.name}: left out {counted(bad, 'record')} with a wrong checksum or content."
    if records.oversized:
        yield f"{path.name}: left out {counted(records.oversized, 'record')} over 64 MiB."
    if records.cut:
        yield f"{path.name} ends in the middle of a record."


def _joined_hyperparameters(
    runs: dict[tuple[str, ...], RunHistory], having: set[tuple[str, ...]]
) -> dict[tuple[str, ...], RunHistory]:
    """The runs, those of `add_hparams` joined to the run above them."""
    joined = dict(runs)
    for parts in sorted(having):
        above = parts[:-1]
        if not parts or above not in joined or not _TIMESTAMP.fullmatch(parts[-1]):
            continue
        child, parent = joined.pop(parts), joined[above]
        note = f"Hyperparameters come from the folder {parts[-1]}."
        joined[above] = replace(
            parent,
            config={**child.config, **parent.config},
            metrics={**child.metrics, **parent.metrics},
            notes=(*parent.notes, note),
        )
    return joined


def _joined_splits(
    runs: dict[tuple[str, ...], RunHistory], top: str
) -> dict[tuple[str, ...], RunHistory]:
    """The runs, those of `train` and `validation` folders joined to one."""
    groups: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for parts in runs:
        if parts and parts[-1].lower() in _SPLITS:
            groups.setdefault(parts[:-1], []).append(parts)
    joined = dict(runs)
    for above, members in groups.items():
        if len(members) < 2 and above not in joined:
            continue
        parent = joined.get(above)
        parts = [joined.pop(member) for member in members]
        first = parent or parts[0]
        metrics: dict[str, Series] = dict(first.metrics) if parent else {}
        for member, run in zip(members, parts, strict=True):
            metrics |= {f"{member[-1]}/{tag}": curve for tag, curve in run.metrics.items()}
        whole = [run for run in (parent, *parts) if run is not None]
        bad = next((run for run in whole if run.status != "ok"), first)
        names = [member[-1] for member in members]
        joined[above] = RunHistory(
            name="/".join(above) or top,
            source=first.source if parent else str(Path(first.source).parent),
            config={key: value for run in reversed(whole) for key, value in run.config.items()},
            metrics=metrics,
            status=bad.status,
            reason=bad.reason,
            created_at=min((run.created_at for run in whole if run.created_at), default=""),
            notes=(
                *dict.fromkeys(note for run in whole for note in run.notes),
                f"The folders {listed(names)} are taken as parts of one run.",
            ),
        )
    return dict(sorted(joined.items()))

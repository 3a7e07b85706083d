"""The folder of a study: where each part lies, whose it is, and one writer at a time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from isoloss._files import write_json_atomic
from isoloss.errors import DataError, EnvironmentProblem, NotFoundError, UsageError
from isoloss.studies.spec import StudySpec, parse_spec

Read = TypeVar("Read")
BEGIN_ANEW = "Restore a copy of it, or begin anew with another --out."


LOCK = ".lock"
SPEC = "spec.json"


@dataclass(frozen=True)
class StudyFolder:
    """Paths inside a study's folder."""

    root: Path

    @property
    def spec(self) -> Path:
        """The resolved spec, as JSON."""
        return self.root / SPEC

    @property
    def corpus(self) -> Path:
        """The prepared corpus."""
        return self.root / "corpus"

    @property
    def plan(self) -> Path:
        """The resolved plan of the ladder and the verification run."""
        return self.root / "plan.json"

    @property
    def task(self) -> Path:
        """The task that the runs are scored on, with its examples."""
        return self.root / "task.json"

    @property
    def store(self) -> Path:
        """Runs and registered predictions."""
        return self.root / "runs.sqlite"

    @property
    def trunks(self) -> Path:
        """Checkpoints of unfinished trunks."""
        return self.root / "trunks"

    @property
    def fit(self) -> Path:
        """The fit behind the prediction."""
        return self.root / "fit.json"

    @property
    def prediction(self) -> Path:
        """The registered prediction."""
        return self.root / "prediction.json"

    @property
    def model(self) -> Path:
        """The verification run's model."""
        return self.root / "model"

    @property
    def results(self) -> Path:
        """Everything that the page shows."""
        return self.root / "study.json"

    @property
    def report(self) -> Path:
        """The page."""
        return self.root / "report.html"

    def read_json(self, path: Path) -> Any:
        """A JSON file of this folder.

        Raises:
            NotFoundError, DataError: missing or damaged.
        """
        return self.read_as(path, lambda value: value)

    def read_as(self, path: Path, read: Callable[[Any], Read], hint: str = BEGIN_ANEW) -> Read:
        """What `read` makes of a JSON file of this folder.

        Raises:
            NotFoundError, DataError: missing or damaged.
        """
        try:
            return read(json.loads(path.read_text("utf-8")))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFoundError(
                f"{self.root}: no {path.name} here",
                hint="Give the folder that `isoloss study --out` named.",
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, UsageError) as error:
            reason = f"{type(error).__name__}: {error}" if isinstance(error, LookupError) else error
            raise DataError(f"{path}: damaged ({reason})", hint=hint) from error

    def paths(self) -> dict[str, str]:
        """What a finished study points to."""
        return {
            "report": str(self.report),
            "store": str(self.store),
            "fit": str(self.fit),
            "prediction": str(self.prediction),
            "model": str(self.model),
        }


@contextlib.contextmanager
def claimed(root: Path) -> Iterator[StudyFolder]:
    """The folder, made if missing, for one writer at a time.

    Raises:
        UsageError: other things lie there; nothing is touched.
        EnvironmentProblem: it cannot be written, or another process works in it.
    """
    try:
        _refuse_foreign(root)
        root.mkdir(parents=True, exist_ok=True)
        handle = os.open(root / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise EnvironmentProblem(
            f"{root}: cannot write there: {error.strerror or error}",
            hint="Choose another folder with --out.",
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise EnvironmentProblem(
                f"{root}: another process is working on this study",
                hint="Wait for it (isoloss study --status --out DIR), or choose another --out.",
            ) from error
        except OSError as error:
            raise EnvironmentProblem(
                f"{root}: cannot be locked: {error.strerror or error}",
                hint="Choose a folder on a local disk with --out.",
            ) from error
        folder = StudyFolder(root)
        _sweep(folder)
        yield folder
    finally:
        os.close(handle)


def _refuse_foreign(root: Path) -> None:
    """Refuse a file, or a folder that holds things but no study.

    What a killed study left before its spec was written is no foreign thing.
    """
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root} is a file, not a folder", hint="Choose another --out.")
    if not root.is_dir() or (root / SPEC).exists():
        return
    foreign = sorted(p.name for p in root.iterdir() if not p.name.startswith((LOCK, f".{SPEC}.")))
    if foreign:
        more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
        raise UsageError(
            f"{root} holds other things, and no study: {', '.join(foreign[:3])}{more}",
            hint="Choose another folder with --out.",
        )


def _sweep(folder: StudyFolder) -> None:
    """Remove what writes that were cut off left behind (`.name.xxxxxxxx`); we hold the lock."""
    places = [folder.root, folder.corpus, folder.model, *folder.trunks.glob("*")]
    for place in places:
        for path in place.glob(".*.*.????????"):
            path.unlink(missing_ok=True)


def settle_spec(folder: StudyFolder, spec: StudySpec) -> None:
    """Make `spec` the folder's spec, or refuse a folder that belongs to another study.

    A folder in which nothing was trained yet takes the new spec.

    Raises:
        UsageError: runs of another spec are there; nothing is changed.
    """
    if folder.spec.exists():
        before = folder.read_as(folder.spec, lambda values: parse_spec(values, "the spec"))
        if before == spec:
            return
        if _measured(before) == _measured(spec):
            write_json_atomic(folder.spec, spec.model_dump())
            return
        changes = "; ".join(_differences(before.model_dump(), spec.model_dump(), ""))
        if has_runs(folder):
            raise UsageError(
                f"{folder.root} belongs to another study: {changes}",
                hint="Give the same settings to continue it, or another --out.",
            )
        folder.plan.unlink(missing_ok=True)
        folder.task.unlink(missing_ok=True)
        shutil.rmtree(folder.trunks, ignore_errors=True)
        if _decides_corpus(before) != _decides_corpus(spec):
            shutil.rmtree(folder.corpus, ignore_errors=True)
    write_json_atomic(folder.spec, spec.model_dump())


def _measured(spec: StudySpec) -> StudySpec:
    """A spec without what decides no run: the other studies that a law is tried on."""
    if spec.task is None:
        return spec
    return spec.model_copy(update={"task": spec.task.model_copy(update={"check_on": []})})


def _decides_corpus(spec: StudySpec) -> tuple[object, ...]:
    """The settings that the prepared corpus follows from."""
    return spec.corpus, spec.objective, spec.model, spec.ladder.context_length


def has_runs(folder: StudyFolder) -> bool:
    """Whether anything was trained there."""
    from isoloss.runs import RunStore

    if not folder.store.exists():
        return False
    with RunStore.open(folder.store, create=False) as store:
        return bool(store.rows())


def _differences(before: dict[str, Any], after: dict[str, Any], prefix: str) -> list[str]:
    found: list[str] = []
    for name in before:
        if isinstance(before[name], dict) and isinstance(after[name], dict):
            found += _differences(before[name], after[name], f"{prefix}{name}.")
        elif before[name] != after[name]:
            found.append(f"{prefix}{name} is {before[name]!r} there, {after[name]!r} now")
    return found

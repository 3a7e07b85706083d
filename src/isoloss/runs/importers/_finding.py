"""Which files a log consists of, and what to say where they cannot be read."""

from __future__ import annotations

import contextlib
import difflib
import os
from collections import Counter
from collections.abc import Callable, Container, Generator, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from isoloss.errors import EnvironmentProblem, NotFoundError
from isoloss.runs.importers.history import RunHistory

_GLANCE = 2000


def existing(path: str | Path) -> Path:
    """The path, where there is something.

    Raises:
        NotFoundError: there is nothing; a close name beside it is offered.
    """
    path = Path(path)
    with readable(path):
        if path.exists():
            return path
        beside = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, beside, n=1)
    hint = f"Did you mean {path.parent / close[0]}?" if close else "Check the path."
    raise NotFoundError(f"{path}: no such file or folder", hint=hint)


@contextlib.contextmanager
def readable(path: Path) -> Generator[None]:
    """Failures of the file system in our words."""
    try:
        yield
    except (OSError, ValueError) as error:
        # ValueError: a path with a zero byte.
        if isinstance(error, ValueError) and "null byte" not in str(error):
            raise
        reason = getattr(error, "strerror", None) or error
        raise EnvironmentProblem(
            f"{path}: cannot be read: {reason}", hint="Check its permissions."
        ) from error


def files_under(
    path: Path, wanted: Callable[[str], bool], *, without: Container[str] = ()
) -> list[Path]:
    """The files of a folder and its folders whose names are wanted, in order of their paths.

    Links to folders are not followed, so that nothing is read twice or for ever; folders named
    in `without` are not entered.
    """
    with readable(path):
        return sorted(Path(folder, name) for folder, name in _walk(path, without) if wanted(name))


def glance(path: Path, wanted: Callable[[str], bool]) -> bool:
    """Whether such a file is among the first two thousand of a folder."""
    for seen, (_, name) in enumerate(_walk(path)):
        if wanted(name):
            return True
        if seen >= _GLANCE:
            return False
    return False


def distinct(runs: Sequence[RunHistory], ids: Sequence[str]) -> list[RunHistory]:
    """The runs with names that differ: one that is there twice is followed by its id."""
    count = Counter(run.name for run in runs)
    return [
        replace(run, name=f"{run.name} ({identity})") if count[run.name] > 1 else run
        for run, identity in zip(runs, ids, strict=True)
    ]


def with_note(runs: Sequence[RunHistory], note: str) -> list[RunHistory]:
    """The runs, the first with a note that is about the whole source."""
    return [replace(runs[0], notes=(*runs[0].notes, note)), *runs[1:]]


def utc(seconds: object) -> str:
    """A time of the Unix clock in ISO 8601, empty where it is none."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        return ""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return ""


def utc_of_text(text: str) -> str:
    """A time in ISO 8601 in UTC (which one without a zone is taken for), else empty."""
    try:
        time = datetime.fromisoformat(text)
        aware = time if time.tzinfo else time.replace(tzinfo=UTC)
        return aware.astimezone(UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError):
        return ""


def counted(count: int, noun: str) -> str:
    """The count with its noun, in the plural where it is not one."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def listed(names: Sequence[str], most: int = 3) -> str:
    """Some of the names, for a note."""
    shown = [name if len(name) <= 40 else f"{name[:39]}…" for name in names[:most]]
    return ", ".join(shown) + (", …" if len(names) > most else "")


def _walk(path: Path, without: Container[str] = ()) -> Iterator[tuple[str, str]]:
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if name not in without)
        for name in sorted(names):
            yield folder, name

"""A folder that is there whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from isoloss.errors import EnvironmentProblem, UsageError

MARK = ".isoloss-export"
"""The file by which a folder of ours is known; it lists what was written."""


def write_folder(folder: str | Path, contents: Mapping[str, str]) -> Path:
    """Write text files into a new folder, atomically; a folder of ours is replaced.

    Files are written to a folder beside it, flushed to disk, then renamed into place.

    Args:
        folder: new, empty, or written by this before with nothing added since.
        contents: file name → text; names that end in `.sh` become executable.

    Raises:
        UsageError: the folder holds something else.
        EnvironmentProblem: it cannot be written; what was there before still is.
    """
    target = Path(folder)
    _refuse_foreign(target)
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
        for name, text in {**contents, MARK: "\n".join([*contents, MARK, ""])}.items():
            _write(temporary / name, text)
        temporary.chmod(0o755)
        _exchange(temporary, target)
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot write {folder}: {error.strerror or error}",
            hint="Check that its parent folder is writable and the disk has room.",
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    return target


def _refuse_foreign(target: Path) -> None:
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise UsageError(f"{target} is no folder", hint="Give a new folder.")
    inside = {path.name for path in target.iterdir()} if target.is_dir() else set[str]()
    mark = target / MARK
    ours = mark.read_text("utf-8", errors="replace").split("\n") if mark.is_file() else []
    foreign = sorted(inside.difference(ours))
    if foreign:
        raise UsageError(
            f"{target} holds {foreign[0]!r}, which was not written by isoloss export",
            hint="Give a new folder; nothing was changed.",
        )


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    path.chmod(0o755 if path.suffix == ".sh" else 0o644)


def _exchange(new: Path, target: Path) -> None:
    """Put `new` in the place of `target`; what was there moves into the place of `new`."""
    if not target.is_dir():
        os.replace(new, target)
        return
    aside = new.with_name(f"{new.name}.old")
    os.replace(target, aside)
    try:
        os.replace(new, target)
    except OSError:
        os.replace(aside, target)
        raise
    shutil.rmtree(aside, ignore_errors=True)

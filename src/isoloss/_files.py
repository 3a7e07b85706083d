"""Atomic writes and canonical hashes: what makes a result survive a crash and prove its origin."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from isoloss.errors import EnvironmentProblem


def write_bytes_atomic(path: str | Path, data: bytes) -> None:
    """Write `data` so that `path` holds either its old content or all of the new one.

    A temporary file in the same folder is written, flushed to disk and renamed.

    Raises:
        EnvironmentProblem: the folder is not writable or the disk is full.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise _unwritable(path, error) from error


def check_writable(path: str | Path) -> None:
    """Refuse a path that `write_bytes_atomic` could not write, before the work it is for.

    A temporary file is made where it would be, and taken away; folders are not made.

    Raises:
        EnvironmentProblem: the path is a folder, or its folder is not writable.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        folders = path.absolute().parents
        folder = next(folder for folder in folders if folder.exists())
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{path.name}.")
        os.close(handle)
        os.unlink(temporary)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"cannot write {path}: {error.strerror or error}",
        hint="Check that the folder is writable and the disk has room; nothing was changed.",
    )


def write_text_atomic(path: str | Path, text: str) -> None:
    """Write UTF-8 text as `write_bytes_atomic` does."""
    write_bytes_atomic(path, text.encode("utf-8"))


def write_json_atomic(path: str | Path, value: Any) -> None:
    """Write readable JSON as `write_bytes_atomic` does; not-a-number is refused."""
    write_text_atomic(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def canonical_json(value: Any) -> str:
    """One text for equal values: sorted keys, no spaces, shortest round-trip floats."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def sha256_text(text: str) -> str:
    """Hexadecimal SHA-256 of a text's UTF-8 bytes."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()

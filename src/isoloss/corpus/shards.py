"""Token files: written by appending in bounded memory, read through a memory map, hashed once.

Hashing gigabytes on every opening would be slow. So a folder keeps `verified.json`: the size,
both times, inode and device of each large file when its hash was last right, and the hash of the
small files. A copy has another inode and a new change time (which no program can set), and so
has a changed file: then everything is hashed again. What this cannot see is a disk that returns
other bytes than were written; `recheck=True` hashes always.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from isoloss._files import write_json_atomic
from isoloss.errors import DataError, EnvironmentProblem

VERIFIED = "verified.json"
HASHED_ALWAYS = 64 << 20
"""Folders with fewer bytes of tokens than this are hashed at each opening."""
SETTLED_SECONDS = 2.0
"""A file changed more recently is not noted: its times could stay the same through a change."""
_CHUNK = 4 << 20


def token_type(vocab_size: int) -> np.dtype[Any]:
    """The smallest type for a vocabulary: uint16 up to 65,536 entries, else uint32."""
    return np.dtype("<u2" if vocab_size <= 1 << 16 else "<u4")


class TokenWriter:
    """Append ids to a token file; it appears under its name when all are written.

    Use as a context manager: an error inside leaves nothing behind.

    Raises:
        EnvironmentProblem: the folder is not writable or the disk is full.
    """

    def __init__(self, path: Path, kind: np.dtype[Any]) -> None:
        self.path, self.kind = path, kind
        self.count = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, self._name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            self._file = os.fdopen(handle, "wb")
        except OSError as error:
            raise _unwritable(path, error) from error

    def append(self, ids: np.ndarray) -> None:
        """Write ids, (n,)."""
        try:
            self._file.write(np.ascontiguousarray(ids, dtype=self.kind).data)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        self.count += len(ids)

    def __enter__(self) -> TokenWriter:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._file.flush()
                os.fsync(self._file.fileno())
            self._file.close()
            if kind is None:
                os.chmod(self._name, 0o644)
                os.replace(self._name, self.path)
        except OSError as error:
            kind = type(error)
            if not isinstance(error.__context__, EnvironmentProblem):
                raise _unwritable(self.path, error) from error
        finally:
            if kind is not None:
                with contextlib.suppress(OSError):
                    self._file.close()
                Path(self._name).unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"cannot write {path}: {error.strerror or error}",
        hint="Check that the folder is writable and the disk has room; nothing was changed.",
    )


def file_chunks(path: Path) -> Iterator[bytes]:
    """A file in parts; unlike through a memory map, none of it stays in memory."""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


Prepared = TypeVar("Prepared", bound="HasFingerprint")


class HasFingerprint(Protocol):
    """A prepared corpus of either kind."""

    @property
    def fingerprint(self) -> str: ...


def checked(
    path: Path,
    files: list[Path],
    read: Callable[[Path], tuple[Prepared, bytes]],
    fingerprint_of: Callable[[Prepared], str],
    *,
    recheck: bool,
    what: str,
) -> Prepared:
    """What `read` opens, after its token files were found to be those that were prepared.

    Large files that were hashed before and have not changed since are not hashed again, but with
    `recheck`. `what` begins the sentence about damage: "this corpus is", "these pairs are".

    Raises:
        DataError: a file is missing, cut short or changed.
    """
    anew = "Delete the folder; it is then prepared again."
    try:
        corpus, small = read(path)
        large = sum(file.stat().st_size for file in files) >= HASHED_ALWAYS
        if large and not recheck and is_verified(path, files, small):
            return corpus
        found = fingerprint_of(corpus)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: {what} damaged ({error})", hint=anew) from error
    if found != corpus.fingerprint:
        raise DataError(
            f"{path}: the tokens are not those that were prepared"
            f" (fingerprint {found[:12]}, expected {corpus.fingerprint[:12]})",
            hint=anew,
        )
    if large:
        note_verified(path, files, small)
    return corpus


def is_verified(folder: Path, files: list[Path], small: bytes) -> bool:
    """Whether the files are the very ones that were hashed last time, unchanged since."""
    try:
        noted = json.loads((folder / VERIFIED).read_text("utf-8"))
        return noted == _state(files, small)
    except (OSError, ValueError):
        return False


def note_verified(folder: Path, files: list[Path], small: bytes) -> None:
    """Remember that the files were hashed and right; where it cannot be noted, nothing is lost."""
    with contextlib.suppress(OSError, EnvironmentProblem):
        newest = max(path.stat().st_ctime for path in files)
        if time.time() - newest > SETTLED_SECONDS:
            write_json_atomic(folder / VERIFIED, _state(files, small))


def _state(files: list[Path], small: bytes) -> dict[str, Any]:
    """What changes whenever a file is written, replaced or copied."""
    found: dict[str, Any] = {"small": hashlib.sha256(small).hexdigest()}
    for path in files:
        known = path.stat()
        found[path.name] = [
            known.st_size, known.st_mtime_ns, known.st_ctime_ns, known.st_ino, known.st_dev,
        ]  # fmt: skip
    return found

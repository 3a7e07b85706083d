"""Texts that wait on disk between the passes of a preparation, and an index of them in memory.

The file has no name (the system frees it whatever happens to the process), so a killed
preparation leaves nothing behind.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from array import array
from pathlib import Path

import numpy as np

from isoloss.errors import EnvironmentProblem


class Spool:
    """Append texts, then read any range of bytes back. About 56 bytes of memory a text."""

    def __init__(self, folder: Path | None = None) -> None:
        try:
            self._file = tempfile.TemporaryFile(dir=folder, buffering=1 << 20)  # noqa: SIM115
        except OSError as error:
            raise _unwritable(folder, error) from error
        self._folder = folder
        self._ends = array("q")
        self._domains = array("i")
        self._digests = bytearray()
        self.n_bytes = 0

    def __len__(self) -> int:
        return len(self._ends)

    def add(self, text: str, domain: int = 0) -> None:
        """Append one text.

        Raises:
            EnvironmentProblem: the disk is full.
        """
        data = text.encode("utf-8")
        try:
            self._file.write(data)
        except OSError as error:
            raise _unwritable(self._folder, error) from error
        self.n_bytes += len(data)
        self._ends.append(self.n_bytes)
        self._domains.append(domain)
        self._digests += hashlib.sha256(data).digest()

    def finish(self) -> None:
        """Make all that was added readable."""
        try:
            self._file.flush()
        except OSError as error:
            raise _unwritable(self._folder, error) from error

    @property
    def ranges(self) -> np.ndarray:
        """First byte and end of each text, (N, 2) int64."""
        ends = np.array(self._ends, dtype=np.int64)
        return np.stack([np.append(0, ends[:-1])[: len(ends)], ends], axis=1)

    def ranges_of(self, first: int, end: int) -> list[tuple[int, int]]:
        """First byte and end of the texts from number `first` to `end`."""
        return [(self._ends[i - 1] if i else 0, self._ends[i]) for i in range(first, end)]

    @property
    def domains(self) -> np.ndarray:
        """The domain of each text, (N,)."""
        return np.array(self._domains, dtype=np.int64)

    @property
    def digests(self) -> np.ndarray:
        """SHA-256 of each text as four numbers that sort as its bytes do, (N, 4)."""
        return np.frombuffer(bytes(self._digests), dtype=">u8").reshape(-1, 4).astype(np.uint64)

    def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` to `end`."""
        return os.pread(self._file.fileno(), end - start, start)

    def close(self) -> None:
        """Free the disk."""
        self._file.close()

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _unwritable(folder: Path | None, error: OSError) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"cannot write in {folder or tempfile.gettempdir()}: {error.strerror or error}",
        hint="The texts wait there while they are prepared: make as much room as they take.",
    )

"""Files, compressed or not, as chunks of bytes, UTF-8 parts and lines: never whole in memory."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from isoloss.errors import DataError, EnvironmentProblem

COMPRESSED_SUFFIXES = (".gz", ".bz2", ".xz", ".zst")
CHUNK_BYTES = 1 << 20
PART_BYTES = 16 << 20
"""A plain file beyond this is read in parts of about this size, cut at line breaks."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def text_suffix(path: Path) -> str:
    """The suffix that tells the kind of text: `.jsonl` of `a.jsonl.gz`, in lower case."""
    if path.suffix.lower() in COMPRESSED_SUFFIXES:
        path = path.with_suffix("")
    return path.suffix.lower()


def byte_chunks(path: Path) -> Iterator[bytes]:
    """The decompressed bytes of a file, a mebibyte at a time.

    Raises:
        EnvironmentProblem: the file cannot be read.
        DataError: a compressed file is damaged or cut short.
    """
    compressed = path.suffix.lower() in COMPRESSED_SUFFIXES
    try:
        if compressed and path.stat().st_size == 0:
            raise EOFError("the file is empty")
        with _opened(path) as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
    except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        if isinstance(error, OSError) and (error.errno is not None or not compressed):
            raise EnvironmentProblem(
                f"cannot read {path}: {error.strerror or error}",
                hint="Check who may read the file.",
            ) from error
        raise DataError(
            f"{path}: damaged or cut short as a {path.suffix} file ({error})",
            hint="Fetch or compress it again.",
        ) from error


def _opened(path: Path) -> Any:
    """A binary reader; zstd comes with pyarrow, the others with Python."""
    suffix = path.suffix.lower()
    if suffix == ".gz":
        return gzip.open(path, "rb")
    if suffix == ".bz2":
        return bz2.open(path, "rb")
    if suffix == ".xz":
        return lzma.open(path, "rb")
    if suffix == ".zst":
        import pyarrow as pa

        return pa.input_stream(str(path), compression="zstd", buffer_size=CHUNK_BYTES)
    return path.open("rb")


def text_parts(path: Path, *, part_bytes: int = PART_BYTES) -> Iterator[str]:
    """A plain text file whole, or in parts of about `part_bytes` where it is larger.

    Raises:
        DataError: not UTF-8; the message names the offset in the (decompressed) bytes.
    """
    waiting = bytearray()
    position, chunks = _without_mark(path)  # the position is that of `waiting` in the file
    for chunk in chunks:
        waiting += chunk
        while len(waiting) > part_bytes:
            cut = _cut(waiting, part_bytes)
            yield decoded(bytes(waiting[:cut]), path, position)
            del waiting[:cut]
            position += cut
    yield decoded(bytes(waiting), path, position)


def _cut(data: bytearray, size: int) -> int:
    """Where to cut: after the last line break within `size`, else before a character."""
    newline = data.rfind(b"\n", size // 2, size)
    if newline >= 0:
        return newline + 1
    while size > 1 and data[size] & 0xC0 == 0x80:  # inside a character
        size -= 1
    return size


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number (from 1) and text of each line, without its `\\n`; only `\\n` ends a line.

    Not `splitlines()`: JSON text may hold U+2028 and its like as they are.
    """
    waiting: list[bytes] = []
    number = 0
    position, chunks = _without_mark(path)
    for chunk in chunks:
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            data = b"".join([*waiting, line])
            waiting.clear()
            number += 1
            yield number, decoded(data, path, position)
            position += len(data) + 1
        waiting.append(rest)
    if data := b"".join(waiting):
        yield number + 1, decoded(data, path, position)


def _without_mark(path: Path) -> tuple[int, Iterator[bytes]]:
    """Bytes of the byte order mark at a file's start, 0 or 3, and the chunks after it."""
    chunks = byte_chunks(path)
    first = b""
    for chunk in chunks:  # a decompressor may give less than three bytes at first
        first += chunk
        if len(first) >= len(_BYTE_ORDER_MARK):
            break
    rest = first.removeprefix(_BYTE_ORDER_MARK)
    return len(first) - len(rest), chain([rest], chunks)


def decoded(data: bytes, path: Path, position: int) -> str:
    """UTF-8 bytes as text.

    Raises:
        DataError: other bytes; `position` is where `data` begins in the file.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: not UTF-8: byte 0x{data[error.start]:02x}"
            f" at offset {position + error.start:,}",
            hint="Convert it, for example: iconv -f LATIN1 -t UTF-8 FILE > NEW",
        ) from error

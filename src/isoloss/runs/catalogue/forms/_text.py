"""The files of a source as rows of dicts: CSV, JSON lines, Parquet, gzip."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Mapping
from typing import Any, cast

from isoloss.errors import DataError

Files = Mapping[str, bytes]
"""The files of a table by their paths, in the order of the catalogue."""
Row = dict[str, Any]

MOST_UNPACKED = 64 * 2**20
"""Bytes that a compressed file may unpack to."""


def only(files: Files) -> bytes:
    """The one file of a table that has one."""
    (data,) = files.values()
    return data


def csv_rows(data: bytes, path: str) -> list[Row]:
    """One dict a line below the header; cells are text.

    >>> csv_rows(b"n,loss\\n1e6,3.5\\n", "runs.csv")
    [{'n': '1e6', 'loss': '3.5'}]
    """
    try:
        return list(csv.DictReader(io.StringIO(data.decode("utf-8"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise unreadable(path, error) from error


def json_rows(data: bytes, path: str) -> list[Row]:
    """One dict a line of JSON."""
    try:
        return [json.loads(line) for line in data.decode("utf-8").split("\n") if line.strip()]
    except ValueError as error:
        raise unreadable(path, error) from error


def parquet_rows(data: bytes, path: str) -> list[Row]:
    """One dict a row of a Parquet file."""
    import pyarrow as pa  # pyright: ignore[reportMissingTypeStubs]
    from pyarrow import parquet  # pyright: ignore[reportMissingTypeStubs]

    arrow, reader = cast("Any", pa), cast("Any", parquet)
    try:
        return reader.ParquetFile(arrow.BufferReader(data)).read().to_pylist()
    except (OSError, ValueError, arrow.ArrowException) as error:
        raise unreadable(path, error) from error


def unpacked(data: bytes, path: str) -> bytes:
    """The content of a gzip file.

    Raises:
        DataError: it is none, or unpacks to more than `MOST_UNPACKED`.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            content = file.read(MOST_UNPACKED + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(path, error) from error
    if len(content) > MOST_UNPACKED:
        raise DataError(f"{path}: unpacks to more than {MOST_UNPACKED} bytes")
    return content


def unreadable(path: str, error: object) -> DataError:
    """The error for a file that is not what its name says."""
    return DataError(f"{path}: cannot be read as what its name says: {error}")

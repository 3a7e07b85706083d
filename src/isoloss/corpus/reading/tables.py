"""Rows of `.jsonl`, `.csv`, `.tsv` and `.parquet` files as the texts of named fields."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from isoloss.corpus.reading.compressed import lines, text_suffix
from isoloss.errors import DataError, UsageError

TABLE_SUFFIXES = (".jsonl", ".csv", ".tsv", ".parquet")
LARGEST_CELL = 1 << 30

Row = tuple[str, tuple[str, ...]]
"""Where a row is (`file:row`), and the texts of the fields that were asked for."""


def table_rows(path: Path, fields: Sequence[str]) -> Iterator[Row]:
    """The rows of a table.

    Args:
        path: `.jsonl`, `.csv` or `.tsv` (each may be compressed), or `.parquet`.
        fields: names. In `.csv` and `.tsv` a number means the column (from 1), and a table whose
            fields are all numbers has no line of names. `.tsv` knows no quotes.

    Raises:
        DataError: a broken table, no such field, or a field without text.
    """
    kind = text_suffix(path)
    if kind == ".parquet":
        yield from _parquet(path, fields)
    elif kind == ".jsonl":
        yield from _jsonl(path, fields)
    else:
        yield from _separated(path, fields, kind)


def row_texts(row: Any, fields: Sequence[str], place: str) -> tuple[str, ...]:
    """The texts of the fields of one JSON-like row.

    Raises:
        DataError: no such field, no text in it, or text that UTF-8 cannot hold.
    """
    found = []
    for field in fields:
        text = row.get(field) if isinstance(row, dict) else None
        if not isinstance(text, str):
            keys = ", ".join(map(str, row)) if isinstance(row, dict) else type(row).__name__
            raise DataError(
                f"{place}: no text in field {field!r}; found {keys}",
                hint="Name the field with --text-field.",
            )
        if not _is_unicode(text):
            raise DataError(
                f"{place}: half of a surrogate pair (\\ud800 to \\udfff) is no text",
                hint="Write the character itself, or both halves of the pair.",
            )
        found.append(text)
    return tuple(found)


def _is_unicode(text: str) -> bool:
    """Whether UTF-8 can hold a text; JSON escapes can make strings that it cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _jsonl(path: Path, fields: Sequence[str]) -> Iterator[Row]:
    for number, line in lines(path):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise DataError(
                f"{path}, line {number}: not JSON ({getattr(error, 'msg', error)})",
                hint="A .jsonl file has one JSON object a line.",
            ) from error
        yield f"{path}:{number}", row_texts(row, fields, f"{path}, line {number}")


def _separated(path: Path, fields: Sequence[str], kind: str) -> Iterator[Row]:
    csv.field_size_limit(LARGEST_CELL)  # the default of 131,072 is too small for documents
    text = (line + "\n" for _, line in lines(path))
    if kind == ".tsv":
        reader = csv.reader(text, delimiter="\t", quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(text, strict=True)
    columns: list[int] | None = None
    if all(field.isdecimal() for field in fields):
        columns = [_column(field, path) for field in fields]
    try:
        for row in reader:
            if not row:
                continue
            if columns is None:
                columns = _columns(row, fields, path)
                continue
            if len(row) <= max(columns):
                raise DataError(
                    f"{path}, line {reader.line_num}: {len(row)} columns, column"
                    f" {max(columns) + 1} was asked for",
                    hint="Check the separators of that line.",
                )
            yield f"{path}:{reader.line_num}", tuple(row[index] for index in columns)
    except csv.Error as error:
        raise DataError(
            f"{path}, line {reader.line_num}: not a {kind} table, or cut short ({error})",
            hint="Check the quotes of that line.",
        ) from error


def _column(field: str, path: Path) -> int:
    if int(field) < 1:
        raise UsageError(f"{path}: columns are counted from 1, found {field!r}")
    return int(field) - 1


def _columns(header: list[str], fields: Sequence[str], path: Path) -> list[int]:
    """Places of the named columns in the first line."""
    places = []
    for field in fields:
        if field not in header:
            raise DataError(
                f"{path}: no column {field!r}; found {', '.join(header)[:200]}",
                hint="Name the column with --text-field; without a line of names give numbers.",
            )
        places.append(header.index(field))
    return places


def _parquet(path: Path, fields: Sequence[str]) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            for field in fields:
                if field not in names:
                    raise DataError(
                        f"{path}: no column {field!r}; found {', '.join(names)}",
                        hint="Name the column with --text-field.",
                    )
            row = 0
            for part in file.iter_batches(batch_size=1024, columns=list(fields)):
                columns = [part.column(field).to_pylist() for field in fields]
                for texts in zip(*columns, strict=True):
                    row += 1
                    yield (
                        f"{path}:{row}",
                        tuple(_text(t, f, path, row) for t, f in zip(texts, fields, strict=True)),
                    )
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: not a Parquet file, or it is cut short ({error})",
            hint="Write it again, or give another file.",
        ) from error


def _text(value: Any, field: str, path: Path, row: int) -> str:
    if not isinstance(value, str):
        raise DataError(
            f"{path}, row {row}: column {field!r} holds {type(value).__name__}, not text",
            hint="Name another column with --text-field.",
        )
    return value

"""Rows of `.jsonl`, `.csv`, `.tsv` and `.parquet` files as the texts of named fields."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from isoloss.corpus.reading.compressed import lines, text_suffix
from isoloss.errors import DataError, UsageError

TABLE_SUFFIXES = (".jsonl", ".csv", ".tsv", ".parquet")
LARGEST_CELL = 1 << 30

Row = tuple[str, tuple[str, ...]]
"""Where a row is (`file:row`), and the texts of the fields that were asked for."""

Several = dict[str, int]
"""Fields whose lists hold alternatives, such as references, each with the rows that have several.
The first one is taken, and the rows are counted while they are read."""


def table_rows(path: Path, fields: Sequence[str], several: Several | None = None) -> Iterator[Row]:
    """The rows of a table.

    Args:
        path: `.jsonl`, `.csv` or `.tsv` (each may be compressed), or `.parquet`.
        fields: names. In `.csv` and `.tsv` a number means the column (from 1), and a table whose
            fields are all numbers has no line of names. `.tsv` knows no quotes. In `.jsonl` and
            `.parquet` dots lead into nested fields, as in `translation.en`.
        several: as `row_texts`.

    Raises:
        DataError: a broken table, no such field, or a field without text.
    """
    kind = text_suffix(path)
    if kind == ".parquet":
        yield from _parquet(path, fields, several)
    elif kind == ".jsonl":
        yield from _jsonl(path, fields, several)
    else:
        yield from _separated(path, fields, kind)


def row_texts(
    row: Any, fields: Sequence[str], place: str, several: Several | None = None
) -> tuple[str, ...]:
    """The texts of the fields of one JSON-like row; a list of texts is joined by spaces.

    Args:
        row: as JSON has it.
        fields: names; dots lead into nested fields.
        place: of the row, for messages.
        several: fields whose lists hold alternatives: their first is taken, and counted.

    Raises:
        DataError: no such field, no text in it, or text that UTF-8 cannot hold.

    >>> row_texts({"source": ["One.", "Two."], "to": {"zh": "一"}}, ["source", "to.zh"], "row 1")
    ('One. Two.', '一')
    """
    found = []
    for field in fields:
        value = field_value(row, field)
        if isinstance(value, list) and all(isinstance(part, str) for part in value):
            if several is not None and field in several:
                several[field] += len(value) > 1
                value = value[:1]
            value = " ".join(value)
        if not isinstance(value, str):
            raise _no_text(row, field, value, place)
        if not _is_unicode(value):
            raise DataError(
                f"{place}: half of a surrogate pair (\\ud800 to \\udfff) is no text",
                hint="Write the character itself, or both halves of the pair.",
            )
        found.append(value)
    return tuple(found)


def field_value(row: Any, field: str) -> Any:
    """The value of a field by its name, else by names of nested fields with dots between them.

    None where there is none.

    >>> field_value({"translation": {"en": "yes"}}, "translation.en")
    'yes'
    """
    if not isinstance(row, Mapping):
        return None
    if field in row:
        return row[field]
    for end in (place for place, letter in enumerate(field) if letter == "."):
        found = field_value(row.get(field[:end]), field[end + 1 :])
        if found is not None:
            return found
    return None


def field_names(row: Mapping[str, Any]) -> list[str]:
    """Names that `field_value` takes, the nested ones with their dots.

    >>> field_names({"id": 1, "translation": {"en": "yes", "fr": "oui"}})
    ['id', 'translation.en', 'translation.fr']
    """
    names: list[str] = []
    for name, value in row.items():
        inner = field_names(value) if isinstance(value, Mapping) else []
        names += [f"{name}.{one}" for one in inner] or [str(name)]
    return names


def _no_text(row: Any, field: str, value: Any, place: str) -> DataError:
    if not isinstance(row, Mapping):
        said = f"no text in field {field!r}; found {type(row).__name__}"
    elif value is None and field not in row:
        keys = ", ".join(field_names(row))
        said = f"no text in field {field!r}; found {keys[:300]}"
    elif isinstance(value, list):
        odd = next(part for part in value if not isinstance(part, str))
        said = f"field {field!r} holds a list with {type(odd).__name__}, not texts"
    else:
        said = f"field {field!r} holds {type(value).__name__}, not text"
    inner = field_names(value) if isinstance(value, Mapping) else []
    nested = f" Nested: {', '.join(f'{field}.{name}' for name in inner[:6])}." if inner else ""
    return DataError(
        f"{place}: {said}",
        hint=f"Name the field with --text-field, or those of pairs with --fields.{nested}",
    )


def _is_unicode(text: str) -> bool:
    """Whether UTF-8 can hold a text; JSON escapes can make strings that it cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _jsonl(path: Path, fields: Sequence[str], several: Several | None) -> Iterator[Row]:
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
        yield f"{path}:{number}", row_texts(row, fields, f"{path}, line {number}", several)


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


def _parquet(path: Path, fields: Sequence[str], several: Several | None) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            columns = [_parquet_column(field, names, path) for field in fields]
            row = 0
            for part in file.iter_batches(batch_size=1024, columns=sorted(set(columns))):
                for values in part.to_pylist():
                    row += 1
                    texts = row_texts(values, fields, f"{path}, row {row}", several)
                    yield f"{path}:{row}", texts
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: not a Parquet file, or it is cut short ({error})",
            hint="Write it again, or give another file.",
        ) from error


def _parquet_column(field: str, names: Sequence[str], path: Path) -> str:
    """The column of a field: of its name, or the one that its nested name begins with."""
    begins = [field, *(field[:end] for end, letter in enumerate(field) if letter == ".")]
    found = next((begin for begin in begins if begin in names), None)
    if found is None:
        raise DataError(
            f"{path}: no column {field!r}; found {', '.join(names)}",
            hint="Name the column with --text-field, or those of pairs with --fields.",
        )
    return found

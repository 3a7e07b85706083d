"""Files and frames as columns of raw values: CSV, TSV, JSON lines, Parquet, pandas, Arrow."""

from __future__ import annotations

import csv
import difflib
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from isoloss.errors import DataError, EnvironmentProblem, NotFoundError, UsageError
from isoloss.runs._cells import Table
from isoloss.runs._delimited import unguarded

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


def read_table(path: Path, suffix: str | None = None) -> Table:
    """Columns of raw values of a .csv, .tsv, .jsonl or .parquet file.

    Args:
        path: the file.
        suffix: what it is read as, where its name does not say so.

    Raises:
        NotFoundError: no such file; EnvironmentProblem: it cannot be read;
        DataError: it is not what its name says.
    """
    suffix = suffix or path.suffix.lower()
    if not path.exists():
        beside = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
        close = difflib.get_close_matches(path.name, beside, n=1)
        hint = f"Did you mean {path.parent / close[0]}?" if close else "Check the path."
        raise NotFoundError(f"{path}: no such file", hint=hint)
    if suffix not in SUFFIXES or path.is_dir():
        found = "a folder" if path.is_dir() else repr(suffix or path.name)
        raise DataError(
            f"{path}: expected a table as {', '.join(SUFFIXES)}, found {found}",
            hint="Save the table as CSV with a header line.",
        )
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EnvironmentProblem(
            f"{path}: cannot be read: {error.strerror or error}", hint="Check its permissions."
        ) from error
    if not data.strip():
        raise DataError(f"{path}: the file is empty", hint="Give a table with a header and rows.")
    if suffix == ".parquet":
        return _from_parquet(data, path)
    text = _decoded(data, path)
    if suffix == ".jsonl":
        return _from_json_lines(text, path)
    return _from_csv(text, path, "\t" if suffix == ".tsv" else ",")


def columns_of_frame(frame: object) -> Table:
    """Columns of raw values of a pandas, Polars or Arrow table.

    Raises:
        UsageError: it is none of these.
    """
    if isinstance(frame, Mapping):
        raise UsageError(
            "expected a data frame, found a mapping", hint="Use Runs.from_rows for dicts."
        )
    kind = type(frame).__module__.partition(".")[0]
    if kind == "pandas" and type(frame).__name__ == "DataFrame":
        pandas_frame = cast("Any", frame)
        names = [str(name) for name in pandas_frame.columns]
        _refuse_twice(names, "the frame")
        return {name: pandas_frame.iloc[:, i].tolist() for i, name in enumerate(names)}
    if kind == "pyarrow" or hasattr(frame, "__arrow_c_stream__"):
        return _from_arrow(frame)
    raise UsageError(
        f"expected a pandas, Polars or Arrow table, found {type(frame).__name__}",
        hint="Use Runs.from_rows for a list of dicts, Runs.read for a file.",
    )


def columns_of_rows(rows: Iterable[Mapping[str, object]]) -> Table:
    """Columns of raw values of dicts; a key that a row lacks is empty there.

    Raises:
        DataError: a row is no mapping.
    """
    given = list(rows)
    names: dict[str, None] = {}
    for index, row in enumerate(given):
        if not isinstance(row, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise DataError(
                f"row {index + 1}: expected a dict, found {type(row).__name__}",
                hint="Give a list of dicts, one a run.",
            )
        names.update(dict.fromkeys(map(str, row)))
    return {name: [row.get(name) for row in given] for name in names}


def _decoded(data: bytes, path: Path) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: not UTF-8 text: byte {data[error.start]:#04x} at position {error.start}",
            hint="Save the file as UTF-8.",
        ) from error
    if "\0" in text:
        raise DataError(f"{path}: a binary file, not text", hint="Save the table as CSV in UTF-8.")
    return text


def _from_csv(text: str, path: Path, delimiter: str) -> Table:
    # Without strict, a quote that is never closed swallows the rest of the file in silence.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        lines = [
            [unguarded(cell) for cell in line]
            for line in reader
            if any(cell.strip() for cell in line)
        ]
    except csv.Error as error:
        raise DataError(
            f"{path}, line {reader.line_num}: {error}", hint="Check the quotes and separators."
        ) from error
    if not lines:
        raise DataError(f"{path}: the file is empty", hint="Give a table with a header and rows.")
    names = [name.strip() or f"unnamed_{i + 1}" for i, name in enumerate(lines[0])]
    _refuse_twice(names, str(path))
    _refuse_other_separator(names, path)
    for index, line in enumerate(lines[1:]):
        if len(line) != len(names):
            raise DataError(
                f"{path}, row {index + 1}: expected {len(names)} cells as in the header, "
                f"found {len(line)}",
                hint="Put text that holds a separator in double quotes.",
            )
    return {name: [line[i] for line in lines[1:]] for i, name in enumerate(names)}


def _refuse_other_separator(names: list[str], path: Path) -> None:
    for mark, called in ((";", "semicolons"), ("\t", "tabs"), (",", "commas")):
        if len(names) == 1 and mark in names[0]:
            raise DataError(
                f"{path}: the columns are separated by {called}",
                hint="Save it with commas (.csv) or tabs (.tsv).",
            )


def _refuse_twice(names: list[str], label: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"{label}: the column {twice[0]!r} is there twice", hint="Rename one of the two."
        )


def _from_json_lines(text: str, path: Path) -> Table:
    rows: list[dict[str, object]] = []
    # Not splitlines: JSON text may hold U+2028 and other characters that it takes for line ends.
    for line in text.split("\n"):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{path}, row {len(rows) + 1}: not JSON: {error}", hint="One JSON object a line."
            ) from error
        if not isinstance(row, dict):
            raise DataError(
                f"{path}, row {len(rows) + 1}: expected a JSON object, found {type(row).__name__}",
                hint="One JSON object a line.",
            )
        rows.append(cast("dict[str, object]", row))
    return columns_of_rows(rows)


def _from_parquet(data: bytes, path: Path) -> Table:
    import pyarrow as pa  # pyright: ignore[reportMissingTypeStubs]
    from pyarrow import parquet  # pyright: ignore[reportMissingTypeStubs]

    try:
        table: Any = cast("Any", parquet).ParquetFile(cast("Any", pa).BufferReader(data)).read()
        return _from_arrow(table)
    except (OSError, ValueError, cast("Any", pa).ArrowException) as error:
        raise DataError(
            f"{path}: not a Parquet file: {str(error).splitlines()[0]}",
            hint="Write it again, or save the table as CSV.",
        ) from error


def _from_arrow(frame: object) -> Table:
    import pyarrow as pa  # pyright: ignore[reportMissingTypeStubs]

    table: Any = cast("Any", pa).table(frame)
    names = [str(name) for name in table.column_names]
    _refuse_twice(names, "the table")
    return {name: table.column(i).to_pylist() for i, name in enumerate(names)}

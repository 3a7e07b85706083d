"""The schema of the run table: versioned, published as JSON Schema, and a check of rows.

A valid row is one that `Runs` takes as it stands. `Runs` itself is more patient: it also reads
numbers that are written as text, which a table in CSV cannot avoid.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from isoloss.runs._cells import as_number, is_empty, is_used, rows_of
from isoloss.runs._column_text import COLUMN_TEXT
from isoloss.runs.columns import COLUMNS, Kind, kind_of
from isoloss.runs.reading import read_table

RUN_TABLE_VERSION = 1
"""Raised when a valid row of before would no longer be valid."""

_LARGEST = sys.float_info.max
_USED = r"^\s*(ok)?\s*$"
_BLANK = r"^\s*$"
_RANGES: dict[Kind, dict[str, float]] = {
    "count": {"exclusiveMinimum": 0, "maximum": _LARGEST},
    "positive": {"exclusiveMinimum": 0, "maximum": _LARGEST},
    "not_negative": {"minimum": 0, "maximum": _LARGEST},
    "number": {"minimum": -_LARGEST, "maximum": _LARGEST},
}
_EXPECTED: dict[Kind, str] = {
    "count": "a positive finite number",
    "positive": "a positive finite number",
    "not_negative": "a finite number that is not negative",
    "number": "a finite number",
}
_DESCRIPTION = (
    "One training run: absolute counts, loss in nats per token unless loss_unit says otherwise."
    " Empty cells are null or left out. A row with a status other than empty or ok, or with a"
    " reason, is kept but not used for fits, and may lack what fits need."
)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A value that the schema refuses; `row` counts from 1, `column` may name several."""

    row: int
    column: str
    value: Any
    message: str

    def __str__(self) -> str:
        return f"row {self.row}, column {self.column!r}: {self.message}"

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON; a value that JSON does not know as text."""
        simple = self.value is None or isinstance(self.value, (str, bool, int, float))
        return {**asdict(self), "value": self.value if simple else repr(self.value)}


def run_table_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of one row, as it is shipped in `run_table.schema.json`.

    >>> run_table_schema()["properties"]["tokens"]["type"]
    ['number', 'null']
    """
    used = {
        "type": "object",
        "properties": {
            "status": {"type": ["string", "null"], "pattern": _USED},
            "reason": {"type": ["string", "null"], "pattern": _BLANK},
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:isoloss:run-table:{RUN_TABLE_VERSION}",
        "title": f"A row of the run table of isoloss, version {RUN_TABLE_VERSION}",
        "description": _DESCRIPTION,
        "type": "object",
        "properties": {name: _property(name, kind) for name, kind in COLUMNS.items()},
        "patternProperties": {"^params_": {"type": ["number", "null"]}},
        "if": used,
        "then": _of_used_rows(),
    }


def schema_text() -> str:
    """The schema as a file: what `run_table.schema.json` beside this module holds."""
    return json.dumps(run_table_schema(), indent=2, ensure_ascii=False) + "\n"


def _property(name: str, kind: Kind) -> dict[str, Any]:
    said: dict[str, Any] = {"description": COLUMN_TEXT[name]}
    if kind == "free":
        return said
    return {**said, "type": ["string", "null"] if kind == "text" else ["number", "null"]}


def _of_used_rows() -> dict[str, Any]:
    """What holds of rows that a fit may use: values in range, and what every fit needs."""
    ranges = {name: _RANGES[kind] for name, kind in COLUMNS.items() if kind in _RANGES}
    given = {"type": "number"}
    return {
        "properties": {**ranges, "loss": {**ranges["loss"], **given}},
        "patternProperties": {"^params_": _RANGES["count"]},
        "required": ["loss"],
        "anyOf": [
            {"required": [name], "properties": {name: given}} for name in ("tokens", "flops")
        ],
        # Not all of params_* are empty, which they also are where there is none.
        "not": {"patternProperties": {"^params_": {"type": "null"}}},
    }


def validate_rows(rows: Iterable[Mapping[str, Any]]) -> tuple[Problem, ...]:
    """Every value that the schema refuses, in the order of rows; none for a valid table.

    A row without problems is valid under `run_table_schema`, and the other way round. Over all
    rows, a `run_id` that stands for two different rows is refused too.

    >>> [str(p) for p in validate_rows([{"params_total": 1e6, "tokens": "2B", "loss": 3.5}])]
    ["row 1, column 'tokens': expected a positive finite number, found '2B'"]
    """
    problems: list[Problem] = []
    first: dict[str, tuple[int, Mapping[str, Any]]] = {}
    for number, row in enumerate(rows, start=1):
        problems += _row_problems(number, row)
        run_id = row.get("run_id") if isinstance(row, Mapping) else None  # pyright: ignore[reportUnnecessaryIsInstance]
        if isinstance(run_id, str) and run_id.strip():
            before = first.setdefault(run_id.strip(), (number, row))
            if before[1] != row:
                message = f"also the id of row {before[0]}, which says something else"
                problems.append(Problem(row=number, column="run_id", value=run_id, message=message))
    return tuple(problems)


def validate_file(path: str | Path) -> tuple[int, tuple[Problem, ...]]:
    """The number of rows of a .csv, .tsv, .jsonl or .parquet file, and what is wrong in them.

    Cells of CSV and TSV are text: where a column holds numbers, they are read as such first.

    Raises:
        NotFoundError, DataError: there is no such file, or it is not what its name says.
    """
    table = read_table(Path(path))
    if Path(path).suffix.lower() in (".csv", ".tsv"):
        table = {name: [_read(name, cell) for cell in cells] for name, cells in table.items()}
    rows = rows_of(table)
    return len(rows), validate_rows(rows)


def _read(name: str, cell: str) -> Any:
    if is_empty(cell):
        return None
    return cell if kind_of(name) in ("text", "free") else as_number(cell)


def _row_problems(number: int, row: object) -> list[Problem]:
    if not isinstance(row, Mapping):
        return [Problem(row=number, column="", value=row, message="expected an object")]
    cells = cast("Mapping[str, Any]", row)
    used = _is_used(cells)
    problems = [
        Problem(row=number, column=name, value=value, message=message)
        for name, value in cells.items()
        if (message := _refused(name, value, used=used))
    ]
    return problems + (_lacking(number, cells) if used else [])


def _is_used(cells: Mapping[str, Any]) -> bool:
    status, reason = cells.get("status"), cells.get("reason")
    told = [text for text in (status, reason) if text is not None]
    if not all(isinstance(text, str) for text in told):
        return False
    return is_used((status or "").strip(), (reason or "").strip())


def _refused(name: str, value: Any, *, used: bool) -> str:
    """Why a value is wrong, or nothing."""
    kind = kind_of(name)
    if value is None or kind == "free":
        return ""
    if kind == "text":
        return "" if isinstance(value, str) else f"expected text, found {value!r}"
    expected = _EXPECTED[kind] if used else "a number"
    right = _is_number(value) and (not used or _in_range(value, _RANGES[kind]))
    return "" if right else f"expected {expected}, found {_shown(value)}"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _in_range(value: float, limits: Mapping[str, float]) -> bool:
    low = value > 0 if "exclusiveMinimum" in limits else value >= limits["minimum"]
    return low and value <= limits["maximum"]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _lacking(number: int, cells: Mapping[str, Any]) -> list[Problem]:
    """What a row that fits use must have, and has not."""
    params = any(name.startswith("params_") and cells[name] is not None for name in cells)
    wanted = [
        ("loss", cells.get("loss") is not None, "a loss"),
        ("params_total", params, "a count of parameters: any params_*"),
        (
            "tokens",
            cells.get("tokens") is not None or cells.get("flops") is not None,
            "tokens or flops",
        ),
    ]
    return [
        Problem(row=number, column=name, value=None, message=f"expected {what}, found nothing")
        for name, there, what in wanted
        if not there
    ]

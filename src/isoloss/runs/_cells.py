"""Cells: from whatever a file or a frame holds to checked text, numbers and truth values."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from isoloss._files import canonical_json, sha256_text
from isoloss.errors import DataError
from isoloss.runs.columns import NOT_CONTENT, Kind, kind_of, missing_column, ordered

Cell = str | float | int | bool | None
"""A cell: text (never None), a number (None where empty) or a truth value (None where empty)."""

Table = dict[str, list[Any]]
"""Columns of equal length; raw as read, or of cells."""

_EMPTY_NUMBERS = frozenset({"", "nan", "na", "n/a", "null", "none", "-"})
_TRUTH = {"true": True, "false": False}
# Digits only: Python's own float() also takes '1_000' and digits of other scripts.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?inf(inity)?", re.ASCII | re.I)


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a table came from, for error messages: a label and their names of mapped columns.

    `first` is the number of its first row, where it is a part of a longer one.
    """

    label: str
    theirs: Mapping[str, str]
    first: int = 1

    def bad_cell(self, row: int, name: str, found: object, expected: str) -> DataError:
        """The error for one cell; `row` counts from 0."""
        mapped = f" (there {self.theirs[name]!r})" if name in self.theirs else ""
        shown = repr(found) if len(repr(found)) <= 60 else f"{repr(found)[:57]}…"
        return DataError(
            f"{self.label}, row {row + self.first}, column {name!r}{mapped}: "
            f"expected {expected}, found {'nothing' if found in (None, '') else shown}",
            hint="Correct the value, or say in the row's column 'reason' why it is left out. "
            "Numbers are written in full or as 7e10.",
        )


def checked_table(raw: Table, origin: Origin) -> tuple[Table, int]:
    """Cells of every column, checked: the one door into `Runs`.

    Returns:
        Columns in our order, of equal length, with `run_id`, `loss`, `status` and `reason`
        always among them, and the number of rows dropped because they repeat another.

    Raises:
        DataError: a column is missing or a cell is wrong; file, row, column and value are named.
    """
    n_rows = max((len(column) for column in raw.values()), default=0)
    if n_rows == 0:
        raise DataError(
            f"{origin.label}: no runs", hint="Give a table with a header and at least one row."
        )
    blank: list[Any] = [None] * n_rows
    status = [_text(value) for value in raw.get("status", blank)]
    reason = [_text(value) for value in raw.get("reason", blank)]
    used = [is_used(s, r) for s, r in zip(status, reason, strict=True)]
    if any(used):
        _require_columns(list(raw), origin)
    full = {"loss": blank, "run_id": blank, **raw, "status": status, "reason": reason}
    cells = {name: _column(name, full[name], used, origin) for name in ["loss", *ordered(full)]}
    _require_values(cells, full, used, origin)
    cells = {name: cells[name] for name in ordered(cells)}
    _fill_ids(cells)
    return _without_repeats(cells, origin)


def is_used(status: str, reason: str) -> bool:
    """Whether a fit may use a row: status empty or 'ok', and no reason against it."""
    return status in ("", "ok") and reason == ""


def usable(row: Mapping[str, object]) -> bool:
    """Whether a fit may use a row, given as a mapping: `is_used` of its status and reason.

    >>> usable({"status": "ok", "reason": None}), usable({"status": "diverged"})
    (True, False)
    """
    return is_used(str(row.get("status") or ""), str(row.get("reason") or ""))


def is_empty(value: object) -> bool:
    """Whether a cell holds nothing: None, empty text, not-a-number, pandas' NA and NaT."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, str):
        return not value.strip()
    return isinstance(value, float) and math.isnan(value)


def content(row: Mapping[str, object], *, leave_out: frozenset[str] = NOT_CONTENT) -> str:
    """Canonical text of what a row says: empty cells left out, numbers as exact floats."""
    kept: dict[str, object] = {}
    for name, value in row.items():
        if name in leave_out or is_empty(value):
            continue
        # 3 and 3.0 are one number: which of them a column holds depends on its other rows.
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            kept[name] = float(value)
        else:
            kept[name] = value
    return canonical_json(kept)


def rows_of(cells: Table) -> list[dict[str, Any]]:
    """One dict a row."""
    names = list(cells)
    return [dict(zip(names, row, strict=True)) for row in zip(*cells.values(), strict=True)]


def _require_columns(names: list[str], origin: Origin) -> None:
    if "loss" not in names:
        raise missing_column("loss", names, label=origin.label)
    if not any(name.startswith("params_") for name in names):
        what = "'params_total', 'params_non_embedding' or 'params_matmul'"
        raise missing_column("params_total", names, label=origin.label, what=what)
    if "tokens" not in names and "flops" not in names:
        raise missing_column("tokens", names, label=origin.label, what="'tokens' (nor 'flops')")


def _require_values(cells: Table, raw: Table, used: list[bool], origin: Origin) -> None:
    """Every used row needs a loss, a count of parameters, and tokens or FLOP."""
    blank: list[Any] = [None] * len(used)
    params = [name for name in cells if name.startswith("params_")]
    tokens, flops = cells.get("tokens", blank), cells.get("flops", blank)
    for row in (row for row, is_in in enumerate(used) if is_in):
        if cells["loss"][row] is None:
            raise origin.bad_cell(row, "loss", raw["loss"][row], "a positive finite number")
        if all(cells[name][row] is None for name in params):
            raise origin.bad_cell(row, params[0], raw[params[0]][row], "a count of parameters")
        if tokens[row] is None and flops[row] is None:
            name = "tokens" if "tokens" in cells else "flops"
            raise origin.bad_cell(row, name, raw[name][row], "a positive finite number")


def _column(name: str, raw: list[Any], used: list[bool], origin: Origin) -> list[Any]:
    kind = kind_of(name)
    values = [_plain(value) for value in raw]
    if kind == "text":
        return [_text(value) for value in values]
    if kind == "free":
        return _free(values)
    cells: list[Any] = []
    for row, value in enumerate(values):
        cell = as_number(value)
        if isinstance(cell, str) or (used[row] and not _allowed(cell, kind)):
            raise origin.bad_cell(row, name, raw[row], _EXPECTED[kind])
        # Not finite and yet here: the row is left out, and JSON knows no infinity.
        cells.append(cell if cell is not None and math.isfinite(cell) else None)
    return _whole(cells) if kind in ("count", "number") else cells


_EXPECTED: dict[Kind, str] = {
    "count": "a positive finite number",
    "positive": "a positive finite number",
    "not_negative": "a finite number that is not negative",
    "number": "a finite number",
}


def _allowed(value: float | None, kind: Kind) -> bool:
    if value is None:
        return True
    lowest = kind == "number" or value > 0 or (kind == "not_negative" and value == 0)
    return math.isfinite(value) and lowest


def _plain(value: object) -> Any:
    """A Python value for NumPy scalars, dates, decimals and nested values."""
    if is_empty(value):
        return None if not isinstance(value, float) else value
    if isinstance(value, (str, bool, int, float)):
        return value.strip() if isinstance(value, str) else value
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, sort_keys=True, default=str)
    if hasattr(value, "isoformat"):
        return str(cast("Any", value).isoformat())
    return _plain(cast("Any", value).tolist()) if hasattr(value, "tolist") else str(value)


def _text(value: object) -> str:
    if is_empty(value):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def as_number(value: Any) -> float | str | None:
    """A number, None where empty, or the text that is neither."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        if value.lower() in _EMPTY_NUMBERS:
            return None
        return float(value) if _NUMBER.fullmatch(value) else value
    if is_empty(value):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _free(values: list[Any]) -> list[Any]:
    """Truth values or numbers where every cell is one or empty, otherwise text."""
    given = [value for value in values if not is_empty(value)]
    if given and all(str(value).lower() in _TRUTH for value in given):
        return [None if is_empty(v) else _TRUTH[str(v).lower()] for v in values]
    numbers = [as_number(value) for value in values]
    if any(isinstance(number, str) for number in numbers) or not given:
        return [_text(value) for value in values]
    finite = [n if isinstance(n, float) and math.isfinite(n) else None for n in numbers]
    return _whole(finite)


def _whole(cells: list[Any]) -> list[Any]:
    """Integers where a column has only whole numbers that a float holds exactly, else floats."""
    if all(cell is not None and cell.is_integer() and abs(cell) < 2**53 for cell in cells):
        return [int(cell) for cell in cells]
    return cells


def _fill_ids(cells: Table) -> None:
    """Name the rows without `run_id` by a hash of what they say."""
    if all(cells["run_id"]):
        return
    cells["run_id"] = [
        row["run_id"] or f"row-{sha256_text(content(row))[:16]}" for row in rows_of(cells)
    ]


def _without_repeats(cells: Table, origin: Origin) -> tuple[Table, int]:
    first: dict[str, tuple[int, str]] = {}
    kept: list[int] = []
    for index, row in enumerate(rows_of(cells)):
        text = content(row)
        before = first.setdefault(row["run_id"], (index, text))
        if before[0] == index:
            kept.append(index)
        elif before[1] != text:
            raise DataError(
                f"{origin.label}: rows {before[0] + 1} and {index + 1} have the same run_id "
                f"{row['run_id']!r} but differ",
                hint="Give each run an id of its own, or leave out the column 'run_id'.",
            )
    dropped = len(cells["run_id"]) - len(kept)
    if dropped:
        cells = {name: [column[index] for index in kept] for name, column in cells.items()}
    return cells, dropped

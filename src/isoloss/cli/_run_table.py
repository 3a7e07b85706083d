"""Run tables as JSON rows and as text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isoloss.runs import Runs

_SHOWN = ("run_id", "params_matmul", "params_total", "tokens", "flops", "loss", "status", "reason")
_MOST_ROWS = 40


def as_rows(runs: Runs) -> list[dict[str, Any]]:
    """One dict a run, without the columns that are empty in that row."""
    rows = runs.to_frame().to_dict(orient="records")
    return [{str(key): item for key, item in row.items() if not _empty(item)} for row in rows]


def as_table(runs: Runs, most: int = _MOST_ROWS) -> str:
    """The main columns of the first rows, aligned."""
    rows = as_rows(runs)
    names = [name for name in _SHOWN if any(name in row for row in rows)]
    if not any(name.startswith("params_") for name in names):
        counts = [name for row in rows for name in row if name.startswith("params_")]
        names[1:1] = sorted(set(counts))[:2]
    cells = [names, *([_cell(row.get(name)) for name in names] for row in rows[:most])]
    widths = [max(len(line[index]) for line in cells) for index in range(len(names))]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]
    if len(rows) > most:
        lines.append(f"… and {len(rows) - most} more; --json shows all.")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value if len(value) <= 24 else f"{value[:23]}…"
    return f"{value:.5g}"


def _empty(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))

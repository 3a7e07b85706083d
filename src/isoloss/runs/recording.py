"""Runs of other trainers: checked, named and added to a store."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from isoloss._clock import now
from isoloss.errors import EnvironmentProblem
from isoloss.runs._cells import Origin, checked_table, is_empty, rows_of
from isoloss.runs.reading import columns_of_rows
from isoloss.runs.store import RunStore


def record(store: RunStore, row: Mapping[str, Any]) -> str:
    """Add the run of another trainer to a store, checked as `Runs` checks its rows.

    Args:
        store: where to.
        row: columns of docs/run-table.md, at least a `params_*`, `tokens` or `flops`, and
            `loss`; a run that failed needs none of them but a `status`. Without `run_id` it
            gets one made from its content, so that the same row is recorded once; without
            `created_at` it gets the time.

    Returns:
        The run's id.

    Raises:
        DataError: a column is missing or a value is wrong.
    """
    return record_all(store, [row])[0]


def record_all(store: RunStore, rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Add many runs in one transaction, each as `record` does; none is added if one is wrong.

    Returns:
        Their ids in the order of `rows`.
    """
    checked = [_checked(row, number) for number, row in enumerate(rows, start=1)]
    store.add_runs(checked)
    return [str(row["run_id"]) for row in checked]


def append_row(path: str | Path, row: Mapping[str, Any]) -> str:
    """Append a checked row to a file of JSON lines, for trainers that have no store at hand.

    The line is written at once: several processes may append to one file. `isoloss runs import
    FILE --to STORE` adds the file's rows to a store; a row that is there twice counts once.

    Returns:
        The run's id.

    Raises:
        DataError: a column is missing or a value is wrong.
        EnvironmentProblem: the file cannot be written.
    """
    checked = _checked(row, 1)
    line = f"{json.dumps(checked, ensure_ascii=True, allow_nan=False)}\n".encode("ascii")
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            if os.write(handle, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(handle)
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot write {path}: {error.strerror or error}", hint="Check its folder and the disk."
        ) from error
    return str(checked["run_id"])


def _checked(row: Mapping[str, Any], number: int) -> dict[str, Any]:
    """A row as `Runs` would hold it, with its id and the time.

    Each by itself: what a free column holds would otherwise depend on the rows beside it, and
    with it the id.
    """
    origin = Origin(label="the row" if number == 1 else "the rows", theirs={}, first=number)
    cells, _ = checked_table(columns_of_rows([row]), origin)
    kept = {name: value for name, value in rows_of(cells)[0].items() if not is_empty(value)}
    return {"created_at": now(), **kept}

"""The rows of a table that a published fit used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isoloss.runs import Runs


def selected(runs: Runs, rows: Mapping[str, Any] | None) -> Runs:
    """The rows that a fit used; the others stay with a reason.

    Args:
        rows: `run_ids`: exactly these; `where`: values by column that each row must have one of;
            an empty mapping: every row. None: those that the table gives for a fit.
    """
    if rows is None:
        return runs
    frame = runs.to_frame()
    frame["reason"] = ""
    whole = Runs.from_frame(frame)
    cells: list[dict[str, Any]] = [
        dict(zip(frame.columns, row, strict=True)) for row in frame.itertuples(index=False)
    ]
    wanted = dict(rows.get("where", {}))
    if "run_ids" in rows:
        wanted["run_id"] = rows["run_ids"]
    kept = [all(row[column] in values for column, values in wanted.items()) for row in cells]
    return whole.where(kept, "not among the runs of the published fit")

"""What `isoloss runs validate` says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from isoloss.cli._answer import Answer

if TYPE_CHECKING:
    from isoloss.runs import Problem

_MOST = 20


def told(file: str, n_rows: int, problems: Sequence[Problem]) -> Answer:
    """The number of rows, and every problem in the document, the first of them in the text."""
    from isoloss.runs.schema import RUN_TABLE_VERSION

    document = {
        "valid": not problems,
        "version": RUN_TABLE_VERSION,
        "n_rows": n_rows,
        "problems": [problem.to_dict() for problem in problems],
    }
    if not problems:
        text = f"{file}: {n_rows} rows, all valid (run table version {RUN_TABLE_VERSION})"
        return Answer(document=document, text=text)
    lines = [f"{file}: {problem}" for problem in problems[:_MOST]]
    if len(problems) > _MOST:
        lines.append(f"… and {len(problems) - _MOST} more; --json shows all.")
    wrong = len({problem.row for problem in problems})
    lines.append(f"{n_rows} rows, {wrong} of them wrong (run table version {RUN_TABLE_VERSION})")
    return Answer(document=document, text="\n".join(lines), exit_code=3)

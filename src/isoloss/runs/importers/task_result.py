"""Results of isoloss's own tasks: the JSON that `isoloss evaluate … -o RESULT` writes."""

from __future__ import annotations

from pathlib import Path

from isoloss.errors import DataError
from isoloss.runs.importers._json import read_object
from isoloss.runs.importers._logs import head
from isoloss.runs.importers.history import RunHistory
from isoloss.runs.scores import FORMAT, metrics_text, scored_row

_ANY_VERSION = FORMAT.rpartition("-")[0] + "-"


def looks_like_task_result(path: Path) -> bool:
    """Whether a file is such a result, of this or a later version."""
    return path.suffix.lower() == ".json" and f'"format": "{_ANY_VERSION}' in head(path)[:200]


def read_task_result(path: Path) -> list[RunHistory]:
    """The scores, with the id of the run that trained the model where the result names one.

    Raises:
        NotFoundError, EnvironmentProblem: it cannot be read; DataError: it is no result.
    """
    document = read_object(path)
    if document.get("format") != FORMAT:
        raise DataError(
            f"{path}: expected format {FORMAT!r}, found {document.get('format')!r:.60}",
            hint="Give a file written by `isoloss evaluate … -o RESULT`; a later format needs a"
            " later isoloss.",
        )
    row = scored_row(document, label=str(path))
    names = [name for name in row if name.startswith("metric_")]
    run = "" if "run_id" in row else "; the result names no run, so its row stands alone"
    return [
        RunHistory(
            name=row["name"],
            source=str(path),
            ours=row,
            reason=row["reason"],
            notes=(f"{document['task']}: {metrics_text(names)}{run}",),
        )
    ]

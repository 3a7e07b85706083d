"""What `isoloss runs import` shows and writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from isoloss.cli._answer import Answer
from isoloss.errors import UsageError

if TYPE_CHECKING:
    from isoloss.runs import Imported

PREVIEW_ROWS = 10


def read_sources(sources: Sequence[str], **settings: Any) -> Imported:
    """What `import_runs` reads; `example` and `published:NAME` have our columns already.

    Raises:
        UsageError: such a name stands beside files, or with options that it does not take.
    """
    from isoloss.runs.importers import import_runs

    named = [source for source in sources if source == "example" or source.startswith("published:")]
    if not named:
        return import_runs(sources, **settings)
    taken = [name for name in ("format", "columns", "config", "loss") if settings[name]]
    if len(sources) > 1 or taken:
        raise UsageError(
            f"{named[0]} has our columns already and is imported alone",
            hint=f"Import it by itself: isoloss runs import {named[0]} --to STORE",
        )
    from isoloss.cli._inputs import read_runs
    from isoloss.runs.importers import Imported, Source

    runs = read_runs(named[0])
    source = Source(label=named[0], format="isoloss", n_rows=len(runs), mapping=())
    return Imported(runs=runs, sources=(source,))


def preview(imported: Imported, to: str | None) -> Answer:
    """Ten rows as they would be imported, where each column is from, and what to know."""
    from isoloss.cli._run_table import as_rows, as_table

    rows = as_rows(imported.runs)[:PREVIEW_ROWS]
    after = f"Nothing was written. Import with: --to {to or 'STORE'}"
    if imported.unconfirmed:
        after = "Nothing was written; confirm the units first."
    parts = [imported.summary(), as_table(imported.runs, PREVIEW_ROWS), imported.runs.summary()]
    return Answer(
        document={**imported.to_dict(), "dry_run": True, "runs": rows},
        text="\n\n".join([*parts, after]),
    )


def written(imported: Imported, to: str) -> Answer:
    """Add the rows to a store, and scores to the rows that it holds already."""
    from isoloss.cli._run_table import as_rows
    from isoloss.runs import RunStore
    from isoloss.runs.scores import add_scores, is_scores_only

    rows = as_rows(imported.runs)
    with RunStore.open(to, create=True) as store:
        new = store.add_runs(rows)
        scored = [add_scores(store, row) for row in rows if is_scores_only(row)]
    joined = [one.run_id for one in scored if one.how == "amended"]
    known = len(rows) - new
    told = f"; scores were added to {', '.join(joined)}" if joined else ""
    return Answer(
        document={
            "imported": new,
            "already_there": known,
            "scored": joined,
            **imported.to_dict(),
            "paths": {"store": to},
        },
        text=f"{imported.summary()}\n\nImported {new} {'run' if new == 1 else 'runs'} into {to};"
        f" {known} {'was' if known == 1 else 'were'} there already{told}.",
    )

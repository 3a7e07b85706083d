"""`isoloss runs`: look at a run table, or import one into a store."""

from __future__ import annotations

from typing import Annotated

import typer

from isoloss.cli._answer import Answer
from isoloss.cli._options import Json, Map, columns, new_app

app = new_app(help="Show a run table, or import one into a store.")


@app.command()
def show(
    table: Annotated[
        str, typer.Argument(metavar="TABLE|STUDY", help="A table, a store, a study or `example`.")
    ],
    map_: Map = None,
    as_json: Json = False,
) -> Answer:
    """Show the runs of a table, a store or a study, and what is known of them."""
    from isoloss.cli._inputs import read_runs
    from isoloss.cli._run_table import as_rows, as_table

    runs = read_runs(table, columns(map_))
    document = {"n_rows": len(runs), "hash": runs.hash(), "runs": as_rows(runs)}
    return Answer(document=document, text=f"{as_table(runs)}\n\n{runs.summary()}")


@app.command("import")
def import_(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A .csv, .tsv, .jsonl or .parquet of runs.")
    ],
    to: Annotated[str, typer.Option("--to", metavar="STORE", help="The store; made if missing.")],
    map_: Map = None,
    as_json: Json = False,
) -> Answer:
    """Import the runs of a file into a store; those that it holds already are passed over."""
    from isoloss.cli._inputs import read_runs
    from isoloss.cli._run_table import as_rows
    from isoloss.runs import RunStore

    rows = as_rows(read_runs(file, columns(map_)))
    store = RunStore.open(to, create=True)
    new = [row for row in rows if not store.has(row["run_id"])]
    for row in new:
        store.add_run(row)
    known = len(rows) - len(new)
    return Answer(
        document={"imported": len(new), "already_there": known, "paths": {"store": to}},
        text=f"Imported {len(new)} runs into {to}; {known} were there already.",
    )

"""`isoloss runs`: look at a run table, or import one into a store."""

from __future__ import annotations

from typing import Annotated

import typer

from isoloss.cli._answer import Answer
from isoloss.cli._options import Json, Map, columns, new_app
from isoloss.errors import UsageError

app = new_app(help="Show, check, import and export run tables.")


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
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Tables, logs, folders of many runs, wandb:ENTITY/PROJECT, published:NAME.",
        ),
    ],
    to: Annotated[
        str | None, typer.Option("--to", metavar="STORE", help="The store; made if missing.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show ten rows as they would be, and write nothing.")
    ] = False,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="NAME", help="Their format; told by content if not given."
        ),
    ] = None,
    map_: Map = None,
    loss: Annotated[
        str | None, typer.Option("--loss", metavar="NAME", help="Which of several is the loss.")
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(
            "--config",
            metavar="FILE|MODEL",
            help="A model's shape, where the source says none: JSON, TOML, or a public model.",
        ),
    ] = None,
    points: Annotated[
        str, typer.Option(help="`last` loss of a run, or `all`: its checkpoints too.")
    ] = "last",
    as_json: Json = False,
) -> Answer:
    """Import runs into a store; those that it holds already are passed over.

    Names are matched to ours with --map, by our own name, or by a guess that is shown.
    """
    from isoloss.cli._imports import preview, read_sources, written

    if to is None and not dry_run:
        raise UsageError("where to?", hint="Give --to STORE, or --dry-run to look at it first.")
    imported = read_sources(
        sources,
        format=format_,
        columns=columns(map_),
        config=config,
        points=points,
        loss=loss,
        preview=dry_run,
    )
    return preview(imported, to) if dry_run or to is None else written(imported, to)


@app.command()
def check(
    table: Annotated[
        str, typer.Argument(metavar="TABLE|STUDY", help="A table, a store, a study or `example`.")
    ],
    map_: Map = None,
    as_json: Json = False,
) -> Answer:
    """Audit a table before it is fitted: units, conventions, duplicates, checkpoints, spread.

    Exit code 3 where an error was found; warnings and notes leave it at 0.
    """
    from isoloss.cli._inputs import read_runs
    from isoloss.runs import check_runs

    audit = check_runs(read_runs(table, columns(map_)))
    bad = bool(audit.of("error"))
    return Answer(document=audit.to_dict(), text=audit.summary(), exit_code=3 if bad else 0)


@app.command()
def schema(as_json: Json = False) -> Answer:
    """Print the JSON Schema of a row of the run table."""
    from isoloss.runs.schema import run_table_schema, schema_text

    return Answer(document={"schema": run_table_schema()}, text=schema_text())


@app.command()
def validate(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A .csv, .tsv, .jsonl or .parquet of runs.")
    ],
    as_json: Json = False,
) -> Answer:
    """Check a file against the schema of the run table; every wrong value is named."""
    from isoloss.cli._validation import told
    from isoloss.runs.schema import validate_file

    return told(file, *validate_file(file))


@app.command()
def export(
    source: Annotated[
        str, typer.Argument(metavar="TABLE|STUDY", help="A table, a store, a study or `example`.")
    ],
    to: Annotated[
        str,
        typer.Option("-o", "--out", metavar="FILE", help="A .csv, .tsv, .jsonl or .parquet."),
    ],
    map_: Map = None,
    as_json: Json = False,
) -> Answer:
    """Write runs to a file, in which no text is a formula to a spreadsheet."""
    from isoloss.cli._inputs import read_runs
    from isoloss.runs import export_runs

    runs = read_runs(source, columns(map_))
    export_runs(runs, to)
    return Answer(
        document={"n_rows": len(runs), "hash": runs.hash(), "paths": {"table": to}},
        text=f"Wrote {len(runs)} runs to {to}.",
    )


@app.command()
def published(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="One table; all of them if left out.")
    ] = None,
    as_json: Json = False,
) -> Answer:
    """List the public run tables of the catalogue, or say all that is known of one.

    `published:NAME` stands for the table wherever runs are expected; it is fetched on first use.
    """
    from isoloss.runs.catalogue import published_table, published_tables
    from isoloss.runs.catalogue._text import tables_text
    from isoloss.runs.catalogue.fetching import at_hand

    if name is not None:
        table = published_table(name)
        document = table.to_dict() | {"at_hand": at_hand(table)}
        return Answer(document=document, text=table.summary())
    tables = published_tables()
    there = [at_hand(table) for table in tables]
    return Answer(
        document={
            "tables": [t.to_dict() | {"at_hand": w} for t, w in zip(tables, there, strict=True)]
        },
        text=tables_text(tables, there),
    )

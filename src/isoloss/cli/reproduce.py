"""`isoloss reproduce`: the published fits of a public run table, made again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from isoloss.cli._answer import Answer
from isoloss.cli._options import Json, Level, Seed, new_app
from isoloss.errors import UsageError

app = new_app()


@app.command()
def command(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A public run table; --list names them.")
    ] = None,
    way: Annotated[
        str,
        typer.Option(
            "--as", help="`paper`: as its authors did; `ours`: with our defaults; or `both`."
        ),
    ] = "both",
    fit: Annotated[
        str | None, typer.Option("--fit", help="Only the fits whose names hold this text.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the tables and their fits.")] = False,
    directory: Annotated[
        Path | None, typer.Option("--dir", help="A folder with a copy of the table.")
    ] = None,
    bootstrap: Annotated[int, typer.Option(help="Resamples of our intervals; 0 for none.")] = 1000,
    level: Level = 0.9,
    seed: Seed = 0,
    as_json: Json = False,
) -> Answer:
    """Refit a public run table as its paper did and as we would, beside the published figures.

    The table is read from --dir, from the folder that ISOLOSS_PUBLISHED_DIR names, or from the
    cache, and fetched once otherwise. Exits with 4 where a published figure is not met.
    """
    if list_:
        if name is not None:
            raise UsageError(f"--list takes no name, found {name!r}", hint="Leave one of them out.")
        return _listed()
    if name is None:
        raise UsageError(
            "reproduce needs the name of a public run table",
            hint="`isoloss reproduce --list` names them.",
        )
    from isoloss.fitting.reproducing.reproduction import reproduce

    made = reproduce(
        name,
        way,  # type: ignore[arg-type]
        fit=fit,
        directory=directory,
        bootstrap=bootstrap,
        level=level,
        seed=seed,
        tell=lambda text: print(text, file=sys.stderr, flush=True),
    )
    return Answer(document=made.to_dict(), text=made.summary(), exit_code=0 if made.passed else 4)


def _listed() -> Answer:
    """The tables with published fits, one line a fit."""
    from isoloss.runs.catalogue import published_tables

    tables = [table for table in published_tables() if table.fits]
    lines: list[str] = []
    for table in tables:
        lines.append(f"{table.name}: {table.title}")
        lines += [f"  {one.name} ({one.by})" for one in table.fits]
    document = {
        "tables": [
            {"name": table.name, "fits": [{"name": f.name, "by": f.by} for f in table.fits]}
            for table in tables
        ]
    }
    return Answer(document=document, text="\n".join(lines))

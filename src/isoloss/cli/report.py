"""`isoloss report`: the offline page of a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isoloss.cli._answer import Answer
from isoloss.cli._options import Json, new_app

app = new_app()


@app.command()
def command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="STUDY|TABLE", help="A finished study's folder, a run table, or `example`."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="PAGE",
            help="The page; report.html in the study's folder, or here for a table.",
        ),
    ] = None,
    as_json: Json = False,
) -> Answer:
    """Write one HTML page that needs no network: charts, tables, definitions, provenance."""
    from isoloss.cli._inputs import read_report
    from isoloss.reports import summary_text, write_report

    results, folder = read_report(source)
    page = output or folder / "report.html"
    write_report(results, page)
    return Answer(
        document={"paths": {"report": str(page)}}, text=f"{summary_text(results)}\n\nSaved {page}"
    )

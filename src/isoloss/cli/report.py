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
    study: Annotated[str, typer.Argument(metavar="STUDY", help="The folder of a finished study.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="PAGE", help="The page; report.html in the study's folder."
        ),
    ] = None,
    as_json: Json = False,
) -> Answer:
    """Write one HTML page that needs no network: charts, tables, definitions, provenance."""
    from isoloss.cli._inputs import existing, read_results
    from isoloss.reports import summary_text, write_report

    results = read_results(study)
    folder = existing(study)
    page = output or (folder if folder.is_dir() else folder.parent) / "report.html"
    write_report(results, page)
    return Answer(
        document={"paths": {"report": str(page)}}, text=f"{summary_text(results)}\n\nSaved {page}"
    )

"""`isoloss report`: the offline page of a study, a table or a task's result."""

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
            metavar="STUDY|TABLE|RESULT",
            help="A finished study's folder, a run table, `example`, or a result saved by"
            " `evaluate -o`.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="PAGE",
            help="The page; report.html in the study's folder, or here for a table; for a result"
            " RESULT.html beside it.",
        ),
    ] = None,
    samples: Annotated[
        int,
        typer.Option(min=1, help="For a result: most examples; of more the worst, middle, best."),
    ] = 60,
    by: Annotated[
        str | None,
        typer.Option(metavar="METRIC", help="For a result: the metric that orders its examples."),
    ] = None,
    as_json: Json = False,
) -> Answer:
    """Write one HTML page that needs no network: charts and tables, or scores and samples."""
    from isoloss.cli._inputs import read_report
    from isoloss.reports import read_task_document, summary_text, write_report, write_sample_page

    document = read_task_document(source)
    if document is not None:
        page = output or Path(source).with_suffix(".html")
        shown = write_sample_page(document, page, most=samples, by=by)
        return Answer(
            document={"paths": {"report": str(page)}, "samples": shown.shown, "by": shown.by},
            text=f"{shown.shown:,} of {shown.total:,} examples\n\nSaved {page}",
        )
    results, folder = read_report(source)
    page = output or folder / "report.html"
    write_report(results, page)
    return Answer(
        document={"paths": {"report": str(page)}}, text=f"{summary_text(results)}\n\nSaved {page}"
    )

"""`isoloss fit`: a scaling law for a run table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isoloss.cli._answer import Answer
from isoloss.cli._options import Json, LawName, Level, Map, Seed, columns, new_app

app = new_app()


@app.command()
def command(
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE", help="A .csv, .tsv, .jsonl or .parquet, a study folder, or `example`."
        ),
    ],
    law: LawName = "chinchilla",
    objective: Annotated[str, typer.Option(help="What is minimised.")] = "huber",
    delta: Annotated[float, typer.Option(help="Where Huber turns from square to line.")] = 1e-3,
    residual: Annotated[str, typer.Option(help="Residuals of `log` loss or of loss.")] = "log",
    n: Annotated[
        str | None, typer.Option("--n", help="Which count is N, e.g. params_total.")
    ] = None,
    map_: Map = None,
    bootstrap: Annotated[int, typer.Option(help="Resamples for the intervals; 0 for none.")] = 1000,
    level: Level = 0.9,
    seed: Seed = 0,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FIT", help="Save the fit here.")
    ] = None,
    as_json: Json = False,
) -> Answer:
    """Fit a scaling law to a run table, with intervals and checks.

    Exits with 4 where the fit is there but its checks say not to trust it.
    """
    from isoloss.cli._inputs import read_runs
    from isoloss.fitting import fit

    result = fit(
        read_runs(table, columns(map_)),
        law,
        objective=objective,  # type: ignore[arg-type]
        delta=delta,
        residual=residual,  # type: ignore[arg-type]
        bootstrap=bootstrap,
        level=level,
        seed=seed,
        n=n,
    )
    document, text = result.to_dict(), result.summary()
    if output is not None:
        result.save(output)
        document, text = document | {"paths": {"fit": str(output)}}, f"{text}\n\nSaved {output}"
    return Answer(document=document, text=text, exit_code=0 if result.trusted else 4)

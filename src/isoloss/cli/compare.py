"""`isoloss compare`: which law predicts larger runs best."""

from __future__ import annotations

from typing import Annotated

import typer

from isoloss.cli._answer import Answer
from isoloss.cli._options import Json, Level, Map, Seed, columns, new_app

app = new_app()


@app.command()
def command(
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE", help="A .csv, .tsv, .jsonl or .parquet, a study folder, or `example`."
        ),
    ],
    law: Annotated[
        list[str] | None,
        typer.Option("--law", help="A law's name or a formula. Repeatable; four laws if left out."),
    ] = None,
    holdout: Annotated[
        str, typer.Option(help="compute, n or d (the larger part), or a condition: 'C > 1e21'.")
    ] = "compute",
    n: Annotated[
        str | None, typer.Option("--n", help="Which count is N, e.g. params_total.")
    ] = None,
    map_: Map = None,
    bootstrap: Annotated[
        int, typer.Option(help="Resamples of the fit to all rows; 0 for none.")
    ] = 200,
    level: Level = 0.9,
    seed: Seed = 0,
    as_json: Json = False,
) -> Answer:
    """Rank laws by their error on runs that they were not fitted to.

    Exits with 4 where no law predicts better than the lowest loss seen.
    """
    from isoloss.cli._inputs import read_runs
    from isoloss.fitting.comparison.comparison import COMPARED_LAWS, compare

    result = compare(
        read_runs(table, columns(map_)),
        law or COMPARED_LAWS,
        holdout=holdout,
        bootstrap=bootstrap,
        level=level,
        seed=seed,
        n=n,
    )
    return Answer(
        document=result.to_dict(), text=result.summary(), exit_code=0 if result.trusted else 4
    )

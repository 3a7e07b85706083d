"""`isoloss fit`: a scaling law for a run table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isoloss.cli._answer import Answer
from isoloss.cli._options import (
    Json,
    LawName,
    Level,
    Map,
    Seed,
    columns,
    new_app,
    numbers,
    pairs,
)
from isoloss.errors import UsageError

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
    target: Annotated[
        str | None, typer.Option(help="The column that the law predicts; `loss` for most laws.")
    ] = None,
    objective: Annotated[
        str, typer.Option(help="huber, absolute, squared, asymmetric or student.")
    ] = "huber",
    delta: Annotated[
        float, typer.Option(help="Where Huber turns from square to line; Student's scale.")
    ] = 1e-3,
    residual: Annotated[str, typer.Option(help="Residuals of `log` values or `raw`.")] = "log",
    tau: Annotated[
        float, typer.Option(help="Of `asymmetric`: near 1 the law is the lower envelope.")
    ] = 0.9,
    nu: Annotated[float, typer.Option(help="Degrees of freedom of `student`.")] = 4.0,
    weights: Annotated[str | None, typer.Option(help="A column of weights of the rows.")] = None,
    fix: Annotated[
        list[str] | None,
        typer.Option("--fix", metavar="NAME=VALUE", help="Fix a parameter. Repeatable."),
    ] = None,
    tie: Annotated[
        list[str] | None,
        typer.Option("--tie", metavar="NAME=OTHER", help="Set parameters equal. Repeatable."),
    ] = None,
    n: Annotated[
        str | None, typer.Option("--n", help="Which count is N, e.g. params_total.")
    ] = None,
    map_: Map = None,
    bootstrap: Annotated[int, typer.Option(help="Resamples for the intervals; 0 for none.")] = 1000,
    resample: Annotated[
        str, typer.Option(help="case, cluster or wild; `auto` draws what is independent.")
    ] = "auto",
    level: Level = 0.9,
    seed: Seed = 0,
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="COLUMN", help="Fit each group of a column, side by side."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FIT", help="Save the fit here.")
    ] = None,
    as_json: Json = False,
) -> Answer:
    """Fit a scaling law to a run table, with intervals and checks.

    Exits with 4 where the fit is there but its checks say not to trust it.
    """
    from isoloss.cli._inputs import read_runs
    from isoloss.fitting import fit, fit_groups

    settings = {
        "target": target,
        "objective": objective,
        "delta": delta,
        "residual": residual,
        "tau": tau,
        "nu": nu,
        "weights": weights,
        "fixed": numbers(fix, "--fix"),
        "tied": pairs(tie, "--tie"),
        "bootstrap": bootstrap,
        "resample": resample,
        "level": level,
        "seed": seed,
        "n": n,
    }
    runs = read_runs(table, columns(map_))
    if by is not None:
        if output is not None:
            raise UsageError("--by makes a table of fits, which -o cannot save", hint="Use --json.")
        groups = fit_groups(runs, by=by, law=law, **settings)  # type: ignore[arg-type]
        code = 0 if groups.trusted else 4
        return Answer(document=groups.to_dict(), text=groups.summary(), exit_code=code)
    result = fit(runs, law, **settings)  # type: ignore[arg-type]
    document, text = result.to_dict(), result.summary()
    if output is not None:
        result.save(output)
        document, text = document | {"paths": {"fit": str(output)}}, f"{text}\n\nSaved {output}"
    return Answer(document=document, text=text, exit_code=0 if result.trusted else 4)

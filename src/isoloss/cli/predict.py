"""`isoloss predict`: the loss, or any metric, of a run that nobody has trained yet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isoloss.cli._answer import Answer
from isoloss.cli._options import Json, Level, Map, Source, columns, new_app, pairs, quantity

app = new_app()


@app.command()
def command(
    source: Source,
    n: Annotated[
        float | None, typer.Option("--n", parser=quantity, metavar="N", help="Parameters: 70B.")
    ] = None,
    d: Annotated[
        float | None, typer.Option("--d", parser=quantity, metavar="D", help="Tokens: 1.4T.")
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option("--at", metavar="NAME=VALUE", help="Another variable of the law. Repeatable."),
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option("--scale", metavar="FACTORS", help="What if all grow: 2,4,8 largest runs."),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(help="The column of a run table that is predicted; the law's own, or loss."),
    ] = None,
    kind: Annotated[
        str, typer.Option(help="Interval of the `mean` loss, or of one `run` with its noise.")
    ] = "mean",
    level: Level = 0.9,
    law: Annotated[
        str | None,
        typer.Option(
            "--law",
            help="Law for a run table; chinchilla when left out; `power` for a*N^b*D^c*C^d.",
        ),
    ] = None,
    map_: Map = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FIGURE", help="With --scale: a figure (.svg)."),
    ] = None,
    as_json: Json = False,
) -> Answer:
    """Predict the loss at N parameters and D tokens, or at multiples of the largest run."""
    from isoloss.cli._predictions import Asked, predicted, scaled

    variables = {name: quantity(value) for name, value in pairs(at, "--at").items()}
    variables |= {name: value for name, value in (("N", n), ("D", d)) if value is not None}
    asked = Asked(
        source=source, law=law, target=target, columns=columns(map_), kind=kind, level=level
    )
    if scale is None:
        return predicted(asked, variables, output)
    return scaled(asked, scale, variables, output)

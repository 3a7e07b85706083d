"""`isoloss predict`: the loss, or any metric, of a run that nobody has trained yet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isoloss.cli._answer import Answer
from isoloss.cli._options import Json, Map, columns, new_app, pairs, quantity

app = new_app()


@app.command()
def command(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="FIT|TABLE|published:NAME",
            help="A saved fit, a run table, a study folder, `example`, or a published law.",
        ),
    ] = None,
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
    loss: Annotated[
        float | None,
        typer.Option("--loss", parser=quantity, metavar="L", help="The cheapest N and D for it."),
    ] = None,
    start: Annotated[
        float | None,
        typer.Option("--from", parser=quantity, metavar="C", help="Best N and D from this budget"),
    ] = None,
    end: Annotated[
        float | None,
        typer.Option("--to", parser=quantity, metavar="C", help="to this one, as a table."),
    ] = None,
    points: Annotated[int | None, typer.Option(help="Rows of that table; 9 when left out.")] = None,
    unique_tokens: Annotated[
        float | None,
        typer.Option(parser=quantity, metavar="U", help="Tokens at hand: more are repeated."),
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
        str | None,
        typer.Option(
            help="Interval of the `mean` loss (when left out), or of one `run` with its noise."
        ),
    ] = None,
    level: Annotated[
        float | None,
        typer.Option(help="Level of the intervals, between 0 and 1; 0.9 when left out."),
    ] = None,
    law: Annotated[
        str | None,
        typer.Option(
            "--law",
            help="Law for a run table; chinchilla when left out; `power` for a*N^b*D^c*C^d; "
            "or published:NAME without a table.",
        ),
    ] = None,
    map_: Map = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FIGURE", help="With --scale: a figure (.svg)."),
    ] = None,
    as_json: Json = False,
) -> Answer:
    """Predict the loss at N parameters and D tokens, or the best N and D.

    With --loss: the cheapest N and D that reach it. With --from and --to: the compute-optimal
    split of each budget. With --scale: multiples of the largest run.
    """
    from isoloss.cli._predictions import AskedPrediction, answered

    variables = {name: quantity(value) for name, value in pairs(at, "--at").items()}
    variables |= {name: value for name, value in (("N", n), ("D", d)) if value is not None}
    asked = AskedPrediction.of(
        source=source, law=law, target=target, columns=columns(map_), kind=kind, level=level
    )
    return answered(
        asked,
        variables,
        loss=loss,
        budgets=(start, end, points),
        scale=scale,
        unique_tokens=unique_tokens,
        output=output,
    )

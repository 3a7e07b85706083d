"""`isoloss predict`: the loss of a run that nobody has trained yet."""

from __future__ import annotations

from typing import Annotated

import typer

from isoloss.cli._answer import Answer
from isoloss.cli._options import Json, Level, Source, new_app, pairs, quantity

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
    kind: Annotated[
        str, typer.Option(help="Interval of the `mean` loss, or of one `run` with its noise.")
    ] = "mean",
    level: Level = 0.9,
    law: Annotated[
        str | None, typer.Option("--law", help="Law for a run table; chinchilla when left out.")
    ] = None,
    as_json: Json = False,
) -> Answer:
    """Predict the loss at N parameters and D tokens, with an interval."""
    from isoloss.cli._inputs import read_fit

    variables = {name: quantity(value) for name, value in pairs(at, "--at").items()}
    variables |= {name: value for name, value in (("N", n), ("D", d)) if value is not None}
    prediction = read_fit(source, law).predict(**variables, level=level, kind=kind)  # type: ignore[arg-type]
    return Answer(document=prediction.to_dict(), text=prediction.summary())

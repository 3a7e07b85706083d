"""`isoloss plan`: what to train with a budget."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isoloss.cli._answer import Answer
from isoloss.cli._options import Json, Level, new_app, quantity

app = new_app()


@app.command()
def command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FIT|TABLE|published:NAME",
            help="A fit, a run table, a study folder, `example`, or a published law.",
        ),
    ],
    flops: Annotated[
        float, typer.Option(parser=quantity, metavar="C", help="The budget in training FLOP.")
    ],
    n_layer: Annotated[int | None, typer.Option(min=1, help="Fix the number of layers.")] = None,
    vocab_size: Annotated[
        int | None, typer.Option(min=1, help="Entries of the vocabulary.")
    ] = None,
    context_length: Annotated[int | None, typer.Option(min=1, help="Tokens of context.")] = None,
    level: Level = 0.9,
    law: Annotated[
        str | None, typer.Option("--law", help="Law for a run table; chinchilla when left out.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="PLAN", help="Save the plan here.")
    ] = None,
    as_json: Json = False,
) -> Answer:
    """Turn a budget into parameters, tokens and a concrete shape, with intervals."""
    from isoloss.cli._inputs import read_fit
    from isoloss.planning import plan

    result = plan(
        source if source.startswith("published:") else read_fit(source, law),
        flops=flops,
        n_layer=n_layer,
        vocab_size=vocab_size,
        context_length=context_length,
        level=level,
    )
    document, text = result.to_dict(), result.summary()
    if output is not None:
        result.save(output)
        document, text = document | {"paths": {"plan": str(output)}}, f"{text}\n\nSaved {output}"
    return Answer(document=document, text=text)

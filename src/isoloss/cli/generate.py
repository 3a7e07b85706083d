"""`isoloss generate`: text from a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isoloss.cli._answer import Answer
from isoloss.cli._options import Json, Seed, new_app

app = new_app()


@app.command()
def command(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL|STUDY", help="The folder of a trained model.")
    ],
    prompt: Annotated[str, typer.Option(help="What the text begins with.")] = "",
    max_tokens: Annotated[int, typer.Option(min=1, help="Tokens to sample.")] = 200,
    temperature: Annotated[
        float, typer.Option(min=0.0, help="0 takes the likeliest token every time.")
    ] = 1.0,
    top_k: Annotated[
        int | None, typer.Option(min=1, help="Sample among the K likeliest; all when left out.")
    ] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> Answer:
    """Sample text from a trained model."""
    from isoloss.cli._inputs import model_folder
    from isoloss.tasks import generate_text

    text = generate_text(
        model_folder(str(model)),
        prompt,
        max_tokens=max_tokens,
        temperature=temperature,
        top_k=top_k,
        seed=seed,
    )
    return Answer(document={"prompt": prompt, "text": text, "seed": seed}, text=text)

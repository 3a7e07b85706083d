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
        str,
        typer.Argument(
            metavar="MODEL|STUDY", help="A trained model, a study, or a folder of Hugging Face."
        ),
    ],
    prompt: Annotated[
        list[str] | None,
        typer.Option(help="What the text begins with, or the source. Repeatable."),
    ] = None,
    prompts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A file with a prompt in each line.")
    ] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Most tokens to add.")] = 200,
    temperature: Annotated[
        float, typer.Option(min=0.0, help="0 takes the likeliest token every time.")
    ] = 1.0,
    top_k: Annotated[
        int | None, typer.Option(min=1, help="Sample among the K likeliest; all when left out.")
    ] = None,
    top_p: Annotated[
        float | None, typer.Option(help="Sample among the fewest with this probability together.")
    ] = None,
    min_p: Annotated[
        float | None, typer.Option(help="Leave out tokens below this share of the likeliest.")
    ] = None,
    repetition_penalty: Annotated[
        float, typer.Option(help="Above 1: tokens that were there already are less likely.")
    ] = 1.0,
    presence_penalty: Annotated[
        float, typer.Option(help="Taken from the logits of tokens that the new text has.")
    ] = 0.0,
    beams: Annotated[
        int, typer.Option(min=1, help="Beam search for the likeliest text, with K beams.")
    ] = 1,
    length_penalty: Annotated[
        float, typer.Option(help="Of beam search: above 0 favours longer texts.")
    ] = 1.0,
    stop: Annotated[
        list[str] | None, typer.Option(help="A text that ends the text. Repeatable.")
    ] = None,
    batch_rows: Annotated[int, typer.Option(min=1, help="Prompts at a time.")] = 16,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "cpu",
    seed: Seed = 0,
    as_json: Json = False,
) -> Answer:
    """Generate text: sampled, greedy or by beam search; what comes is shown as it comes."""
    from isoloss.cli._generation import generated, wanted

    asked = wanted(model, prompt or (), prompts, device=device)
    from isoloss.tasks import GenerationSettings

    settings = GenerationSettings(
        max_tokens=max_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        repetition_penalty=repetition_penalty,
        presence_penalty=presence_penalty,
        beams=beams,
        length_penalty=length_penalty,
        stop=tuple(stop or ()),
        seed=seed,
    )
    return generated(asked, settings, batch_rows=batch_rows, stream=not as_json)

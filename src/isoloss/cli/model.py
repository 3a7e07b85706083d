"""`isoloss model`: count the weights of a shape, and convert trained models."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from isoloss.cli._answer import Answer
from isoloss.cli._options import Json, new_app, pairs

app = new_app(help="Count the weights of a model, and convert models to and from Hugging Face.")


@app.command()
def count(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="A public model, as `isoloss model list` has them."),
    ] = None,
    d_model: Annotated[int | None, typer.Option(min=1, help="Width, instead of a name.")] = None,
    family: Annotated[str, typer.Option(help="Family of architectures, with --d-model.")] = (
        "isoloss"
    ),
    vocab_size: Annotated[int, typer.Option(min=1, help="Vocabulary, with --d-model.")] = 32_000,
    context: Annotated[int, typer.Option(min=1, help="Context, with --d-model.")] = 2048,
    n_layer: Annotated[int | None, typer.Option(min=1, help="Depth, with --d-model.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="OPTION=VALUE", help="Any option of a shape. Repeatable."),
    ] = None,
    as_json: Json = False,
) -> Answer:
    """Count weights and FLOP of a public model or of a shape, under every convention."""
    from isoloss.architecture._preset_report import count_document, count_text, named_or_shaped

    config, known = named_or_shaped(
        name,
        d_model,
        family=family,
        vocab_size=vocab_size,
        context_length=context,
        n_layer=n_layer,
        options=pairs(option, "--set"),
    )
    document = count_document(config, known)
    return Answer(document=document, text=count_text(document))


@app.command("list")
def list_(as_json: Json = False) -> Answer:
    """List the public models whose shape is known, with counted and published sizes."""
    from isoloss.architecture._preset_report import list_document, list_text

    document = list_document()
    return Answer(document=document, text=list_text(document))


@app.command()
def export(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL|STUDY", help="The folder of a trained model.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="A new folder.")],
    to: Annotated[str, typer.Option(metavar="FORMAT", help="hf: Hugging Face.")] = "hf",
    as_json: Json = False,
) -> Answer:
    """Write a trained model as a folder that Hugging Face transformers loads."""
    from isoloss.cli._inputs import model_folder
    from isoloss.errors import UsageError

    if to != "hf":
        raise UsageError(f"no such format: {to!r}", hint="Formats: hf (Hugging Face).")
    from isoloss.models.huggingface import export_model

    done = export_model(model_folder(str(model)), out)
    return Answer(
        document={**asdict(done), "paths": {"model": done.folder}},
        text=f"{done.architecture}, {done.parameters:,} parameters, {done.numbers:,} numbers in"
        f" model.safetensors\nSaved {done.folder}; load it"
        f" with: {done.auto_class}.from_pretrained({done.folder!r})",
    )


@app.command("import")
def import_(
    source: Annotated[
        str,
        typer.Argument(
            metavar="HF_DIR", help="A folder with safetensors, or hf://OWNER/NAME for the hub."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="A new folder.")],
    as_json: Json = False,
) -> Answer:
    """Import a model of Hugging Face: safetensors only, nothing in it is run."""
    from isoloss.models.huggingface import import_model

    done = import_model(source, out)
    further = f"; sample from it with: isoloss generate {done.folder} --prompt '…'"
    return Answer(
        document={**asdict(done), "paths": {"model": done.folder}},
        text=f"{done.model_type} ({done.kind.replace('_', '-')}), {done.parameters:,} parameters\n"
        f"Saved {done.folder}" + (further if done.kind == "decoder" else ""),
    )

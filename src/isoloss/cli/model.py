"""`isoloss model`: count the weights of a shape, check how it scales, convert trained models."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from isoloss.cli._answer import Answer
from isoloss.cli._options import Json, new_app, pairs

app = new_app(
    help="Count the weights of a model, check how it scales, and convert to and from Hugging Face."
)


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


@app.command("coord-check")
def coord_check(
    family: Annotated[str, typer.Option(help="Family of architectures.")] = "isoloss",
    optimizer: Annotated[str, typer.Option(help="adamw or muon.")] = "adamw",
    parameterization: Annotated[
        str, typer.Option(help="How rates follow the width: mup, standard or inverse_width.")
    ] = "mup",
    widths: Annotated[
        str, typer.Option(metavar="W,W,…", help="Widths of the models, whole heads of 16 wide.")
    ] = "32,64,128,256",
    steps: Annotated[int, typer.Option(min=1, help="Training steps.")] = 4,
    seeds: Annotated[int, typer.Option(min=2, help="Models of each width.")] = 3,
    learning_rate: Annotated[
        float, typer.Option(min=0, help="AdamW's rate at the narrowest width.")
    ] = 0.002,
    n_layer: Annotated[int, typer.Option(min=1, help="Depth.")] = 2,
    option: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="OPTION=VALUE", help="Any option of a shape. Repeatable."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FIGURE", help="A figure: .svg, .png or .html."),
    ] = None,
    as_json: Json = False,
) -> Answer:
    """Check that wide models move as much as narrow ones in their first steps, as under µP.

    Exits with 4 where they do not, or where it cannot be told.
    """
    from isoloss.architecture._preset_report import named_or_shaped
    from isoloss.reports.coordinate_chart import check_figure_name, write_coordinate_figure
    from isoloss.training.coordinate_check import CONTEXT, VOCABULARY, check_coordinates

    if output is not None:
        check_figure_name(output)
    sizes, given = _widths(widths), pairs(option, "--set")
    # The narrowest model reads the options, which come as text.
    narrow, _ = named_or_shaped(
        None,
        min(sizes),
        family=family,
        vocab_size=VOCABULARY,
        context_length=CONTEXT,
        n_layer=n_layer,
        options=given,
    )
    check = check_coordinates(
        family=family,
        optimizer=optimizer,  # type: ignore[arg-type] - checked there
        parameterization=parameterization,  # type: ignore[arg-type] - checked there
        widths=sizes,
        steps=steps,
        seeds=seeds,
        learning_rate=learning_rate,
        n_layer=narrow.n_layer,
        options={name: getattr(narrow, name) for name in given if name != "n_layer"},
        on_progress=lambda line: print(f"coord-check: {line}", file=sys.stderr, flush=True),
    )
    document, text = check.to_dict(), check.summary()
    if output is not None:
        write_coordinate_figure(output, document)
        document, text = {**document, "paths": {"figure": str(output)}}, f"{text}\nSaved {output}"
    return Answer(document=document, text=text, exit_code=0 if check.passed else 4)


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
    from isoloss.training.exchange import export_model

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
    from isoloss.training.exchange import import_model

    done = import_model(source, out)
    further = f"; sample from it with: isoloss generate {done.folder} --prompt '…'"
    return Answer(
        document={**asdict(done), "paths": {"model": done.folder}},
        text=f"{done.model_type} ({done.kind.replace('_', '-')}), {done.parameters:,} parameters\n"
        f"Saved {done.folder}" + (further if done.kind == "decoder" else ""),
    )


def _widths(text: str) -> list[int]:
    """`"32,64"` as whole numbers.

    Raises:
        UsageError: something else.
    """
    from isoloss.errors import UsageError

    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or min(found) < 1:
        raise UsageError(
            f"--widths expects positive whole numbers, found {text!r}",
            hint="For example: --widths 32,64,128,256",
        )
    return found

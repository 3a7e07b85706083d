"""`isoloss train`: one model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from isoloss.cli._answer import Answer
from isoloss.cli._options import Json, Seed, new_app, quantity

app = new_app()


@app.command()
def command(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the model.")],
    corpus: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH", help="Text file or folder; this Python's own source when left out."
        ),
    ] = None,
    d_model: Annotated[int, typer.Option(min=1, help="Width.")] = 64,
    tokens: Annotated[
        Any, typer.Option(parser=quantity, metavar="D", help="Training tokens.")
    ] = "1M",
    text_field: Annotated[str, typer.Option(help="Field with the text in .jsonl, .parquet.")] = (
        "text"
    ),
    seed: Seed = 0,
    as_json: Json = False,
) -> Answer:
    """Train one model with the recipe of the studies, and save it with its run row."""
    from isoloss.training import train_one

    row = train_one(
        list(corpus or ()),
        d_model=d_model,
        tokens=int(tokens),
        out=out,
        seed=seed,
        text_field=text_field,
    )
    loss = row.get("loss")
    told = f"loss {loss:.4f} {row.get('loss_unit', '')}" if loss is not None else row.get("status")
    return Answer(
        document={"run": dict(row), "paths": {"model": str(out)}},
        text=f"{told}\nSaved {out}; sample from it with: isoloss generate {out} --prompt '…'",
    )

"""`isoloss export`: a plan as what another trainer starts from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isoloss.cli._answer import Answer
from isoloss.cli._options import Json, new_app

app = new_app()


@app.command()
def command(
    plan: Annotated[
        Path, typer.Argument(metavar="PLAN", help="A plan that `isoloss plan … -o PLAN` wrote.")
    ],
    to: Annotated[str, typer.Option(metavar="TARGET", help="hf, nemo, megatron or torchtitan.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="A new folder.")],
    family: Annotated[
        str | None,
        typer.Option(help="Reshape the plan's N first: llama, qwen3, gpt2, …"),
    ] = None,
    as_json: Json = False,
) -> Answer:
    """Write a plan as configs of another trainer: shape and recipe, no weights.

    Every name is checked against the trainer's own, and the exact number of parameters is stated.
    An option that the trainer does not have is an error that names it; --family reshapes the plan.
    """
    from isoloss.planning import Plan
    from isoloss.planning.export import export_plan

    done = export_plan(Plan.load(plan), to, out, family=family)
    return Answer(
        document={**done.to_dict(), "paths": {"folder": done.folder}}, text=done.summary()
    )

"""`isoloss evaluate`: a model on a task, with intervals; two models side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isoloss.cli._answer import Answer
from isoloss.cli._options import FieldMap, Json, Level, Seed, new_app, pairs

app = new_app()


@app.command()
def command(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL|STUDY",
            help="A trained model, a study, or a folder of Hugging Face; nothing with"
            " --predictions.",
            show_default=False,
        ),
    ] = None,
    task: Annotated[str | None, typer.Option(help="Which task; see --list.")] = None,
    harness: Annotated[
        list[str] | None,
        typer.Option(metavar="TASK", help="A task or group of lm-evaluation-harness. Repeatable."),
    ] = None,
    include_path: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="With --harness: a folder of task files of your own."),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Examples: .jsonl, .csv, .tsv, .parquet, SQuAD's .json, .txt, hf://… Repeatable.",
        ),
    ] = None,
    map_: FieldMap = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="An option of the task. Repeatable."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Most examples; with --harness of each task.")
    ] = None,
    batch_rows: Annotated[
        int | None, typer.Option(min=1, help="Rows of the model at a time.")
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Score these texts instead of a model: a line each, or .jsonl with a text a line.",
        ),
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(help="Score a baseline of the task instead of a model.")
    ] = None,
    train: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE", help="With --baseline memory: pairs to look translations up in."
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(metavar="RESULT", help="Compare with a saved result, example by example."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="RESULT", help="Save the result, examples too."),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="STORE",
            help="Add metric_NAME, _low and _high to the row of the model's run in this store; made"
            " if missing.",
        ),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show every task and its options.")] = (
        False
    ),
    allow_code_execution: Annotated[
        bool,
        typer.Option("--allow-code-execution", help="Run code that the model wrote, isolated."),
    ] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "cpu",
    level: Level = 0.9,
    seed: Seed = 0,
    as_json: Json = False,
) -> Answer:
    """Score a model on a task, with intervals over its examples."""
    from isoloss.cli._evaluation import Asked, evaluated, listed

    if list_:
        return listed()
    options = dict(pairs(set_, "--set"))
    if allow_code_execution:
        options["allow_code_execution"] = "true"
    if batch_rows is not None:
        options["batch_rows"] = str(batch_rows)
    asked = Asked(
        model=model,
        task=task,
        harness=tuple(harness or ()),
        include_path=include_path,
        data=tuple(data or ()),
        columns=pairs(map_, "--map"),
        options=options,
        limit=limit,
        predictions=predictions,
        baseline=baseline,
        train=tuple(train or ()),
        against=against,
        output=output,
        device=device,
        level=level,
        seed=seed,
    )
    if store is None:
        return evaluated(asked)
    from isoloss.cli._score_rows import recorded

    return recorded(asked, store)

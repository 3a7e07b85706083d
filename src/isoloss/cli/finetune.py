"""`isoloss finetune`: a trained model, trained on for a task or on a text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isoloss.cli._answer import Answer
from isoloss.cli._options import FieldMap, Json, Seed, new_app, pairs

app = new_app()


@app.command()
def command(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL|STUDY",
            help="Where to start: a trained model, a study, a folder of Hugging Face, or hf://…",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the new model.")],
    task: Annotated[
        str | None,
        typer.Option(help="translation, summarisation, question-answering or extractive-qa."),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Examples to train on, as `evaluate` reads them."),
    ] = None,
    dev: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE", help="Held-out examples, scored; a part of --data when left out."
        ),
    ] = None,
    dev_limit: Annotated[int | None, typer.Option(min=1, help="Most held-out examples.")] = None,
    map_: FieldMap = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="An option of the task. Repeatable."),
    ] = None,
    skip_mismatched: Annotated[
        bool,
        typer.Option(
            "--skip-mismatched", help="Leave out answers that are not where they say (extractive)."
        ),
    ] = False,
    corpus: Annotated[
        list[Path] | None,
        typer.Option(metavar="PATH", help="Text to train on, instead of a task. Repeatable."),
    ] = None,
    text_field: Annotated[str, typer.Option(help="Field with the text in .jsonl, .parquet.")] = (
        "text"
    ),
    objective: Annotated[
        str | None, typer.Option(help="On text: causal, masked, …; what suits the model.")
    ] = None,
    lora: Annotated[
        int | None,
        typer.Option(min=1, metavar="RANK", help="Train adapters of this rank; merged at the end."),
    ] = None,
    alpha: Annotated[
        float | None, typer.Option(help="Scale of adapters: alpha/rank; twice the rank.")
    ] = None,
    epochs: Annotated[float, typer.Option(help="Passes over the data.")] = 3.0,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps, instead of epochs.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="Rows of a step.")] = 8,
    learning_rate: Annotated[
        float | None, typer.Option(help="Peak rate; 3e-4, or 1e-3 for adapters.")
    ] = None,
    weight_decay: Annotated[float, typer.Option(min=0, help="Of matrices.")] = 0.0,
    schedule: Annotated[str, typer.Option(help="linear, cosine, wsd or constant.")] = "linear",
    score_every: Annotated[
        int | None,
        typer.Option(min=1, help="Steps between scores of the task; the best state is kept."),
    ] = None,
    patience: Annotated[
        int | None, typer.Option(min=1, help="End after so many scores without a better one.")
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="The metric that decides; the task's first.")
    ] = None,
    log: Annotated[
        list[str] | None,
        typer.Option(help="Also log to tensorboard, wandb or trackio. Repeatable."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "cpu",
    threads: Annotated[int, typer.Option(min=1, help="Of the CPU; part of the run's id.")] = 1,
    seed: Seed = 0,
    as_json: Json = False,
) -> Answer:
    """Train a model on, for a task or on a text: all weights, or adapters (LoRA)."""
    from isoloss.cli._finetuning import AskedTuning, finetuned

    return finetuned(
        AskedTuning(
            model=model,
            out=out,
            task=task,
            data=tuple(data or ()),
            dev=tuple(dev or ()),
            dev_limit=dev_limit,
            columns=pairs(map_, "--map"),
            options=pairs(set_, "--set"),
            skip_mismatched=skip_mismatched,
            text=tuple(corpus or ()),
            text_field=text_field,
            objective=objective,
            rank=lora,
            alpha=alpha,
            tuning={
                "epochs": epochs,
                "steps": steps,
                "batch_rows": rows,
                "learning_rate": learning_rate,
                "weight_decay": weight_decay,
                "schedule": schedule,
            },
            score_every=score_every,
            patience=patience,
            metric=metric,
            logs=tuple(log or ()),
            device=device,
            threads=threads,
            seed=seed,
        )
    )

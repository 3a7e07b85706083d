"""`isoloss train`: one model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from isoloss.cli._answer import Answer
from isoloss.cli._options import FieldMap, Json, Seed, new_app, quantity

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
        Any,
        typer.Option(
            parser=quantity,
            metavar="D",
            help="Training tokens; 1M when nothing says when to end.",
            show_default=False,
        ),
    ] = None,
    text_field: Annotated[str, typer.Option(help="Field with the text in .jsonl, .parquet.")] = (
        "text"
    ),
    fields: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE,TARGET",
            help="Fields of pairs, for sequence to sequence; nested ones as translation.en.",
        ),
    ] = None,
    family: Annotated[
        str | None,
        typer.Option(help="Family of models: isoloss, llama, gpt2, bert, bart, encoder, …"),
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(
            help="causal, masked, span-corruption, prefix or sequence-to-sequence, with settings"
            " as in masked:rate=0.3; what suits the family when left out."
        ),
    ] = None,
    layers: Annotated[int | None, typer.Option(min=1, help="Depth (of each side).")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="OPTION=VALUE",
            help="Any option of the model, as n_expert=4. Repeatable.",
        ),
    ] = None,
    context: Annotated[int | None, typer.Option(min=1, help="Tokens of a row.")] = None,
    batch_tokens: Annotated[
        int | None, typer.Option(min=1, help="Tokens of a step; 1,024.", show_default=False)
    ] = None,
    vocab: Annotated[int | None, typer.Option(min=257, help="Entries of the tokeniser.")] = None,
    optimizer: Annotated[
        str | None, typer.Option(help="muon (AdamW beside it) or adamw.", show_default=False)
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Peak AdamW rate at width 64.", show_default=False)
    ] = None,
    parameterization: Annotated[
        str | None,
        typer.Option(help="inverse_width, standard or mup.", show_default=False),
    ] = None,
    schedule: Annotated[
        str | None, typer.Option(help="wsd, cosine, linear or constant.", show_default=False)
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="float32 or bfloat16.", show_default=False)
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "cpu",
    threads: Annotated[int, typer.Option(min=1, help="Of the CPU; part of the run's id.")] = 1,
    stop_epochs: Annotated[
        float | None, typer.Option(help="End after so many passes over the text.")
    ] = None,
    stop_flops: Annotated[
        Any, typer.Option(parser=quantity, metavar="C", help="End after so much training FLOP.")
    ] = None,
    stop_seconds: Annotated[
        float | None, typer.Option(help="End after so much wall time, wherever it stands.")
    ] = None,
    stop_patience: Annotated[
        int | None,
        typer.Option(min=1, help="End after so many evaluations without a better loss."),
    ] = None,
    evaluate_every: Annotated[
        int | None, typer.Option(min=1, help="Steps between evaluations, for the log.")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="A task that the model is scored on; see evaluate --list.")
    ] = None,
    dev: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="Held-out examples of the task.")
    ] = None,
    dev_limit: Annotated[int | None, typer.Option(min=1, help="Most held-out examples.")] = None,
    map_: FieldMap = None,
    task_set: Annotated[
        list[str] | None,
        typer.Option("--task-set", metavar="NAME=VALUE", help="An option of the task. Repeatable."),
    ] = None,
    score_every: Annotated[
        int | None,
        typer.Option(min=1, help="Steps between scores of the task; the best state is kept."),
    ] = None,
    score_patience: Annotated[
        int | None, typer.Option(min=1, help="End after so many scores without a better one.")
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="The metric that decides; the task's first.")
    ] = None,
    log: Annotated[
        list[str] | None,
        typer.Option(help="Also log to tensorboard, wandb or trackio. Repeatable."),
    ] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> Answer:
    """Train one model with the recipe of the studies, and save it with its run row and log."""
    from isoloss.architecture import options_from_text
    from isoloss.cli._finetuning import baselines_beside, scoring_from
    from isoloss.cli._options import pairs, two_fields
    from isoloss.cli._training import recipe_from, score_text, stop_from
    from isoloss.training import train_one

    scoring = scoring_from(
        task,
        dev,
        options=pairs(task_set, "--task-set"),
        metric=metric,
        columns=pairs(map_, "--map"),
        limit=dev_limit,
        every=score_every,
        patience=score_patience,
        seed=seed,
    )
    row = train_one(
        list(corpus or ()),
        d_model=d_model,
        tokens=None if tokens is None else int(tokens),
        out=out,
        seed=seed,
        text_field=text_field,
        fields=two_fields(fields),
        family=family,
        objective=objective,
        n_layer=layers,
        options=options_from_text(pairs(option, "--set")),
        context_length=context,
        vocab_size=vocab,
        recipe=recipe_from(
            batch_tokens=batch_tokens,
            optimizer=optimizer,
            base_learning_rate=learning_rate,
            parameterization=parameterization,
            schedule=schedule,
            precision=precision,
        ),
        stop=stop_from(
            epochs=stop_epochs,
            flops=stop_flops,
            seconds=stop_seconds,
            patience=stop_patience,
            evaluate_every=evaluate_every if stop_patience is not None else None,
        ),
        evaluate_every=evaluate_every,
        logs=log or (),
        device=device,
        threads=threads,
        scoring=scoring,
    )
    baselines = baselines_beside(scoring, list(corpus or ()), out)
    loss = row.get("loss")
    told = f"loss {loss:.4f} {row.get('loss_unit', '')}" if loss is not None else row.get("status")
    if row.get("reason"):
        told = f"{told} ({row['reason']})"
    told = f"{told}{score_text(row, baselines)}"
    further = {
        "decoder": f"; sample from it with: isoloss generate {out} --prompt '…'",
        "encoder_decoder": f"; let it answer a source with: isoloss generate {out} --prompt '…'",
    }
    kind = str(row.get("architecture", "")).partition("/")[0]
    return Answer(
        document={
            "run": dict(row),
            "baselines": {name: one.to_dict() for name, one in baselines.items()},
            "paths": {"model": str(out), "log": str(out / "log.jsonl")},
        },
        text=f"{told}\nSaved {out}" + further.get(kind, ""),
    )

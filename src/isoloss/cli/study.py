"""`isoloss study`: measure, infer, decide and check, in one resumable loop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isoloss.cli._answer import Answer
from isoloss.cli._options import Json, new_app

app = new_app()


@app.command()
def command(
    spec: Annotated[
        str, typer.Argument(metavar="SPEC", help="A built-in study or a .toml file.")
    ] = "laptop",
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the study.")] = Path(
        "isoloss-study"
    ),
    minutes: Annotated[
        float | None, typer.Option(help="Time for the ladder and the run that checks it.")
    ] = None,
    corpus: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE",
            help="Text to learn: a file, a folder or hf://owner/name[/config][:split]. Repeatable;"
            " this Python's own source when left out.",
        ),
    ] = None,
    text_field: Annotated[
        str | None, typer.Option(metavar="F", help="Field with the text in .jsonl and .parquet.")
    ] = None,
    fields: Annotated[
        str | None,
        typer.Option(metavar="SOURCE,TARGET", help="Fields of pairs, for sequence to sequence."),
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(
            help="causal, masked, span-corruption, prefix or sequence-to-sequence; what suits"
            " the family or the pairs when left out.",
            show_default=False,
        ),
    ] = None,
    family: Annotated[
        str | None,
        typer.Option(
            help="Family of models: isoloss, llama, gpt2, encoder, bert, encoder-decoder, bart.",
            show_default=False,
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(help="cpu, cuda or auto; cpu when left out.", show_default=False),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, metavar="K", help="Seeds on the cheapest widths.")
    ] = None,
    jobs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the plan as jobs for another trainer; train nothing."
        ),
    ] = None,
    design: Annotated[
        bool,
        typer.Option(
            "--design",
            help="Choose most runs of the ladder by what they take off the prediction's"
            " uncertainty, once the narrowest widths are trained.",
        ),
    ] = False,
    task: Annotated[
        str | None,
        typer.Option(
            metavar="TASK",
            help="Score every run on a task, and predict the score of the bigger one; see"
            " isoloss evaluate --list.",
            show_default=False,
        ),
    ] = None,
    task_data: Annotated[
        list[str] | None,
        typer.Option(
            "--task-data",
            metavar="FILE",
            help="Examples of the task: .jsonl, .csv, .tsv, .parquet. Repeatable; held-out pairs"
            " of the corpus when left out.",
        ),
    ] = None,
    allow_code_execution: Annotated[
        bool,
        typer.Option(
            "--allow-code-execution",
            help="Let the task code run, in isolation, the programs that the models write.",
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan; train nothing.")] = (
        False
    ),
    status: Annotated[
        bool, typer.Option("--status", help="Show how far the study in DIR is.")
    ] = False,
    as_json: Json = False,
) -> Answer:
    """Train a ladder of small models, fit a law, predict a bigger run, train it, compare.

    A study that was stopped goes on where it was; finished runs are never repeated.
    """
    from isoloss.cli import _study_text
    from isoloss.cli._options import two_fields
    from isoloss.studies import load_spec, run_study, study_status

    if status:
        told = study_status(out)
        return Answer(document=told, text=_study_text.status(told))
    results = run_study(
        load_spec(spec),
        out=out,
        minutes=minutes,
        corpus=corpus or (),
        text_field=text_field,
        seeds=seeds,
        objective=objective,
        family=family,
        fields=two_fields(fields),
        device=device,
        design=design,
        task=task,
        task_data=task_data or (),
        allow_code_execution=allow_code_execution,
        dry_run=dry_run,
        jobs=jobs,
    )
    only_planned = dry_run or jobs is not None
    text = _study_text.planned(results) if only_planned else _study_text.finished(results)
    return Answer(document=results, text=text)

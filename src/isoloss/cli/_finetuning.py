"""What `finetune` was asked for, and what `train` says of a task."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoloss.cli._answer import Answer
from isoloss.errors import UsageError

if TYPE_CHECKING:
    from isoloss.tasks import Task, TaskResult
    from isoloss.training.finetuning import Scoring


@dataclass(frozen=True, kw_only=True)
class AskedTuning:
    """The words of the command."""

    model: str
    out: Path
    task: str | None
    data: tuple[str, ...]
    dev: tuple[str, ...]
    dev_limit: int | None
    columns: Mapping[str, str]
    options: Mapping[str, str]
    skip_mismatched: bool
    text: tuple[Path, ...]
    text_field: str
    objective: str | None
    rank: int | None
    alpha: float | None
    tuning: Mapping[str, Any]
    score_every: int | None
    patience: int | None
    metric: str | None
    logs: tuple[str, ...]
    device: str
    threads: int
    seed: int


def finetuned(asked: AskedTuning) -> Answer:
    """Train, and say what came of it."""
    _check(asked)
    from isoloss.cli._inputs import model_folder
    from isoloss.training.finetuning import LoRA, Tuning, finetune

    task = None if asked.task is None else task_with(asked.task, asked.options, asked.seed)
    train = [] if task is None else task.read(asked.data, asked.columns)
    dev = task.read(asked.dev, asked.columns, asked.dev_limit) if task and asked.dev else []
    hub = asked.model.startswith("hf://")
    done = finetune(
        asked.model if hub else model_folder(asked.model),
        out=asked.out,
        task=task,
        train=train,
        dev=dev,
        dev_limit=asked.dev_limit,
        text=asked.text,
        text_field=asked.text_field,
        objective=asked.objective,
        lora=None if asked.rank is None else LoRA(rank=asked.rank, alpha=asked.alpha),
        tuning=Tuning(**{n: v for n, v in asked.tuning.items() if v is not None}),
        score_every=asked.score_every,
        patience=asked.patience,
        metric=asked.metric,
        skip_mismatched=asked.skip_mismatched,
        seed=asked.seed,
        device=asked.device,
        threads=asked.threads,
        logs=asked.logs,
        on_progress=lambda line: print(line, file=sys.stderr, flush=True),
    )
    paths = {"model": str(asked.out), "log": str(asked.out / "log.jsonl")}
    return Answer(
        document={**done.to_dict(), "paths": paths}, text=f"{done.summary()}\nSaved {asked.out}"
    )


def task_with(name: str, options: Mapping[str, str], seed: int, *, flag: str = "--set") -> Task:
    """A task with options as a flag of the command line has them.

    Raises:
        NotFoundError, UsageError: no such task or option.
    """
    from isoloss.cli._evaluation import typed_options
    from isoloss.tasks import task_class, with_options

    kind = task_class(name)
    return with_options(kind, {**typed_options(kind, options, flag), "seed": seed})


def scoring_from(
    task: str | None,
    dev: list[str] | None,
    *,
    options: Mapping[str, str],
    metric: str | None,
    columns: Mapping[str, str],
    limit: int | None,
    every: int | None,
    patience: int | None,
    seed: int,
) -> Scoring | None:
    """What `isoloss train` scores; None where it was not asked to.

    Raises:
        UsageError: a task without examples, or the other way round; or one that needs a head
            which only fine-tuning makes.
    """
    if task is None and not dev:
        _check_unused(
            {
                "--task-set": options,
                "--metric": metric,
                "--map": columns,
                "--dev-limit": limit,
                "--score-every": every,
                "--score-patience": patience,
            },
            hint="Name it with --task, and its held-out examples with --dev.",
        )
        return None
    if task is None or not dev:
        raise UsageError(
            "a score needs a task and held-out examples", hint="Give both --task and --dev."
        )
    from isoloss.training.finetuning import Scoring

    if task == "extractive-qa":
        raise UsageError(
            "the task extractive-qa needs a head for spans, which first weights do not have",
            hint="Train the encoder, then: isoloss finetune MODEL --task extractive-qa",
        )
    chosen = task_with(task, options, seed, flag="--task-set")
    examples = chosen.read(dev, columns, limit)
    return Scoring(
        task=chosen, examples=tuple(examples), every=every, patience=patience, metric=metric
    )


def baselines_beside(
    scoring: Scoring | None, sources: list[Path], out: Path
) -> dict[str, TaskResult]:
    """Scores that take no model, on the examples of a model that was trained from a text."""
    if scoring is None:
        return {}
    from isoloss.corpus.opening import is_prepared, open_corpus
    from isoloss.training.finetuning import baseline_scores, training_pairs

    prepared = len(sources) == 1 and is_prepared(sources[0])
    corpus = open_corpus(sources[0] if prepared else out / "corpus")
    return baseline_scores(scoring.task, training_pairs(corpus), scoring.examples)


def _check(asked: AskedTuning) -> None:
    if (asked.task is None) == (not asked.text):
        raise UsageError(
            "a model is tuned on a task or on a text", hint="Give --task with --data, or --corpus."
        )
    if asked.task is not None and not asked.data:
        raise UsageError("no examples given", hint="Name their file with --data.")
    if asked.task is None and (asked.data or asked.dev):
        raise UsageError(
            "examples are given, and no task", hint="Name it with --task, as in --task translation."
        )
    if asked.task is None:
        _check_unused(
            {"--dev-limit": asked.dev_limit, "--map": asked.columns, "--set": asked.options},
            hint="Leave it out, or give --task with --data.",
        )
    if asked.alpha is not None and asked.rank is None:
        raise UsageError("--alpha scales adapters, and there are none", hint="Give --lora RANK.")


def _check_unused(flags: Mapping[str, object], hint: str) -> None:
    """Refuse flags that were given without a task, which alone reads them."""
    given = [flag for flag, value in flags.items() if value]
    if given:
        raise UsageError(f"only a task takes {', '.join(given)}", hint=hint)

"""A trained model, trained on for a task or on a text: what `isoloss finetune` does."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isoloss.corpus import END_OF_TEXT, prepare_corpus
from isoloss.errors import DataError, UsageError
from isoloss.tasks import Task, TaskResult, TextTask
from isoloss.tasks.examples import Row
from isoloss.tasks.extractive import Extractive
from isoloss.training._folder import TOKENIZER
from isoloss.training._progress import shown_progress
from isoloss.training.devices import resolve_device
from isoloss.training.finetuning.adapters import LoRA
from isoloss.training.finetuning.comparison import baseline_lines, baseline_scores
from isoloss.training.finetuning.completion import Completion
from isoloss.training.finetuning.config import TaskRunConfig
from isoloss.training.finetuning.examples import task_pairs
from isoloss.training.finetuning.parts import TaskData
from isoloss.training.finetuning.scoring import RESULT, Scoring, TaskScorer
from isoloss.training.finetuning.spans import Spans, question_windows
from isoloss.training.finetuning.starting import Start, open_start
from isoloss.training.finetuning.states import TunedStates, check_not_own
from isoloss.training.log_writers import check_writers
from isoloss.training.objectives import Objective, SequenceToSequence, objective_from
from isoloss.training.objectives.catalogue import OBJECTIVES
from isoloss.training.recipe import Recipe
from isoloss.training.run import train_run

EVAL_TOKENS = 65_536
WARMUP_SHARE = 0.1
_OBJECTIVE_OF = {"decoder": "causal", "encoder": "masked", "encoder_decoder": "span_corruption"}


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """How a model is trained on.

    Args:
        learning_rate: peak rate of AdamW, the same at every width; 3e-4, or 1e-3 for adapters,
            when None.
        batch_rows: rows of a step; a row holds one window, or as many short examples as fit.
        epochs: passes over the data.
        steps: instead of `epochs`.
        weight_decay: of matrices.
        schedule: `linear`, `cosine`, `wsd` or `constant`, after a warm-up of a tenth.
        label_smoothing: of an encoder-decoder's targets.
        checkpoint_every: steps between checkpoints.

    Raises:
        UsageError: a value that cannot be.
    """

    learning_rate: float | None = None
    batch_rows: int = 8
    epochs: float = 3.0
    steps: int | None = None
    weight_decay: float = 0.0
    schedule: str = "linear"
    label_smoothing: float = 0.1
    checkpoint_every: int = 250

    def __post_init__(self) -> None:
        for name in ("learning_rate", "batch_rows", "epochs", "steps"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise UsageError(f"{name} must be positive, found {value}")

    def recipe(self, row_tokens: int, steps: int, *, adapters: bool) -> Recipe:
        """The recipe of so many steps."""
        rate = self.learning_rate or (1e-3 if adapters else 3e-4)
        return Recipe(
            batch_tokens=self.batch_rows * row_tokens,
            base_learning_rate=rate,
            warmup_steps=max(1, round(steps * WARMUP_SHARE)),
            optimizer="adamw",
            parameterization="standard",
            schedule=self.schedule,  # type: ignore[arg-type] - checked there
            weight_decay=self.weight_decay,
            weight_decay_on="matrices",
            betas=(0.9, 0.999),
            eps=1e-8,
        )


@dataclass(frozen=True, kw_only=True, repr=False)
class Tuned:
    """What came of it.

    Attributes:
        row: of the run table.
        score: of the model that was kept, on the held-out examples; None without a task.
        baselines: scores of answers that take no model, on the same examples.
        left_out: training examples that were not taken, by reason.
    """

    row: Mapping[str, Any]
    score: TaskResult | None = None
    baselines: Mapping[str, TaskResult] = field(default_factory=dict[str, TaskResult])
    left_out: Mapping[str, int] = field(default_factory=dict[str, int])

    def __repr__(self) -> str:
        return f"<Tuned {self.row['run_id']} from {self.row.get('parent_id')}>"

    def summary(self) -> str:
        """Loss, score and baselines, as text of 80 columns."""
        loss = self.row.get("loss")
        told = "no loss" if loss is None else f"loss {loss:.4f} {self.row['loss_unit']}"
        reason = self.row.get("reason")
        lines = [told + (f" ({reason})" if reason else "")]
        lines += [f"left out: {count:,} ({why})" for why, count in self.left_out.items()]
        if self.score is not None:
            lines.append(self.score.summary())
            lines += baseline_lines(self.baselines)
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON."""
        return {
            "run": dict(self.row),
            "score": None if self.score is None else self.score.to_dict(),
            "baselines": {name: one.to_dict() for name, one in self.baselines.items()},
            "left_out": dict(self.left_out),
        }


def finetune(
    source: str | Path,
    *,
    out: str | Path,
    task: Task | None = None,
    train: Sequence[Row] = (),
    dev: Sequence[Row] = (),
    text: Sequence[str | Path] = (),
    text_field: str = "text",
    objective: str | None = None,
    lora: LoRA | None = None,
    tuning: Tuning | None = None,
    score_every: int | None = None,
    patience: int | None = None,
    metric: str | None = None,
    skip_mismatched: bool = False,
    dev_limit: int | None = None,
    seed: int = 0,
    device: str = "cpu",
    threads: int = 1,
    logs: Sequence[str] = (),
    on_progress: Callable[[str], None] | None = None,
) -> Tuned:
    """Train a model on, from its own weights, with its own tokeniser and shape.

    A killed run goes on from its last checkpoint, bit for bit; a finished one is not trained
    again. Given are a task with examples, or a text.

    Args:
        source: a folder of isoloss or of Hugging Face, or `hf://owner/name`.
        out: folder of the new model.
        task: translation, summarisation or question answering of texts, or `Extractive`.
        train: its examples.
        dev: held-out examples, which are scored; a part of `train` when empty.
        text: files or folders of text.
        text_field: the field of rows that holds the text.
        objective: on text: `causal`, `masked`, …; what suits the model when None.
        lora: train adapters instead of all weights; they are merged at the end.
        tuning: rate, batch, length.
        score_every: steps between two scores of the task; at the end only when None. The best
            state is kept.
        patience: scores without a better one that end the run.
        metric: of the task, which decides what is best; its first when None.
        skip_mismatched: leave out answers that are not where they say (`Extractive`).
        dev_limit: most held-out examples, of `dev` or of the part of `train`.
        seed: of the order of the data, of adapters and heads, of dropout.
        device: `cpu`, `cuda` or `auto`.
        threads: PyTorch's, on a CPU; part of the run's id.
        logs: other logs beside `log.jsonl`.
        on_progress: called with one line at each stage.

    Raises:
        UsageError: settings that do not belong together, or a model of another kind.
        NotFoundError, DataError: there is no model, or data that cannot be trained on.
        EnvironmentProblem: no such device, or a package is missing.
    """
    of_task = {"train": train, "dev": dev, "patience": patience, "metric": metric}
    of_task |= {"skip_mismatched": skip_mismatched, "dev_limit": dev_limit}
    _check_given(task, text, objective, of_task)
    check_writers(logs)
    folder, say = Path(out), on_progress or (lambda line: None)
    place, tuning = resolve_device(device), tuning or Tuning()
    say(f"reading {source}")
    start = open_start(source)
    check_not_own(folder, start)
    if task is None:
        scoring = None
        aim, data = _text_data(start, folder, text, text_field, objective, say)
    else:
        aim, data = _task_data(
            *(task, start, train, dev, folder, tuning),
            skip_mismatched=skip_mismatched,
            dev_limit=dev_limit,
        )
        scoring = Scoring(
            task=task, examples=data.dev, every=score_every, patience=patience, metric=metric
        )
    config = _config(
        *(start, aim, data.corpus, tuning),
        lora=lora,
        scoring=scoring,
        seed=seed,
        device=place,
        threads=threads,
    )
    row = _trained(config, start, data.corpus, folder, tuning, score_every, logs)
    score = None if scoring is None or row.get("loss") is None else TaskResult.load(folder / RESULT)
    return Tuned(
        row=row,
        score=score,
        baselines={} if task is None else baseline_scores(task, data.train, data.dev),
        left_out=data.left_out,
    )


def _trained(
    config: TaskRunConfig,
    start: Start,
    corpus: Any,
    folder: Path,
    tuning: Tuning,
    score_every: int | None,
    logs: Sequence[str],
) -> Mapping[str, Any]:
    """The row of the run, trained to its end and scored."""
    scorer = None
    if config.scoring is not None:
        scorer = TaskScorer(config.scoring, start.tokenizer_json, folder, config.run_id)
    with shown_progress(config.steps, f"tuning {start.kind.replace('_', '-')}") as on_step:
        return train_run(
            config,
            corpus,
            folder,
            checkpoint_every=tuning.checkpoint_every,
            evaluate_every=score_every,
            logs=logs,
            on_step=on_step,
            states=TunedStates(
                begin=start,
                recipe=config.recipe,
                seed=config.seed,
                lora=config.lora,
                spans=isinstance(config.objective, Spans),
            ),
            scorer=scorer,
        )


def _check_given(
    task: Task | None,
    text: Sequence[str | Path],
    objective: str | None,
    of_task: Mapping[str, object],
) -> None:
    """Refuse what would be ignored; `of_task` are arguments that only a task takes."""
    if (task is None) == (not text):
        raise UsageError(
            "a model is tuned on a task or on a text",
            hint="Give --task with --data, or --corpus.",
        )
    given = [name for name, value in of_task.items() if value]
    if task is None and given:
        raise UsageError(
            f"only a task takes {', '.join(given)}, and the model is tuned on a text",
            hint="Leave it out, or tune on a task.",
        )
    if task is not None and objective is not None:
        raise UsageError(
            f"a task has an objective of its own, found {objective!r}",
            hint="Leave it out: --objective is for --corpus.",
        )
    if task is not None and not of_task["train"]:
        raise DataError(f"{task.name}: no examples to train on", hint="Name them with --data.")


def _task_data(
    task: Task,
    start: Start,
    train: Sequence[Row],
    dev: Sequence[Row],
    folder: Path,
    tuning: Tuning,
    *,
    skip_mismatched: bool,
    dev_limit: int | None,
) -> tuple[Objective, TaskData]:
    corpus = folder / "corpus"
    if isinstance(task, Extractive):
        data = question_windows(
            *(task, start, train, dev, corpus),
            skip_mismatched=skip_mismatched,
            dev_limit=dev_limit,
        )
        return Spans(), data
    if not isinstance(task, TextTask):
        raise UsageError(
            f"the task {task.name} scores likelihoods and has no answers to train on",
            hint="Tune on translation, summarisation, question-answering or extractive-qa, or on"
            " text with --corpus.",
        )
    data = task_pairs(task, start, train, dev, corpus, dev_limit=dev_limit)
    if start.kind == "encoder_decoder":
        return SequenceToSequence(label_smoothing=tuning.label_smoothing), data
    return Completion(), data


def _text_data(
    start: Start,
    folder: Path,
    text: Sequence[str | Path],
    text_field: str,
    objective: str | None,
    say: Callable[[str], None],
) -> tuple[Objective, TaskData]:
    from isoloss._files import write_text_atomic

    aim = objective_from(objective or _OBJECTIVE_OF[start.kind])
    config = start.model.config
    aim.check_kind(config)
    opened = start.opened()
    source = config.longest_source if start.kind == "encoder_decoder" else None
    special = aim.special_tokens(config.context_length, source)
    missing = [token for token in special if opened.tokenizer.token_to_id(token) is None]
    if missing:
        raise DataError(
            f"{start.source}: the objective {aim.name!r} needs entries that the tokeniser lacks:"
            f" {', '.join(missing[:3])}",
            hint=f"Take another objective of {', '.join(OBJECTIVES)}, or a model whose tokeniser"
            " has them.",
        )
    tokenizer = folder / "start" / TOKENIZER
    write_text_atomic(tokenizer, start.tokenizer_json)
    corpus = prepare_corpus(
        [str(path) for path in text],
        folder / "corpus",
        vocab_size=config.vocab_size,
        tokenizer=tokenizer,
        text_field=text_field,
        special_tokens=[token for token in special if token != END_OF_TEXT],
        on_progress=say,
    )
    return aim, TaskData(corpus=corpus, train=(), dev=())


def _config(
    start: Start,
    aim: Objective,
    corpus: Any,
    tuning: Tuning,
    *,
    lora: LoRA | None,
    scoring: Scoring | None,
    seed: int,
    device: str,
    threads: int,
) -> TaskRunConfig:
    """The run; its steps follow from the epochs, counted on the data itself."""
    shape = start.model.config
    longest = aim.row_tokens(shape).tokens
    steps = tuning.steps or max(1, math.ceil(tuning.epochs * _epoch(aim, corpus, shape, tuning)))
    return TaskRunConfig(
        architecture=shape,
        recipe=tuning.recipe(longest, steps, adapters=lora is not None),
        steps=steps,
        corpus_fingerprint=corpus.fingerprint,
        eval_tokens=EVAL_TOKENS,
        objective=aim,
        begin=start,
        lora=lora,
        scoring=scoring,
        seed=seed,
        device=device,
        threads=threads,
    )


def _epoch(aim: Objective, corpus: Any, shape: Any, tuning: Tuning) -> float:
    """Steps in which every training row comes once."""
    rows = tuning.batch_rows
    if isinstance(aim, Spans):
        return len(corpus.train) / rows
    if isinstance(aim, Completion | SequenceToSequence):
        # Rows hold several examples. They are packed in the order of seed 0 here and in that of
        # the run's seed and of each epoch while it trains, which may differ by a few rows.
        from isoloss.corpus.pairs import pack_pairs

        length = shape.context_length
        source = shape.longest_source if shape.kind == "encoder_decoder" else length
        return len(pack_pairs(corpus.train, source, length, seed=0)) / rows
    return corpus.train_tokens / (rows * shape.context_length)

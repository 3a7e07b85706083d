"""Extractive answers need a head for spans: each model is tuned for one before it is scored.

Every model of a ladder gets the same number of steps at the same rate on the same windows, so that
what differs is the model. Its own weights stay as they are: a copy is tuned.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

from isoloss.errors import DataError
from isoloss.tasks import TaskResult
from isoloss.tasks.examples import Row
from isoloss.tasks.extractive import Extractive
from isoloss.tasks.metric import Score, mean_metric
from isoloss.training.evaluation import evaluate
from isoloss.training.finetuning.parts import HELD_OUT
from isoloss.training.finetuning.spans import Spans, question_windows
from isoloss.training.finetuning.starting import Start, opened_with
from isoloss.training.finetuning.states import TunedStates
from isoloss.training.finetuning.tuning import Tuning
from isoloss.training.schedules import branch_schedule

RATE = 1e-3
BATCH_ROWS = 16
SPAN = mean_metric("span_nats", higher_is_better=False, unit="nats")
"""Surprise at both ends of the right span, a mean over ends and windows: smooth."""
_ALL_TOKENS = 10**9


@dataclass(frozen=True, kw_only=True)
class SpanTuning:
    """What every model is tuned on, and how long.

    Attributes:
        train: examples of other texts than those that are scored.
        steps: of `BATCH_ROWS` windows each.
        seed: of the head and of the order.
    """

    train: Sequence[Row]
    steps: int
    seed: int = 0

    @property
    def note(self) -> str:
        """What is told of it beside the scores."""
        return (
            f"each model is tuned for spans before it is scored: {self.steps:,} steps of"
            f" {BATCH_ROWS} windows at rate {RATE:g}, {len(self.train):,} questions"
        )


@dataclass(frozen=True, kw_only=True)
class SpanScores:
    """A tuned model on the held-out questions: exact match and F1, and the surprise at spans."""

    result: TaskResult
    surprise: Score
    notes: tuple[str, ...]


def span_scores(
    task: Extractive,
    tuning: SpanTuning,
    model: Any,
    tokenizer_json: str,
    examples: Sequence[Row],
    *,
    name: str,
) -> SpanScores:
    """Tune a copy of an encoder for spans and score it.

    Args:
        task: how answers are found.
        tuning: the training part and its length.
        model: the encoder.
        tokenizer_json: its tokeniser.
        examples: what is scored.
        name: of the model.

    Raises:
        UsageError: rows too short for the questions, or not an encoder.
        DataError: no answer stands where its example says.
        Diverged: the tuning did.
    """
    start = Start(source=name, run_id=name, model=model, tokenizer_json=tokenizer_json, weights="")
    aim, device = Spans(), str(next(model.parameters()).device)
    with tempfile.TemporaryDirectory() as folder:
        data = question_windows(
            task, start, tuning.train, examples, Path(folder), skip_mismatched=True
        )
    length = model.config.context_length
    how = Tuning(learning_rate=RATE, batch_rows=BATCH_ROWS, steps=tuning.steps)
    recipe = how.recipe(length, tuning.steps, adapters=False)
    states = TunedStates(begin=start, recipe=recipe, seed=tuning.seed, spans=True)
    state = states.start(device)
    state.advance(
        tuning.steps,
        branch_schedule(recipe, tuning.steps),
        lambda step: aim.batch(
            data.corpus, model.config, seed=tuning.seed, step=step, rows=BATCH_ROWS
        ),
        loss=aim.loss,
    )
    tuned: Any = state.model.eval()
    opened = opened_with(tuned, tokenizer_json, Path(name), name)
    held = evaluate(tuned, aim.evaluation(data.corpus, model.config, _ALL_TOKENS))
    reach = NormalDist().inv_cdf((1 + task.level) / 2) * held.loss_se
    surprise = Score(
        value=held.loss,
        low=held.loss - reach,
        high=held.loss + reach,
        unit=SPAN.unit,
        higher_is_better=False,
    )
    return SpanScores(
        result=task.evaluate(opened, examples),
        surprise=surprise,
        notes=(tuning.note, *_left(data.left_out)),
    )


def _left(left_out: Mapping[str, int]) -> list[str]:
    """What is told of questions that are not tuned on, or whose surprise is not measured.

    >>> _left({"answer in no window": 2, "held-out answer in no window": 1})[1]
    '1 left out of span_nats: held-out answer in no window'
    """
    return [
        f"{count:,} left out of {SPAN.name if why.startswith(HELD_OUT) else 'the tuning'}: {why}"
        for why, count in left_out.items()
    ]


def parted(rows: Sequence[Row], *, held: int, train: int) -> tuple[list[Row], list[Row]]:
    """Questions to score and questions to tune on, of different texts.

    Every second text from the first on is held out until there are enough questions.

    Args:
        rows: with `context`.
        held: most questions to score.
        train: most questions to tune on.

    Raises:
        DataError: all questions are about one text.

    >>> rows = [{"context": text, "n": n} for n, text in enumerate("aabbcc")]
    >>> held, train = parted(rows, held=2, train=9)
    >>> [row["n"] for row in held], [row["n"] for row in train]
    ([0, 1], [2, 3, 4, 5])
    """
    texts: dict[str, list[Row]] = {}
    for row in rows:
        texts.setdefault(str(row["context"]), []).append(row)
    if len(texts) < 2:
        raise DataError(
            "extractive-qa: all questions are about one text, and models are tuned on other texts"
            " than those that are scored",
            hint="Give questions on several texts with task.data (--task-data).",
        )
    scored: list[Row] = []
    others: list[Row] = []
    for number, group in enumerate(texts.values()):
        if number % 2 == 0 and len(scored) < held:
            scored += group
        else:
            others += group
    return scored[:held], others[:train]

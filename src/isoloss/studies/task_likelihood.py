"""The surprise at the right answer: smooth, and for every vocabulary the same unit.

Where a metric counts, as BLEU and exact match do, it says whether the models gain below that
metric's threshold (arXiv:2304.15004).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isoloss.tasks import OpenModel, Task, TextTask
from isoloss.tasks.examples import Row
from isoloss.tasks.likelihood import token_continuations
from isoloss.tasks.metric import Score, mean_metric, score
from isoloss.training.finetuning.examples import AskedAnswer, answers_of, asked_answer

ANSWER = mean_metric("answer_bits_per_byte", higher_is_better=False, unit="bits_per_byte")


@dataclass(frozen=True, kw_only=True)
class Surprise:
    """Bits per byte of right answers; None where none fits the model.

    Attributes:
        score: with its interval over examples.
        notes: how many answers or prompts did not fit.
    """

    score: Score | None
    notes: tuple[str, ...]


def has_answers(task: Task) -> bool:
    """Whether the examples of a task hold the text of a right answer."""
    return isinstance(task, TextTask) and bool({"target", "answers"} & set(task.reads))


def surprise(
    task: TextTask,
    opened: OpenModel,
    examples: Sequence[Row],
    clusters: NDArray[np.int64] | None = None,
) -> Surprise:
    """Bits per byte of each example's first right answer that fits, as training reads it.

    The bits are those of the answer's tokens, with the space that parts it from a prompt and
    without the end of text; the bytes are those of the same text. Answers that do not fit the
    context beside what is asked are passed over; an example without another is left out.

    Args:
        task: with answers.
        opened: a decoder or encoder-decoder.
        examples: of the task.
        clusters: (N,) group of each example, drawn together for the interval.
    """
    asked = [_first_fitting(task, opened, one) for one in examples]
    kept = [place for place, one in enumerate(asked) if _fits(opened, one)]
    notes = _notes(asked, len(kept))
    if not kept:
        return Surprise(score=None, notes=notes)
    rows = [(asked[place].asked, asked[place].answer) for place in kept]
    found = token_continuations(opened, rows, batch_rows=task.batch_rows)
    terms = np.array(
        [
            [-one.total / math.log(2), len(asked[place].text.encode("utf-8"))]
            for place, one in zip(kept, found, strict=True)
        ]
    )
    groups = None if clusters is None else clusters[kept]
    told = score(ANSWER, terms, clusters=groups, level=task.level, seed=task.seed)
    return Surprise(score=told, notes=notes)


def _first_fitting(task: TextTask, opened: OpenModel, example: Row) -> AskedAnswer:
    """The first answer that fits, as a held-out example is learnt with; else the first."""
    made = [asked_answer(task, opened, example, one) for one in answers_of(task, example)]
    return next((one for one in made if _fits(opened, one)), made[0])


def _fits(opened: OpenModel, one: AskedAnswer) -> bool:
    """Whether the answer has tokens, and room beside what is asked and for its end of text."""
    before = 0 if opened.kind == "encoder_decoder" else max(1, len(one.asked)) - 1
    return bool(one.answer) and before + len(one.answer) + 1 <= opened.context_length


def _notes(asked: Sequence[AskedAnswer], kept: int) -> tuple[str, ...]:
    cut, left = sum(one.cut for one in asked), len(asked) - kept
    told = (
        (cut, f"{cut:,} of {len(asked):,} inputs are longer than the models read: cut"),
        (
            left,
            f"{left:,} of {len(asked):,} right answers are empty or do not fit the models' context:"
            f" left out of {ANSWER.name}",
        ),
    )
    return tuple(text for count, text in told if count)

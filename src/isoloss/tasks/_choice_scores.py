"""Figures of choices from their likelihoods, named and defined as in lm-evaluation-harness.

`acc` takes the choice with the highest log-probability, `acc_norm` divides it by the characters
of the choice before, `acc_bytes` by its bytes in UTF-8, and `acc_mutual_info` subtracts the
log-probability of the choice without its context (Holtzman et al. 2021, arXiv:2104.08315).
`brier_score` is the squared distance of the choices' probabilities, which sum to 1, from the
truth, summed over choices (0 to 2). Two are isoloss's own: `acc_token` divides by the tokens of
the choice, and `answer_nats` is the surprise at the right answer. The last two move with every
gain, so that a jump of accuracy is not mistaken for a jump of the model (arXiv:2304.15004).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from isoloss.tasks.likelihood import Continuation, continuations
from isoloss.tasks.metric import Metric, mean_metric, mean_statistics
from isoloss.tasks.opening import OpenModel
from isoloss.tasks.results import TaskResult
from isoloss.tasks.task import Task

METRICS: tuple[Metric, ...] = (
    mean_metric("acc"),
    mean_metric("acc_norm"),
    mean_metric("acc_bytes"),
    mean_metric("acc_token"),
    mean_metric("answer_nats", higher_is_better=False, unit="nats"),
    mean_metric("brier_score", higher_is_better=False, unit="squared_error"),
)
MUTUAL_INFO = mean_metric("acc_mutual_info")


@dataclass(frozen=True, kw_only=True)
class Question:
    """An example, ready to be scored.

    Attributes:
        shown: what is told of it in the result.
        choices: their texts.
        answer: number of the right one.
        pairs: for each choice what the model reads, and what is scored after it.
        measured: for each choice the text that its length is taken from.
    """

    shown: str
    choices: tuple[str, ...]
    answer: int
    pairs: tuple[tuple[str, str], ...]
    measured: tuple[str, ...]


def choices_result(
    task: Task,
    opened: OpenModel,
    asked: Sequence[Question],
    *,
    signature: str,
    notes: tuple[str, ...] = (),
) -> TaskResult:
    """Score every choice of every question; `task.metrics` says which figures are wanted."""
    pairs = [pair for question in asked for pair in question.pairs]
    found = iter(continuations(opened, pairs, batch_rows=task.batch_rows))
    scores = [[next(found) for _ in question.pairs] for question in asked]
    values = [figures(q, s) for q, s in zip(asked, scores, strict=True)]
    if MUTUAL_INFO in task.metrics:
        alone = _alone(opened, pairs, task.batch_rows)
        for value, question, ones in zip(values, asked, scores, strict=True):
            gains = [one.total - next(alone) for one in ones]
            value[MUTUAL_INFO.name] = float(int(np.argmax(gains)) == question.answer)
    cut = sum(any(one.cut for one in ones) for ones in scores)
    if cut:
        notes = (f"{cut:,} contexts were cut to what the model reads", *notes)
    chance = float(np.mean([1 / len(question.choices) for question in asked]))
    return task.result(
        {m: mean_statistics([value[m.name] for value in values]) for m in task.metrics},
        (_output(q, s) for q, s in zip(asked, scores, strict=True)),
        model=opened,
        signature=signature,
        notes=(*notes, f"guessing gives acc {chance:.4g}"),
    )


def figures(question: Question, scores: Sequence[Continuation]) -> dict[str, float]:
    """The figures of one example, by name; of equal choices the first is taken."""
    totals = np.array([one.total for one in scores])
    lengths = {
        "acc": np.ones(len(totals)),
        "acc_norm": np.array([len(text) for text in question.measured]),
        "acc_bytes": np.array([len(text.encode("utf-8")) for text in question.measured]),
        "acc_token": np.array([len(one.log_probs) for one in scores]),
    }
    shares = np.exp(totals - np.logaddexp.reduce(totals))
    truth = np.zeros(len(totals))
    truth[question.answer] = 1
    right = {
        name: float(int(np.argmax(totals / length)) == question.answer)
        for name, length in lengths.items()
    }
    return right | {
        "answer_nats": -float(totals[question.answer]),
        "brier_score": float(((shares - truth) ** 2).sum()),
    }


def _alone(opened: OpenModel, pairs: Sequence[tuple[str, str]], batch_rows: int) -> Iterator[float]:
    """Log-probability of each pair's text without its context; equal texts are scored once."""
    texts = list(dict.fromkeys(text for _, text in pairs))
    found = continuations(opened, [("", text) for text in texts], batch_rows=batch_rows)
    by_text = {text: one.total for text, one in zip(texts, found, strict=True)}
    return (by_text[text] for _, text in pairs)


def _output(question: Question, scores: Sequence[Continuation]) -> dict[str, Any]:
    return {
        "input": question.shown,
        "choices": list(question.choices),
        "answer": question.answer,
        "log_probs": [one.total for one in scores],
    }

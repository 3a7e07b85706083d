"""Multiple choice by likelihood: which continuation the model finds likeliest.

The normalisations are named as lm-evaluation-harness names them: `acc` compares the
log-probabilities of the choices, `acc_norm` divides each by the bytes of the choice, `acc_token`
by its tokens. Beside these thresholds stand two smooth figures, so that a jump of accuracy is not
mistaken for a jump of the model (arXiv:2304.15004): `answer_nats`, the surprise at the right
answer, and `brier`, the squared distance of the choices' probabilities from the truth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from isoloss.errors import DataError
from isoloss.tasks.examples import Row, text_of
from isoloss.tasks.likelihood import Continuation, continuations
from isoloss.tasks.metric import Metric, mean_metric, mean_statistics
from isoloss.tasks.opening import OpenModel
from isoloss.tasks.results import TaskResult, scored
from isoloss.tasks.task import Task

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_YES_NO = {"yes": 0, "true": 0, "no": 1, "false": 1}


@dataclass(frozen=True)
class _Question:
    context: str
    choices: list[str]
    answer: int
    place: str


@dataclass(frozen=True, kw_only=True)
class Choices(Task):
    """The likeliest of some continuations of a text.

    An example has a `question`, `choices` (a list; yes and no when there is none) and an
    `answer`: its number from 0, its letter from A, its text, or a truth value.

    Args:
        template: of the context, with the example's names in braces.
        delimiter: between context and choice.
    """

    template: str = "{question}\nAnswer:"
    delimiter: str = " "

    name: ClassVar[str] = "choices"
    about: ClassVar[str] = "multiple choice, yes or no, and cloze, by likelihood"
    kinds: ClassVar[tuple[str, ...]] = ("decoder", "encoder_decoder")
    reads: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "question": ("query", "context", "prompt", "text", "ctx"),
        "choices": ("options", "endings"),
        "answer": ("label", "gold", "target", "answerKey"),
    }
    optional: ClassVar[tuple[str, ...]] = ("choices",)
    metrics: ClassVar[tuple[Metric, ...]] = (
        mean_metric("acc"),
        mean_metric("acc_norm"),
        mean_metric("acc_token"),
        mean_metric("answer_nats", higher_is_better=False, unit="nats"),
        mean_metric("brier", higher_is_better=False, unit="squared_error"),
    )

    def evaluate(self, opened: OpenModel, examples: Sequence[Row]) -> TaskResult:
        """Score every choice of every example."""
        self.check(opened, examples)
        asked = [self._question(example) for example in examples]
        pairs = [(q.context, self.delimiter + choice) for q in asked for choice in q.choices]
        found = iter(continuations(opened, pairs, batch_rows=self.batch_rows))
        values: list[list[float]] = []
        outputs: list[dict[str, Any]] = []
        cut = 0
        for question in asked:
            scores = [next(found) for _ in question.choices]
            cut += any(one.cut for one in scores)
            values.append(_figures(question, scores))
            outputs.append(
                {
                    "input": question.context,
                    "choices": question.choices,
                    "answer": question.answer,
                    "log_probs": [one.total for one in scores],
                }
            )
        table = np.asarray(values, dtype=np.float64)
        notes = (f"{cut:,} contexts were cut to what the model reads",) if cut else ()
        chance = float(np.mean([1 / len(question.choices) for question in asked]))
        return scored(
            {m: mean_statistics(table[:, i]) for i, m in enumerate(self.metrics)},
            task=self.name,
            model=str(opened.folder),
            run_id=opened.run_id,
            signature=f"template:{self.template!r}|delimiter:{self.delimiter!r}",
            outputs=tuple(outputs),
            level=self.level,
            seed=self.seed,
            notes=(*notes, f"guessing gives acc {chance:.4g}"),
        )

    def _question(self, example: Row) -> _Question:
        place = str(example["place"])
        given = {**example, "question": text_of(example["question"], place)}
        choices = _choices(example.get("choices"), place)
        return _Question(
            context=self.template.format(**given),
            choices=choices,
            answer=_answer(example["answer"], choices, place, named="choices" in example),
            place=place,
        )


def _choices(value: Any, place: str) -> list[str]:
    if value is None:
        return ["yes", "no"]
    if isinstance(value, Mapping):  # {"text": [...], "label": [...]}
        value = value.get("text")
    if not isinstance(value, (list, tuple)) or len(value) < 2:
        raise DataError(f"{place}: expected a list of two or more choices, found {value!r:.80}")
    return [text_of(choice, place) for choice in value]


def _answer(value: Any, choices: list[str], place: str, *, named: bool) -> int:
    """The number of the right choice."""
    if isinstance(value, bool):
        value = "yes" if value else "no"
    if isinstance(value, int) and 0 <= value < len(choices):
        return value
    if isinstance(value, str):
        text = value.strip()
        if text in choices:
            return choices.index(text)
        if text.isdecimal() and int(text) < len(choices):
            return int(text)
        if len(text) == 1 and text.upper() in _LETTERS[: len(choices)] and named:
            return _LETTERS.index(text.upper())
        if not named and text.lower() in _YES_NO:
            return _YES_NO[text.lower()]
    raise DataError(
        f"{place}: the answer {value!r:.80} is none of the {len(choices)} choices",
        hint="Give its number from 0, its letter from A, or its text.",
    )


def _figures(question: _Question, scores: list[Continuation]) -> list[float]:
    """`acc`, `acc_norm`, `acc_token`, `answer_nats` and `brier` of one example."""
    totals = np.array([one.total for one in scores])
    sizes = np.array([len(choice.encode("utf-8")) for choice in question.choices])
    counts = np.array([len(one.log_probs) for one in scores])
    shares = np.exp(totals - np.logaddexp.reduce(totals))
    truth = np.zeros(len(scores))
    truth[question.answer] = 1
    right = [
        float(int(ranked.argmax()) == question.answer)
        for ranked in (totals, totals / sizes, totals / counts)
    ]
    brier = float(((shares - truth) ** 2).sum())
    return [*right, -float(totals[question.answer]), brier]

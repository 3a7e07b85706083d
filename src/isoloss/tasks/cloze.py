"""Cloze by likelihood: choices for a blank in a text, or its one answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from isoloss.errors import DataError, UsageError
from isoloss.tasks._choice_scores import METRICS, Question, choices_result
from isoloss.tasks._right_choice import choices_of, labels_told, right_choice
from isoloss.tasks.examples import Row, text_of
from isoloss.tasks.likelihood import continuations
from isoloss.tasks.metric import FloatArray, Metric, mean_metric, mean_statistics
from isoloss.tasks.opening import OpenModel
from isoloss.tasks.results import TaskResult
from isoloss.tasks.task import Task

BLANK = "_"


@dataclass(frozen=True, kw_only=True)
class Cloze(Task):
    """The likeliest of some choices for the blank of a text.

    Each choice is put into the blank. Partial scoring (Trinh & Le 2018, arXiv:1806.02847; of
    Winogrande in lm-evaluation-harness) takes the log-probability of what follows the blank,
    given what comes before it and the choice: the same words are scored for every choice, so
    lengths and rare words do not matter. Full scoring takes that of the choice and what follows,
    given what comes before. Where no word follows the blank, the two are the same: full.

    An example has a `text` with one blank, `choices` (or Winogrande's `option1` and `option2`,
    whose labels are 1 and 2) and an `answer` (`right_choice` says how it may be given).

    Args:
        blank: what marks the blank; repeated it is one blank.
        scoring: `partial` or `full`.
        labels: what answers call the choices, in their order; the examples' own when empty.
    """

    blank: str = BLANK
    scoring: str = "partial"
    labels: tuple[str, ...] = ()

    name: ClassVar[str] = "cloze"
    about: ClassVar[str] = "choices for a blank in a text, by likelihood, as Winogrande asks"
    kinds: ClassVar[tuple[str, ...]] = ("decoder",)
    reads: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "text": ("sentence", "question", "context", "query", "prompt"),
        "choices": ("options", "candidates"),
        "answer": ("label", "gold", "target", "answerKey"),
        "option1": (),
        "option2": (),
    }
    optional: ClassVar[tuple[str, ...]] = ("choices", "option1", "option2")
    metrics: ClassVar[tuple[Metric, ...]] = METRICS

    def evaluate(self, opened: OpenModel, examples: Sequence[Row]) -> TaskResult:
        """Score every choice in every blank."""
        self.check(opened, examples)
        if self.scoring not in ("partial", "full"):
            raise UsageError(f"scoring is partial or full, found {self.scoring!r}")
        asked = [self._question(example) for example in examples]
        last = sum(len(set(one.measured)) > 1 for one in asked)
        told = (
            f"in {last:,} of {len(asked):,} texts no word follows the blank: the choice is scored"
        )
        return choices_result(
            self,
            opened,
            asked,
            signature=f"scoring:{self.scoring}|blank:{self.blank!r}{labels_told(self.labels)}",
            notes=(told,) if last and self.scoring == "partial" else (),
        )

    def _question(self, example: Row) -> Question:
        place = str(example["place"])
        text = text_of(example["text"], place).rstrip()
        before, after = split_at_blank(text, self.blank, place)
        choices = choices_of(_given_choices(example, place), place, self.labels)
        if self.scoring == "partial" and any(c.isalnum() for c in after):
            pairs = [(before + choice, after) for choice in choices.texts]
        else:
            pairs = [(before, choice + after) for choice in choices.texts]
        return Question(
            shown=text,
            choices=choices.texts,
            answer=right_choice(example["answer"], choices, place),
            pairs=tuple(pairs),
            measured=tuple(scored_text.strip() for _, scored_text in pairs),
        )


def _given_choices(example: Row, place: str) -> Any:
    if "choices" in example:
        return example["choices"]
    if "option1" in example and "option2" in example:
        return {"text": [example["option1"], example["option2"]], "label": ["1", "2"]}
    raise DataError(
        f"{place}: no choices",
        hint='Name them with --map "choices=THEIR NAME"; a blank with one answer and no choices'
        " is the task last-word.",
    )


def split_at_blank(text: str, blank: str, place: str) -> tuple[str, str]:
    """What comes before the one blank of a text, and what after.

    Raises:
        DataError: no blank, or several; UsageError: nothing marks it.

    >>> split_at_blank("The ___ is too big.", "_", "row 1")
    ('The ', ' is too big.')
    """
    if not blank.strip():
        raise UsageError("blank is empty", hint=f"Give what marks it, such as {BLANK}.")
    found = list(re.finditer(f"(?:{re.escape(blank)})+", text))
    if len(found) != 1:
        raise DataError(
            f"{place}: expected one blank, marked {blank}, found {len(found)} in {text!r:.80}",
            hint="Say what marks it with --set blank=XXXXX.",
        )
    return text[: found[0].start()], text[found[0].end() :]


def _perplexity(sums: FloatArray) -> FloatArray:
    with np.errstate(all="ignore"):
        return np.exp(sums[..., 0] / sums[..., 1])


@dataclass(frozen=True, kw_only=True)
class LastWord(Task):
    """The last word of a text, as LAMBADA asks (Paperno et al. 2016, arXiv:1606.06031).

    `acc` is the share of texts whose answer the model would have written, every token the
    likeliest; `perplexity` is e to the mean surprise at an answer (nats an answer, not a token),
    both as in lm-evaluation-harness. An example has a `text`; its last word, parted by white
    space, is the answer. One with an `answer` has a blank in its text, and the model reads what
    comes before.

    Args:
        blank: what marks the blank; repeated it is one blank.
    """

    blank: str = BLANK

    name: ClassVar[str] = "last-word"
    about: ClassVar[str] = "the last word of a text, or the one answer to a blank, as LAMBADA asks"
    kinds: ClassVar[tuple[str, ...]] = ("decoder",)
    reads: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "text": ("sentence", "question", "context", "passage"),
        "answer": ("target",),
    }
    optional: ClassVar[tuple[str, ...]] = ("answer",)
    metrics: ClassVar[tuple[Metric, ...]] = (
        mean_metric("acc"),
        Metric("perplexity", _perplexity, higher_is_better=False, unit="perplexity"),
    )

    def evaluate(self, opened: OpenModel, examples: Sequence[Row]) -> TaskResult:
        """Score the answer of every text."""
        self.check(opened, examples)
        pairs = [self._pair(example) for example in examples]
        found = continuations(opened, pairs, batch_rows=self.batch_rows)
        cut = sum(one.cut > 0 for one in found)
        right = [float(one.greedy) for one in found]
        nats = [-one.total for one in found]
        return self.result(
            {m: mean_statistics(v) for m, v in zip(self.metrics, (right, nats), strict=True)},
            (
                {
                    "input": before,
                    "answer": answer.strip(),
                    "greedy": one.greedy,
                    "log_prob": one.total,
                }
                for (before, answer), one in zip(pairs, found, strict=True)
            ),
            model=opened,
            signature=f"blank:{self.blank!r}",
            notes=(f"{cut:,} contexts were cut to what the model reads",) if cut else (),
        )

    def _pair(self, example: Row) -> tuple[str, str]:
        """What the model reads, and the answer with the white space before it."""
        place = str(example["place"])
        text = text_of(example["text"], place).strip()
        if "answer" in example:
            answer = text_of(example["answer"], place).strip()
            return split_at_blank(text, self.blank, place)[0], answer
        parts = text.rsplit(maxsplit=1)
        if len(parts) < 2:
            raise DataError(
                f"{place}: one word, so that nothing comes before the last: {text!r:.80}",
                hint="Give a longer text, or one with a blank and its answer.",
            )
        return parts[0], text[len(parts[0]) :]

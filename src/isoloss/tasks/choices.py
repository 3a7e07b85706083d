"""Multiple choice by likelihood: which continuation of a question the model finds likeliest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from isoloss.tasks._choice_scores import METRICS, MUTUAL_INFO, Question, choices_result
from isoloss.tasks._right_choice import choices_of, labels_told, right_choice
from isoloss.tasks._templates import filled
from isoloss.tasks.examples import Row, text_of
from isoloss.tasks.metric import Metric
from isoloss.tasks.opening import OpenModel
from isoloss.tasks.results import TaskResult
from isoloss.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class Choices(Task):
    """The likeliest of some continuations of a question.

    An example has a `question`, `choices` (a list, or ARC's `{"text": [...], "label": [...]}`;
    yes and no when there is none), an `answer` (`right_choice` says how it may be given), and
    perhaps a `context`, such as a passage, that is put before the question.

    Args:
        template: of what a choice follows, with the example's names in braces. Unless it says
            where the `{context}` stands, the context comes first, on a line of its own.
        delimiter: between template and choice.
        labels: what answers call the choices, in their order; the examples' own when empty.
    """

    template: str = "{question}\nAnswer:"
    delimiter: str = " "
    labels: tuple[str, ...] = ()

    name: ClassVar[str] = "choices"
    about: ClassVar[str] = "multiple choice, yes or no, by likelihood"
    kinds: ClassVar[tuple[str, ...]] = ("decoder", "encoder_decoder")
    reads: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "question": ("query", "prompt", "text", "ctx", "context"),
        "choices": ("options", "endings"),
        "answer": ("label", "gold", "target", "answerKey"),
        "context": ("passage", "paragraph", "article", "document", "story"),
    }
    optional: ClassVar[tuple[str, ...]] = ("choices", "context")
    metrics: ClassVar[tuple[Metric, ...]] = (*METRICS, MUTUAL_INFO)

    def evaluate(self, opened: OpenModel, examples: Sequence[Row]) -> TaskResult:
        """Score every choice of every example."""
        self.check(opened, examples)
        shown = self._template(any("context" in _values(example) for example in examples))
        return choices_result(
            self,
            opened,
            [self._question(example) for example in examples],
            signature=f"template:{shown!r}|delimiter:{self.delimiter!r}{labels_told(self.labels)}",
        )

    def prompt(self, example: Row) -> str:
        """What the choices follow.

        Raises:
            UsageError: the template names what the example does not have.
            DataError: a question or context that is no text.

        >>> row = {"place": "row 1", "question": "Is tea hot?", "context": "Tea is hot."}
        >>> Choices().prompt(row)
        'Tea is hot.\\nIs tea hot?\\nAnswer:'
        """
        values = _values(example)
        return filled(self._template("context" in values), values)

    def _template(self, context: bool) -> str:
        before = "{context}\n" if context and "{context" not in self.template else ""
        return before + self.template

    def _question(self, example: Row) -> Question:
        place = str(example["place"])
        choices = choices_of(example.get("choices"), place, self.labels)
        before = self.prompt(example)
        return Question(
            shown=before,
            choices=choices.texts,
            answer=right_choice(example["answer"], choices, place),
            pairs=tuple((before, self.delimiter + choice) for choice in choices.texts),
            measured=choices.texts,
        )


def _values(example: Row) -> Row:
    """The example with checked texts.

    One with nothing but a context is read as having it as question and as context: it stands once.
    """
    place = str(example["place"])
    values = {**example, "question": text_of(example["question"], place)}
    if values.get("context") == values["question"]:
        del values["context"]
    elif "context" in values:
        values["context"] = text_of(values["context"], place)
    return values

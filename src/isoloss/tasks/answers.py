"""Question answering by generation: exact match and F1 of answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from isoloss.errors import DataError
from isoloss.tasks.examples import Row, text_of, texts_of
from isoloss.tasks.languages import by_characters, check_language
from isoloss.tasks.metric import FloatArray, Metric, mean_metric, mean_statistics
from isoloss.tasks.results import GIVEN, TaskResult
from isoloss.tasks.squad import exact_match, f1
from isoloss.tasks.task import Task, TextTask, check_counts

ANSWER_METRICS = (mean_metric("exact_match"), mean_metric("f1"))
QUESTION_FIELDS: dict[str, tuple[str, ...]] = {
    "question": ("query",),
    "context": ("passage", "paragraph"),
    "answers": ("answer", "targets", "target"),
    "is_impossible": (),
}
QUESTION_OPTIONAL = ("context", "is_impossible")
_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}


@dataclass(frozen=True, kw_only=True)
class Answers(TextTask):
    """A short answer to a question, with or without a text that holds it.

    A question whose `is_impossible` is true, with an empty list of `answers`, has none in its
    text (SQuAD 2): the empty answer is right.

    Args:
        language: of the answers (ISO 639-1); guessed from their letters when None. Scripts
            without spaces between words are compared by characters.
    """

    template: str = "{context}\nQuestion: {question}\nAnswer:"
    max_tokens: int = 32
    language: str | None = None

    name: ClassVar[str] = "question-answering"
    about: ClassVar[str] = "exact match and F1 of generated answers"
    source_name: ClassVar[str] = "asked"
    long_name: ClassVar[str] = "context"
    reads: ClassVar[Mapping[str, tuple[str, ...]]] = QUESTION_FIELDS
    optional: ClassVar[tuple[str, ...]] = QUESTION_OPTIONAL
    metrics: ClassVar[tuple[Metric, ...]] = ANSWER_METRICS

    def __post_init__(self) -> None:
        super().__post_init__()
        check_language(self.language)

    def read(self, *args: Any, **options: Any) -> list[Row]:
        """Examples, with what an encoder-decoder is asked in `asked`."""
        rows = super().read(*args, **options)
        for row in rows:
            row.setdefault("context", "")
            row["asked"] = f"{row['question']}\n{row['context']}".strip()
        return rows

    def references(self, example: Row) -> list[str]:
        """The answers of an example."""
        return reference_answers(example)

    def score(
        self,
        texts: Sequence[str],
        examples: Sequence[Row],
        *,
        model: str,
        made: str = GIVEN,
        run_id: str = "",
        notes: tuple[str, ...] = (),
    ) -> TaskResult:
        """Means over questions; questions of one text are drawn together for the intervals."""
        check_counts(texts, examples, self.name)
        references = [self.references(example) for example in examples]
        return score_answers(
            self,
            [text.strip() for text in texts],
            references,
            examples,
            language=self.language,
            model=model,
            run_id=run_id,
            made=made,
            notes=notes,
        )


def reference_answers(example: Row) -> list[str]:
    """The answers of an example: a text, texts, or SQuAD's list of `{text, answer_start}`.

    That of a question which is marked as unanswerable is the empty text.

    Raises:
        DataError: none, or an empty one; or answers to a question that has none.
    """
    given, place = example["answers"], example["place"]
    if unanswerable(example):
        listed = given.get("text") if isinstance(given, Mapping) else given
        if listed:
            raise DataError(
                f"{place}: is_impossible is true, and there are answers: {listed!r:.80}",
                hint="Empty the one or the other.",
            )
        return [""]
    if isinstance(given, list) and given and all(isinstance(one, Mapping) for one in given):
        given = [one.get("text") for one in given]
    if given in ([], {"text": [], "answer_start": []}):
        raise DataError(
            f"{place}: no answer",
            hint='Where the text does not have it, say so: "is_impossible": true',
        )
    return texts_of(given, place)


def unanswerable(example: Row) -> bool:
    """Whether an example says that its text does not have the answer (`is_impossible`).

    Raises:
        DataError: it says something else than true or false.
    """
    value = example.get("is_impossible", False)
    known = _TRUTH.get(str(value).strip().lower())
    if known is None:
        raise DataError(
            f"{example['place']}: expected true or false in is_impossible, found {value!r:.80}"
        )
    return known


def score_answers(
    task: Task,
    texts: Sequence[str],
    references: Sequence[Sequence[str]],
    examples: Sequence[Row],
    *,
    language: str | None,
    notes: tuple[str, ...] = (),
    **told: Any,
) -> TaskResult:
    """Exact match and F1, with intervals that draw the questions of a text together.

    Args:
        task: whose result it is.
        texts, references: of each example.
        examples: with a `question` and perhaps a `context`.
        language: of the answers; guessed from their letters when None.
        notes: what to know of the texts.
        told: `model`, `made` and `run_id` of the result.

    Raises:
        DataError: there are no examples.
    """
    if not references:
        raise DataError(f"{task.name}: no examples", hint="Give a file with examples.")
    known = check_language(language)
    characters = by_characters(known, [text for row in references for text in row])
    values = np.asarray(
        [
            [
                exact_match(text, row, characters=characters),
                f1(text, row, characters=characters),
            ]
            for text, row in zip(texts, references, strict=True)
        ]
    )
    contexts = [str(example.get("context") or "") for example in examples]
    places = {context: index for index, context in enumerate(dict.fromkeys(contexts))}
    clusters = np.asarray([places[context] for context in contexts], dtype=np.int64)
    together = any(contexts) and len(places) > 1
    outputs = (
        {
            "input": text_of(example["question"], example["place"]),
            "output": text,
            "references": list(row),
        }
        for example, text, row in zip(examples, texts, references, strict=True)
    )
    compared = "characters" if characters else "words"
    empty_N = np.asarray([row == [""] for row in references])
    if empty_N.any():
        notes = (*notes, _two_kinds(values[:, 0], empty_N))
    return task.result(
        {metric: mean_statistics(values[:, i]) for i, metric in enumerate(ANSWER_METRICS)},
        outputs,
        signature=f"{'squad-2' if empty_N.any() else 'squad'}|{compared}",
        clusters=clusters if together else None,
        notes=notes,
        **told,
    )


def _two_kinds(right_N: FloatArray, empty_N: NDArray[np.bool_]) -> str:
    """Exact match of questions with and without an answer, in one sentence."""
    count, others = int(empty_N.sum()), int((~empty_N).sum())
    told = f"{count:,} of {len(empty_N):,} questions have no answer in their text: exact match"
    told += f" {right_N[empty_N].mean():.4g} on these"
    return told + (f", {right_N[~empty_N].mean():.4g} on the others" if others else "")

"""Question answering by generation: exact match and F1 of answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from isoloss.errors import DataError
from isoloss.tasks.examples import Row, text_of, texts_of
from isoloss.tasks.languages import by_characters, check_language
from isoloss.tasks.metric import Metric, mean_metric, mean_statistics
from isoloss.tasks.results import TaskResult, scored
from isoloss.tasks.squad import exact_match, f1
from isoloss.tasks.task import TextTask, check_counts

ANSWER_METRICS = (mean_metric("exact_match"), mean_metric("f1"))
QUESTION_FIELDS: dict[str, tuple[str, ...]] = {
    "question": ("query",),
    "context": ("passage", "paragraph"),
    "answers": ("answer", "targets", "target"),
}


@dataclass(frozen=True, kw_only=True)
class Answers(TextTask):
    """A short answer to a question, with or without a text that holds it.

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
    reads: ClassVar[Mapping[str, tuple[str, ...]]] = QUESTION_FIELDS
    optional: ClassVar[tuple[str, ...]] = ("context",)
    metrics: ClassVar[tuple[Metric, ...]] = ANSWER_METRICS

    def __post_init__(self) -> None:
        check_language(self.language)

    def read(self, *args: Any, **options: Any) -> list[Row]:
        """Examples, with what an encoder-decoder is asked in `asked`."""
        rows = super().read(*args, **options)
        for row in rows:
            row.setdefault("context", "")
            row["asked"] = f"{row['question']}\n{row['context']}".strip()
        return rows

    def score(
        self,
        texts: Sequence[str],
        examples: Sequence[Row],
        *,
        model: str,
        run_id: str = "",
        notes: tuple[str, ...] = (),
    ) -> TaskResult:
        """Means over questions; questions of one text are drawn together for the intervals."""
        check_counts(texts, examples, self.name)
        references = [reference_answers(example) for example in examples]
        return score_answers(
            [text.strip() for text in texts],
            references,
            examples,
            task=self.name,
            model=model,
            run_id=run_id,
            language=self.language,
            signature=self.signature_of(),
            level=self.level,
            seed=self.seed,
            notes=notes,
        )


def reference_answers(example: Row) -> list[str]:
    """The answers of an example: a text, texts, or SQuAD's list of `{text, answer_start}`.

    Raises:
        DataError: none, or an empty one.
    """
    given = example["answers"]
    if isinstance(given, list) and given and all(isinstance(one, Mapping) for one in given):
        given = [one.get("text") for one in given]
    return texts_of(given, example["place"])


def score_answers(
    texts: Sequence[str],
    references: Sequence[Sequence[str]],
    examples: Sequence[Row],
    *,
    task: str,
    model: str,
    run_id: str,
    language: str | None,
    signature: str,
    level: float,
    seed: int,
    notes: tuple[str, ...] = (),
) -> TaskResult:
    """Exact match and F1, with intervals that draw the questions of a text together.

    Raises:
        DataError: there are no examples.
    """
    if not references:
        raise DataError(f"{task}: no examples", hint="Give a file with examples.")
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
    outputs = tuple(
        {
            "input": text_of(example["question"], example["place"]),
            "output": text,
            "references": list(row),
        }
        for example, text, row in zip(examples, texts, references, strict=True)
    )
    compared = "characters" if characters else "words"
    return scored(
        {metric: mean_statistics(values[:, i]) for i, metric in enumerate(ANSWER_METRICS)},
        task=task,
        model=model,
        run_id=run_id,
        signature=f"{signature}|squad|{compared}",
        outputs=outputs,
        clusters=clusters if together else None,
        level=level,
        seed=seed,
        notes=notes,
    )

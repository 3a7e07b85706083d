"""Summarisation, scored by rouge-score: ROUGE-1, -2, -L and -Lsum."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from isoloss.errors import DataError, EnvironmentProblem
from isoloss.tasks.examples import Row, text_of, texts_of
from isoloss.tasks.languages import by_characters, character_tokens, check_language
from isoloss.tasks.metric import Metric, mean_metric, mean_statistics
from isoloss.tasks.opening import OpenModel
from isoloss.tasks.results import TaskResult, scored
from isoloss.tasks.task import TextTask, check_counts

_KINDS = {"rouge1": "rouge1", "rouge2": "rouge2", "rouge_l": "rougeL", "rouge_lsum": "rougeLsum"}
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")


class _Characters:
    """A tokeniser for `rouge_score`, which else drops all that is not a Latin letter."""

    def tokenize(self, text: str) -> list[str]:
        return character_tokens(text)


@dataclass(frozen=True, kw_only=True)
class Summarisation(TextTask):
    """A short text of a long one.

    A source may be a list of sentences. With several references the best counts, for each kind
    of ROUGE alone, as rouge-score does.

    Args:
        stem: use the Porter stemmer.
        language: of the summaries (ISO 639-1); guessed from the references' letters when None.
            Scripts without spaces between words are scored by characters.
    """

    template: str = "{source}\nTL;DR:"
    max_tokens: int = 64
    stem: bool = False
    language: str | None = None

    name: ClassVar[str] = "summarisation"
    about: ClassVar[str] = "ROUGE of summaries"
    source_name: ClassVar[str] = "source"
    reads: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "source": ("document", "article", "text", "input"),
        "target": ("summary", "summaries", "highlights", "reference", "references", "output"),
    }
    metrics: ClassVar[tuple[Metric, ...]] = tuple(mean_metric(name) for name in _KINDS)

    def __post_init__(self) -> None:
        check_language(self.language)

    def evaluate(self, opened: OpenModel, examples: Sequence[Row]) -> TaskResult:
        """Summarise each source; what does not fit is cut and counted in the notes."""
        joined = [{**example, "source": _whole(example)} for example in examples]
        return super().evaluate(opened, joined)

    def score(
        self,
        texts: Sequence[str],
        examples: Sequence[Row],
        *,
        model: str,
        run_id: str = "",
        notes: tuple[str, ...] = (),
    ) -> TaskResult:
        """Means of F-measures; each source is one example."""
        check_counts(texts, examples, self.name)
        references = [texts_of(example["target"], example["place"]) for example in examples]
        characters = self._characters([text for row in references for text in row])
        scorer = _rouge(self.stem, characters)
        values: list[list[float]] = []
        for text, row in zip(texts, references, strict=True):
            found = scorer.score_multi([sentences(one) for one in row], sentences(text))
            values.append([found[kind].fmeasure for kind in _KINDS.values()])
        table = np.asarray(values, dtype=np.float64)
        outputs = tuple(
            {"input": _whole(example), "output": text, "references": row}
            for example, text, row in zip(examples, texts, references, strict=True)
        )
        cut = "characters" if characters else "rouge_score"
        return scored(
            {metric: mean_statistics(table[:, i]) for i, metric in enumerate(self.metrics)},
            task=self.name,
            model=model,
            run_id=run_id,
            signature=self.signature_of(
                f"rouge|f-measure|stem:{'yes' if self.stem else 'no'}|tokens:{cut}"
                f"|references:best|sentences:lines-or-ends|{_version()}"
            ),
            outputs=outputs,
            level=self.level,
            seed=self.seed,
            notes=notes,
        )

    def baselines(self) -> Mapping[str, Callable[[Row], str]]:
        """The first sentence of the source, and the first three."""
        return {
            "lead-1": lambda example: " ".join(_sentences_of(example)[:1]),
            "lead-3": lambda example: " ".join(_sentences_of(example)[:3]),
        }

    def _characters(self, texts: list[str]) -> bool:
        return by_characters(check_language(self.language), texts)


def sentences(text: str) -> str:
    """A text with one sentence in each line, which ROUGE-Lsum is computed over.

    Lines that are there stay; a text of one line is cut after `.`, `!`, `?` and their Chinese
    kin.

    >>> sentences("One. Two!")
    'One.\\nTwo!'
    """
    if "\n" in text.strip():
        return text
    return "\n".join(part for part in _SENTENCE_END.split(text.strip()) if part)


def _sentences_of(example: Row) -> list[str]:
    source = example["source"]
    if isinstance(source, list):
        return [text_of(part, example["place"], empty=True) for part in source]
    return sentences(text_of(source, example["place"])).split("\n")


def _whole(example: Row) -> str:
    source = example["source"]
    if isinstance(source, list) and not source:
        raise DataError(f"{example['place']}: an empty source")
    return " ".join(_sentences_of(example)) if isinstance(source, list) else str(source)


def _rouge(stem: bool, characters: bool) -> Any:
    try:
        from rouge_score import rouge_scorer
    except ImportError as error:
        raise EnvironmentProblem(
            "scoring summaries needs rouge-score", hint="pip install 'isoloss[train]'"
        ) from error
    tokenizer = _Characters() if characters else None
    return rouge_scorer.RougeScorer(list(_KINDS.values()), use_stemmer=stem, tokenizer=tokenizer)


def _version() -> str:
    from importlib.metadata import version

    return f"rouge-score:{version('rouge-score')}"

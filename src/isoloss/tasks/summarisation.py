"""Summarisation, scored by rouge-score: ROUGE-1, -2, -L and -Lsum."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from isoloss.errors import EnvironmentProblem
from isoloss.tasks.examples import Row, text_of, texts_of
from isoloss.tasks.languages import (
    by_characters,
    character_tokens,
    check_language,
    mostly_latin,
)
from isoloss.tasks.metric import Metric, mean_metric, mean_statistics
from isoloss.tasks.results import GIVEN, TaskResult
from isoloss.tasks.task import TextTask, check_counts

_KINDS = {"rouge1": "rouge1", "rouge2": "rouge2", "rouge_l": "rougeL", "rouge_lsum": "rougeLsum"}
_SENTENCE_END = re.compile(r"(?<=[.!?।؟۔])\s+|(?<=[。！？])")


class _Letters:
    """A tokeniser for `rouge_score`, whose own drops all but the letters a to z and digits."""

    def tokenize(self, text: str) -> list[str]:
        return character_tokens(text)


@dataclass(frozen=True, kw_only=True)
class Summarisation(TextTask):
    """A short text of a long one.

    A source may be a list of sentences. With several references the best counts, for each kind
    of ROUGE alone, as rouge-score does.

    Args:
        stem: use the Porter stemmer, which is of English.
        language: of the summaries (ISO 639-1); guessed from the references' letters when None.
            Words are those of rouge-score, of the letters a to z and digits, where references
            are mostly in Latin letters; else they are of the letters of every script, and
            characters in scripts without spaces between words.
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
    baseline_names: ClassVar[tuple[str, ...]] = ("lead-1", "lead-3")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_language(self.language)

    def references(self, example: Row) -> list[str]:
        """The summaries of an example."""
        return texts_of(example["target"], example["place"])

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
        """Means of F-measures; each source is one example."""
        check_counts(texts, examples, self.name)
        references = [self.references(example) for example in examples]
        tokens = self._tokens([text for row in references for text in row])
        own = tokens == "rouge_score"
        stem = self.stem and own
        scorer = _rouge(stem, None if own else _Letters())
        values: list[list[float]] = []
        for text, row in zip(texts, references, strict=True):
            found = scorer.score_multi([sentences(one) for one in row], sentences(text))
            values.append([found[kind].fmeasure for kind in _KINDS.values()])
        table = np.asarray(values, dtype=np.float64)
        outputs = (
            {"input": self.source(example), "output": text, "references": row}
            for example, text, row in zip(examples, texts, references, strict=True)
        )
        if self.stem and not own:
            notes = (*notes, "nothing was stemmed: the stemmer knows words of a to z alone")
        return self.result(
            {metric: mean_statistics(table[:, i]) for i, metric in enumerate(self.metrics)},
            outputs,
            model=model,
            run_id=run_id,
            made=made,
            signature=f"rouge|f-measure|stem:{'yes' if stem else 'no'}|tokens:{tokens}"
            f"|references:best|sentences:lines-or-ends|{_version()}",
            notes=notes,
        )

    def baselines(self) -> Mapping[str, Callable[[Row], str]]:
        """The first sentence of the source, and the first three."""
        return {
            "lead-1": lambda example: " ".join(_sentences_of(example)[:1]),
            "lead-3": lambda example: " ".join(_sentences_of(example)[:3]),
        }

    def _tokens(self, texts: list[str]) -> str:
        """How references are cut into words, as the signature names it."""
        language = check_language(self.language)
        if by_characters(language, texts):
            return "characters"
        return "rouge_score" if language == "en" or mostly_latin(texts) else "letters"


def sentences(text: str) -> str:
    """A text with one sentence in each line, which ROUGE-Lsum is computed over.

    Lines that are there stay; a text of one line is cut after `.`, `!`, `?` and their kin in
    Chinese, Hindi, Arabic and Urdu.

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


def _rouge(stem: bool, tokenizer: _Letters | None) -> Any:
    try:
        from rouge_score import rouge_scorer
    except ImportError as error:
        raise EnvironmentProblem(
            "scoring summaries needs rouge-score", hint="pip install 'isoloss[train]'"
        ) from error
    return rouge_scorer.RougeScorer(list(_KINDS.values()), use_stemmer=stem, tokenizer=tokenizer)


def _version() -> str:
    from importlib.metadata import version

    return f"rouge-score:{version('rouge-score')}"

"""Translation, scored by sacrebleu: BLEU, chrF and TER (arXiv:1804.08771)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from isoloss.errors import EnvironmentProblem
from isoloss.tasks.examples import Row, text_of, texts_of
from isoloss.tasks.languages import by_characters, check_language
from isoloss.tasks.metric import FloatArray, Metric
from isoloss.tasks.results import TaskResult, scored
from isoloss.tasks.task import TextTask, check_counts

_SPACED = "13a"
_TOKENIZERS = {"zh": "zh", "ja": "ja-mecab", "ko": "ko-mecab"}


def _of_statistics(name: str) -> Callable[[FloatArray], FloatArray]:
    """A metric of sacrebleu from sums of its own statistics of sentences."""

    def of_sums(sums: FloatArray) -> FloatArray:
        scorer = _scorer(name)
        rows = sums.reshape(-1, sums.shape[-1])
        found = [scorer._compute_score_from_stats(row.tolist()).score for row in rows]
        return np.asarray(found, dtype=np.float64).reshape(sums.shape[:-1])

    return of_sums


def _scorer(name: str, **options: Any) -> Any:
    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
        from sacrebleu.metrics.ter import TER
    except ImportError as error:
        raise EnvironmentProblem(
            "scoring translations needs sacrebleu", hint="pip install 'isoloss[train]'"
        ) from error
    kind = {"bleu": BLEU, "chrf": CHRF, "ter": TER}[name]
    return kind(**(options if name == "bleu" else {}))


@dataclass(frozen=True, kw_only=True)
class Translation(TextTask):
    """The target language's text of a source.

    Args:
        language: of the target (ISO 639-1); guessed from the references' letters when None.
            Chinese is cut into characters by sacrebleu's `zh`, others by its `13a`.
    """

    template: str = "{source}\n"
    language: str | None = None

    name: ClassVar[str] = "translation"
    about: ClassVar[str] = "BLEU, chrF and TER of translations"
    source_name: ClassVar[str] = "source"
    reads: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "source": ("src", "input"),
        "target": ("tgt", "reference", "references", "translation", "output"),
    }
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("bleu", _of_statistics("bleu"), unit="percent"),
        Metric("chrf", _of_statistics("chrf"), unit="percent"),
        Metric("ter", _of_statistics("ter"), higher_is_better=False, unit="percent"),
    )

    def __post_init__(self) -> None:
        check_language(self.language)

    def score(
        self,
        texts: Sequence[str],
        examples: Sequence[Row],
        *,
        model: str,
        run_id: str = "",
        notes: tuple[str, ...] = (),
    ) -> TaskResult:
        """Corpus scores; each sentence is one example, with one or several references."""
        check_counts(texts, examples, self.name)
        references = [texts_of(example["target"], example["place"]) for example in examples]
        sources = [text_of(example["source"], example["place"]) for example in examples]
        most = max(map(len, references))
        streams: list[list[str | None]] = [
            [row[i] if i < len(row) else None for row in references] for i in range(most)
        ]
        scorers = {
            "bleu": _scorer("bleu", tokenize=self._tokenizer(references)),
            "chrf": _scorer("chrf"),
            "ter": _scorer("ter"),
        }
        terms: dict[Metric, FloatArray] = {}
        signatures: list[str] = []
        for metric in self.metrics:
            scorer = scorers[metric.name]
            rows = scorer._extract_corpus_statistics(list(texts), streams)
            terms[metric] = np.asarray(rows, dtype=np.float64)
            if metric.name != "ter":
                scorer.corpus_score(list(texts), streams)  # the signature counts references
            signatures.append(f"{metric.name}|{scorer.get_signature()}")
        outputs = tuple(
            {"input": source, "output": text, "references": row}
            for source, text, row in zip(sources, texts, references, strict=True)
        )
        return scored(
            terms,
            task=self.name,
            model=model,
            run_id=run_id,
            signature=self.signature_of(*signatures),
            outputs=outputs,
            level=self.level,
            seed=self.seed,
            notes=notes,
        )

    def baselines(self) -> Mapping[str, Callable[[Row], str]]:
        """The source itself; `TranslationMemory` is the stronger one."""
        return {"copy": lambda example: str(example["source"])}

    def _tokenizer(self, references: list[list[str]]) -> str:
        language = check_language(self.language)
        if language is None:
            texts = [text for row in references for text in row]
            return "zh" if by_characters(None, texts) else _SPACED
        return _TOKENIZERS.get(language, _SPACED)


class TranslationMemory:
    """The nearest baseline: the translation of the training source that is most like a source.

    Likeness is the cosine of TF-IDF weights of character n-grams (2 to 4, within words).

    >>> memory = TranslationMemory(["good day", "good night"], ["guten Tag", "gute Nacht"])
    >>> memory.translate(["a good day!"])
    ['guten Tag']
    """

    def __init__(self, sources: Sequence[str], targets: Sequence[str]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._targets = list(targets)
        self._vectors: Any = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4))
        self._known: Any = self._vectors.fit_transform(sources)

    def translate(self, sources: Sequence[str]) -> list[str]:
        """The nearest known target of each source."""
        likeness = self._vectors.transform(sources) @ self._known.T
        return [self._targets[int(row.argmax())] for row in likeness]

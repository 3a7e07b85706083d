"""Translation, scored by sacrebleu: BLEU, chrF and TER (arXiv:1804.08771)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from isoloss.errors import EnvironmentProblem, UsageError
from isoloss.tasks.examples import Row, texts_of
from isoloss.tasks.languages import UNSPACED, check_language, unspaced_script
from isoloss.tasks.metric import FloatArray, Metric
from isoloss.tasks.opening import OpenModel
from isoloss.tasks.results import GIVEN, TaskResult
from isoloss.tasks.task import TextTask, check_counts, no_baseline

_SPACED = "13a"
_TOKENIZERS = {"zh": "zh", "ja": "ja-mecab", "ko": "ko-mecab"}
_CHARACTERS = "char"
MEMORY = "memory"
_OFFLINE = ("13a", "char", "intl", "ja-mecab", "ko-mecab", "none", "zh")
"""sacrebleu's tokenisers that fetch nothing."""


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
    try:
        return kind(**options)
    except RuntimeError as error:  # MeCab or its dictionary is missing
        wanted = str(options.get("tokenize", "")).removesuffix("-mecab")
        raise EnvironmentProblem(
            f"BLEU of the language {wanted} is counted in MeCab's words, and MeCab is missing",
            hint=f"pip install 'sacrebleu[{wanted}]', or count characters: --set tokenize=char",
        ) from error


@dataclass(frozen=True, kw_only=True)
class Translation(TextTask):
    """The target language's text of a source.

    Args:
        language: of the target (ISO 639-1); guessed from the references' letters when None. For
            BLEU, sacrebleu cuts Chinese by its `zh`, Japanese and Korean by MeCab (Korean only
            where it is named, as its words have spaces), Thai, Lao, Khmer, Burmese and Tibetan by
            `char`, others by `13a`. TER counts the characters of those without spaces: Chinese
            and Japanese as sacrebleu's `normalized` and `asian_support` have them.
        tokenize: sacrebleu's tokeniser of BLEU, whatever the language.
    """

    template: str = "{source}\n"
    language: str | None = None
    tokenize: str | None = None

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
    baseline_names: ClassVar[tuple[str, ...]] = ("copy", MEMORY)

    def __post_init__(self) -> None:
        super().__post_init__()
        language = check_language(self.language)
        if self.tokenize is not None and self.tokenize not in _OFFLINE:
            raise UsageError(
                f"unknown tokenize {self.tokenize!r}", hint=f"Give one of {', '.join(_OFFLINE)}."
            )
        chosen = self.tokenize or _TOKENIZERS.get(language or "", _SPACED)
        if chosen.endswith("mecab"):
            _scorer("bleu", tokenize=chosen)  # what is missing is told before the work

    def check(self, opened: OpenModel, examples: Sequence[Row]) -> None:
        """Refuse also what sacrebleu could not score."""
        super().check(opened, examples)
        self._scorers([self.references(example) for example in examples])

    def references(self, example: Row) -> list[str]:
        """The translations of an example."""
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
        """Corpus scores; each sentence is one example, with one or several references."""
        check_counts(texts, examples, self.name)
        references = [self.references(example) for example in examples]
        sources = [self.source(example) for example in examples]
        most = max(map(len, references))
        streams: list[list[str | None]] = [
            [row[i] if i < len(row) else None for row in references] for i in range(most)
        ]
        scorers, apart = self._scorers(references)
        terms: dict[Metric, FloatArray] = {}
        signatures: list[str] = []
        for metric in self.metrics:
            scorer = scorers[metric.name]
            given, right = list(texts), streams
            if apart and metric.name == "ter":
                given = [apart(text) for text in given]
                right = [[text and apart(text) for text in stream] for stream in streams]
            rows = scorer._extract_corpus_statistics(given, right)
            terms[metric] = np.asarray(rows, dtype=np.float64)
            if metric.name != "ter":
                scorer.corpus_score(given, right)  # the signature counts references
            tokens = f"tok:{_CHARACTERS}|" if apart and metric.name == "ter" else ""
            signatures.append(f"{metric.name}|{tokens}{scorer.get_signature()}")
        outputs = (
            {"input": source, "output": text, "references": row}
            for source, text, row in zip(sources, texts, references, strict=True)
        )
        return self.result(
            terms,
            outputs,
            model=model,
            run_id=run_id,
            made=made,
            signature="|".join(signatures),
            notes=notes,
        )

    def baselines(self) -> Mapping[str, Callable[[Row], str]]:
        """The source itself; `memory`, which takes training pairs, is the stronger one."""
        return {"copy": self.source}

    def baseline(self, name: str, examples: Sequence[Row], train: Sequence[Row] = ()) -> list[str]:
        """The texts of a baseline; `memory` is a `TranslationMemory` of `train`."""
        if name != MEMORY:
            if name not in self.baselines():
                raise no_baseline(self, name)
            return super().baseline(name, examples, train)
        if not train:
            raise UsageError(
                f"the baseline {name} looks translations up among training pairs, and there are"
                " none",
                hint="Name their file: --baseline memory --train FILE",
            )
        memory = TranslationMemory(
            [self.source(row) for row in train], [self.references(row)[0] for row in train]
        )
        return memory.translate([self.source(example) for example in examples])

    def _scorers(
        self, references: Sequence[Sequence[str]]
    ) -> tuple[dict[str, Any], Callable[[str], str] | None]:
        """sacrebleu's metrics by name, and what sets a text's characters apart for TER, if so."""
        language = check_language(self.language)
        if language is None:
            script = unspaced_script([text for row in references for text in row])
            language = {"han": "zh", "kana": "ja", "other": "th", None: "en"}[script]
        spaced = _SPACED if language not in UNSPACED else _CHARACTERS
        tokenize = self.tokenize or _TOKENIZERS.get(language, spaced)
        asian = {"normalized": True, "asian_support": True} if language in ("zh", "ja") else {}
        scorers = {
            "bleu": _scorer("bleu", tokenize=tokenize),
            "chrf": _scorer("chrf"),
            "ter": _scorer("ter", **asian),
        }
        if language not in UNSPACED or asian:
            return scorers, None
        from sacrebleu.tokenizers.tokenizer_char import TokenizerChar

        return scorers, TokenizerChar()


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

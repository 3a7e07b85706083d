"""How much of a text stands word for word in the texts that a model was trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from isoloss.corpus import read_documents
from isoloss.tasks.metric import FloatArray
from isoloss.tasks.repetition import Word, ngrams
from isoloss.tasks.word_units import words_of

KNOWN_WORDS = 13
"""Words of an n-gram; as overlap with training text is counted in arXiv:2005.14165, appendix C."""


def check_sources(source: str) -> None:
    """Refuse what cannot be read, before any work.

    Raises:
        NotFoundError, DataError: as `read_documents`.
    """
    next(iter(read_documents([source])), None)


def known_shares(
    pools: Sequence[Sequence[Sequence[Word]]], source: str, n: int = KNOWN_WORDS
) -> list[FloatArray]:
    """For each text of each pool the share of its n-grams that the source has.

    The n-grams of the texts are held in memory, the source goes by document after document.

    Args:
        pools: texts as words.
        source: of `read_documents`: a file, a folder, `hf://…`.
        n: words of an n-gram; nan for shorter texts.

    Raises:
        NotFoundError, DataError: as `read_documents`.
    """
    wanted = {gram for texts in pools for text in texts for gram in ngrams(text, n)}
    known: set[tuple[Word, ...]] = set()
    for document in read_documents([source]):
        known.update(wanted.intersection(ngrams(words_of(document.text), n)))
    return [np.array([_share(ngrams(text, n), known) for text in texts]) for texts in pools]


def _share(found: Sequence[tuple[Word, ...]], known: set[tuple[Word, ...]]) -> float:
    return sum(gram in known for gram in found) / len(found) if found else float("nan")

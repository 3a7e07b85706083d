"""A folder of either kind: texts or pairs."""

from __future__ import annotations

from pathlib import Path

from isoloss.corpus.pairs.tokens import MANIFEST as PAIRS_MANIFEST
from isoloss.corpus.pairs.tokens import PairCorpus
from isoloss.corpus.tokens import MANIFEST, Corpus


def is_prepared(path: str | Path) -> bool:
    """Whether a folder holds a prepared corpus of either kind."""
    return any((Path(path) / name).is_file() for name in (MANIFEST, PAIRS_MANIFEST))


def open_corpus(path: str | Path, *, recheck: bool = False) -> Corpus | PairCorpus:
    """What a folder holds: a corpus of texts or of pairs.

    Raises:
        NotFoundError, DataError: as `Corpus.load`.
    """
    if (Path(path) / PAIRS_MANIFEST).is_file():
        return PairCorpus.load(path, recheck=recheck)
    return Corpus.load(path, recheck=recheck)

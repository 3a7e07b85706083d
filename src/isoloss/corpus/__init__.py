"""Texts → deduplicated, split, tokenised, memory-mapped tokens with a fingerprint."""

from isoloss.corpus.documents import (
    STANDARD_LIBRARY,
    Document,
    read_documents,
    standard_library_documents,
)
from isoloss.corpus.preparation import END_OF_TEXT, prepare_corpus
from isoloss.corpus.sampling import batch, evaluation_windows
from isoloss.corpus.splitting import Split, split_documents
from isoloss.corpus.tokens import Corpus

__all__ = [
    "END_OF_TEXT",
    "STANDARD_LIBRARY",
    "Corpus",
    "Document",
    "Split",
    "batch",
    "evaluation_windows",
    "prepare_corpus",
    "read_documents",
    "split_documents",
    "standard_library_documents",
]

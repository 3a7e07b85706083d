"""Texts → clean, deduplicated, split, tokenised, memory-mapped tokens with a fingerprint."""

from isoloss.corpus.mixtures import DomainUse, mixture_batch, mixture_facts
from isoloss.corpus.opening import open_corpus
from isoloss.corpus.packing import PADDING, document_positions, document_segments
from isoloss.corpus.pairs import (
    Packing,
    PairBatch,
    PairCorpus,
    Pairs,
    evaluation_pairs,
    pack_pairs,
    packed_rows,
    pair_batch,
    prepare_pairs,
)
from isoloss.corpus.preparation import prepare_corpus
from isoloss.corpus.reading import (
    STANDARD_LIBRARY,
    Document,
    read_documents,
    standard_library_documents,
)
from isoloss.corpus.sampling import batch, evaluation_windows
from isoloss.corpus.selection import (
    Cleaning,
    Split,
    cleaning_from,
    near_duplicates,
    split_documents,
    threshold_from,
)
from isoloss.corpus.tokenizers import END_OF_TEXT, MASK, PAD, START, sentinel
from isoloss.corpus.tokens import Corpus, Domain

__all__ = [
    "END_OF_TEXT",
    "MASK",
    "PAD",
    "PADDING",
    "STANDARD_LIBRARY",
    "START",
    "Cleaning",
    "Corpus",
    "Document",
    "Domain",
    "DomainUse",
    "Packing",
    "PairBatch",
    "PairCorpus",
    "Pairs",
    "Split",
    "batch",
    "cleaning_from",
    "document_positions",
    "document_segments",
    "evaluation_pairs",
    "evaluation_windows",
    "mixture_batch",
    "mixture_facts",
    "near_duplicates",
    "open_corpus",
    "pack_pairs",
    "packed_rows",
    "pair_batch",
    "prepare_corpus",
    "prepare_pairs",
    "read_documents",
    "sentinel",
    "split_documents",
    "standard_library_documents",
    "threshold_from",
]

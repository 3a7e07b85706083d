"""Sources with their targets → packed rows for encoder-decoder models."""

from isoloss.corpus.pairs.packing import (
    Packing,
    PairBatch,
    evaluation_pairs,
    pack_pairs,
    packed_rows,
    pair_batch,
)
from isoloss.corpus.pairs.preparation import prepare_pairs
from isoloss.corpus.pairs.tokens import PairCorpus, Pairs

__all__ = [
    "Packing",
    "PairBatch",
    "PairCorpus",
    "Pairs",
    "evaluation_pairs",
    "pack_pairs",
    "packed_rows",
    "pair_batch",
    "prepare_pairs",
]

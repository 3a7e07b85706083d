"""Completion: the answer after its prompt, in a decoder; the prompt itself is not predicted.

A corpus of completions is one of pairs whose source is what the decoder reads (prompt and
answer, without the last token) and whose target is what it predicts (answer and end of text).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from isoloss.architecture import TransformerConfig
from isoloss.architecture.config import Kind
from isoloss.corpus import END_OF_TEXT, PAD, START
from isoloss.corpus.packing import PADDING
from isoloss.corpus.pairs import PairBatch, evaluation_pairs, pack_pairs, pair_batch
from isoloss.training.objectives.batch import Batch
from isoloss.training.objectives.evaluation_set import EvaluationSet, set_of_pairs
from isoloss.training.objectives.objective import Objective, TokenCount
from isoloss.training.objectives.sequence_to_sequence import pairs_of, walked_tokens
from isoloss.training.objectives.windows import AnyCorpus


@dataclass(frozen=True, kw_only=True)
class Completion(Objective):
    """Each token of an answer from its prompt and the answer's tokens before.

    Rows hold several examples, which see nothing of each other. D counts what is read, prompts
    included; padding counts nowhere.
    """

    name: ClassVar[str] = "completion"
    kind: ClassVar[Kind] = "decoder"

    def batch(
        self, corpus: AnyCorpus, config: TransformerConfig, *, seed: int, step: int, rows: int
    ) -> Batch:
        """`rows` rows of packed training examples, padded to the context."""
        self.check(corpus, config)
        return _batch(_rows(corpus, config, seed, step, rows))

    def evaluation(
        self, corpus: AnyCorpus, config: TransformerConfig, eval_tokens: int
    ) -> EvaluationSet:
        """Held-out examples with at most `eval_tokens` predicted tokens; each is a cluster.

        Bytes are those of the answers: bits per byte of an answer, given its prompt.
        """
        self.check(corpus, config)
        length = config.context_length
        pairs, cluster_BT, _ = evaluation_pairs(pairs_of(corpus), length, length, eval_tokens)
        return set_of_pairs(
            cluster_BT,
            lambda part: _batch(PairBatch(**{n: v[part] for n, v in vars(pairs).items()})),
            token_bytes=corpus.token_bytes,
        )

    def row_tokens(self, config: TransformerConfig) -> TokenCount:
        """A full context; `predicted` is the most there can be."""
        return TokenCount(tokens=config.context_length, predicted=config.context_length)

    def tokens_in(
        self,
        corpus: AnyCorpus,
        config: TransformerConfig,
        *,
        rows: int,
        seed: int,
        steps: int,
        first: int = 0,
    ) -> TokenCount:
        """Exact tokens of the steps from `first` to before `steps`; all that is read counts."""
        train, length = pairs_of(corpus).train, config.context_length
        tokens, predicted = walked_tokens(
            train,
            len(pack_pairs(train, length, length, seed=seed)),
            lambda row: _rows(corpus, config, seed, row, 1),
            first=first * rows,
            last=steps * rows,
        )
        return TokenCount(tokens=tokens, predicted=predicted)

    def special_tokens(
        self, context_length: int, source_length: int | None = None
    ) -> tuple[str, ...]:
        """Those that a corpus of pairs has."""
        return (END_OF_TEXT, START, PAD)

    def check_corpus(self, corpus: AnyCorpus) -> None:
        """Refuse text.

        Raises:
            UsageError: as said.
        """
        pairs_of(corpus)


def _rows(
    corpus: AnyCorpus, config: TransformerConfig, seed: int, step: int, rows: int
) -> PairBatch:
    length = config.context_length
    return pair_batch(
        pairs_of(corpus),
        seed=seed,
        step=step,
        batch_size=rows,
        source_length=length,
        target_length=length,
    )


def answer_places(read_BT: np.ndarray, said_BT: np.ndarray) -> np.ndarray:
    """Flat positions, ascending, that predict: the last ones of each segment.

    Args:
        read_BT: the segment of each position that is read, from 1, 0 for padding.
        said_BT: the segment of each predicted token, likewise.

    >>> answer_places(np.array([[1, 1, 1, 2, 2, 0]]), np.array([[1, 1, 2, 0, 0, 0]])).tolist()
    [1, 2, 4]
    """
    places: list[int] = []
    width = read_BT.shape[1]
    for row, (read_T, said_T) in enumerate(zip(read_BT, said_BT, strict=True)):
        ends = np.cumsum(np.bincount(read_T[read_T != PADDING])[1:])
        counts = np.bincount(said_T[said_T != PADDING])[1:]
        for end, count in zip(ends.tolist(), counts.tolist(), strict=True):
            places.extend(range(row * width + end - count, row * width + end))
    return np.asarray(places, dtype=np.int64)


def _batch(pairs: PairBatch) -> Batch:
    segments_BT = torch.from_numpy(pairs.source_segments)
    places_N = torch.from_numpy(answer_places(pairs.source_segments, pairs.target_segments))
    return Batch(
        inputs={"tokens": torch.from_numpy(pairs.source), "segments": segments_BT},
        targets=torch.from_numpy(pairs.target_out[pairs.target_segments != PADDING]),
        places=places_N,
        tokens=pairs.encoder_tokens,
    )

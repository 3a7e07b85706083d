"""Sequence to sequence: a target from its source, as in translation (arXiv:1706.03762)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from isoloss.architecture import TransformerConfig
from isoloss.architecture.config import Kind
from isoloss.corpus.pairs import (
    PairBatch,
    PairCorpus,
    Pairs,
    evaluation_pairs,
    pack_pairs,
    pair_batch,
)
from isoloss.corpus.tokenizers import END_OF_TEXT, PAD, START
from isoloss.errors import UsageError
from isoloss.models import LanguageModel
from isoloss.training.objectives.batch import Batch, batch_loss
from isoloss.training.objectives.evaluation_set import EvaluationSet, set_of_pairs
from isoloss.training.objectives.objective import Objective, TokenCount, check_shares
from isoloss.training.objectives.windows import AnyCorpus


@dataclass(frozen=True, kw_only=True)
class SequenceToSequence(Objective):
    """The target of a pair from its source, each target token from the source and those before.

    Rows hold several pairs, which see nothing of each other. Padding is never predicted, and
    counts nowhere.

    Args:
        label_smoothing: share of a target's weight that all entries of the vocabulary divide
            (arXiv:1512.00567, §7), in training only.

    Raises:
        UsageError: not a share.
    """

    label_smoothing: float = 0.1
    name: ClassVar[str] = "sequence_to_sequence"
    kind: ClassVar[Kind] = "encoder_decoder"

    def __post_init__(self) -> None:
        check_shares(label_smoothing=self.label_smoothing)

    def batch(
        self, corpus: AnyCorpus, config: TransformerConfig, *, seed: int, step: int, rows: int
    ) -> Batch:
        """`rows` rows of packed training pairs, padded to the model's lengths."""
        self.check(corpus, config)
        return batch_of_pairs(_training_pairs(pairs_of(corpus), config, seed, step, rows))

    def evaluation(
        self, corpus: AnyCorpus, config: TransformerConfig, eval_tokens: int
    ) -> EvaluationSet:
        """Held-out pairs with at most `eval_tokens` target tokens; each is a cluster.

        Bytes are those of the target texts: bits per byte of a target, given its source.
        """
        self.check(corpus, config)
        pairs, clusters_BT, _ = evaluation_pairs(
            pairs_of(corpus), config.longest_source, config.context_length, eval_tokens
        )
        return set_of_pairs(
            clusters_BT,
            lambda part: batch_of_pairs(_rows(pairs, part)),
            token_bytes=corpus.token_bytes,
        )

    def loss(self, model: LanguageModel, batch: Batch) -> Tensor:
        """The smoothed training loss of a batch, a scalar."""
        return batch_loss(model, batch, label_smoothing=self.label_smoothing)

    def row_tokens(self, config: TransformerConfig) -> TokenCount:
        """A full source and a full target: the most that a row can hold."""
        source, target = config.longest_source, config.context_length
        return TokenCount(tokens=source + target, encoder_tokens=source, predicted=target)

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
        """Exact tokens of the steps from `first` to before `steps`."""
        pairs = pairs_of(corpus)
        packing = pack_pairs(pairs.train, config.longest_source, config.context_length, seed=seed)
        source, target = walked_tokens(
            pairs.train,
            len(packing),
            lambda row: _training_pairs(pairs, config, seed, row, 1),
            first=first * rows,
            last=steps * rows,
        )
        return TokenCount(tokens=source + target, encoder_tokens=source, predicted=target)

    def special_tokens(
        self, context_length: int, source_length: int | None = None
    ) -> tuple[str, ...]:
        """Start, end and padding, which `prepare_pairs` always makes."""
        return (END_OF_TEXT, START, PAD)

    def check_corpus(self, corpus: AnyCorpus) -> None:
        """Refuse text.

        Raises:
            UsageError: as said.
        """
        pairs_of(corpus)


def walked_tokens(
    train: Pairs, epoch: int, row_at: Callable[[int], PairBatch], *, first: int, last: int
) -> tuple[int, int]:
    """Exact source and target tokens of the rows from `first` to before `last`.

    Every row comes once an epoch, so only the epochs that are cut are counted row by row.

    Args:
        train: all pairs.
        epoch: rows of one walk through them.
        row_at: the row at a place of the walk of epochs.
        first, last: places.
    """
    whole = np.array([len(train.source), len(train.target)])

    def before(place: int) -> np.ndarray:
        done = whole * (place // epoch)
        for row in range(place // epoch * epoch, place):
            found = row_at(row)
            done += np.array([found.encoder_tokens, found.decoder_tokens])
        return done

    source, target = (before(last) - before(first)).tolist()
    return source, target


def pairs_of(corpus: AnyCorpus) -> PairCorpus:
    """A corpus of pairs.

    Raises:
        UsageError: this is text.
    """
    if not isinstance(corpus, PairCorpus):
        raise UsageError(
            f"{corpus.path} holds text, and the objective sequence_to_sequence reads pairs",
            hint="Prepare pairs with prepare_pairs, or take another objective.",
        )
    return corpus


def batch_of_pairs(pairs: PairBatch) -> Batch:
    """A batch of rows of pairs; segment 0 is padding, which is not predicted."""
    targets_BT = torch.from_numpy(pairs.target_out)
    segments_BT = torch.from_numpy(pairs.target_segments)
    places_N = segments_BT.flatten().nonzero().squeeze(1)
    return Batch(
        inputs={
            "source": torch.from_numpy(pairs.source),
            "target": torch.from_numpy(pairs.target_in),
            "source_segments": torch.from_numpy(pairs.source_segments),
            "target_segments": segments_BT,
        },
        targets=targets_BT.flatten()[places_N],
        places=places_N,
        tokens=pairs.encoder_tokens + pairs.decoder_tokens,
        encoder_tokens=pairs.encoder_tokens,
    )


def _training_pairs(
    corpus: PairCorpus, config: TransformerConfig, seed: int, step: int, rows: int
) -> PairBatch:
    return pair_batch(
        corpus,
        seed=seed,
        step=step,
        batch_size=rows,
        source_length=config.longest_source,
        target_length=config.context_length,
    )


def _rows(pairs: PairBatch, part: slice) -> PairBatch:
    return PairBatch(**{f.name: getattr(pairs, f.name)[part] for f in fields(PairBatch)})

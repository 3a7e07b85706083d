"""Prefix language modelling: a prefix that sees itself both ways, then the next tokens.

The prefix LM of T5 (arXiv:1910.10683, §3.2.3) in a decoder-only model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from isoloss.architecture import TransformerConfig
from isoloss.architecture.config import Kind
from isoloss.training.objectives.batch import Batch
from isoloss.training.objectives.evaluation_set import EvaluationSet, set_of_windows
from isoloss.training.objectives.objective import (
    EVALUATION_SEED,
    Objective,
    TokenCount,
    generator,
)
from isoloss.training.objectives.windows import AnyCorpus, held_out_windows, training_windows

TAG = 1_003


@dataclass(frozen=True, kw_only=True)
class PrefixLM(Objective):
    """Each token after a prefix from the prefix and the tokens between.

    The length of the prefix is drawn for each row, alike likely from 1 to T, so a row of T
    positions predicts 1 to T tokens: those after its prefix. All T positions count in D.
    """

    name: ClassVar[str] = "prefix"
    kind: ClassVar[Kind] = "decoder"

    def batch(
        self, corpus: AnyCorpus, config: TransformerConfig, *, seed: int, step: int, rows: int
    ) -> Batch:
        """`rows` windows of the training text, each of the whole context."""
        self.check(corpus, config)
        length = config.context_length
        windows = training_windows(corpus, length=length, seed=seed, step=step, rows=rows)
        return _batch(windows, prefix_lengths(rows, length, generator(seed, step, TAG)))

    def evaluation(
        self, corpus: AnyCorpus, config: TransformerConfig, eval_tokens: int
    ) -> EvaluationSet:
        """Held-out windows with fixed prefixes; bytes are those of the predicted tokens.

        Bits per byte are those of the text after the prefix, given the prefix.
        """
        self.check(corpus, config)
        length = config.context_length
        held_out = held_out_windows(corpus, length, eval_tokens)
        rng = generator(EVALUATION_SEED, length, TAG)
        prefix_B = prefix_lengths(len(held_out.windows), length, rng)
        return set_of_windows(
            held_out,
            lambda part: _batch(held_out.windows[part], prefix_B[part]),
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
        """Exact tokens of the steps from `first` to before `steps`: their prefixes are drawn."""
        length = config.context_length
        predicted = 0
        for step in range(first, steps):
            prefix_B = prefix_lengths(rows, length, generator(seed, step, TAG))
            predicted += int((length + 1 - prefix_B).sum())
        return TokenCount(tokens=length * rows * (steps - first), predicted=predicted)


def prefix_lengths(rows: int, length: int, rng: np.random.Generator) -> np.ndarray:
    """Tokens of each row's prefix, 1 to `length`, (B,) int64."""
    return rng.integers(1, length + 1, rows, dtype=np.int64)


def _batch(windows: np.ndarray, prefix_B: np.ndarray) -> Batch:
    """The last token of a prefix predicts the first token after it."""
    tokens_BT = torch.from_numpy(windows)
    inputs_BT = tokens_BT[:, :-1]
    prefix = torch.from_numpy(prefix_B)
    predicting_BT = torch.arange(inputs_BT.shape[1])[None, :] >= prefix[:, None] - 1
    return Batch(
        inputs={"tokens": inputs_BT, "prefix": prefix},
        targets=tokens_BT[:, 1:][predicting_BT],
        places=predicting_BT.flatten().nonzero().squeeze(1),
        tokens=inputs_BT.numel(),
    )

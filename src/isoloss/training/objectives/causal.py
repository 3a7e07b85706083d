"""The next token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from isoloss.architecture import TransformerConfig
from isoloss.architecture.config import Kind
from isoloss.corpus.packing import document_segments
from isoloss.corpus.tokenizers import END_OF_TEXT
from isoloss.training.objectives.batch import Batch
from isoloss.training.objectives.evaluation_set import EvaluationSet, set_of_windows
from isoloss.training.objectives.objective import Objective, TokenCount
from isoloss.training.objectives.windows import AnyCorpus, held_out_windows, training_windows


@dataclass(frozen=True, kw_only=True)
class Causal(Objective):
    """Each token from those before it.

    Args:
        documents: attention stays within a document, which ends with its end of text; else a
            window is one stretch of text. All next tokens are predicted either way.
    """

    documents: bool = False
    name: ClassVar[str] = "causal"
    kind: ClassVar[Kind] = "decoder"

    def batch(
        self, corpus: AnyCorpus, config: TransformerConfig, *, seed: int, step: int, rows: int
    ) -> Batch:
        """`rows` windows of the training text, each of the whole context."""
        self.check(corpus, config)
        windows = training_windows(
            corpus, length=config.context_length, seed=seed, step=step, rows=rows
        )
        return self._batch(windows, corpus, config)

    def evaluation(
        self, corpus: AnyCorpus, config: TransformerConfig, eval_tokens: int
    ) -> EvaluationSet:
        """Held-out windows; bytes are those of the predicted tokens."""
        self.check(corpus, config)
        held_out = held_out_windows(corpus, config.context_length, eval_tokens)
        return set_of_windows(
            held_out,
            lambda part: self._batch(held_out.windows[part], corpus, config),
            token_bytes=corpus.token_bytes,
        )

    def row_tokens(self, config: TransformerConfig) -> TokenCount:
        """A full context, all of it predicted."""
        return TokenCount(tokens=config.context_length, predicted=config.context_length)

    def special_tokens(
        self, context_length: int, source_length: int | None = None
    ) -> tuple[str, ...]:
        """The end of text, where documents are kept apart."""
        return (END_OF_TEXT,) if self.documents else ()

    def _batch(self, windows: np.ndarray, corpus: AnyCorpus, config: TransformerConfig) -> Batch:
        tokens_BT = torch.from_numpy(windows)
        inputs = {"tokens": tokens_BT[:, :-1]}
        if self.documents:
            (end,) = self.ids(corpus, config)
            inputs["segments"] = torch.from_numpy(document_segments(windows[:, :-1], end))
        return Batch(
            inputs=inputs,
            targets=tokens_BT[:, 1:].flatten(),
            tokens=inputs["tokens"].numel(),
        )

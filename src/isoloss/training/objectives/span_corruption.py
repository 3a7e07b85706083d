"""Span corruption: spans of a text left out and written by the decoder (T5, arXiv:1910.10683).

Which tokens are noise follows T5's `random_spans_noise_mask`: the numbers of noise tokens and
of spans are fixed by the length, only where they lie is random. So all rows have one length.

Shape suffixes: B rows, L tokens of the raw window, S of the source, T of the target.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
import torch

from isoloss.architecture import TransformerConfig
from isoloss.architecture.config import Kind
from isoloss.corpus.tokenizers import END_OF_TEXT, START, sentinel
from isoloss.errors import UsageError
from isoloss.training.objectives.batch import Batch
from isoloss.training.objectives.evaluation_set import EvaluationSet, set_of_windows
from isoloss.training.objectives.objective import (
    EVALUATION_SEED,
    Objective,
    TokenCount,
    check_shares,
    generator,
)
from isoloss.training.objectives.windows import AnyCorpus, held_out_windows, training_windows

TAG = 1_002
NO_BYTES = (
    "the target is parts of a text beside sentinels, predicted from what surrounds them, so the"
    " losses add up to the code length of no text"
)


@dataclass(frozen=True, kw_only=True)
class SpanCorruption(Objective):
    """Spans that a text was robbed of, each after the sentinel that stands for it.

    A window `a b c d e f` without `b c` and `e` is the source `a <0> d <1> f` and the target
    `<0> b c <1> e <end>`, where `<end>` is the end of text. The decoder reads the start token
    and then the target. Sentinels and the end are predicted and counted like other tokens.

    Args:
        rate: share of the window's tokens that are left out.
        mean_span: mean length of a span, in tokens.

    Raises:
        UsageError: a share outside its range, or a span shorter than one token.

    >>> SpanCorruption().lengths(568)
    (511, 114)
    """

    rate: float = 0.15
    mean_span: float = 3.0
    name: ClassVar[str] = "span_corruption"
    kind: ClassVar[Kind] = "encoder_decoder"

    def __post_init__(self) -> None:
        check_shares(rate=self.rate)
        if not 0 < self.rate < 1 or not 1 <= self.mean_span < math.inf:
            raise UsageError(
                "rate must lie between 0 and 1 and mean_span be at least 1, found"
                f" {self.rate} and {self.mean_span}"
            )

    def noise(self, window: int) -> tuple[int, int]:
        """Tokens left out of a window of that many tokens, and spans that they form."""
        tokens = min(max(round(window * self.rate), 1), window - 1)
        return tokens, min(max(round(tokens / self.mean_span), 1), tokens, window - tokens)

    def lengths(self, window: int) -> tuple[int, int]:
        """Tokens of the source and of the target of a window (2 tokens or more)."""
        tokens, spans = self.noise(window)
        return window - tokens + spans, tokens + spans + 1

    def window_length(self, *, source_length: int, target_length: int) -> int:
        """The longest window whose source and target fit.

        Raises:
            UsageError: not even two tokens fit.

        >>> SpanCorruption().window_length(source_length=511, target_length=114)
        568
        """
        return _window_length(self, source_length, target_length)

    def target_length(self, source_length: int) -> int:
        """The `context_length` of a model whose sources are to fill `source_length`.

        With more, rows stay as they are and counts of FLOP by full rows are too high.

        >>> SpanCorruption().target_length(511)
        114
        """
        window = self.window_length(source_length=source_length, target_length=sys.maxsize)
        return self.lengths(window)[1]

    def batch(
        self, corpus: AnyCorpus, config: TransformerConfig, *, seed: int, step: int, rows: int
    ) -> Batch:
        """`rows` windows of the training text, as sources and targets."""
        self.check(corpus, config)
        length = self._window(config)
        windows = training_windows(corpus, length=length, seed=seed, step=step, rows=rows)
        return self._batch(windows[:, :-1], corpus, config, generator(seed, step, TAG))

    def evaluation(
        self, corpus: AnyCorpus, config: TransformerConfig, eval_tokens: int
    ) -> EvaluationSet:
        """Held-out windows with fixed spans; `eval_tokens` counts their raw tokens.

        No bits per byte: the target is a seventh of the text, predicted from the rest.
        """
        self.check(corpus, config)
        length = self._window(config)
        held_out = held_out_windows(corpus, length, eval_tokens)
        return set_of_windows(
            held_out,
            lambda part: self._batch(
                held_out.windows[part, :-1],
                corpus,
                config,
                generator(EVALUATION_SEED, part.start, TAG),
            ),
            no_bytes=NO_BYTES,
        )

    def row_tokens(self, config: TransformerConfig) -> TokenCount:
        """Source and target of the longest window that fits."""
        source, target = self.lengths(self._window(config))
        return TokenCount(tokens=source + target, encoder_tokens=source, predicted=target)

    def special_tokens(
        self, context_length: int, source_length: int | None = None
    ) -> tuple[str, ...]:
        """Start, end, and a sentinel for each span."""
        window = self.window_length(
            source_length=source_length or context_length, target_length=context_length
        )
        sentinels = (sentinel(i) for i in range(self.noise(window)[1]))
        return (END_OF_TEXT, START, *sentinels)

    def _window(self, config: TransformerConfig) -> int:
        return self.window_length(
            source_length=config.longest_source, target_length=config.context_length
        )

    def _batch(
        self,
        tokens_BL: np.ndarray,
        corpus: AnyCorpus,
        config: TransformerConfig,
        rng: np.random.Generator,
    ) -> Batch:
        end, start, *sentinels = self.ids(corpus, config)
        noise_BL = noise_mask(
            len(tokens_BL), tokens_BL.shape[1], *self.noise(tokens_BL.shape[1]), rng
        )
        source_BS = corrupted(tokens_BL, noise_BL, np.asarray(sentinels))
        spans_BT = corrupted(tokens_BL, ~noise_BL, np.asarray(sentinels))
        rows = len(tokens_BL)
        given_BT = np.concatenate((np.full((rows, 1), start), spans_BT), axis=1)
        target_BT = np.concatenate((spans_BT, np.full((rows, 1), end)), axis=1)
        return Batch(
            inputs={"source": torch.from_numpy(source_BS), "target": torch.from_numpy(given_BT)},
            targets=torch.from_numpy(target_BT).flatten(),
            tokens=source_BS.size + target_BT.size,
            encoder_tokens=source_BS.size,
        )


@lru_cache(maxsize=64)
def _window_length(objective: SpanCorruption, source_length: int, target_length: int) -> int:
    """Both lengths grow with the window, so the first that does not fit ends the search."""
    window = 1
    while True:
        source, target = objective.lengths(window + 1)
        if source > source_length or target > target_length:
            break
        window += 1
    if window < 2:
        raise UsageError(
            f"no span of a text fits a source of {source_length} and a target of {target_length}",
            hint="Take a longer context.",
        )
    return window


def noise_mask(
    rows: int, length: int, tokens: int, spans: int, rng: np.random.Generator
) -> np.ndarray:
    """Which tokens are left out, (B, L) boolean.

    Kept and left-out stretches alternate, `spans` of each, a kept one first; each way to cut
    the kept tokens, and each way to cut the others, is alike likely.
    """
    kept_BN = _cut(rows, length - tokens, spans, rng)
    left_out_BN = _cut(rows, tokens, spans, rng)
    lengths_BM = np.stack((kept_BN, left_out_BN), axis=2).reshape(rows, 2 * spans)
    begins_BL = np.zeros((rows, length), dtype=np.int64)
    places_BM = np.cumsum(lengths_BM, axis=1)[:, :-1]
    np.put_along_axis(begins_BL, places_BM, 1, axis=1)
    return np.cumsum(begins_BL, axis=1) % 2 == 1


def _cut(rows: int, items: int, parts: int, rng: np.random.Generator) -> np.ndarray:
    """Random lengths of `parts` non-empty parts of `items`, (B, parts)."""
    cuts_BI = np.broadcast_to(np.arange(items - 1) < parts - 1, (rows, items - 1))
    places = np.nonzero(rng.permuted(cuts_BI, axis=1))[1].reshape(rows, parts - 1) + 1
    edges = np.concatenate((np.zeros((rows, 1)), places, np.full((rows, 1), items)), axis=1)
    return np.diff(edges, axis=1).astype(np.int64)


def corrupted(tokens_BL: np.ndarray, noise_BL: np.ndarray, sentinels: np.ndarray) -> np.ndarray:
    """Rows with each stretch of noise replaced by one sentinel, the first by the first."""
    begins_BL = noise_BL.copy()
    begins_BL[:, 1:] &= ~noise_BL[:, :-1]
    number_BL = np.cumsum(begins_BL, axis=1) - 1
    replaced_BL = np.where(begins_BL, sentinels[np.maximum(number_BL, 0)], tokens_BL)
    return replaced_BL[~noise_BL | begins_BL].reshape(len(tokens_BL), -1)

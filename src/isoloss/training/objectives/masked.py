"""Masked language modelling: hidden tokens from both sides (BERT, arXiv:1810.04805, §3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from isoloss.architecture import TransformerConfig
from isoloss.architecture.config import Kind
from isoloss.corpus.tokenizers import MASK
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
from isoloss.training.objectives.vocabulary import vocabulary_of
from isoloss.training.objectives.windows import AnyCorpus, held_out_windows, training_windows

TAG = 1_001
NO_BYTES = (
    "a masked model sees both sides of what it predicts, so its losses add up to the code length"
    " of no text"
)


@dataclass(frozen=True, kw_only=True)
class Masked(Objective):
    """Some tokens of a row, which the input hides.

    Every row has the same number of chosen positions, `round(rate · T)`, so shapes and counts
    are exact. A chosen token becomes the mask token, or any token of the text's vocabulary,
    or stays; it is predicted in all three cases, and the head is computed there only. Ends of
    text are chosen like other tokens.

    Args:
        rate: share of the positions that are chosen.
        mask_share: share of the chosen tokens that become the mask token.
        random_share: share of them that become a token drawn uniformly.
        whole_words: the tokens of a word are chosen together; the last word of a row that would
            be one too many gives its first tokens only, so that the number stays exact.

    Raises:
        UsageError: shares outside their range.
    """

    rate: float = 0.15
    mask_share: float = 0.8
    random_share: float = 0.1
    whole_words: bool = False
    name: ClassVar[str] = "masked"
    kind: ClassVar[Kind] = "encoder"

    def __post_init__(self) -> None:
        shares = {"mask_share": self.mask_share, "random_share": self.random_share}
        check_shares(rate=self.rate, **shares)
        if not 0 < self.rate < 1 or sum(shares.values()) > 1 + 1e-9:
            raise UsageError(
                "rate must lie between 0 and 1 and mask_share + random_share be at most 1, found"
                f" {self.rate}, {self.mask_share} and {self.random_share}"
            )

    def chosen(self, length: int) -> int:
        """Predicted positions of a row of `length`."""
        return min(length, max(1, round(self.rate * length)))

    def batch(
        self, corpus: AnyCorpus, config: TransformerConfig, *, seed: int, step: int, rows: int
    ) -> Batch:
        """`rows` windows of the training text, each of the whole context, some of it hidden."""
        self.check(corpus, config)
        windows = training_windows(
            corpus, length=config.context_length, seed=seed, step=step, rows=rows
        )
        hidden = self.hide(windows[:, :-1], corpus, config, generator(seed, step, TAG))
        return _batch(windows[:, :-1], *hidden)

    def evaluation(
        self, corpus: AnyCorpus, config: TransformerConfig, eval_tokens: int
    ) -> EvaluationSet:
        """Held-out windows with fixed hidden positions, hidden as in training.

        No bits per byte: each hidden token is predicted from both sides, and their losses do
        not add up to the code length of a text.
        """
        self.check(corpus, config)
        held_out = held_out_windows(corpus, config.context_length, eval_tokens)
        tokens_BT = held_out.windows[:, :-1]
        rng = generator(EVALUATION_SEED, config.context_length, TAG)
        shown_BT, places_BK = self.hide(tokens_BT, corpus, config, rng)
        return set_of_windows(
            held_out,
            lambda part: _batch(tokens_BT[part], shown_BT[part], places_BK[part]),
            no_bytes=NO_BYTES,
        )

    def row_tokens(self, config: TransformerConfig) -> TokenCount:
        """A full context, the chosen positions of it predicted."""
        length = config.context_length
        return TokenCount(tokens=length, predicted=self.chosen(length))

    def special_tokens(
        self, context_length: int, source_length: int | None = None
    ) -> tuple[str, ...]:
        """The mask token."""
        return (MASK,)

    def hide(
        self,
        tokens_BT: np.ndarray,
        corpus: AnyCorpus,
        config: TransformerConfig,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """What the model sees, (B, T), and the chosen places of each row, (B, K) ascending."""
        (mask,) = self.ids(corpus, config)
        vocabulary = vocabulary_of(corpus)
        count = self.chosen(tokens_BT.shape[1])
        if self.whole_words:
            places_BK = choose_words(vocabulary.word_starts(tokens_BT), count, rng)
        else:
            places_BK = choose_positions(tokens_BT.shape, count, rng)
        fate_BK = rng.random(places_BK.shape)
        drawn_BK = rng.choice(vocabulary.ordinary, places_BK.shape)
        kept_BK = np.take_along_axis(tokens_BT, places_BK, axis=1)
        drawn_or_kept_BK = np.where(
            fate_BK < self.mask_share + self.random_share, drawn_BK, kept_BK
        )
        new_BK = np.where(fate_BK < self.mask_share, mask, drawn_or_kept_BK)
        shown_BT = tokens_BT.copy()
        np.put_along_axis(shown_BT, places_BK, new_BK, axis=1)
        return shown_BT, places_BK


def choose_positions(shape: tuple[int, ...], count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` positions of each row, each set alike likely, (B, count) ascending."""
    keys_BT = rng.random(shape)
    if count == shape[1]:
        return np.broadcast_to(np.arange(count), shape).copy()
    return np.sort(np.argpartition(keys_BT, count, axis=1)[:, :count], axis=1)


def choose_words(starts_BT: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` positions of each row that make up whole words, (B, count) ascending.

    Words are taken in random order; one that would be too many is passed over, as in BERT's
    code. Where no word fits any more, the first one passed over gives its first tokens.
    """
    rows: list[np.ndarray] = []
    for starts_T in starts_BT:
        begins = np.flatnonzero(starts_T)
        words = np.split(np.arange(len(starts_T)), begins[1:])
        left, chosen = count, list[np.ndarray]()
        passed_over: np.ndarray | None = None
        for number in rng.permutation(len(words)):
            word = words[number]
            if len(word) <= left:
                chosen.append(word)
                left -= len(word)
            elif passed_over is None:
                passed_over = word
            if not left:
                break
        if passed_over is not None:
            chosen.append(passed_over[:left])
        rows.append(np.sort(np.concatenate(chosen)))
    return np.stack(rows)


def _batch(tokens_BT: np.ndarray, shown_BT: np.ndarray, places_BK: np.ndarray) -> Batch:
    rows, length = tokens_BT.shape
    flat_N = (places_BK + np.arange(rows)[:, None] * length).ravel()
    return Batch(
        inputs={"tokens": torch.from_numpy(shown_BT)},
        targets=torch.from_numpy(tokens_BT.ravel()[flat_N]),
        places=torch.from_numpy(flat_N),
        tokens=tokens_BT.size,
    )

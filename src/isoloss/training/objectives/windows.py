"""The windows of text that objectives on plain text train and are judged on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isoloss.corpus import Corpus, batch, evaluation_windows, mixture_batch
from isoloss.corpus.pairs import PairCorpus
from isoloss.errors import UsageError

AnyCorpus = Corpus | PairCorpus
"""Text, or pairs of texts."""


@dataclass(frozen=True, kw_only=True)
class HeldOutWindows:
    """Windows (W, length + 1) int64, with the document or block and the domain of each."""

    windows: np.ndarray
    clusters: np.ndarray
    domains: np.ndarray | None = None


def text_of(corpus: AnyCorpus) -> Corpus:
    """A corpus of text.

    Raises:
        UsageError: these are pairs.
    """
    if isinstance(corpus, PairCorpus):
        raise UsageError(
            f"{corpus.path} holds pairs, and this objective reads text",
            hint="Take the objective sequence_to_sequence, or a corpus of prepare_corpus.",
        )
    return corpus


def training_windows(
    corpus: AnyCorpus, *, length: int, seed: int, step: int, rows: int
) -> np.ndarray:
    """The windows of a step, (rows, length + 1) int64: `length` tokens and the one after them.

    The first `length` tokens of all windows cut the text without overlap, so an objective that
    leaves the last one out still sees each token once an epoch.
    """
    text = text_of(corpus)
    if text.spans:
        return mixture_batch(text, seed=seed, step=step, batch_size=rows, context_length=length)
    return batch(text.train, seed=seed, step=step, batch_size=rows, context_length=length)


def held_out_windows(corpus: AnyCorpus, length: int, eval_tokens: int) -> HeldOutWindows:
    """The held-out windows, the same for every run; `length` as in `training_windows`.

    Raises:
        DataError: no held-out document is as long as one window.
    """
    text = text_of(corpus)
    windows, clusters, _ = evaluation_windows(text, length, eval_tokens)
    return HeldOutWindows(windows=windows, clusters=clusters, domains=_domains(text, clusters))


def _domains(corpus: Corpus, clusters: np.ndarray) -> np.ndarray | None:
    """The domain of each validation document or block; None where all text is of one."""
    if not corpus.spans:
        return None
    ends = [span.validation[1] for span in corpus.spans]
    place = np.searchsorted(ends, corpus.validation_starts[clusters], side="right")
    return np.asarray([span.name for span in corpus.spans])[place]

"""Which tokens a step sees, and which tokens every run is judged on: pure functions."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from isoloss.corpus.tokens import Corpus
from isoloss.errors import DataError


@lru_cache(maxsize=16)
def _order(windows: int, seed: int, epoch: int, stream: int = 0) -> np.ndarray:
    drawn_from = [seed, epoch, stream] if stream else [seed, epoch]
    return np.random.Generator(np.random.PCG64(drawn_from)).permutation(windows)


def batch(
    tokens: np.ndarray, *, seed: int, step: int, batch_size: int, context_length: int
) -> np.ndarray:
    """The tokens of a training step, (batch_size, context_length + 1) int64.

    The text is cut into windows whose targets do not overlap; each epoch goes once through all
    of them in an order drawn from (seed, epoch). So no token is seen twice before all were seen
    once, and the step number is the sampler's whole state.

    >>> batch(np.arange(9), seed=0, step=0, batch_size=2, context_length=4).tolist()
    [[0, 1, 2, 3, 4], [4, 5, 6, 7, 8]]
    """
    places = np.arange(step * batch_size, (step + 1) * batch_size)
    return windows_of(tokens, places, seed=seed, context_length=context_length)


def windows_of(
    tokens: np.ndarray, places: np.ndarray, *, seed: int, context_length: int, stream: int = 0
) -> np.ndarray:
    """The windows at `places` (B,) of an endless walk through all windows, epoch after epoch.

    Args:
        tokens: (N,) ids.
        places: numbers of windows in the walk.
        seed: decides the order of the windows in each epoch.
        context_length: T.
        stream: another walk for the same seed.

    Returns:
        (B, T + 1) int64.

    Raises:
        DataError: too few tokens for one window.
    """
    windows = (len(tokens) - 1) // context_length
    if windows < 1:
        raise DataError(
            f"the corpus has {len(tokens)} training tokens, too few for one window of"
            f" {context_length}",
            hint="Give more text.",
        )
    chosen = [
        _order(windows, seed, place // windows, stream)[place % windows]
        for place in places.tolist()
    ]
    starts = np.asarray(chosen, dtype=np.int64) * context_length
    offsets = np.arange(context_length + 1)
    return np.asarray(tokens[starts[:, None] + offsets[None, :]], dtype=np.int64)


def evaluation_windows(
    corpus: Corpus, context_length: int, max_tokens: int, *, domain: str | None = None
) -> tuple[np.ndarray, np.ndarray, int]:
    """The held-out windows, the same for every run.

    Windows start at each document or block anew, do not overlap in their targets, and are
    thinned out evenly to `max_tokens`.

    Args:
        corpus: the corpus.
        context_length: T.
        max_tokens: most predicted tokens.
        domain: only the validation texts of that domain; clusters are counted inside it.

    Returns:
        windows (W, T + 1) int64; the cluster (document or block) of each (W,); UTF-8 bytes of
        all predicted tokens.

    Raises:
        UsageError: no such domain.
        DataError: no document of the validation part is as long as one window.
    """
    part = corpus if domain is None else corpus.domain(domain)
    ends = np.append(part.validation_starts[1:], len(part.validation))
    starts: list[int] = []
    clusters: list[int] = []
    for index, (first, end) in enumerate(zip(part.validation_starts, ends, strict=True)):
        inside = range(int(first), int(end) - context_length, context_length)
        starts.extend(inside)
        clusters.extend([index] * len(inside))
    if not starts:
        raise DataError(
            "the validation part of the corpus has no text as long as one context of"
            f" {context_length} tokens",
            hint="Give more or longer texts.",
        )
    wanted = max(1, max_tokens // context_length)
    if len(starts) > wanted:
        chosen = np.linspace(0, len(starts) - 1, wanted).round().astype(np.int64)
    else:
        chosen = np.arange(len(starts))
    first = np.asarray(starts, dtype=np.int64)[chosen]
    windows = np.asarray(
        part.validation[first[:, None] + np.arange(context_length + 1)[None, :]], dtype=np.int64
    )
    n_bytes = int(corpus.token_bytes[windows[:, 1:]].sum())
    return windows, np.asarray(clusters, dtype=np.int64)[chosen], n_bytes

"""Batches and evaluation windows are pure functions that waste and repeat nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoloss.corpus import Corpus, batch, evaluation_windows
from isoloss.errors import DataError


@given(
    windows=st.integers(1, 30),
    tail=st.integers(0, 6),
    size=st.integers(1, 9),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=60, deadline=None)
def test_every_window_comes_once_an_epoch(windows: int, tail: int, size: int, seed: int) -> None:
    context = 7
    tokens = np.arange(windows * context + 1 + tail)
    epochs = 3
    steps = -(-windows * epochs // size)
    rows = np.concatenate(
        [
            batch(tokens, seed=seed, step=step, batch_size=size, context_length=context)
            for step in range(steps)
        ]
    )
    assert (np.diff(rows, axis=1) == 1).all()
    starts = rows[:, 0]
    for epoch in range(epochs):
        part = starts[epoch * windows : (epoch + 1) * windows]
        assert sorted(part) == [context * i for i in range(windows)]
    targets = Counter(rows[:windows, 1:].flatten().tolist())
    assert targets == Counter(range(1, windows * context + 1))


@given(seed=st.integers(0, 100), step=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_seed_and_step_decide_a_batch(seed: int, step: int) -> None:
    tokens = np.arange(5_000, dtype="<u2")
    options = {"batch_size": 8, "context_length": 16}
    first = batch(tokens, seed=seed, step=step, **options)
    batch(tokens, seed=seed + 1, step=step + 1, **options)
    assert np.array_equal(first, batch(tokens, seed=seed, step=step, **options))
    assert not np.array_equal(first, batch(tokens, seed=seed + 1, step=step, **options))
    assert first.shape == (8, 17)
    assert first.dtype == np.int64


def test_too_few_tokens_for_a_window() -> None:
    with pytest.raises(DataError, match="8 training tokens, too few for one window of 8"):
        batch(np.arange(8), seed=0, step=0, batch_size=1, context_length=8)


@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=12),
    context=st.integers(1, 9),
    wanted=st.integers(1, 200),
)
@settings(max_examples=80, deadline=None)
def test_evaluation_windows_stay_inside_their_documents(
    tiny_corpus: Corpus, lengths: list[int], context: int, wanted: int
) -> None:
    starts = np.cumsum([0, *lengths[:-1]])
    # A token is the number of its document in the tens and of its place in the hundreds' rest.
    validation = np.concatenate([i * 50 + np.arange(n) for i, n in enumerate(lengths)])
    corpus = replace(
        tiny_corpus,
        validation=validation,
        validation_starts=starts,
        token_bytes=np.arange(700) % 3,
    )
    room = sum((n - 1) // context for n in lengths)
    if room == 0:
        with pytest.raises(DataError, match="no text as long as one context"):
            evaluation_windows(corpus, context, wanted)
        return
    windows, clusters, n_bytes = evaluation_windows(corpus, context, wanted)
    assert len(windows) == len(clusters) == min(room, max(1, wanted // context))
    assert (windows // 50 == clusters[:, None]).all()
    assert (np.diff(windows, axis=1) == 1).all()
    targets = windows[:, 1:].flatten().tolist()
    assert len(set(targets)) == len(targets)
    assert n_bytes == sum(t % 3 for t in targets)


def test_evaluation_windows_are_the_same_each_time(tiny_corpus: Corpus) -> None:
    first, second = (evaluation_windows(tiny_corpus, 32, 1_000) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))

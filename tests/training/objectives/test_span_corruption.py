"""Span corruption: nothing of the text is lost, lengths are exact, noise is T5's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isoloss.corpus.tokenizers import START, sentinel
from isoloss.errors import DataError, UsageError
from isoloss.models import build_model
from isoloss.training.evaluation import evaluate
from isoloss.training.objectives import SpanCorruption
from isoloss.training.objectives.span_corruption import corrupted, noise_mask
from isoloss.training.objectives.windows import training_windows


def restored(source: list[int], target: list[int], sentinels: list[int]) -> list[int]:
    """The window: each sentinel of the source replaced by what follows it in the target."""
    spans: dict[int, list[int]] = {}
    for token in target:
        if token in sentinels:
            current = spans.setdefault(token, [])
        else:
            current.append(token)
    out: list[int] = []
    for token in source:
        out.extend(spans.pop(token) if token in spans else [token])
    assert not spans
    return out


@settings(max_examples=200, deadline=None)
@given(
    length=st.integers(2, 120),
    rate=st.floats(0.01, 0.95),
    mean=st.floats(1, 10),
    seed=st.integers(0, 2**31),
)
def test_source_and_target_make_the_window_again(length, rate, mean, seed):
    objective = SpanCorruption(rate=rate, mean_span=mean)
    rng = np.random.default_rng(seed)
    tokens = rng.integers(0, 50, (3, length))
    count, spans = objective.noise(length)
    noise = noise_mask(3, length, count, spans, rng)
    sentinels = np.arange(100, 100 + spans)
    source, target = corrupted(tokens, noise, sentinels), corrupted(tokens, ~noise, sentinels)
    assert (source.shape[1], target.shape[1] + 1) == objective.lengths(length)
    for row in range(3):
        assert noise[row].sum() == count
        begins = noise[row] & ~np.concatenate(([False], noise[row][:-1]))
        assert begins.sum() == spans
        assert [t for t in source[row] if t >= 100] == sentinels.tolist()
        again = restored(source[row].tolist(), target[row].tolist(), sentinels.tolist())
        assert again == tokens[row].tolist()


def test_noise_is_uniform_over_the_ways_to_place_it():
    # 5 tokens, 2 left out in 2 spans: the kept ones are cut in 2 ways, the others in 1.
    masks = noise_mask(4_000, 5, 2, 2, np.random.default_rng(0))
    shapes, counts = np.unique(masks, axis=0, return_counts=True)
    assert shapes.astype(int).tolist() == [[0, 0, 1, 0, 1], [0, 1, 0, 0, 1]]
    assert abs(counts[0] - 2_000) < 4.5 * math.sqrt(1_000)


def test_the_lengths_of_t5():
    # T5 reads 568 raw tokens into inputs of 512 with an end, which the source here lacks, and
    # targets of 114 (arXiv:1910.10683, "inputs_length 512" of its random_spans_helper).
    objective = SpanCorruption()
    assert objective.lengths(568) == (511, 114)
    assert objective.window_length(source_length=511, target_length=114) == 568
    assert objective.noise(568) == (85, 28)
    assert objective.noise(37) == (6, 2)  # 5.55 and 2 rounded
    assert objective.target_length(511) == 114


@pytest.mark.parametrize("rate", [0.1, 0.15, 0.5, 0.9])
def test_no_longer_window_would_fit(rate):
    objective = SpanCorruption(rate=rate, mean_span=2.5)
    for source, target in [(8, 8), (32, 32), (100, 20), (20, 100)]:
        window = objective.window_length(source_length=source, target_length=target)
        fits = [
            length
            for length in range(2, 400)
            if objective.lengths(length)[0] <= source and objective.lengths(length)[1] <= target
        ]
        assert window == max(fits)


def test_a_batch_of_text(special_corpus, config_of):
    config = config_of("encoder-decoder")
    objective = SpanCorruption()
    batch = objective.batch(special_corpus, config, seed=2, step=5, rows=4)
    window = objective.window_length(source_length=32, target_length=32)
    source_length, target_length = objective.lengths(window)
    assert batch.inputs["source"].shape == (4, source_length)
    assert batch.inputs["target"].shape == (4, target_length)
    assert batch.inputs["target"][:, 0].tolist() == [special_corpus.token_id(START)] * 4
    targets = batch.targets.view(4, -1)
    assert torch.equal(batch.inputs["target"][:, 1:], targets[:, :-1])
    assert targets[:, -1].tolist() == [special_corpus.end_of_text] * 4
    sentinels = [special_corpus.token_id(sentinel(i)) for i in range(objective.noise(window)[1])]
    original = training_windows(special_corpus, length=window, seed=2, step=5, rows=4)[:, :-1]
    for row in range(4):
        source = batch.inputs["source"][row].tolist()
        assert restored(source, targets[row, :-1].tolist(), sentinels) == original[row].tolist()
    count = objective.tokens_in(special_corpus, config, rows=4, seed=2, steps=6, first=5)
    assert (count.tokens, count.encoder_tokens, count.predicted) == (
        batch.tokens,
        batch.encoder_tokens,
        batch.predicted,
    )
    assert batch.tokens == 4 * (source_length + target_length)


def test_the_special_tokens_that_it_names_are_enough_and_none_too_many():
    named = SpanCorruption().special_tokens(114, 511)
    assert named[2:] == tuple(sentinel(i) for i in range(28))
    assert SpanCorruption().special_tokens(32) == SpanCorruption().special_tokens(32, 32)


def test_a_tokeniser_with_too_few_sentinels_is_refused(special_corpus, config_of):
    config = config_of("encoder-decoder", context_length=256)
    with pytest.raises(DataError, match=r"<\|sentinel_8\|>, .* more"):
        SpanCorruption().check(special_corpus, config)


def test_the_evaluation_is_fixed_and_has_no_bytes(special_corpus, config_of):
    config = config_of("encoder-decoder")
    objective = SpanCorruption()
    one, two = (objective.evaluation(special_corpus, config, 2_000) for _ in range(2))
    assert len(one.batches) > 1
    for a, b in zip(one.batches, two.batches, strict=True):
        assert torch.equal(a.inputs["source"], b.inputs["source"])
        assert torch.equal(a.targets, b.targets)
    result = evaluate(build_model(config), one)
    assert result.loss == pytest.approx(math.log(special_corpus.vocab_size), rel=0.05)
    assert math.isnan(result.bits_per_byte)
    assert "sentinels" in result.bits_per_byte_reason


def test_what_cannot_be():
    with pytest.raises(UsageError, match="mean_span"):
        SpanCorruption(mean_span=0.5)
    with pytest.raises(UsageError, match="rate"):
        SpanCorruption(rate=0)
    with pytest.raises(UsageError, match="no span"):
        SpanCorruption().window_length(source_length=512, target_length=2)

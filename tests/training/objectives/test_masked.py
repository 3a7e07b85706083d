"""Masked language modelling: what is chosen, what it becomes, and whole words."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isoloss.corpus.tokenizers import MASK
from isoloss.errors import DataError, UsageError
from isoloss.models import build_model
from isoloss.training.evaluation import evaluate
from isoloss.training.objectives import Masked
from isoloss.training.objectives.masked import choose_positions, choose_words
from isoloss.training.objectives.vocabulary import vocabulary_of
from isoloss.training.objectives.windows import training_windows


def within(count: int, of: int, share: float) -> bool:
    """Whether a count is no further than 4.5 standard deviations from a binomial's mean."""
    return abs(count - of * share) < 4.5 * math.sqrt(of * share * (1 - share))


def test_eighty_ten_ten(special_corpus, config_of):
    config = config_of("encoder")
    mask = special_corpus.token_id(MASK)
    ordinary = vocabulary_of(special_corpus).ordinary
    masked = kept = changed = 0
    drawn: list[int] = []
    places = np.zeros(32, dtype=int)
    for step in range(40):
        batch = Masked().batch(special_corpus, config, seed=1, step=step, rows=32)
        shown = batch.inputs["tokens"].flatten()[batch.places]
        masked += int((shown == mask).sum())
        kept += int((shown == batch.targets).sum())
        other = shown[(shown != mask) & (shown != batch.targets)]
        changed += len(other)
        drawn.extend(other.tolist())
        places += np.bincount(batch.places.numpy() % 32, minlength=32)
    total = 40 * 32 * 5
    assert masked + kept + changed == total
    assert within(masked, total, 0.8)
    assert within(changed, total, 0.1 * (1 - 1 / len(ordinary)))
    assert within(kept, total, 0.1 + 0.1 / len(ordinary))
    assert set(drawn) <= set(ordinary.tolist())
    assert len(set(drawn)) > 200  # of 299
    assert all(within(count, total, 1 / 32) for count in places)


def test_targets_are_the_original_and_nothing_else_changes(special_corpus, config_of):
    config = config_of("encoder")
    for whole_words in (False, True):
        objective = Masked(rate=0.3, whole_words=whole_words)
        batch = objective.batch(special_corpus, config, seed=4, step=2, rows=6)
        original = training_windows(special_corpus, length=32, seed=4, step=2, rows=6)[:, :-1]
        flat = torch.from_numpy(original).flatten()
        assert torch.equal(batch.targets, flat[batch.places])
        shown = batch.inputs["tokens"].flatten().clone()
        shown[batch.places] = batch.targets
        assert torch.equal(shown, flat)
        per_row = np.bincount(batch.places.numpy() // 32, minlength=6)
        assert per_row.tolist() == [10] * 6
        assert batch.places.diff().min() > 0
        assert (batch.tokens, batch.predicted) == (192, 60)
        assert objective.row_tokens(config) * 6 == objective.tokens_in(
            special_corpus, config, rows=6, seed=4, steps=1
        )


@settings(max_examples=200, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=20),
    share=st.floats(0.01, 1),
    seed=st.integers(0, 2**31),
)
def test_words_are_chosen_whole_but_for_the_last(sizes: list[int], share: float, seed: int):
    starts = np.concatenate([[True] + [False] * (size - 1) for size in sizes])
    count = max(1, round(share * len(starts)))
    (places,) = choose_words(starts[None], count, np.random.default_rng(seed))
    assert len(set(places.tolist())) == count
    assert np.all(np.diff(places) > 0)
    owner = np.cumsum(starts) - 1
    taken = np.bincount(owner[places], minlength=len(sizes))
    cut = [word for word, n in enumerate(taken) if 0 < n < sizes[word]]
    assert len(cut) <= 1
    for word in cut:  # then its first tokens, and no word left alone would have fitted
        first = int(np.flatnonzero(owner == word)[0])
        assert places[owner[places] == word].tolist() == list(range(first, first + taken[word]))
        left_alone = [sizes[w] for w, n in enumerate(taken) if n == 0]
        assert all(size > taken[word] for size in left_alone)


def test_words_are_hidden_whole_in_real_rows(special_corpus, config_of):
    config = config_of("encoder")
    objective = Masked(whole_words=True, rate=0.25)
    batch = objective.batch(special_corpus, config, seed=0, step=0, rows=64)
    original = training_windows(special_corpus, length=32, seed=0, step=0, rows=64)[:, :-1]
    starts = vocabulary_of(special_corpus).word_starts(original)
    words = np.cumsum(starts, axis=1) + 100 * np.arange(64)[:, None]
    hidden = np.zeros(original.size, dtype=bool)
    hidden[batch.places.numpy()] = True
    tokens_of, hidden_of = np.bincount(words.ravel()), np.bincount(words.ravel(), weights=hidden)
    cut = (hidden_of > 0) & (hidden_of < tokens_of)
    assert cut.sum() <= 64
    assert (hidden_of[tokens_of > 1] > 1).sum() > 3 * cut.sum()


def test_every_position_can_be_chosen():
    places = choose_positions((3, 8), 8, np.random.default_rng(0))
    assert places.tolist() == [list(range(8))] * 3


def test_the_evaluation_is_fixed_and_has_no_bytes(special_corpus, config_of):
    config = config_of("encoder")
    one, two = (Masked().evaluation(special_corpus, config, 640) for _ in range(2))
    for a, b in zip(one.batches, two.batches, strict=True):
        assert torch.equal(a.inputs["tokens"], b.inputs["tokens"])
        assert torch.equal(a.places, b.places)
    result = evaluate(build_model(config), one)
    assert result.tokens == one.tokens == 20 * 5
    assert result.loss == pytest.approx(math.log(special_corpus.vocab_size), rel=0.05)
    assert result.loss_se >= 0
    assert math.isnan(result.bits_per_byte)
    assert "both sides" in result.bits_per_byte_reason


def test_a_corpus_without_the_mask_token_is_refused(tiny_corpus, config_of):
    config = config_of("encoder", vocab_size=tiny_corpus.vocab_size)
    with pytest.raises(DataError, match=r"lacks: <\|mask\|>") as error:
        Masked().check(tiny_corpus, config)
    assert "--special-token" in error.value.hint


@pytest.mark.parametrize(
    "settings",
    [{"rate": 0}, {"rate": 1.0}, {"mask_share": 0.9, "random_share": 0.2}, {"random_share": -0.1}],
)
def test_shares_that_cannot_be(settings):
    with pytest.raises(UsageError, match="0"):
        Masked(**settings)

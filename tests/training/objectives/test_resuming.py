"""What a step sees depends on (seed, step) alone: a run can stop and go on anywhere."""

from __future__ import annotations

import pytest
import torch

from isoloss.training.objectives import (
    Batch,
    Causal,
    Masked,
    PrefixLM,
    SequenceToSequence,
    SpanCorruption,
)

OBJECTIVES = [
    (Causal(documents=True), "isoloss"),
    (Masked(), "encoder"),
    (Masked(whole_words=True), "encoder"),
    (SpanCorruption(), "encoder-decoder"),
    (PrefixLM(), "isoloss"),
    (SequenceToSequence(), "encoder-decoder"),
]


def same(a: Batch, b: Batch) -> bool:
    if a.targets.shape != b.targets.shape or a.inputs.keys() != b.inputs.keys():
        return False
    places = (a.places is None) == (b.places is None)
    if a.places is not None and b.places is not None:
        places = torch.equal(a.places, b.places)
    inputs = all(torch.equal(a.inputs[name], b.inputs[name]) for name in a.inputs)
    return places and inputs and torch.equal(a.targets, b.targets) and a.tokens == b.tokens


@pytest.mark.parametrize(("objective", "family"), OBJECTIVES, ids=str)
def test_batches_are_the_same_in_any_order(
    objective, family, special_corpus, pair_corpus, config_of
):
    corpus = pair_corpus if isinstance(objective, SequenceToSequence) else special_corpus
    config = config_of(family, vocab_size=corpus.vocab_size, context_length=48)

    def at(step: int, seed: int = 0) -> Batch:
        return objective.batch(corpus, config, seed=seed, step=step, rows=3)

    steps = [0, 1, 2, 500, 501]  # the last two are of a later epoch of the pairs
    forwards = [at(step) for step in steps]
    torch.manual_seed(99)
    at(0, seed=7)
    backwards = [at(step) for step in reversed(steps)][::-1]
    assert all(same(a, b) for a, b in zip(forwards, backwards, strict=True))
    assert not any(same(forwards[0], other) for other in forwards[1:])
    assert not same(forwards[0], at(0, seed=1))


@pytest.mark.parametrize(("objective", "family"), OBJECTIVES, ids=str)
def test_the_count_of_tokens_is_exact(objective, family, special_corpus, pair_corpus, config_of):
    corpus = pair_corpus if isinstance(objective, SequenceToSequence) else special_corpus
    config = config_of(family, vocab_size=corpus.vocab_size, context_length=48)
    batches = [objective.batch(corpus, config, seed=2, step=step, rows=3) for step in range(5, 12)]
    count = objective.tokens_in(corpus, config, rows=3, seed=2, steps=12, first=5)
    assert count.tokens == sum(batch.tokens for batch in batches)
    assert count.encoder_tokens == sum(batch.encoder_tokens for batch in batches)
    assert count.predicted == sum(batch.predicted for batch in batches)
    most = objective.row_tokens(config) * 21
    assert count.tokens <= most.tokens
    assert count.predicted <= most.predicted

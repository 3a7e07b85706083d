"""A tiny model learns one batch by heart, whatever it is asked to predict."""

from __future__ import annotations

import math

import pytest
import torch

from isoloss.models import build_model
from isoloss.training.objectives import (
    Causal,
    Masked,
    PrefixLM,
    SequenceToSequence,
    SpanCorruption,
    batch_loss,
)


@pytest.mark.parametrize(
    ("objective", "family"),
    [
        (Causal(), "isoloss"),
        (Causal(documents=True), "llama"),
        (Masked(), "encoder"),
        (Masked(whole_words=True), "bert"),
        (SpanCorruption(), "encoder-decoder"),
        (PrefixLM(), "gpt2"),
        (SequenceToSequence(), "bart"),
    ],
    ids=str,
)
def test_the_loss_falls_on_a_batch_seen_again_and_again(
    objective, family, special_corpus, pair_corpus, config_of
):
    pairs = isinstance(objective, SequenceToSequence)
    corpus = pair_corpus if pairs else special_corpus
    length = 48 if pairs else 32
    config = config_of(family, 32, vocab_size=corpus.vocab_size, context_length=length)
    model = build_model(config, seed=0)
    batch = objective.batch(corpus, config, seed=0, step=0, rows=4)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.005, weight_decay=0.0)
    first = batch_loss(model, batch).item()
    for _ in range(120):
        optimizer.zero_grad()
        objective.loss(model, batch).backward()
        optimizer.step()
    assert first == pytest.approx(math.log(corpus.vocab_size), rel=0.2)
    assert batch_loss(model, batch).item() < 0.25 * first

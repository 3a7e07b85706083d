"""A ladder that trains in a second."""

from __future__ import annotations

import pytest

from isoloss.corpus import Corpus
from isoloss.ladders import LadderPlan, LadderSize, resolve_plan
from isoloss.training import Recipe

TINY = LadderSize(
    name="test",
    widths=(16, 32),
    min_steps=12,
    doublings=1.0,
    per_doubling=1,
    cap_flops=1.2e9,
    noise_cap_flops=4e8,
    verify_width=48,
    verify_doublings=1.0,
    low_ratio=0.0,
)


@pytest.fixture
def tiny_plan(tiny_corpus: Corpus) -> LadderPlan:
    """Widths 16 and 32 with 12 and 24 steps, width 16 once more with another seed."""
    return resolve_plan(
        TINY,
        recipe=Recipe(warmup_steps=2, batch_tokens=256),
        vocab_size=300,
        context_length=32,
        unique_tokens=tiny_corpus.train_tokens,
        corpus_fingerprint=tiny_corpus.fingerprint,
        eval_tokens=640,
        noise_seeds=2,
        verify_threads=1,
    )

"""A run that takes a fraction of a second."""

from __future__ import annotations

import pytest

from isoloss.architecture import config_for_width
from isoloss.corpus import Corpus
from isoloss.training import Recipe, RunConfig


@pytest.fixture
def tiny_run(tiny_corpus: Corpus) -> RunConfig:
    """Twenty steps of 256 tokens at width 16."""
    return RunConfig(
        architecture=config_for_width(16, vocab_size=300, context_length=32),
        recipe=Recipe(warmup_steps=2, batch_tokens=256),
        steps=20,
        seed=0,
        corpus_fingerprint=tiny_corpus.fingerprint,
        eval_tokens=640,
    )

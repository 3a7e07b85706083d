"""Windows of one text and of a mixture, for training and held out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from isoloss.corpus import Corpus, mixture_batch, prepare_corpus
from isoloss.models import build_model
from isoloss.training.evaluation import evaluate
from isoloss.training.objectives import Causal, PrefixLM
from isoloss.training.objectives.windows import held_out_windows, training_windows


@pytest.fixture(scope="module")
def mixture(tiny_text: str, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder: Path = tmp_path_factory.mktemp("mixture")
    half = len(tiny_text) // 2
    (folder / "plain.txt").write_text(tiny_text[:half], "utf-8")
    (folder / "loud.txt").write_text(tiny_text[half:].upper(), "utf-8")
    return prepare_corpus(
        {"plain": [folder / "plain.txt"], "loud": [folder / "loud.txt"]},
        folder / "corpus",
        vocab_size=300,
        weights={"plain": 3, "loud": 1},
    )


def test_a_mixture_is_drawn_by_weight(mixture: Corpus):
    windows = training_windows(mixture, length=32, seed=1, step=2, rows=64)
    expected = mixture_batch(mixture, seed=1, step=2, batch_size=64, context_length=32)
    assert np.array_equal(windows, expected)
    assert not np.array_equal(
        windows, training_windows(mixture, length=32, seed=1, step=3, rows=64)
    )


def test_the_first_tokens_of_windows_cut_the_text_without_overlap(tiny_corpus: Corpus):
    count = (len(tiny_corpus.train) - 1) // 32
    windows = training_windows(tiny_corpus, length=32, seed=0, step=0, rows=count)
    rows = {tuple(row) for row in windows[:, :-1].tolist()}
    text = np.asarray(tiny_corpus.train[: count * 32]).reshape(count, 32)
    assert rows == {tuple(row) for row in text.tolist()}


def test_each_held_out_window_knows_its_domain(mixture: Corpus, config_of):
    held_out = held_out_windows(mixture, 32, 10_000)
    assert held_out.domains is not None
    tokenizer = mixture.tokenizer()
    for window, domain in zip(held_out.windows, held_out.domains, strict=True):
        text = tokenizer.decode(window.tolist())
        assert text.isupper() == (domain == "loud")
    assert set(held_out.domains) == {"plain", "loud"}
    config = config_of("isoloss", vocab_size=mixture.vocab_size)
    model = build_model(config)
    for objective in (Causal(), PrefixLM()):
        result = evaluate(model, objective.evaluation(mixture, config, 10_000))
        assert list(result.domains) == ["plain", "loud"]
        assert sum(domain.tokens for domain in result.domains.values()) == result.tokens

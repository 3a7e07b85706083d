"""A corpus with the special tokens that objectives ask for, and models that are at rest nowhere."""

from __future__ import annotations

import json
import random

import pytest
import torch

from isoloss.architecture import TransformerConfig, config_for_width
from isoloss.corpus import Corpus, prepare_corpus
from isoloss.corpus.pairs import PairCorpus, prepare_pairs
from isoloss.corpus.tokenizers import MASK, PAD, START, sentinel
from isoloss.models import LanguageModel, build_model

SENTINELS = 8


@pytest.fixture(scope="session")
def special_corpus(tiny_text: str, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """`tiny_text` in 120 documents, vocabulary 300 and special tokens after it."""
    folder = tmp_path_factory.mktemp("special")
    lines = tiny_text.splitlines(keepends=True)
    for index in range(120):
        text = "".join(lines[index * 21 : (index + 1) * 21])
        (folder / f"{index:03}.txt").write_text(text, "utf-8")
    return prepare_corpus(
        sorted(folder.glob("*.txt")),
        folder / "corpus",
        vocab_size=300,
        special_tokens=(MASK, PAD, START, *(sentinel(i) for i in range(SENTINELS))),
    )


@pytest.fixture(scope="session")
def pair_corpus(tiny_text: str, tmp_path_factory: pytest.TempPathFactory) -> PairCorpus:
    """Sentences of `tiny_text` with their words in capitals and in reverse order."""
    folder = tmp_path_factory.mktemp("pairs")
    rng = random.Random(1)
    words = sorted(set(tiny_text.lower().replace(".", "").split()))
    rows = [rng.choices(words, k=rng.randint(2, 6)) for _ in range(800)]
    lines = [
        json.dumps({"from": " ".join(row), "to": " ".join(reversed(row)).upper()}) for row in rows
    ]
    (folder / "pairs.jsonl").write_text("\n".join(lines), "utf-8")
    return prepare_pairs(
        [folder / "pairs.jsonl"],
        folder / "corpus",
        fields=("from", "to"),
        vocab_size=300,
        max_source_tokens=40,
        max_target_tokens=40,
    )


@pytest.fixture
def config_of(special_corpus: Corpus):
    """The tiny model of a family for `special_corpus`: width 16, context 32."""

    def make(family: str, width: int = 16, **options) -> TransformerConfig:
        sizes = {"vocab_size": special_corpus.vocab_size, "context_length": 32}
        return config_for_width(width, family=family, **{**sizes, **options})

    return make


@pytest.fixture
def restless():
    """A model in float64 whose every weight differs from its (partly zero) start."""

    def make(config: TransformerConfig) -> LanguageModel:
        model = build_model(config, seed=1).double()
        generator = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for parameter in model.parameters():
                noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
                parameter.add_(0.3 * noise)
        return model

    return make

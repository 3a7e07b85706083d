"""Runs that take a fraction of a second, one of each objective."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest

from isoloss.architecture import config_for_width
from isoloss.corpus import MASK, START, Corpus, PairCorpus, prepare_corpus, prepare_pairs, sentinel
from isoloss.training import Recipe, RunConfig
from isoloss.training.objectives import objective_from

AnyCorpus = Corpus | PairCorpus
FAMILIES = {"decoder": "isoloss", "encoder": "encoder", "encoder_decoder": "encoder-decoder"}


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


@pytest.fixture(scope="session")
def marked_corpus(tiny_text: str, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """`tiny_text` in short documents, with the special tokens of every objective on text."""
    folder = tmp_path_factory.mktemp("marked")
    lines = tiny_text.splitlines(keepends=True)
    for index in range(60):
        text = "".join(lines[index * 30 : (index + 1) * 30])
        (folder / f"{index:02}.txt").write_text(text, "utf-8")
    return prepare_corpus(
        sorted(folder.glob("*.txt")),
        folder / "corpus",
        vocab_size=300,
        special_tokens=(MASK, START, *(sentinel(i) for i in range(8))),
    )


@pytest.fixture(scope="session")
def reversed_pairs(tiny_text: str, tmp_path_factory: pytest.TempPathFactory) -> PairCorpus:
    """Words of `tiny_text` and the same words the other way round."""
    folder = tmp_path_factory.mktemp("reversed")
    rng = random.Random(1)
    words = sorted(set(tiny_text.lower().replace(".", "").split()))
    rows = [rng.choices(words, k=rng.randint(2, 6)) for _ in range(600)]
    lines = [json.dumps({"a": " ".join(row), "b": " ".join(row[::-1]).upper()}) for row in rows]
    (folder / "pairs.jsonl").write_text("\n".join(lines), "utf-8")
    return prepare_pairs(
        [folder / "pairs.jsonl"],
        folder / "corpus",
        fields=("a", "b"),
        vocab_size=300,
        max_source_tokens=32,
        max_target_tokens=32,
    )


@pytest.fixture
def run_of(
    marked_corpus: Corpus, reversed_pairs: PairCorpus
) -> Callable[..., tuple[RunConfig, AnyCorpus]]:
    """A run of twelve steps with an objective, and its corpus.

    Takes the objective as `objective_from` does, settings of the recipe, and `model` with
    options of the architecture.
    """

    def make(
        objective: str, *, model: dict[str, object] | None = None, **recipe: object
    ) -> tuple[RunConfig, AnyCorpus]:
        aim = objective_from(objective)
        corpus = reversed_pairs if aim.name == "sequence_to_sequence" else marked_corpus
        options: dict[str, object] = {"n_layer": 1, "family": FAMILIES[aim.kind], **(model or {})}
        architecture = config_for_width(
            16,
            vocab_size=corpus.vocab_size,
            context_length=32,
            **options,  # pyright: ignore[reportArgumentType]
        )
        settings: dict[str, object] = {"warmup_steps": 2, "batch_tokens": 256, **recipe}
        run = RunConfig(
            architecture=architecture,
            recipe=Recipe(**settings),  # pyright: ignore[reportArgumentType]
            steps=12,
            seed=0,
            corpus_fingerprint=corpus.fingerprint,
            eval_tokens=320,
            objective=aim,
        )
        return run, corpus

    return make

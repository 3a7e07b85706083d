"""Folders of small models that nothing has been trained into, and toy tasks."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from isoloss.architecture import config_for_width
from isoloss.models import build_model
from isoloss.training.finetuning.states import write_plain

WORDS = ["ba", "de", "fi", "go", "lu", "ma", "ne", "pi", "ro", "su", "ta", "vo"]
SPECIAL = ["<|endoftext|>", "<|start|>", "<|pad|>", "<|mask|>"]
Row = dict[str, Any]


def words_tokenizer() -> Tokenizer:
    """One entry a word, a letter of Chinese or a sign."""
    entries = [
        *SPECIAL,
        *WORDS,
        *(" " + word for word in WORDS),
        " answer",
        "\n",
        " ",
        "?",
        ".",
        ":",
    ]
    entries += list("我会讲英语父母爱孩子他在那次意外中失去了视力谁何")
    vocabulary = {name: number for number, name in enumerate(entries)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(pre_tokenizers_pattern(), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens(SPECIAL)
    return tokenizer


def pre_tokenizers_pattern() -> Any:
    from tokenizers import Regex

    return Regex(r" ?[a-z]+|[^a-z]")


@pytest.fixture
def model_folder(tmp_path: Path) -> Callable[..., Path]:
    """Makes the folder of a model of a family with first weights."""

    def make(family: str, *, name: str = "start", seed: int = 0, width: int = 32, **options: Any):
        tokenizer = words_tokenizer()
        sizes: dict[str, Any] = {"context_length": 48, "n_layer": 2, **options}
        config = config_for_width(
            width, vocab_size=tokenizer.get_vocab_size(), family=family, **sizes
        )
        folder = tmp_path / name
        folder.mkdir()
        write_plain(build_model(config, seed=seed), folder / "checkpoint.safetensors")
        (folder / "tokenizer.json").write_text(tokenizer.to_str(), "utf-8")
        run = {"run_id": f"{name}-0123", "run": {}, "row": None}
        (folder / "run.json").write_text(json.dumps(run), "utf-8")
        return folder

    return make


@pytest.fixture
def copies() -> list[Row]:
    """Five words, to be said in the reverse order."""
    rng = random.Random(0)
    rows = [rng.sample(WORDS, 5) for _ in range(320)]
    return [
        {"place": f"row {i}", "source": " ".join(row), "target": " ".join(row[::-1])}
        for i, row in enumerate(rows)
    ]


@pytest.fixture
def questions() -> list[Row]:
    """Questions whose answer is the word after "answer"."""
    rng = random.Random(1)
    found: list[Row] = []
    for number in range(220):
        words = rng.choices(WORDS, k=9)
        at = rng.randrange(1, 8)
        words.insert(at, "answer")
        context = " ".join(words)
        start = context.index(" answer ") + len(" answer ")
        found.append(
            {
                "place": f"row {number}",
                "question": "go?",
                "context": context,
                "answers": [{"text": words[at + 1], "answer_start": start}],
            }
        )
    return found

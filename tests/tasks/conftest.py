"""Opened models with random weights: their texts are as good as any."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from isoloss.architecture import config_for_width
from isoloss.models import build_model
from isoloss.tasks import OpenModel

CHARACTERS = "abcdefghijklmnopqrstuvwxyz .,"
SPECIAL = ["<|endoftext|>", "<|start|>", "<|pad|>"]


def letters() -> Tokenizer:
    """One entry a letter, and the special ones."""
    entries = {name: number for number, name in enumerate([*SPECIAL, *CHARACTERS])}
    tokenizer = Tokenizer(models.BPE(vocab=entries, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens(SPECIAL)
    return tokenizer


@pytest.fixture
def opened_random(tmp_path: Path) -> Callable[..., OpenModel]:
    """Makes an opened model of a family, every weight random and large enough to disagree."""

    def make(family: str = "llama", *, seed: int = 0, scale: float = 0.25, **options: Any):
        tokenizer = letters()
        sizes: dict[str, Any] = {"context_length": 40, "n_layer": 2, **options}
        config = config_for_width(32, vocab_size=tokenizer.get_vocab_size(), family=family, **sizes)
        model = build_model(config)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in model.parameters():
                noise = torch.randn(parameter.shape, generator=generator) * scale
                if parameter.ndim < 2:
                    parameter.add_(noise)
                else:
                    parameter.copy_(noise)
        return OpenModel(
            folder=tmp_path,
            model=model.eval(),
            tokenizer=tokenizer,
            kind=config.kind,
            context_length=config.context_length,
            source_length=config.longest_source if config.kind == "encoder_decoder" else 0,
            end=0,
            start=1,
            pad=2,
        )

    return make

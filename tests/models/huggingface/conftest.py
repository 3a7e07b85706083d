"""Models with random weights, ours and those of transformers, and the folder of a trained one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from isoloss.architecture import TransformerConfig, config_for_width
from isoloss.models import EncoderDecoder, LanguageModel, build_model

VOCABULARY = 50
SPECIAL = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}


def random_model(family: str, *, seed: int = 0, **options: Any) -> LanguageModel:
    """A small model all of whose numbers are random: no scale is 1, no bias 0."""
    sizes = {"vocab_size": VOCABULARY, "context_length": 12, **options}
    return shuffled(build_model(config_for_width(32, family=family, **sizes)), seed)


def shuffled(model: LanguageModel, seed: int = 0) -> LanguageModel:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator) * 0.3
            if parameter.ndim < 2:
                parameter.add_(noise)
            else:
                parameter.copy_(noise)
    return model.eval()


def theirs_of(values: dict[str, Any], weights: dict[str, Tensor]) -> Any:
    """The model of transformers that a config and weights describe, checked to be whole."""
    import transformers

    kind = getattr(transformers, values["architectures"][0])
    model = kind(kind.config_class.from_dict({**values, **SPECIAL}))
    missing, unexpected = model.load_state_dict(weights, strict=False)
    tied = set(model.all_tied_weights_keys) if values["tie_word_embeddings"] else set()
    assert not unexpected
    assert set(missing) <= tied, missing
    model.tie_weights()
    return model.eval()


def _rows(seed: int, length: int, padded: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Random tokens, and the mask of rows that end in so much padding."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, VOCABULARY, (len(padded), length), generator=generator)
    mask = torch.ones_like(tokens)
    for row, count in enumerate(padded):
        mask[row, length - count :] = 0
    return tokens, mask


@torch.no_grad()
def both_logits(ours: LanguageModel, theirs: Any) -> tuple[Tensor, Tensor]:
    """Logits (N, V) of both at the positions that are no padding, of rows with and without."""
    tokens, mask = _rows(1, 10, (0, 3, 6))
    if isinstance(ours, EncoderDecoder):
        target, target_mask = _rows(2, 7, (4, 0, 2))
        a = ours(tokens, target, source_segments=mask, target_segments=target_mask)
        b = theirs(
            input_ids=tokens,
            attention_mask=mask,
            decoder_input_ids=target,
            decoder_attention_mask=target_mask,
        ).logits
        return a[target_mask.bool()], b[target_mask.bool()]
    a = ours(tokens, segments=mask)
    b = theirs(input_ids=tokens, attention_mask=mask).logits
    return a[mask.bool()], b[mask.bool()]


@pytest.fixture
def make_model() -> Callable[..., LanguageModel]:
    return random_model


@pytest.fixture
def make_theirs() -> Callable[..., Any]:
    return theirs_of


@pytest.fixture
def logits() -> Callable[..., tuple[Tensor, Tensor]]:
    return both_logits


@pytest.fixture
def trained_folder(tmp_path: Path) -> Callable[..., Path]:
    """Make the folder of a model as training leaves it, with a byte tokeniser."""

    def make(family: str, **options: Any) -> Path:
        from isoloss._files import write_json_atomic
        from isoloss.corpus.tokenizers import MASK, PAD, START, make_tokenizer
        from isoloss.training import Recipe, TrainingState

        folder = tmp_path / "trained"
        folder.mkdir()
        tokenizer = make_tokenizer("bytes", list, vocab_size=257, special_tokens=(MASK, PAD, START))
        tokenizer.save(str(folder / "tokenizer.json"))
        sizes = {"vocab_size": tokenizer.get_vocab_size(), "context_length": 64, **options}
        config: TransformerConfig = config_for_width(32, family=family, **sizes)
        state = TrainingState.start(config, Recipe(), seed=0)
        shuffled(state.model)
        state.save(folder / "checkpoint.safetensors")
        row = {"objective": "causal", "tokens": 1_000_000, "loss": 2.5, "status": "ok"}
        write_json_atomic(folder / "run.json", {"run_id": "0123456789abcdef", "row": row})
        return folder

    return make

"""Counts equal the model that is built and the FLOP that PyTorch counts."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

import isoloss.models.attention
from isoloss.architecture import (
    FLOPS_CONVENTIONS,
    TransformerConfig,
    config_for_width,
    count_parameters,
    forward_flops_per_token,
    training_flops,
)
from isoloss.errors import UsageError
from isoloss.models import Decoder, Mask, plain_attention


@st.composite
def configs(draw: st.DrawFn) -> TransformerConfig:
    n_head = draw(st.integers(1, 4))
    return TransformerConfig(
        vocab_size=draw(st.integers(1, 500)),
        context_length=draw(st.integers(1, 24)),
        d_model=n_head * 2 * draw(st.integers(1, 8)),
        n_layer=draw(st.integers(1, 3)),
        n_head=n_head,
        d_ff=draw(st.integers(1, 80)),
    )


def plain(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: Mask, _: float) -> torch.Tensor:
    """Attention whose every product the counter sees."""
    return plain_attention(q, k, v, mask)


def parameters(model: torch.nn.Module, *parts: str) -> int:
    return sum(p.numel() for n, p in model.named_parameters() if any(part in n for part in parts))


@given(configs())
@settings(max_examples=25, deadline=None)
def test_counts_are_those_of_the_model(config: TransformerConfig) -> None:
    with torch.device("meta"):
        model = Decoder(config)
    counts = count_parameters(config)
    assert counts.total == parameters(model, "")
    assert counts.embedding == parameters(model, "embedding.")
    assert counts.head == parameters(model, "head.")
    assert counts.attention == parameters(model, "qkv.", "out.")
    assert counts.feed_forward == parameters(model, "up.", "down.")
    assert counts.norms == parameters(model, "q_scale")
    assert counts.non_embedding == counts.total - counts.embedding - counts.head
    assert counts.matmul == counts.total - counts.embedding - counts.norms
    assert counts.head_share == counts.head / counts.matmul


@given(configs(), st.integers(1, 3))
@settings(max_examples=15, deadline=None)
def test_palm_flops_are_what_pytorch_counts(config: TransformerConfig, batch: int) -> None:
    tokens = batch * config.context_length
    with pytest.MonkeyPatch.context() as patch, torch.device("meta"):
        # The counter does not see inside the fused kernel on every device.
        patch.setattr(isoloss.models.attention, "fused_attention", plain)
        model = Decoder(config)
        ids = torch.zeros(batch, config.context_length, dtype=torch.long)
        with FlopCounterMode(display=False) as forward:
            logits = model(ids)
        with FlopCounterMode(display=False) as backward:
            F.cross_entropy(logits.flatten(0, 1), ids.flatten()).backward()
    assert forward.get_total_flops() == sum(forward_flops_per_token(config).values()) * tokens
    total = forward.get_total_flops() + backward.get_total_flops()
    assert total == training_flops(config, tokens, "palm")


def test_conventions_by_hand() -> None:
    config = config_for_width(32, vocab_size=100, context_length=8)
    matmul = 3 * (4 * 32 * 32 + 2 * 32 * 128) + 100 * 32
    norms = 3 * 2
    expected = {
        "6nd_total": 6 * 10 * (matmul + norms + 100 * 32),
        "6nd_non_embedding": 6 * 10 * (matmul + norms - 100 * 32),
        "matmul": 6 * 10 * matmul,
        "palm": 6 * 10 * matmul + 10 * 12 * 3 * 8 * 32,  # PaLM, appendix B: 12 L T d a token
    }
    assert {name: training_flops(config, 10, name) for name in FLOPS_CONVENTIONS} == expected


def test_unknown_convention() -> None:
    config = config_for_width(16, vocab_size=10, context_length=4)
    with pytest.raises(UsageError, match="'chinchilla'") as caught:
        training_flops(config, 1, "chinchilla")  # pyright: ignore[reportArgumentType]
    assert "palm" in caught.value.hint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_layer": 0}, "n_layer must be a positive integer, found 0"),
        ({"n_head": 5}, "n_head=5 does not divide d_model=64"),
        ({"n_head": 64}, "even width"),
    ],
)
def test_impossible_shapes_are_refused(change: dict[str, int], message: str) -> None:
    values = config_for_width(64, vocab_size=100, context_length=8).to_dict()
    with pytest.raises(UsageError, match=message):
        TransformerConfig(**{**values, **change})

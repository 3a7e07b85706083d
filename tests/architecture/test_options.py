"""Counts of every option, against the model that is built and the products PyTorch counts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

import isoloss.models.attention
from isoloss.architecture import (
    FAMILIES,
    TransformerConfig,
    config_for_width,
    count_parameters,
    forward_flops,
    forward_flops_per_token,
    training_flops,
)
from isoloss.errors import UsageError
from isoloss.models import Mask, build_model, parameter_roles, plain_attention

VOCAB = 40


@st.composite
def configs(draw: st.DrawFn, experts: bool = True) -> TransformerConfig:
    """Any shape that the checks let through."""
    kv = draw(st.integers(1, 3))
    n_head = kv * draw(st.integers(1, 3))
    head_width = 2 * draw(st.integers(1, 4))
    kind = draw(st.sampled_from(["decoder", "encoder", "encoder_decoder"]))
    norm = draw(st.sampled_from(["rmsnorm", "layernorm"]))
    weights = draw(st.booleans())
    n_expert = draw(st.sampled_from([0, 3])) if experts else 0
    free = draw(st.booleans())
    return TransformerConfig(
        vocab_size=VOCAB,
        context_length=draw(st.integers(2, 9)),
        d_model=draw(st.integers(2, 20)) if free else n_head * head_width,
        n_layer=draw(st.integers(1, 2)),
        n_head=n_head,
        d_ff=draw(st.integers(1, 20)),
        kind=kind,
        n_encoder_layer=draw(st.integers(1, 2)) if kind == "encoder_decoder" else 0,
        source_length=7 if kind == "encoder_decoder" and draw(st.booleans()) else None,
        n_kv_head=kv,
        head_width=head_width if free else None,
        norm=norm,
        norm_position=draw(st.sampled_from(["pre", "post"])),
        norm_weights=weights,
        norm_bias=weights and norm == "layernorm" and draw(st.booleans()),
        embedding_norm=draw(st.booleans()),
        positions=draw(st.sampled_from(["rotary", "learned", "alibi", "none", "sinusoidal"])),
        activation=draw(st.sampled_from(["relu2", "gelu", "swiglu", "geglu"])),
        qk_norm=draw(st.sampled_from(["scaled", "weighted", "none"])),
        window=draw(st.sampled_from([None, 2])),
        biases=draw(st.sampled_from(["none", "qkv"] if n_expert else ["none", "qkv", "all"])),
        tied_embeddings=draw(st.booleans()),
        head_bias=draw(st.booleans()),
        head_transform=draw(st.booleans()),
        n_expert=n_expert,
    )


@given(configs())
@settings(max_examples=80, deadline=None)
def test_parameters_are_those_of_the_model(config: TransformerConfig) -> None:
    with torch.device("meta"):
        model = build_model(config)
    counts = count_parameters(config)
    found = dict.fromkeys(("embedding", "hidden", "output", "vector"), 0)
    for role in parameter_roles(model):
        found[role.role] += model.get_parameter(role.name).numel()
    assert counts.total == sum(found.values())
    assert counts.embedding + counts.positions == found["embedding"]
    tied = counts.embedding if config.tied_embeddings else 0
    assert counts.matmul == found["hidden"] + found["output"] + tied
    head = sum(p.numel() for n, p in model.named_parameters() if n.startswith("head"))
    assert counts.head == head + tied
    per_expert = sum(p[0].numel() for _, p in model.named_parameters() if p.ndim == 3)
    idle = (config.n_expert - config.experts_per_token) * per_expert if config.n_expert else 0
    assert counts.active == counts.total - idle


def plain(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: Mask, _: float) -> torch.Tensor:
    """Attention whose every product the counter sees."""
    return plain_attention(q, k, v, mask)


def counted(config: TransformerConfig, rows: int) -> int:
    """FLOP of a forward pass on full rows, as PyTorch counts them."""
    # Experts pick their tokens by value, so they need numbers; the rest runs on meta.
    with pytest.MonkeyPatch.context() as patch, torch.device("cpu" if config.n_expert else "meta"):
        patch.setattr(isoloss.models.attention, "fused_attention", plain)
        model = build_model(config)
        inputs = [torch.zeros(rows, config.context_length, dtype=torch.long)]
        if config.kind == "encoder_decoder":
            inputs.insert(0, torch.zeros(rows, config.longest_source, dtype=torch.long))
        with FlopCounterMode(display=False) as counter:
            model(*inputs)
    return counter.get_total_flops()


@given(configs(), st.integers(1, 2))
@settings(max_examples=60, deadline=None)
def test_flops_are_what_pytorch_counts(config: TransformerConfig, rows: int) -> None:
    assert counted(config, rows) == rows * sum(forward_flops(config).values())


@given(configs(), st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_training_is_three_forward_passes_of_both_sides(
    config: TransformerConfig, rows: int
) -> None:
    source = rows * config.longest_source if config.kind == "encoder_decoder" else 0
    tokens = rows * config.context_length + source
    expected = 3 * rows * sum(forward_flops(config).values())
    assert training_flops(config, tokens) == pytest.approx(expected, rel=1e-12)
    given = training_flops(config, tokens, encoder_tokens=source or None)
    assert given == pytest.approx(expected, rel=1e-12)
    per_token = sum(forward_flops_per_token(config).values())
    assert per_token * tokens == pytest.approx(expected / 3, rel=1e-12)


def test_the_head_is_counted_where_it_predicts() -> None:
    config = config_for_width(32, vocab_size=VOCAB, context_length=16, family="encoder")
    saved = training_flops(config, 16) - training_flops(config, 16, predicted=4)
    assert saved == 3 * 12 * 2 * 32 * VOCAB


def test_matmul_convention_counts_each_side_by_its_tokens() -> None:
    config = config_for_width(32, vocab_size=VOCAB, context_length=8, family="encoder-decoder")
    block = 4 * 32 * 32 + 2 * 32 * 128
    cross = 2 * 32 * 32  # queries and output; keys and values are maps of the source
    encoder = 2 * block + 2 * cross
    decoder = 2 * block + 2 * cross + VOCAB * 32
    got = training_flops(config, 30, "matmul", encoder_tokens=10)
    assert got == 6 * (10 * encoder + 20 * decoder)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_builds_and_keeps_its_shape_in_json(family: str) -> None:
    config = config_for_width(32, vocab_size=VOCAB, context_length=8, family=family)
    assert TransformerConfig(**config.to_dict()) == config
    with torch.device("meta"):
        model = build_model(config)
    assert sum(p.numel() for p in model.parameters()) == count_parameters(config).total


def test_defaults_are_left_out_of_the_document() -> None:
    config = config_for_width(32, vocab_size=VOCAB, context_length=8)
    assert set(config.to_dict()) == {
        "vocab_size",
        "context_length",
        "d_model",
        "n_layer",
        "n_head",
        "d_ff",
    }


def test_a_misspelt_family_gets_a_close_name() -> None:
    with pytest.raises(UsageError, match="'lama'") as caught:
        config_for_width(32, vocab_size=VOCAB, context_length=8, family="lama")
    assert "'llama'" in caught.value.hint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"norm": "batchnorm"}, "norm must be one of rmsnorm, layernorm; found 'batchnorm'"),
        ({"n_kv_head": 3}, "n_kv_head=3 does not divide n_head=2"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\)"),
        ({"n_encoder_layer": 1}, "kind='decoder' with n_encoder_layer=1"),
        ({"source_length": 4}, "source_length belongs to an encoder-decoder"),
        ({"norm_bias": True}, "norm_bias needs norm_weights"),
        ({"norm_bias": True, "norm_weights": True}, "RMSNorm has no bias"),
        ({"n_expert": 2, "experts_per_token": 3}, "experts_per_token=3"),
        ({"n_expert": 2, "biases": "all"}, "experts have no biases"),
        ({"window": 0}, "window must be a positive integer, found 0"),
        ({"head_width": 3}, "even width"),
        ({"depth": 2}, "unknown option of a model"),
    ],
)
def test_impossible_options_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        config_for_width(32, vocab_size=VOCAB, context_length=8, **change)

"""Shapes that hardware likes: their multiples, their exact N, and how near they are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoloss.errors import UsageError
from isoloss.planning import concrete_architecture, padded_vocabulary
from isoloss.planning.shapes import parameters_of, rule_depth

SIZES: dict[str, Any] = {"vocab_size": 32_000, "context_length": 2048}


@pytest.mark.parametrize("n", [1.24e8, 1e9, 7e9, 7e10, 4e11, 1e12])
@pytest.mark.parametrize("family", ["llama", "qwen3", "gpt2", "isoloss"])
@pytest.mark.parametrize("n_convention", ["params_total", "params_non_embedding"])
def test_near_and_in_multiples(n: float, family: str, n_convention: str) -> None:
    found = concrete_architecture(n, family=family, n_convention=n_convention, **SIZES)
    assert len(found) == 5
    best = found[0]
    c = best.config
    assert best.n == parameters_of(c, n_convention)
    assert best.off == pytest.approx(best.n / n - 1)
    assert abs(best.off) < 0.03
    step = 256 if c.d_model >= 2048 else 64
    assert c.d_model % step == c.d_ff % step == 0
    assert c.head_dim == (128 if c.d_model >= 2048 else 64)
    assert c.head_dim * c.n_head == c.d_model
    assert 0.8 <= c.n_layer / rule_depth(c.d_model) <= 1.25
    assert c.d_ff / c.d_model == pytest.approx(8 / 3 if c.gated else 4, rel=0.1)


@settings(max_examples=25, deadline=None)
@given(
    n=st.floats(3e9, 3e11),
    tensor=st.sampled_from([1, 2, 4, 8]),
    pipeline=st.sampled_from([1, 2, 4, 8]),
    vocab_size=st.integers(1, 300_000),
)
def test_parallel_degrees_divide(n: float, tensor: int, pipeline: int, vocab_size: int) -> None:
    for candidate in concrete_architecture(
        n,
        vocab_size=vocab_size,
        context_length=4096,
        tensor_parallel=tensor,
        pipeline_parallel=pipeline,
    ):
        c = candidate.config
        assert c.n_head % tensor == c.kv_heads % tensor == 0
        assert c.n_layer % pipeline == 0
        assert c.vocab_size % tensor == c.d_ff % tensor == 0
        assert c.vocab_size >= vocab_size


def test_small_sizes_still_have_shapes() -> None:
    best = concrete_architecture(1e5, vocab_size=300, context_length=64)[0]
    assert best.config.vocab_size == 320
    assert abs(best.off) < 0.2
    assert best.summary().startswith(f"{best.n:,} params_total")


def test_fixed_depth_and_options() -> None:
    best = concrete_architecture(
        1e9, n_layer=10, options={"n_kv_head": 4, "tied_embeddings": True}, **SIZES
    )[0]
    assert (best.config.n_layer, best.config.kv_heads) == (10, 4)
    assert best.config.tied_embeddings
    assert best.to_dict()["architecture"] == best.config.to_dict()


@given(st.integers(1, 300_000), st.integers(1, 16))
def test_padding(vocab_size: int, tensor: int) -> None:
    padded = padded_vocabulary(vocab_size, tensor)
    assert padded % (64 * tensor) == 0
    assert vocab_size <= padded < vocab_size + 128 * tensor
    assert padded_vocabulary(padded, tensor) == padded


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n": 0}, "N must be a positive number"),
        ({"n": 1e16}, "N must be a positive number"),
        ({"vocab_size": 0}, "vocab_size and tensor_parallel must be positive"),
        ({"family": "lama"}, "no such family"),
        ({"n_layer": 7, "pipeline_parallel": 2}, "no shape has heads"),
    ],
)
def test_mistakes(wrong: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        concrete_architecture(**{"n": 1e9, **SIZES, **wrong})

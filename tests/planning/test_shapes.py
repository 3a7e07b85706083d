"""Real shapes: the vectorised counts are the exact ones, and the rule's shapes are sensible."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoloss.architecture import FAMILIES, FLOPS_CONVENTIONS, FlopsConvention, training_flops
from isoloss.planning.shapes import (
    fixed_depth_table,
    parameters_of,
    rule_depth,
    rule_table,
    shape_near,
)

CONVENTIONS = ("params_total", "params_non_embedding", "params_matmul")


@settings(max_examples=30)
@given(
    vocab_size=st.integers(1, 200_000),
    context_length=st.integers(1, 100_000),
    n_layer=st.integers(1, 200),
    n_convention=st.sampled_from(CONVENTIONS),
    flops_convention=st.sampled_from(FLOPS_CONVENTIONS),
    family=st.sampled_from(sorted(FAMILIES)),
    shares=st.booleans(),
)
def test_fixed_depth_counts_are_exact(
    vocab_size: int,
    context_length: int,
    n_layer: int,
    n_convention: str,
    flops_convention: FlopsConvention,
    family: str,
    shares: bool,
) -> None:
    encoder, predicted = (0.25, 0.5) if shares else (None, None)
    table = fixed_depth_table(
        vocab_size=vocab_size,
        context_length=context_length,
        n_layer=n_layer,
        n_convention=n_convention,
        flops_convention=flops_convention,
        max_n=1e11,
        family=family,
        encoder_share=encoder,
        predicted_share=predicted,
    )
    for index in {0, 1, 2, len(table.n) // 2, len(table.n) - 1} & set(range(len(table.n))):
        config = table.config(index)
        assert config.d_model == 16 * (index + 1)
        assert table.n[index] == parameters_of(config, n_convention)
        exact = training_flops(
            config, 1, flops_convention, encoder_tokens=encoder, predicted=predicted
        )
        assert table.flops_per_token[index] == pytest.approx(exact, rel=1e-12)
    assert table.dense_n[0] == pytest.approx(table.n[0])
    assert table.dense_n[-1] == pytest.approx(table.n[-1])
    assert len(table.n) == 1 or table.n[-1] <= 1e11


def test_rule_counts_are_exact_and_rise() -> None:
    table = rule_table(
        vocab_size=32_000,
        context_length=2048,
        n_convention="params_matmul",
        flops_convention="palm",
        max_n=1e12,
    )
    assert (table.n[1:] > table.n[:-1]).all()
    for index in (0, 10, len(table.n) - 1):
        config = table.config(index)
        assert table.n[index] == parameters_of(config, "params_matmul")
        assert table.flops_per_token[index] == training_flops(config, 1, "palm")
        assert config.d_ff == 4 * config.d_model


def test_rule_depth_never_falls_with_width() -> None:
    depths = [rule_depth(width) for width in range(16, 40_000, 16)]
    assert depths == sorted(depths)
    assert depths[0] == 1


@pytest.mark.parametrize("n_convention", CONVENTIONS)
@pytest.mark.parametrize("n", [1e7, 1.24e8, 1e9, 7e9, 7e10, 1e12])
def test_shape_near_hits_its_size(n: float, n_convention: str) -> None:
    shape = shape_near(n, vocab_size=32_000, context_length=2048, n_convention=n_convention)
    assert parameters_of(shape, n_convention) == pytest.approx(n, rel=0.07)
    if shape.d_model >= 256:
        assert shape.head_dim in (64, 128)
    if n >= 1e8:
        assert 40 <= shape.d_model / shape.n_layer <= 140


def test_shape_near_keeps_a_fixed_depth_and_survives_extremes() -> None:
    sizes = {"vocab_size": 32_000, "context_length": 2048, "n_convention": "params_total"}
    assert shape_near(1e9, n_layer=10, **sizes).n_layer == 10
    assert shape_near(1.0, **sizes).d_model == 16
    assert parameters_of(shape_near(1e14, **sizes), "params_total") == pytest.approx(1e14, rel=0.02)

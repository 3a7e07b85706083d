"""The coordinate check: its slopes, its verdicts, and that it leaves nothing behind."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from isoloss.architecture import TransformerConfig, config_for_width
from isoloss.errors import UsageError
from isoloss.models import build_model
from isoloss.training._coordinates import Sizes, activations, chain_batch
from isoloss.training.coordinate_check import (
    TOLERANCE,
    CoordinateCheck,
    check_coordinates,
    layer_slopes,
    unusable,
    width_slope,
)
from isoloss.training.objectives.batch import predicted_logits

SMALL = {"widths": (16, 32, 64, 128), "steps": 3, "seeds": 3, "n_layer": 1}


@pytest.fixture(scope="module")
def mup() -> CoordinateCheck:
    return check_coordinates(parameterization="mup", **SMALL)


@pytest.fixture(scope="module")
def standard() -> CoordinateCheck:
    return check_coordinates(parameterization="standard", **SMALL)


def shape(family: str, width: int = 16) -> TransformerConfig:
    return config_for_width(width, vocab_size=64, context_length=16, n_layer=2, family=family)


def of(check: CoordinateCheck, layer: str) -> float:
    return next(row.slope for row in check.slopes if row.layer == layer)


def test_mup_passes(mup: CoordinateCheck) -> None:
    assert (mup.status, mup.cure, mup.initialisation) == ("passed", "", "fan_in")
    assert all(abs(row.slope) < TOLERANCE for row in mup.slopes if row.layer != "logits")
    assert "should hold at others" in mup.message


def test_standard_fails_as_the_logits_grow(standard: CoordinateCheck) -> None:
    # Adam moves each of the head's `width` inputs equally: the first step's change is ~ width.
    target = next(row for row in standard.slopes if row.layer == "target logit")
    assert target.by_step[0] == pytest.approx(1.0, abs=0.05)
    assert of(standard, "logits") > 2 * TOLERANCE
    assert of(standard, "block 1 feed-forward") > TOLERANCE
    assert standard.status == "failed"
    assert "target logit grows as width^" in standard.message
    assert "parameterization='mup'" in standard.cure


def test_inverse_width_fails_at_the_embedding() -> None:
    check = check_coordinates(parameterization="inverse_width", **SMALL)
    assert of(check, "embedding") == pytest.approx(-1.0, abs=0.1)
    assert of(check, "target logit") == pytest.approx(0.0, abs=0.1)
    assert check.status == "failed"
    assert "embedding falls as width^" in check.message


def test_muon_passes_with_mup() -> None:
    check = check_coordinates(optimizer="muon", parameterization="mup", **SMALL)
    assert check.status == "passed", check.message


def test_the_same_seed_gives_the_same_numbers(mup: CoordinateCheck) -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    again = check_coordinates(parameterization="mup", **SMALL)
    assert again == mup
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("family", ["encoder", "encoder-decoder", "llama"])
def test_every_kind_of_model(family: str) -> None:
    check = check_coordinates(family=family, **{**SMALL, "steps": 2})
    layers = [row.layer for row in check.slopes]
    assert layers[-2:] == ["logits", "target logit"]
    assert ("decoder block 1 cross-attention" in layers) == (family == "encoder-decoder")
    assert all(math.isfinite(row.slope) for row in check.slopes)
    assert abs(of(check, "target logit")) < TOLERANCE


def test_slopes_are_the_closed_form() -> None:
    widths, rng = (16, 48, 64, 256), np.random.default_rng(3)
    noisy = rng.normal(size=4)
    expected = np.polynomial.polynomial.polyfit(np.log(widths), noisy, 1)[1]
    assert width_slope(widths, list(noisy)) == pytest.approx(expected, rel=1e-12)


def test_slopes_of_power_laws() -> None:
    # Change 2·w^a at seed 0 and 3·w^(a + 0.2) at seed 1: slope a + 0.1, error 0.2 / 2.
    exponents = {1: -0.5, 2: 0.25}
    sizes = [
        Sizes(
            layer="x", width=width, seed=seed, step=step, size=width**0.75,
            change=(2 + seed) * width ** (exponents[step] + 0.2 * seed) if step else 0.0,
        )
        for width in (16, 32, 128) for seed in (0, 1) for step in (0, 1, 2)
    ]  # fmt: skip
    (row,) = layer_slopes(sizes, (16, 32, 128))
    assert row.by_step == pytest.approx((-0.4, 0.35))
    assert row.slope == pytest.approx(-0.025)
    assert row.stderr == pytest.approx(0.1)
    assert row.size_slope == pytest.approx(0.75)
    assert row.passed
    # A step that left the layer where it was for one model says nothing about the width.
    still = [replace(s, change=0.0) if (s.step, s.width) == (1, 16) else s for s in sizes]
    (row,) = layer_slopes(still, (16, 32, 128))
    assert math.isnan(row.by_step[0])
    assert row.slope == pytest.approx(0.35)
    assert not row.passed


def test_activations_are_those_of_the_layers_and_leave_no_hook() -> None:
    config = shape("isoloss")
    model, batch = (
        build_model(replace(config, initialisation="fan_in")),
        chain_batch(config, seed=0, step=0),
    )
    model.train()
    found = activations(model, batch)
    assert model.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    logits = predicted_logits(model, batch).double()
    torch.testing.assert_close(found["logits"], logits)
    target = torch.stack([row[token] for row, token in zip(logits, batch.targets, strict=True)])
    torch.testing.assert_close(found["target logit"], target - logits.mean(dim=1))
    # Before the last norm the stream is the sum of the embedding and all that blocks add.
    stream = found["embedding"] + sum(
        found[f"block {n} {part}"] for n in (1, 2) for part in ("attention", "feed-forward")
    )
    scale = stream.square().mean(dim=-1, keepdim=True).sqrt()
    torch.testing.assert_close(found["hidden"], stream / scale, rtol=1e-4, atol=1e-5)


def test_a_failing_forward_pass_leaves_no_hook() -> None:
    config = shape("isoloss")
    model = build_model(config)
    long = chain_batch(replace(config, context_length=17), seed=0, step=0)
    with pytest.raises(UsageError, match="17 positions"):
        activations(model, long)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_batches_are_the_same_at_every_width_and_follow_their_kind() -> None:
    narrow, wide = (chain_batch(shape("isoloss", w), seed=1, step=2) for w in (16, 64))
    assert torch.equal(narrow.inputs["tokens"], wide.inputs["tokens"])
    assert torch.equal(narrow.inputs["tokens"][:, 1:], narrow.targets.view(8, 16)[:, :-1])
    masked = chain_batch(shape("encoder"), seed=1, step=2)
    assert masked.places is not None
    assert set(masked.inputs["tokens"].flatten()[masked.places].tolist()) == {63}
    assert 63 not in masked.targets
    pairs = chain_batch(shape("encoder-decoder"), seed=1, step=2)
    follower = torch.from_numpy(np.random.default_rng(0).permutation(63))
    assert torch.equal(pairs.targets.view(8, 16), follower[pairs.inputs["source"]])
    assert torch.equal(pairs.inputs["target"][:, 1:], pairs.targets.view(8, 16)[:, :-1])


def test_what_cannot_be_told() -> None:
    held = {"options": {"initialisation": "zero_residual"}, **SMALL, "steps": 1}
    check = check_coordinates(parameterization="mup", **held)
    assert check.status == "unclear"
    assert "did not move" in check.message
    narrow = check_coordinates(widths=(16, 18), steps=1, seeds=2, n_layer=1,
                               options={"n_head": 1})  # fmt: skip
    assert narrow.status == "unclear"
    assert "seeds differ too much" in narrow.message


def test_activations_that_are_not_finite() -> None:
    sizes = [
        Sizes(layer="x", width=w, seed=seed, step=1, size=1.0, change=w if w < 64 else math.inf)
        for w in (16, 32, 64)
        for seed in (0, 1)
    ]
    verdict = unusable(layer_slopes(sizes, (16, 32, 64)), sizes)
    assert verdict is not None
    status, message, cure = verdict
    assert (status, cure) == ("failed", "Lower the learning rate.")
    assert "not finite at width 64:" in message
    finite = [row for row in sizes if row.width < 64]
    assert unusable(layer_slopes(finite, (16, 32)), finite) is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"widths": (16,)}, "found 1, 4 and 3"),
        ({"seeds": 1}, "two seeds"),
        ({"family": "gpt2"}, "shares them"),
        ({"options": {"initialisation": "normal"}}, "initialisation='normal'"),
        ({"parameterization": "mpu"}, "parameterization must be one of"),
    ],
)
def test_settings_that_do_not_fit(settings: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_coordinates(**settings)


def test_the_table_fits_a_terminal(standard: CoordinateCheck) -> None:
    text = standard.summary()
    assert max(map(len, text.splitlines())) <= 80
    assert "nan" not in text  # a layer that has not moved yet has a dash
    assert text.count("✗") == sum(not row.passed for row in standard.slopes)

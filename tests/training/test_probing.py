"""Which way of computing is fastest here."""

from __future__ import annotations

import pytest

from isoloss.architecture import config_for_width
from isoloss.models import build_model
from isoloss.training import Recipe
from isoloss.training import probing as room
from isoloss.training.objectives import batch_loss
from isoloss.training.probing import probe_modes, random_batch

RECIPE = Recipe(batch_tokens=128, precision="bfloat16")


def test_both_precisions_are_timed_and_one_is_taken() -> None:
    config = config_for_width(16, vocab_size=64, context_length=16, n_layer=1)
    timings = probe_modes(config, RECIPE, seconds=0.02)
    assert set(timings.seconds) == {"float32", "bfloat16"}
    assert all(0 < seconds < 5 for seconds in timings.seconds.values())
    assert timings.recipe.precision == timings.choice
    assert timings.recipe.batch_tokens == 128
    assert f"{timings.choice:<18}" in timings.summary()


@pytest.mark.parametrize(
    ("seconds", "choice"),
    [
        ({"float32": 1.0, "bfloat16": 0.95}, "float32"),  # within the scatter
        ({"float32": 1.0, "bfloat16": 0.5}, "bfloat16"),
    ],
)
def test_another_way_must_pay(
    seconds: dict[str, float], choice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_time_steps", lambda _c, r, *_: (0.0, seconds[r.precision]))
    config = config_for_width(16, vocab_size=64, context_length=16, n_layer=1)
    timings = probe_modes(config, RECIPE)
    assert (timings.choice, timings.recipe.precision) == (choice, choice)


@pytest.mark.parametrize("family", ["isoloss", "encoder", "encoder-decoder"])
def test_random_batches_fit_every_kind(family: str) -> None:
    config = config_for_width(16, vocab_size=64, context_length=16, n_layer=1, family=family)
    batch = random_batch(config, RECIPE)
    assert batch.tokens == 128
    assert batch_loss(build_model(config), batch).item() > 0

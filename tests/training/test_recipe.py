"""Recipes as data: what an id covers, and what cannot be."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from isoloss.errors import UsageError
from isoloss.training import Recipe

OTHERS: dict[str, Any] = {
    "optimizer": "adamw",
    "parameterization": "mup",
    "schedule": "cosine",
    "final_fraction": 0.1,
    "weight_decay_on": "all",
    "micro_batch_tokens": 128,
    "precision": "bfloat16",
    "compile": True,
    "checkpoint_activations": True,
    "spike_nats": 2.0,
}


def test_the_ids_of_the_first_recipes_stay() -> None:
    first = {
        "batch_tokens": 1024,
        "base_learning_rate": 0.008,
        "base_width": 64,
        "matrix_learning_rate": 0.012,
        "momentum": 0.95,
        "warmup_steps": 50,
        "decay_fraction": 0.2,
        "betas": [0.9, 0.98],
        "eps": 1e-9,
        "weight_decay": 0.0,
        "clip_norm": 1.0,
        "version": 1,
    }
    assert Recipe().to_dict() == first
    assert {f.name for f in fields(Recipe)} == first.keys() | OTHERS.keys()


@pytest.mark.parametrize("name", OTHERS)
def test_every_option_is_part_of_the_identity(name: str) -> None:
    recipe = replace(Recipe(), **{name: OTHERS[name]})
    assert recipe.to_dict() == {**Recipe().to_dict(), name: OTHERS[name]}
    assert Recipe.from_dict(recipe.to_dict()) == recipe


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer": "sgd"}, "optimizer must be one of muon, adamw; found 'sgd'"),
        ({"schedule": "cosin"}, "one of wsd, cosine, linear, constant; found 'cosin'"),
        ({"precision": "float16"}, "float32, bfloat16"),
        ({"parameterization": "ntk"}, "inverse_width, standard, mup"),
        ({"weight_decay_on": "biases"}, "adamw, matrices, all"),
        ({"final_fraction": 1.1}, "final_fraction must lie"),
        ({"weight_decay": -0.1}, "must not be negative"),
        ({"micro_batch_tokens": 0}, "must lie in 1 to batch_tokens"),
        ({"micro_batch_tokens": 2048}, "must lie in 1 to batch_tokens"),
        ({"spike_nats": 0.0}, "spike_nats must be positive"),
    ],
)
def test_impossible_options(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Recipe(**change)

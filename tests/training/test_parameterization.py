"""Learning rates from shapes, against arXiv:2203.03466, Table 3 (Adam)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from isoloss.architecture import TransformerConfig, config_for_width
from isoloss.errors import UsageError
from isoloss.models import build_model, parameter_roles
from isoloss.training import Recipe, learning_rates, weight_decays

ADAMW = Recipe(optimizer="adamw", base_learning_rate=0.01, base_width=32)


def shape(width: int, family: str = "isoloss", **options: Any) -> TransformerConfig:
    return config_for_width(
        width, vocab_size=64, context_length=8, n_layer=1, family=family, **options
    )


def rates(width: int, recipe: Recipe, family: str = "isoloss", **options: Any) -> dict[str, float]:
    config = shape(width, family, **options)
    return learning_rates(parameter_roles(build_model(config)), recipe, config)


@pytest.mark.parametrize("family", ["isoloss", "llama", "encoder-decoder"])
def test_mup_is_the_table(family: str) -> None:
    recipe = replace(ADAMW, parameterization="mup")
    options = {"initialisation": "fan_in"}
    base, wide = (rates(width, recipe, family, **options) for width in (32, 128))
    roles = {r.name: r for r in parameter_roles(build_model(shape(32, family, **options)))}
    assert base == dict.fromkeys(roles, 0.01)  # at the base width nothing is scaled
    # Adam, of Table 3: input weights and vectors 1, hidden and output 1 / fan-in.
    factor = {"embedding": 1, "vector": 1, "hidden": 1 / 4, "output": 1 / 4}
    for name, role in roles.items():
        assert wide[name] == pytest.approx(0.01 * factor[role.role]), name


def test_standard_and_inverse_width_have_one_rate() -> None:
    standard = rates(128, replace(ADAMW, parameterization="standard"))
    inverse = rates(128, ADAMW)
    assert set(standard.values()) == {0.01}
    assert set(inverse.values()) == {0.01 / 4}
    assert ADAMW.learning_rate(128) == 0.01 / 4


@pytest.mark.parametrize("parameterization", ["inverse_width", "standard", "mup"])
def test_muon_holds_its_rate_at_every_width(parameterization: Any) -> None:
    recipe = replace(ADAMW, optimizer="muon", parameterization=parameterization)
    for width in (32, 128):
        config = shape(width)
        found = rates(width, recipe)
        for role in parameter_roles(build_model(config)):
            if role.role == "hidden":
                assert found[role.name] == recipe.matrix_learning_rate
    assert rates(128, recipe)["head.weight"] == (0.01 if parameterization == "standard" else 0.0025)


def test_mup_refuses_models_that_do_not_follow_it() -> None:
    recipe = replace(ADAMW, parameterization="mup")
    with pytest.raises(UsageError, match="shares them"):
        rates(32, recipe, tied_embeddings=True)
    with pytest.raises(UsageError, match="initialisation='gpt2'") as caught:
        rates(32, recipe, "llama")
    assert "fan_in" in caught.value.hint


def test_what_decays() -> None:
    config = shape(32, biases="all", norm_weights=True)
    roles = parameter_roles(build_model(config))
    vectors = {r.name for r in roles if r.role == "vector"}
    hidden = {r.name for r in roles if r.role == "hidden"}
    every = {r.name for r in roles}
    cases = {
        ("muon", "adamw"): every - hidden,
        ("muon", "matrices"): every - vectors,
        ("muon", "all"): every,
        ("adamw", "adamw"): every,
        ("adamw", "matrices"): every - vectors,
    }
    for (optimizer, decayed), expected in cases.items():
        recipe = Recipe(
            optimizer=optimizer,  # pyright: ignore[reportArgumentType]
            weight_decay_on=decayed,  # pyright: ignore[reportArgumentType]
            weight_decay=0.1,
        )
        found = weight_decays(roles, recipe)
        assert {name for name, decay in found.items() if decay} == expected
        assert set(found.values()) <= {0.0, 0.1}

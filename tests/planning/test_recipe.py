"""Recipes: Step Law against its own runs, steps that add up, and what is carried over."""

from __future__ import annotations

import json
import math
import statistics
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoloss.architecture import config_for_width, count_parameters, preset
from isoloss.errors import UsageError
from isoloss.planning import PlanRecipe, recipe_for, recipe_of_runs, step_law
from isoloss.runs import Runs, example_runs

SMALL = config_for_width(64, family="llama", vocab_size=512, context_length=64)
LLAMA = preset("llama-2-7b").config

# The best run of every (N, D) that Step Law's authors published, N without embeddings: its rate,
# its batch in sequences of 2,048 (github.com/step-law/steplaw, data/dense_lr_bs_loss.csv).
BEST = [
    (214_663_680, 4e9, 0.001381, 32),
    (214_663_680, 11.4e9, 0.000977, 32),
    (214_663_680, 20e9, 0.00391, 256),
    (214_663_680, 100e9, 0.001953, 256),
    (268_304_384, 5e9, 0.002762, 64),
    (268_304_384, 14.2e9, 0.001381, 64),
    (268_304_384, 25e9, 0.00391, 256),
    (268_304_384, 80e9, 0.003906, 1024),
    (429_260_800, 8e9, 0.001381, 256),
    (429_260_800, 22.7e9, 0.00276, 352),
    (429_260_800, 40e9, 0.000977, 128),
    (429_260_800, 50e9, 0.001953, 256),
    (536_872_960, 10e9, 0.000977, 64),
    (536_872_960, 28.4e9, 0.000488, 64),
    (536_872_960, 50e9, 0.00138, 256),
    (1_073_741_824, 20e9, 0.000244, 32),
    (1_073_741_824, 56.9e9, 0.001381, 352),
]


def test_step_law_is_near_its_own_best_runs() -> None:
    # The optimum is broad: single best runs lie a factor 1.46 (rate) and 2.11 (batch) away from
    # the law at the median. A slip of units or of the kind of N would be far more.
    rates, batches = [], []
    for n, d, rate, sequences in BEST:
        found, batch = step_law(n, d)
        rates.append(abs(math.log2(found / rate)))
        batches.append(abs(math.log2(batch / (2048 * sequences))))
    assert statistics.median(rates) == pytest.approx(0.5444, abs=1e-3)
    assert statistics.median(batches) == pytest.approx(1.0792, abs=1e-3)


def test_step_law_takes_non_embedding_parameters() -> None:
    recipe = recipe_for(LLAMA, 2e12)
    n = count_parameters(LLAMA).non_embedding
    assert recipe.learning_rate == pytest.approx(1.79 * n**-0.713 * 2e12**0.307)
    assert recipe.batch_tokens == pytest.approx(0.58 * 2e12**0.571, rel=4096 / 6e6)
    assert f"{n:.4g} non-embedding" in recipe.basis["learning_rate"]


@settings(max_examples=200, deadline=None)
@given(
    tokens=st.floats(1, 1e14),
    schedule=st.sampled_from(["wsd", "cosine"]),
    multiple=st.integers(1, 64),
    batch=st.none() | st.integers(1, 10**7),
)
def test_steps_add_up(tokens: float, schedule: Any, multiple: int, batch: int | None) -> None:
    r = recipe_for(
        SMALL, tokens, schedule=schedule, sequences_multiple=multiple, batch_tokens=batch
    )
    assert tokens <= r.trained_tokens < tokens + r.batch_tokens
    assert r.batch_sequences % multiple == 0
    assert 0 <= r.warmup_steps < r.steps
    assert 0 <= r.decay_steps <= r.steps - r.warmup_steps
    assert r.checkpoint_steps[-1] == r.steps
    assert list(r.checkpoint_steps) == sorted(set(r.checkpoint_steps))
    assert all(step % r.save_interval == 0 for step in r.checkpoint_steps[:-1])
    if schedule == "wsd" and r.steps > 1:
        # The last checkpoint of the trunk is where the decay begins.
        assert r.checkpoint_steps[-2] == r.steps - r.decay_steps
    if schedule == "wsd" and r.steps >= 100:
        assert 0.19 < r.decay_steps / r.steps < 0.25
    assert PlanRecipe.from_dict(json.loads(json.dumps(r.to_dict()))) == r


def test_every_figure_has_its_basis() -> None:
    recipe = recipe_for(LLAMA, 2e12)
    assert all(why for _, _, why in recipe.rows())
    text = recipe.summary()
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "arXiv:2503.04715" in text
    assert "arXiv:2405.18392" in text
    assert "2,000 steps as in Llama" in text
    assert repr(recipe).startswith("PlanRecipe(learning_rate=0.00108")


def test_extrapolation_of_step_law_is_said() -> None:
    inside = recipe_for(LLAMA, 2e12, learning_rate=1e-4, batch_tokens=4_000_000)
    assert inside.caveats == ()
    text = " ".join(recipe_for(LLAMA, 2e12).caveats)
    assert "N = 6.48e+09 lies outside" in text
    assert "D = 2e+12 lies outside" in text
    assert "constant rate mostly wants less" in text
    cosine = " ".join(recipe_for(LLAMA, 2e12, schedule="cosine").caveats)
    assert "constant rate" not in cosine


LADDER = {
    "optimizer": "adamw",
    "parameterization": "mup",
    "base_learning_rate": 0.008,
    "base_width": 32,
}


@pytest.mark.parametrize("rule", ["mup", "inverse_width"])
def test_the_ladders_rate_is_carried_over(rule: str) -> None:
    recipe = recipe_for(SMALL, 1e7, source_recipe={**LADDER, "parameterization": rule})
    assert recipe.learning_rate == pytest.approx(0.004)
    assert "carried over from the ladder: 0.008 at width 32" in recipe.basis["learning_rate"]
    assert "only the rate is carried over" in recipe.caveats[-1]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (None, "how the runs were trained is not known"),
        ({"optimizer": "muon"}, "moved by muon, not by AdamW"),
        ({"parameterization": "standard"}, "do not carry over widths"),
        ({"base_learning_rate": None}, "not known at any width"),
    ],
)
def test_why_step_law_was_taken(change: dict | None, why: str) -> None:
    source = None if change is None else {**LADDER, **change}
    recipe = recipe_for(SMALL, 1e7, source_recipe=source)
    assert recipe.basis["learning_rate"].startswith("Step Law")
    assert why in recipe.basis["learning_rate"]


def _runs(**columns: list[Any]) -> Runs:
    count = len(next(iter(columns.values())))
    plain = {"params_total": [1e6, 2e6], "tokens": [1e7, 2e7], "loss": [3.0, 2.9]}
    table = {**plain, **columns}
    return Runs.from_rows([{k: v[i] for k, v in table.items()} for i in range(count)])


def test_recipe_of_a_table() -> None:
    falling = _runs(d_model=[32, 64], learning_rate=[0.01, 0.005], optimizer=["adamw"] * 2)
    assert recipe_of_runs(falling) == {
        "optimizer": "adamw",
        "parameterization": "inverse_width",
        "base_learning_rate": 0.01,
        "base_width": 32,
    }
    flat = _runs(d_model=[32, 64], learning_rate=[0.01, 0.01], optimizer=["adamw"] * 2)
    assert recipe_of_runs(flat) == {"optimizer": "adamw", "parameterization": "unknown"}
    mup = _runs(
        d_model=[32, 64],
        learning_rate=[0.01, 0.01],
        optimizer=["adamw"] * 2,
        meta_parameterization=["mup"] * 2,
        meta_base_width=[32, 32],
    )
    found = recipe_of_runs(mup)
    assert found is not None
    assert (found["base_learning_rate"], found["base_width"]) == (0.01, 32)
    assert recipe_of_runs(_runs(d_model=[32, 64])) is None


def test_recipe_of_the_example_is_not_carried_over() -> None:
    found = recipe_of_runs(example_runs())
    assert found is not None
    assert found["parameterization"] == "inverse_width"
    assert "muon" in recipe_for(SMALL, 1e7, source_recipe=found).basis["learning_rate"]


def test_rows_of_both_sides_are_counted() -> None:
    config = config_for_width(
        64, family="bart", vocab_size=512, context_length=64, source_length=128
    )
    assert recipe_for(config, 1e7).context_length == 192


@pytest.mark.parametrize(
    "wrong",
    [
        {"tokens": 0},
        {"tokens": math.inf},
        {"tokens": math.nan},
        {"batch_tokens": 0},
        {"learning_rate": -1.0},
        {"sequences_multiple": 0},
        {"schedule": "linear"},
    ],
)
def test_wrong_numbers(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        recipe_for(SMALL, **{"tokens": 1e7, **wrong})


@pytest.mark.parametrize(
    "damage",
    [
        {"schedule": "linear"},
        {"betas": [0.9]},
        {"steps": 0},
        {"checkpoint_steps": []},
        {"basis": {}},
        {"basis": None},
        {"learning_rate": "fast"},
        {"learning_rate": math.nan},
        {"clip_norm": math.inf},
    ],
)
def test_damaged_documents(damage: dict[str, Any]) -> None:
    document = recipe_for(SMALL, 1e7).to_dict()
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        PlanRecipe.from_dict({**document, **damage})

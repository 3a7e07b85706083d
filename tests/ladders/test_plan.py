"""A size becomes runs: within its caps and the text, and the same from its file."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from isoloss.architecture import count_parameters
from isoloss.errors import DataError
from isoloss.ladders import (
    SIZES,
    LadderPlan,
    LadderSize,
    Speed,
    resolve_plan,
    rung_table,
    size_named,
)
from isoloss.ladders.probe import fitting_sizes
from isoloss.training import Recipe, branch_schedule


def resolve(size: LadderSize, **changes: Any) -> LadderPlan:
    options: dict[str, Any] = {
        "recipe": Recipe(),
        "vocab_size": 1024,
        "context_length": 128,
        "unique_tokens": 4_361_927,
        "corpus_fingerprint": "f" * 64,
        "eval_tokens": 65_536,
    }
    return resolve_plan(size, **{**options, **changes})


@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)
def test_every_size_resolves_within_its_caps(size: LadderSize) -> None:
    plan = resolve(size)
    assert plan.size == size.name
    ids = [run.run_id for run in plan.runs()]
    assert len(set(ids)) == len(ids)
    assert plan.verification.run_id not in ids
    for trunk in plan.trunks:
        first = trunk.runs[0]
        assert {run.trunk_id for run in trunk.runs} == {trunk.trunk_id}
        steps = [run.steps for run in trunk.runs]
        assert steps == sorted(set(steps))
        assert min(steps) >= size.min_steps
        for run in trunk.runs:
            assert run.flops <= (size.cap_flops if first.seed == 0 else size.noise_cap_flops)
            assert run.tokens <= 4_361_927
            ratio = run.tokens / count_parameters(run.architecture).matmul
            assert size.low_ratio <= ratio <= size.high_ratio
    assert {t.runs[0].architecture.d_model for t in plan.trunks} <= set(size.widths)
    assert plan.verification.flops > max(run.flops for run in plan.runs())


@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)
def test_only_the_cheapest_widths_are_repeated(size: LadderSize) -> None:
    seeds = {}
    for trunk in resolve(size, noise_seeds=3).trunks:
        seeds.setdefault(trunk.runs[0].architecture.d_model, set()).add(trunk.runs[0].seed)
    repeated = {width for width, found in seeds.items() if len(found) > 1}
    assert repeated
    assert repeated <= set(size.widths[:2])
    assert all(0 in found for found in seeds.values())


@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)
def test_a_plan_reads_back_from_json(size: LadderSize) -> None:
    plan = resolve(size, seed=7, workers=3)
    again = LadderPlan.from_dict(json.loads(json.dumps(plan.to_dict())))
    assert again == plan
    assert [r.run_id for r in again.runs()] == [r.run_id for r in plan.runs()]


def test_the_text_bounds_the_tokens() -> None:
    size = size_named("tiny")
    needed = size.verify_steps() * 1024
    assert resolve(size, unique_tokens=needed).runs()
    with pytest.raises(DataError, match=f"verification run of the 'tiny' ladder needs {needed:,}"):
        resolve(size, unique_tokens=needed - 1)
    verify_only = replace(size, verify_doublings=-3.0)
    with pytest.raises(DataError, match="no run of the 'tiny' ladder fits a corpus of 100,000"):
        resolve(verify_only, unique_tokens=100_000)


def test_equal_step_counts_are_one_run() -> None:
    size = replace(size_named("tiny"), min_steps=1, doublings=2.0, per_doubling=8, low_ratio=0.0)
    assert len(size.step_counts()) == 17
    plan = resolve(size, recipe=Recipe(warmup_steps=1))
    assert [run.steps for run in plan.trunks[0].runs] == [1, 2, 3, 4]


def test_own_steps_are_the_trunk_once_and_each_branch(tiny_plan: LadderPlan) -> None:
    trunk = tiny_plan.trunks[0]
    assert [run.steps for run in trunk.runs] == [12, 24]
    starts = [branch_schedule(run.recipe, run.steps).decay_start for run in trunk.runs]
    assert starts == [10, 19]
    assert trunk.own_steps() == 19 + 2 + 5


def test_the_table_of_rungs_and_the_expected_time(tiny_plan: LadderPlan) -> None:
    speed = Speed(fixed=1e-6, per_flop=1e-10, two_threads=1.5)
    seconds = speed.plan_seconds(tiny_plan)
    rows = rung_table(tiny_plan, seconds)
    assert [row["role"] for row in rows] == [*["ladder"] * len(tiny_plan.trunks), "verification"]
    assert sum(row["runs"] for row in rows[:-1]) == len(tiny_plan.runs())
    assert all(row["tokens_low"] <= row["tokens_high"] for row in rows)
    assert all(0 < row["head_share"] < 1 for row in rows)
    assert min(seconds) > 0
    assert speed.wall_seconds(tiny_plan) >= max(seconds[:-1]) + seconds[-1]
    run = tiny_plan.verification
    assert speed.run_seconds(run, 200) > speed.run_seconds(run, 100) > speed.run_seconds(run, 0) > 0
    assert speed.run_seconds(replace(run, threads=2), 9) == speed.run_seconds(run, 9) / 1.5


def test_sizes_that_a_text_allows() -> None:
    assert fitting_sizes(0, 1024) == []
    assert len(fitting_sizes(10**9, 1024)) == len(SIZES)
    allowed = fitting_sizes(size_named("tiny").verify_steps() * 1024, 1024)
    assert "tiny" in [size.name for size in allowed]


def test_a_plan_of_another_recipe_comes_back_from_its_file() -> None:
    recipe = Recipe(schedule="cosine", optimizer="adamw", precision="bfloat16", batch_tokens=2048)
    plan = resolve(SIZES[0], recipe=recipe)
    assert LadderPlan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan

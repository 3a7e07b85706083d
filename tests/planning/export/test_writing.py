"""Plans as folders: what is in them, what they say, and reshaping into another family."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from isoloss.errors import DataError, UsageError
from isoloss.planning import PlanRecipe
from isoloss.planning.export import TARGETS, export_plan, job_of

from .conftest import Figure, SmallPlan, layout


@pytest.mark.parametrize("target", TARGETS)
def test_readme_says_what_is_there_and_what_is_not(target: str, make_plan, tmp_path: Path) -> None:
    done = export_plan(make_plan(), target, tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "There are no weights in this folder" in text
    assert f"{done.parameters['params_total']:,}" in text
    assert "for one device" in text
    assert "Step Law" in text
    assert all(note in text for note in done.notes)
    assert {path.name for path in (tmp_path / "out").iterdir()} - {".isoloss-export"} == set(
        done.files
    )
    recipe = json.loads((tmp_path / "out" / "recipe.json").read_text("utf-8"))
    assert PlanRecipe.from_dict(recipe).steps == recipe["steps"]


@pytest.mark.parametrize("target", TARGETS)
def test_another_family_has_the_plans_n(target: str, make_plan, tmp_path: Path) -> None:
    plan: SmallPlan = make_plan("isoloss")
    plan = SmallPlan(plan.architecture, Figure(2e8), Figure(4e9))
    done = export_plan(plan, target, tmp_path / "out", family="llama")
    assert abs(done.off) < 0.05
    assert done.off == pytest.approx(done.parameters["params_total"] / 2e8 - 1)
    assert done.parameters == done.plan_parameters
    assert any("family llama" in note for note in done.notes)


def test_reshaping_keeps_to_the_layout(make_plan) -> None:
    plan: SmallPlan = make_plan("isoloss", hardware=layout(data=2, tensor=8, pipeline=4))
    plan = SmallPlan(plan.architecture, Figure(7e9), Figure(1e11), hardware=plan.hardware)
    config = job_of(plan, family="llama").config
    assert config.n_head % 8 == config.vocab_size % 8 == config.d_ff % 8 == 0
    assert config.n_layer % 4 == 0


def test_unknown_targets_and_families(make_plan, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such target: 'nmeo'") as caught:
        export_plan(make_plan(), "nmeo", tmp_path / "a")
    assert "'nemo'" in caught.value.hint
    with pytest.raises(UsageError, match="no such family"):
        export_plan(make_plan(), "hf", tmp_path / "a", family="lama")
    assert not (tmp_path / "a").exists()


def test_a_refused_export_writes_nothing(make_plan, tmp_path: Path) -> None:
    for target in ("nemo", "megatron", "torchtitan"):
        with pytest.raises(UsageError, match="no counterpart"):
            export_plan(make_plan("isoloss"), target, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_batch_is_shared_evenly_and_said(make_plan) -> None:
    job = job_of(make_plan(tokens=1e8, hardware=layout(data=7, rows=3)))
    assert job.recipe.batch_sequences == job.accumulation * 21
    assert job.recipe.trained_tokens >= 1e8
    assert any("replicas share it evenly" in note for note in job.notes)
    kept = job.recipe.checkpoint_steps
    assert all(step % kept[0] == 0 for step in kept[:-1])


@pytest.mark.parametrize(
    "damaged",
    [
        {"layout": {"rows": 1}},
        {"layout": {"degrees": {"data": "x"}}},
        {"layout": {"degrees": {"data": 0}}},
        {"layout": {"degrees": {"data": 1}, "rows": 0}},
        {"layout": {"degrees": {"data": 1}, "rows": None}},
    ],
)
def test_damaged_layouts(damaged: dict, make_plan) -> None:
    with pytest.raises(DataError, match="layout is damaged"):
        job_of(make_plan(hardware=damaged))


def test_a_layout_that_does_not_fit_is_said(make_plan) -> None:
    hardware = {"layout": {"fits": False, "degrees": {"data": 2}, "rows": 1}}
    assert "does not fit" in job_of(make_plan(hardware=hardware)).notes[0]


def test_documents(make_plan, tmp_path: Path) -> None:
    done = export_plan(make_plan(), "hf", tmp_path / "out")
    document = json.loads(json.dumps(done.to_dict()))
    assert document["parameters"] == dict(done.parameters)
    assert all(len(line) <= 80 for line in done.summary().splitlines()[:-1])
    assert repr(done).startswith("Exported(target='hf'")

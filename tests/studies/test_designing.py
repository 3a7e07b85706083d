"""A ladder by design: what is trained first, what is chosen, and that a killed study follows it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from isoloss.architecture import count_parameters
from isoloss.errors import UsageError
from isoloss.ladders import LadderPlan
from isoloss.laws import get_law
from isoloss.runs import RunStore
from isoloss.studies import load_spec, measurement, run_study
from isoloss.studies.designing import (
    LEAST_BEYOND,
    chosen_plan,
    first_part,
    first_trunks,
    own_flops,
)
from isoloss.studies.folder import StudyFolder
from isoloss.studies.spec import StudySpec, parse_spec

LAW = get_law("chinchilla")
TRUTH = np.array([2.0, 40.0, 300.0, 0.4, 0.4])


def text_of(train_tokens: int) -> Any:
    return SimpleNamespace(
        train_tokens=train_tokens, vocab_size=300, fingerprint="f" * 64, manifest={}
    )


def spec(**ladder: Any) -> StudySpec:
    ladder = {"size": "smoke", "context_length": 32, "noise_seeds": 2, "design": True, **ladder}
    recipe = {"batch_tokens": 256, "warmup_steps": 6}
    return parse_spec({"ladder": ladder, "recipe": recipe}, "the test")


def row_of(run: Any) -> dict[str, Any]:
    """What training the run would give, by a law."""
    n, d = float(count_parameters(run.architecture).matmul), float(run.tokens)
    told = LAW.value(TRUTH, {"N": np.array([n]), "D": np.array([d])})[0]
    loss = float(told) * (1 + 0.002 * np.sin(n + run.seed + d))
    return {
        "run_id": run.run_id, "name": run.run_id, "params_matmul": int(n), "tokens": int(d),
        "flops": run.flops, "loss": loss, "status": "ok",
    }  # fmt: skip


@pytest.fixture
def settled(tmp_path: Path) -> tuple[StudyFolder, LadderPlan, dict[str, Any]]:
    folder = StudyFolder(tmp_path)
    plan, document = measurement.settle_plan(folder, spec(), text_of(10**9), print)
    return folder, plan, document


def ordinary(tmp_path: Path) -> LadderPlan:
    plan, _ = measurement.settle_plan(
        StudyFolder(tmp_path / "ordinary"), spec(design=False), text_of(10**9), print
    )
    return plan


def test_candidates_are_more_than_the_ladder_and_far_from_the_verification_run(
    settled, tmp_path: Path
) -> None:
    _, plan, document = settled
    usual = ordinary(tmp_path)
    assert document["design"] == {"budget": own_flops(usual.trunks), "chosen": None}
    assert plan.verification == usual.verification
    assert first_trunks(plan) == first_trunks(usual)
    most = max(run.flops for run in plan.runs())
    assert most <= plan.verification.flops / LEAST_BEYOND
    widths = {run.architecture.d_model for run in first_part(plan).runs()}
    assert len(widths) == 2
    assert widths < {run.architecture.d_model for run in plan.runs()}


def test_the_choice_keeps_to_the_budget_and_to_the_candidates(settled) -> None:
    _, plan, document = settled
    rows = [row_of(run) for run in first_part(plan).runs()]
    budget = document["design"]["budget"]
    chosen, told = chosen_plan(plan, budget, rows, least=8, seed=0)
    assert told
    assert own_flops(chosen.trunks) <= budget * (1 + 1e-9)
    assert first_trunks(chosen) == first_trunks(plan)
    ids = {run.run_id for run in plan.runs()}
    assert {run.run_id for run in chosen.runs()} <= ids
    # Costs are those of branches on shared trunks, so they add up to the whole.
    total = own_flops(first_trunks(plan)) + sum(each["own_flops"] for each in told)
    assert total == pytest.approx(own_flops(chosen.trunks))
    errors = [each["expected_standard_error"] for each in told]
    assert errors == sorted(errors, reverse=True)
    assert chosen_plan(plan, budget, rows, least=8, seed=0) == (chosen, told)


def test_a_small_budget_still_gives_as_many_runs_as_a_prediction_needs(settled) -> None:
    _, plan, _ = settled
    first = first_part(plan)
    rows = [row_of(run) for run in first.runs()]
    least = len(first.runs()) + 2
    chosen, told = chosen_plan(plan, own_flops(first.trunks), rows, least=least, seed=0)
    assert told == []
    assert len(chosen.runs()) == least


def test_the_choice_is_saved_before_training_goes_on_and_followed_after_a_kill(
    settled, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, plan, document = settled
    climbed: list[int] = []

    def climb(_: Any, part: LadderPlan, __: Any, store: RunStore) -> None:
        climbed.append(len(part.runs()))
        for run in part.runs():
            if not store.has(run.run_id):
                store.add_run(row_of(run))

    monkeypatch.setattr(measurement, "climb", climb)
    corpus: Any = text_of(10**9)
    with RunStore.open(folder.store) as store:
        chosen, made = measurement.settle_design(
            folder, spec(), plan, document, corpus, store, print
        )
        assert climbed == [len(first_part(plan).runs())]
        saved = json.loads(folder.plan.read_text("utf-8"))
        assert saved == made
        assert saved["design"]["chosen"]
        assert LadderPlan.from_dict(saved["plan"]) == chosen
        # As a new process would, which finds the plan and trains the first part no more.
        again, read = measurement.settle_plan(folder, spec(), corpus, print)
        later, _ = measurement.settle_design(folder, spec(), again, read, corpus, store, print)
        assert later == chosen
        assert len(climbed) == 1


def test_a_kill_before_the_choice_leaves_all_candidates_open(settled) -> None:
    folder, plan, _ = settled
    again, document = measurement.settle_plan(folder, spec(), text_of(10**9), print)
    assert again == plan
    assert document["design"]["chosen"] is None


def test_without_a_design_nothing_changes(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    plan, document = measurement.settle_plan(folder, spec(design=False), text_of(10**9), print)
    assert "design" not in document
    with RunStore.open(folder.store) as store:
        same, _ = measurement.settle_design(
            folder, spec(design=False), plan, document, text_of(10**9), store, print
        )
    assert same is plan


def test_the_command_line_chooses_it_and_refuses_a_list_of_jobs(tmp_path: Path) -> None:
    assert load_spec("laptop").with_choices(design=True).ladder.design
    with pytest.raises(UsageError, match="no list of jobs"):
        run_study(
            load_spec("laptop"), out=tmp_path / "out", design=True, jobs=tmp_path / "jobs.json"
        )
    assert not (tmp_path / "out").exists()

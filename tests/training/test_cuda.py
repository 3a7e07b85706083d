"""The same runs on a GPU: the CPU's numbers, exact resume, bfloat16, compilation, text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from isoloss.training import RunConfig, train_run
from isoloss.training.run_config import corpus_batches
from isoloss.training.schedules import branch_schedule
from isoloss.training.state import TrainingState, load_model

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")

OBJECTIVES = ["causal", "masked", "sequence_to_sequence"]
RunOf = Callable[..., tuple[RunConfig, Any]]


class Killed(Exception):
    """Stands for a kill between two steps."""


def losses(run: RunConfig, corpus: Any, device: str) -> list[float]:
    state = TrainingState.start(run.architecture, run.recipe, seed=run.seed, device=device)
    found: list[float] = []
    state.advance(
        run.steps,
        branch_schedule(run.recipe, run.steps),
        corpus_batches(corpus, run),
        lambda _, loss: found.append(loss),
        loss=run.objective.loss,
    )
    return found


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_gpu_trains_as_the_cpu_does(run_of: RunOf, objective: str, optimizer: str) -> None:
    run, corpus = run_of(objective, optimizer=optimizer)
    there = losses(run, corpus, "cuda")
    # Muon's iteration is in bfloat16, whose rounding differs between kernels.
    assert there == pytest.approx(losses(run, corpus, "cpu"), rel=2e-3)
    assert there[-1] < there[0]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_killed_run_goes_on_bit_for_bit(run_of: RunOf, objective: str, tmp_path: Path) -> None:
    run, corpus = run_of(objective)
    run = replace(run, device="cuda")
    whole = train_run(run, corpus, tmp_path / "whole", checkpoint_every=5)

    def kill(step: int, loss: float) -> None:
        if step == 8:
            raise Killed

    with pytest.raises(Killed):
        train_run(run, corpus, tmp_path / "killed", checkpoint_every=5, on_step=kill)
    resumed = train_run(run, corpus, tmp_path / "killed", checkpoint_every=5)
    assert resumed["loss"] == whole["loss"]
    assert resumed["run_id"] == whole["run_id"]
    read = load_model(tmp_path / "whole" / "checkpoint.safetensors")
    assert next(read.parameters()).device.type == "cpu"


@pytest.mark.parametrize("options", [{"precision": "bfloat16"}, {"compile": True}])
def test_the_ways_to_be_faster_train_as_well(run_of: RunOf, options: dict[str, Any]) -> None:
    plain, corpus = run_of("causal")
    quick, _ = run_of("causal", **options)
    assert losses(quick, corpus, "cuda") == pytest.approx(losses(plain, corpus, "cuda"), rel=2e-2)

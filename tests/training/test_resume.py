"""Stopping at any step and going on changes no bit, whatever is trained and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from isoloss.corpus import Corpus, PairCorpus
from isoloss.errors import DataError
from isoloss.ladders import Trunk, train_trunk
from isoloss.training import (
    RunConfig,
    TrainingState,
    branch_schedule,
    train_run,
    trunk_schedule,
    trunk_steps,
)
from isoloss.training.checkpoints import read_checkpoint
from isoloss.training.objectives import OBJECTIVES
from isoloss.training.run_config import corpus_batches

Make = Callable[..., tuple[RunConfig, Corpus | PairCorpus]]

WAYS: dict[str, dict[str, Any]] = {
    "cosine": {"schedule": "cosine", "final_fraction": 0.1},
    "linear": {"schedule": "linear"},
    "constant": {"schedule": "constant"},
    "adamw": {"optimizer": "adamw", "weight_decay": 0.1, "weight_decay_on": "matrices"},
    "mup": {"optimizer": "adamw", "parameterization": "mup"},
    "parts": {"micro_batch_tokens": 96},
    "dropout": {"model": {"dropout": 0.2}},
    "dropout in parts": {"model": {"dropout": 0.2}, "micro_batch_tokens": 64},
    "recomputed": {"model": {"dropout": 0.2}, "checkpoint_activations": True},
    "bfloat16": {"precision": "bfloat16"},
    "experts": {"model": {"n_expert": 4}},
    "tied": {"model": {"tied_embeddings": True, "initialisation": "normal"}},
}


class Killed(Exception):
    """Stands for a kill between two steps."""


def kill_at(steps: int):
    def on_step(step: int, loss: float) -> None:
        if step == steps:
            raise Killed

    return on_step


def files(folder: Path) -> tuple[Any, ...]:
    """What a run leaves: checkpoint (with the hash of its tensors), log, and row but for time."""
    metadata, tensors = read_checkpoint(folder / "checkpoint.safetensors")
    return metadata, sorted(tensors), (folder / "log.jsonl").read_bytes()


def numbers(row: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in row.items() if k not in ("created_at", "meta_seconds")}


Left = tuple[dict[str, Any], tuple[Any, ...]]


def whole_and_killed(
    run: RunConfig, corpus: Corpus | PairCorpus, folder: Path, kills: list[int]
) -> tuple[Left, Left]:
    """What a run leaves that goes through, and the same run killed at some steps."""
    options: dict[str, Any] = {"checkpoint_every": 4, "evaluate_every": 3}
    row = train_run(run, corpus, folder / "whole", **options)
    for kill in kills:
        with pytest.raises(Killed):
            train_run(run, corpus, folder / "killed", on_step=kill_at(kill), **options)
        torch.manual_seed(kill)  # another process has another global state
    again = train_run(run, corpus, folder / "killed", **options)
    return (numbers(row), files(folder / "whole")), (numbers(again), files(folder / "killed"))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_goes_on_exactly(objective: str, run_of: Make, tmp_path: Path) -> None:
    whole, killed = whole_and_killed(*run_of(objective), tmp_path, kills=[3, 6, 12])
    assert whole[0]["status"] == "ok"
    assert killed == whole


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_training_goes_on_exactly(way: str, run_of: Make, tmp_path: Path) -> None:
    run, corpus = run_of("causal", **WAYS[way])
    whole, killed = whole_and_killed(run, corpus, tmp_path, kills=[5, 9])
    assert whole[0]["status"] == "ok"
    assert killed == whole


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("schedule", ["wsd", "constant"])
def test_a_branch_equals_a_run_trained_from_the_start(
    objective: str, schedule: str, run_of: Make, tmp_path: Path
) -> None:
    run, corpus = run_of(objective, schedule=schedule, model={"dropout": 0.1})
    batches, loss = corpus_batches(corpus, run), run.objective.loss
    trunk = TrainingState.start(run.architecture, run.recipe, seed=run.seed)
    for steps in (6, 12):
        leaves = trunk_steps(run.recipe, steps)
        assert 0 < leaves <= steps
        trunk.advance(leaves, trunk_schedule(run.recipe), batches, loss=loss)
        trunk.save(tmp_path / "trunk")
        branch = TrainingState.load(tmp_path / "trunk")
        scratch = TrainingState.start(run.architecture, run.recipe, seed=run.seed)
        for state in (branch, scratch):
            state.advance(steps, branch_schedule(run.recipe, steps), batches, loss=loss)
        branch.save(tmp_path / "branch")
        scratch.save(tmp_path / "scratch")
        assert read_checkpoint(tmp_path / "branch")[0] == read_checkpoint(tmp_path / "scratch")[0]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_trunk_of_a_ladder_gives_the_rows_of_separate_runs(
    objective: str, run_of: Make, tmp_path: Path
) -> None:
    run, corpus = run_of(objective)
    trunk = Trunk(runs=tuple(replace(run, steps=steps) for steps in (8, 16)))
    rows: list[dict[str, Any]] = []
    train_trunk(trunk, corpus.path, tmp_path, set(), rows.append)
    for one, row in zip(trunk.runs, rows, strict=True):
        alone = train_run(one, corpus, tmp_path / one.run_id)
        assert row["own_flops"] < alone["own_flops"]
        assert numbers(row) == {**numbers(alone), "own_flops": row["own_flops"]}


def test_a_crash_while_writing_leaves_the_last_good_checkpoint(
    run_of: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, corpus = run_of("causal")
    whole = train_run(run, corpus, tmp_path / "whole", checkpoint_every=4)
    folder = tmp_path / "crashed"
    with pytest.raises(Killed):
        train_run(run, corpus, folder, checkpoint_every=4, on_step=kill_at(6))
    good = (folder / "checkpoint.safetensors").read_bytes()

    def crash(*_: object) -> None:
        raise Killed  # between the last byte and the rename

    with monkeypatch.context() as patched:
        patched.setattr("os.replace", crash)
        with pytest.raises(Killed):
            train_run(run, corpus, folder, checkpoint_every=4)
    assert (folder / "checkpoint.safetensors").read_bytes() == good
    (folder / ".checkpoint.safetensors.cut").write_bytes(good[: len(good) // 2])
    assert numbers(train_run(run, corpus, folder, checkpoint_every=4)) == numbers(whole)


def test_a_log_cut_in_the_middle_of_a_line_goes_on(run_of: Make, tmp_path: Path) -> None:
    run, corpus = run_of("masked")
    train_run(run, corpus, tmp_path / "whole", checkpoint_every=4)
    with pytest.raises(Killed):
        train_run(run, corpus, tmp_path / "k", checkpoint_every=4, on_step=kill_at(7))
    log = tmp_path / "k" / "log.jsonl"
    log.write_bytes(log.read_bytes()[:-9])
    train_run(run, corpus, tmp_path / "k", checkpoint_every=4)
    assert files(tmp_path / "k") == files(tmp_path / "whole")


def test_a_damaged_checkpoint_is_not_trained_over(run_of: Make, tmp_path: Path) -> None:
    run, corpus = run_of("causal")
    with pytest.raises(Killed):
        train_run(run, corpus, tmp_path, checkpoint_every=4, on_step=kill_at(6))
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="damaged"):
        train_run(run, corpus, tmp_path)

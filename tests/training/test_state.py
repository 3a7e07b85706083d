"""Resuming is exact: at any step, on a trunk and on a branch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from isoloss.corpus import Corpus
from isoloss.errors import DataError, NotFoundError
from isoloss.training import (
    Diverged,
    Recipe,
    RunConfig,
    Schedule,
    TrainingState,
    branch_schedule,
    load_model,
)
from isoloss.training.run import corpus_batches
from isoloss.training.state import read_checkpoint


def start(run: RunConfig) -> TrainingState:
    return TrainingState.start(run.architecture, run.recipe, seed=run.seed)


def tensors(state: TrainingState) -> dict[str, torch.Tensor]:
    parts = {**state.model.state_dict(), **state.optimizer.tensors()}
    return {name: value.detach().clone() for name, value in parts.items()}


def equal(first: TrainingState, second: TrainingState) -> bool:
    a, b = tensors(first), tensors(second)
    return a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)


@given(at=st.integers(0, 20), again=st.integers(0, 20))
@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_resume_is_bit_for_bit_at_any_step(
    tiny_run: RunConfig, tiny_corpus: Corpus, tmp_path: Path, at: int, again: int
) -> None:
    schedule, batches = branch_schedule(tiny_run.recipe, 20), corpus_batches(tiny_corpus, tiny_run)
    losses: list[float] = []
    whole = start(tiny_run)
    whole.advance(20, schedule, batches, lambda _, loss: losses.append(loss))
    state, resumed = start(tiny_run), []
    for stop in (*sorted((at, again)), 20):
        state.save(tmp_path / "checkpoint")
        state = TrainingState.load(tmp_path / "checkpoint")
        state.advance(stop, schedule, batches, lambda _, loss: resumed.append(loss))
    assert resumed == losses
    assert equal(whole, state)


def test_trunk_and_branch_equal_a_run_from_scratch(
    tiny_run: RunConfig, tiny_corpus: Corpus, tmp_path: Path
) -> None:
    batches = corpus_batches(tiny_corpus, tiny_run)
    trunk = start(tiny_run)
    for steps in (10, 20):
        schedule = branch_schedule(tiny_run.recipe, steps)
        assert schedule.decay_start is not None
        trunk.advance(schedule.decay_start, Schedule(warmup=2), batches)
        trunk.save(tmp_path / "trunk")
        branch = TrainingState.load(tmp_path / "trunk")
        branch.advance(steps, schedule, batches)
        scratch = start(tiny_run)
        scratch.advance(steps, schedule, batches)
        assert equal(branch, scratch)
        assert not equal(branch, trunk)


def test_saving_changes_nothing_and_says_what_it_holds(
    tiny_run: RunConfig, tiny_corpus: Corpus, tmp_path: Path
) -> None:
    state = start(tiny_run)
    state.advance(3, Schedule(warmup=2), corpus_batches(tiny_corpus, tiny_run))
    before = tensors(state)
    state.save(tmp_path / "a")
    assert all(torch.equal(v, before[n]) for n, v in tensors(state).items())
    again = TrainingState.load(tmp_path / "a")
    assert (again.step, again.recipe, again.model.config) == (3, state.recipe, state.model.config)
    again.save(tmp_path / "b")
    assert read_checkpoint(tmp_path / "a")[0] == read_checkpoint(tmp_path / "b")[0]
    loaded = load_model(tmp_path / "a").state_dict()
    assert all(torch.equal(v, loaded[n]) for n, v in state.model.state_dict().items())


def test_a_useless_loss_stops_training(tiny_run: RunConfig, tiny_corpus: Corpus) -> None:
    recipe = Recipe(warmup_steps=1, batch_tokens=256, base_learning_rate=1e6)
    state = start(replace(tiny_run, recipe=recipe))
    with pytest.raises(Diverged, match="at step"):
        state.advance(20, Schedule(warmup=1), corpus_batches(tiny_corpus, tiny_run))
    assert state.step < 20


def test_damaged_checkpoints_are_refused(tiny_run: RunConfig, tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    start(tiny_run).save(path)
    whole = path.read_bytes()
    for data in (b"", b"junk", whole[:5], whole[:200], whole[: len(whole) // 2], whole[:-1]):
        path.write_bytes(data)
        for load in (TrainingState.load, load_model):
            with pytest.raises(DataError, match="not an isoloss checkpoint, or it is damaged"):
                load(path)
    data = bytearray(whole)
    data[-100] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="its numbers are not those that were saved"):
        load_model(path)
    with pytest.raises(NotFoundError, match="no checkpoint"):
        TrainingState.load(tmp_path / "none")


@pytest.mark.parametrize(
    "change",
    [
        {"config": "{}"},
        {"config": "junk"},
        {"recipe": '{"betas": [1]}'},
        {"step": "many"},
        {"format": "other"},
    ],
)
def test_wrong_metadata_is_refused(
    tiny_run: RunConfig, tmp_path: Path, change: dict[str, str]
) -> None:
    path = tmp_path / "c.safetensors"
    start(tiny_run).save(path)
    metadata, values = read_checkpoint(path)
    save_file(values, path, {**metadata, **change})
    with pytest.raises(DataError):
        TrainingState.load(path)


@pytest.mark.parametrize("name", ["model.head.weight", "momentum.64x16"])
@pytest.mark.parametrize("missing", [True, False])
def test_wrong_tensors_are_refused(
    tiny_run: RunConfig, tmp_path: Path, name: str, missing: bool
) -> None:
    path = tmp_path / "c.safetensors"
    start(tiny_run).save(path)
    metadata, _ = read_checkpoint(path)
    values = load_file(path)
    del values[name]
    save_file(values if missing else {**values, name: torch.zeros(3, 5)}, path, metadata)
    with pytest.raises(DataError):
        TrainingState.load(path)

"""Steps that must not move the weights are left out, counted, and after some the run is over."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from isoloss.models import LanguageModel
from isoloss.training import Diverged, Guard, RunConfig, TrainingState, branch_schedule
from isoloss.training.guards import MOST_SKIPPED
from isoloss.training.objectives import Batch, batch_loss
from isoloss.training.run_config import corpus_batches
from isoloss.training.state import Step


def start(run: RunConfig) -> TrainingState:
    return TrainingState.start(run.architecture, run.recipe, seed=run.seed)


def spoilt(steps: set[int], by: float) -> Callable[[LanguageModel, Batch], Tensor]:
    """The loss, times a number at some calls."""
    calls = iter(range(10_000))

    def loss(model: LanguageModel, batch: Batch) -> Tensor:
        value = batch_loss(model, batch)
        return value * by if next(calls) in steps else value

    return loss


def bits(state: TrainingState) -> dict[str, Tensor]:
    parts = {**state.model.state_dict(), **state.optimizer.tensors()}
    return {name: value.detach().clone() for name, value in parts.items()}


@pytest.mark.parametrize("by", [math.nan, math.inf])
def test_a_step_without_a_finite_gradient_moves_nothing(
    by: float, run_of: Any, tmp_path: Path
) -> None:
    run, corpus = run_of("causal")
    schedule, batches = branch_schedule(run.recipe, 12), corpus_batches(corpus, run)
    state, seen = start(run), list[Step]()
    loss = spoilt({4}, by)
    state.advance(4, schedule, batches, loss=loss, on_outcome=seen.append)
    before = bits(state)
    state.advance(5, schedule, batches, loss=loss, on_outcome=seen.append)
    after = bits(state)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert (state.step, state.guard.skipped, state.guard.in_a_row) == (5, 1, 1)
    assert [step.skipped for step in seen] == [False] * 4 + [True]
    state.save(tmp_path / "c")
    again = TrainingState.load(tmp_path / "c")
    for one in (state, again):
        one.advance(8, schedule, batches)
        assert (one.guard.skipped, one.guard.in_a_row) == (1, 0)
    assert all(torch.equal(v, bits(again)[n]) for n, v in bits(state).items())
    assert any(not torch.equal(v, before[n]) for n, v in bits(state).items())


def test_a_finite_loss_with_an_infinite_gradient_is_left_out(run_of: Any) -> None:
    run, corpus = run_of("causal")

    def steep(model: LanguageModel, batch: Batch) -> Tensor:
        value = batch_loss(model, batch)
        return value + 0 * (model.embedding.weight.sum() * 0).sqrt()  # slope 0 / 0

    state = start(run)
    seen: list[Step] = []
    state.advance(
        1,
        branch_schedule(run.recipe, 12),
        corpus_batches(corpus, run),
        loss=steep,
        on_outcome=seen.append,
    )
    assert math.isfinite(seen[0].loss)
    assert not math.isfinite(seen[0].gradient_norm)
    assert state.guard.skipped == 1


def test_too_many_in_a_row_end_the_run(run_of: Any) -> None:
    run, corpus = run_of("masked")
    state = start(run)
    with pytest.raises(Diverged, match="loss nan at step 6"):
        state.advance(
            12,
            branch_schedule(run.recipe, 12),
            corpus_batches(corpus, run),
            loss=spoilt(set(range(2, 12)), math.nan),
        )
    assert state.guard.in_a_row == MOST_SKIPPED == 5


def test_a_spike_is_left_out_only_when_asked(run_of: Any) -> None:
    for spike, skipped in ((None, 0), (1.0, 1)):
        run, corpus = run_of("causal", spike_nats=spike)
        state = start(run)
        state.advance(
            12,
            branch_schedule(run.recipe, 12),
            corpus_batches(corpus, run),
            loss=spoilt({6}, 1.9),
        )
        assert state.guard.skipped == skipped


def test_the_mean_forgets_slowly_and_leaves_refused_steps_out() -> None:
    guard = Guard().after(4.0, refused=False)
    assert guard.mean == 4.0
    assert guard.after(2.0, refused=False).mean == pytest.approx(0.98 * 4 + 0.02 * 2)
    refused = guard.after(math.nan, refused=True)
    assert (refused.mean, refused.skipped, refused.in_a_row) == (4.0, 1, 1)
    assert refused.after(3.0, refused=False).in_a_row == 0

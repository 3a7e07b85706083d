"""A compiled loss is the loss."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from isoloss.errors import EnvironmentProblem
from isoloss.training import TrainingState, branch_schedule
from isoloss.training.run_config import corpus_batches


def test_compiled_steps_are_those_of_the_plain_loss(run_of: Any) -> None:
    run, corpus = run_of("causal")
    losses: list[list[float]] = []
    for compiling in (False, True):
        recipe = replace(run.recipe, compile=compiling)
        state, seen = TrainingState.start(run.architecture, recipe, seed=0), list[float]()
        try:
            state.advance(
                4,
                branch_schedule(recipe, 12),
                corpus_batches(corpus, run),
                lambda _, loss, seen=seen: seen.append(loss),
                loss=run.objective.loss,
            )
        except EnvironmentProblem as error:
            pytest.skip(f"torch.compile does not work on this machine: {error.message}")
        losses.append(seen)
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)

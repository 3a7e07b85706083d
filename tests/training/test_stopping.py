"""Rules that end a run."""

from __future__ import annotations

from typing import Any

import pytest

from isoloss.errors import UsageError
from isoloss.training import Stop

STEP: dict[str, Any] = {"tokens_per_step": 100, "flops_per_step": 2e6, "unique_tokens": 5_050}


@pytest.mark.parametrize(
    ("stop", "steps"),
    [
        (Stop(steps=7), 7),
        (Stop(tokens=799), 7),
        (Stop(epochs=1), 50),
        (Stop(epochs=2), 101),
        (Stop(flops=1e7), 5),
        (Stop(flops=1e7, steps=3), 3),
        (Stop(tokens=600, epochs=2, flops=1e9), 6),
    ],
)
def test_the_first_rule_known_beforehand_gives_the_steps(stop: Stop, steps: int) -> None:
    assert stop.steps_in(**STEP) == steps


def test_a_run_needs_an_end() -> None:
    with pytest.raises(UsageError, match="known beforehand"):
        Stop(seconds=3, patience=2).steps_in(**STEP)


@pytest.mark.parametrize(
    "rule", [{"steps": 0}, {"tokens": -1}, {"seconds": float("inf")}, {"min_delta": -0.1}]
)
def test_impossible_rules(rule: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="must be positive and finite"):
        Stop(**rule)


@pytest.mark.parametrize(
    ("losses", "over"),
    [
        ([], False),
        ([3.0], False),
        ([3.0, 2.0, 1.0], False),
        ([3.0, 3.1, 3.2], True),
        ([3.0, 2.95, 2.95], True),  # not better by a tenth
        ([3.0, 2.95, 2.85], False),
        ([3.0, 3.1, 2.5, 2.6, 2.7], True),
        ([float("inf"), 3.0, 3.1], False),
    ],
)
def test_convergence(losses: list[float], over: bool) -> None:
    assert Stop(patience=2, min_delta=0.1).converged(losses) == over
    assert not Stop(steps=3).converged(losses)


def test_only_early_rules_are_part_of_a_run() -> None:
    assert Stop(steps=3, tokens=5).early is None
    assert Stop(steps=3, seconds=5, evaluate_every=9).early == Stop(seconds=5)
    stop = Stop(tokens=3, patience=2, evaluate_every=9)
    assert stop.early == Stop(patience=2, evaluate_every=9)
    assert Stop(**stop.to_dict()) == stop

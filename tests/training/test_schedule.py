"""Warm-up, a flat part, a linear decay; a branch follows its trunk."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoloss.errors import UsageError
from isoloss.training import Recipe, Schedule, branch_schedule

STEPS = st.integers(1, 3_000)


@given(steps=STEPS, warmup=st.integers(1, 300), share=st.floats(0.01, 1.0))
def test_shape_of_a_run(steps: int, warmup: int, share: float) -> None:
    schedule = branch_schedule(Recipe(warmup_steps=warmup, decay_fraction=share), steps)
    start = schedule.decay_start
    assert start is not None
    assert schedule.total == steps
    assert 1 <= steps - start <= max(1, round(steps * share))
    factors = [schedule.factor(step) for step in range(steps)]
    assert all(0 < factor <= 1 for factor in factors)
    assert all(a <= b for a, b in itertools.pairwise(factors[:start]))
    assert factors[:start] == [min(1.0, (step + 1) / warmup) for step in range(start)]
    if start >= warmup:
        tail = [*factors[start:], schedule.factor(steps)]
        slope = 1 / (steps - start)
        assert tail == pytest.approx([1 - i * slope for i in range(len(tail))])
        assert tail[-1] == 0


@given(steps=STEPS, later=STEPS)
def test_a_trunk_is_shared_by_all_its_branches(steps: int, later: int) -> None:
    recipe = Recipe()
    trunk = Schedule(warmup=recipe.warmup_steps)
    start = branch_schedule(recipe, steps).decay_start
    assert start is not None
    for step in range(0, start, 1 + start // 50):
        assert branch_schedule(recipe, steps).factor(step) == trunk.factor(step)
        assert branch_schedule(recipe, steps + later).factor(step) == trunk.factor(step)


@pytest.mark.parametrize(
    "change",
    [
        {"batch_tokens": 0},
        {"warmup_steps": 0},
        {"decay_fraction": 0.0},
        {"decay_fraction": 1.1},
        {"base_learning_rate": 0.0},
        {"matrix_learning_rate": float("nan")},
        {"momentum": 1.0},
    ],
)
def test_impossible_recipes(change: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        Recipe(**change)  # pyright: ignore[reportArgumentType]


def test_rates_by_width() -> None:
    recipe = Recipe(base_learning_rate=0.008, base_width=64)
    assert recipe.learning_rate(64) == 0.008
    assert recipe.learning_rate(16) == 0.032

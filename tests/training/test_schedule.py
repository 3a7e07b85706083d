"""Warm-up, a flat part, a linear decay; a branch follows its trunk."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoloss.errors import UsageError
from isoloss.training import (
    Recipe,
    Schedule,
    branch_schedule,
    trunk_schedule,
    trunk_steps,
)
from isoloss.training.schedules import Shape

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


@pytest.mark.parametrize(("shape", "middle"), [("cosine", 0.5), ("linear", 0.5)])
def test_cosine_and_linear_fall_from_the_warm_up_to_the_end(shape: Shape, middle: float) -> None:
    recipe = Recipe(schedule=shape, warmup_steps=10, final_fraction=0.1)
    schedule = branch_schedule(recipe, 110)
    assert schedule.factor(4) == 0.5
    assert schedule.factor(9) == schedule.factor(10) == 1.0
    assert schedule.factor(60) == pytest.approx(0.1 + 0.9 * middle)
    assert schedule.factor(110) == pytest.approx(0.1)
    falls = [schedule.factor(step) for step in range(10, 111)]
    assert all(a > b for a, b in itertools.pairwise(falls))


def test_cosine_in_closed_form() -> None:
    schedule = branch_schedule(Recipe(schedule="cosine", warmup_steps=1), 7)
    got = [schedule.factor(step) for step in range(1, 8)]
    assert got == pytest.approx([(1 + math.cos(math.pi * k / 6)) / 2 for k in range(7)])


def test_the_decay_of_a_branch_may_end_above_zero() -> None:
    recipe = Recipe(warmup_steps=1, decay_fraction=0.5, final_fraction=0.2)
    schedule = branch_schedule(recipe, 8)
    got = [schedule.factor(step) for step in range(3, 9)]
    assert got == pytest.approx([1, 1, 0.8, 0.6, 0.4, 0.2])


def test_a_schedule_longer_than_its_run_still_warms_up() -> None:
    for shape in ("wsd", "cosine", "linear", "constant"):
        schedule = branch_schedule(Recipe(schedule=shape, warmup_steps=50), 3)
        assert all(0 < schedule.factor(step) <= 1 for step in range(3))


def test_what_a_trunk_can_share() -> None:
    assert trunk_steps(Recipe(decay_fraction=0.25), 100) == 75
    assert trunk_steps(Recipe(schedule="constant"), 100) == 100
    for step in (0, 30, 99):
        constant = trunk_schedule(Recipe(schedule="constant")).factor(step)
        assert constant == branch_schedule(Recipe(schedule="constant"), 100).factor(step)


@pytest.mark.parametrize("shape", ["cosine", "linear"])
def test_schedules_that_depend_on_the_length_have_no_trunk(shape: Shape) -> None:
    recipe = Recipe(schedule=shape)
    assert trunk_steps(recipe, 100) == 0
    with pytest.raises(UsageError, match=f"'{shape}' schedule cannot branch") as caught:
        trunk_schedule(recipe)
    assert "wsd" in caught.value.hint

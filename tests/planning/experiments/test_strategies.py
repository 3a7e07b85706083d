"""Ways to spend a budget: what all keep to, and what ours is worth against trying every set."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoloss.planning.experiments.field import Field, Points
from isoloss.planning.experiments.strategies import STRATEGIES, Choice, ordered


def choice_of(seed: int, *, size: int = 9, budget: float = 12.0, **more) -> Choice:
    rng = np.random.default_rng(seed)
    places = rng.normal(size=(size, 2))
    features = rng.normal(size=(size, 3))
    target = Points(features=rng.normal(size=(2, 3)), places=rng.normal(size=(2, 2)))
    field = Field(
        candidates=Points(features=features, places=places),
        targets=target,
        noise=np.full(size, 0.5),
        weights=np.full(2, 0.5),
        discrepancy=0.3,
    )
    single = Field(
        candidates=field.candidates, targets=target, noise=field.noise, weights=field.weights
    )
    return Choice(
        field=field, single=single, costs=rng.uniform(1, 8, size), budget=budget, places=places,
        seed=seed, **more,
    )  # fmt: skip


def total(choice: Choice, order: list[int]) -> float:
    state = choice.started(choice.field)
    for row in order:
        state = state.after(row)
    return state.total


@pytest.mark.parametrize("name", STRATEGIES)
@given(seed=st.integers(0, 5000), budget=st.floats(0.5, 60), data=st.data())
@settings(max_examples=25, deadline=None)
def test_every_strategy_keeps_to_the_budget_and_the_open_candidates(
    name: str, seed: int, budget: float, data: st.DataObject
) -> None:
    done = tuple(data.draw(st.sets(st.integers(0, 8), max_size=3)))
    most = data.draw(st.sampled_from([None, 1, 3]))
    choice = choice_of(seed, budget=budget, done=done, most=most)
    order = STRATEGIES[name](choice)
    assert len(set(order)) == len(order)
    assert not set(order) & set(done)
    assert choice.costs[order].sum() <= budget * (1 + 1e-6)
    assert most is None or len(order) <= most
    assert order == STRATEGIES[name](choice)


@pytest.mark.parametrize("name", ["targeted", "V-optimal", "D-optimal", "grid", "random"])
def test_nothing_more_is_affordable_at_the_end(name: str) -> None:
    for seed in range(10):
        choice = choice_of(seed)
        order = STRATEGIES[name](choice)
        left = choice.budget - choice.costs[order].sum()
        others = np.setdiff1d(np.arange(9), order)
        assert not len(others) or choice.costs[others].min() > left - 1e-6


def test_ours_is_near_the_best_of_all_sets() -> None:
    ratios: list[float] = []
    for seed in range(12):
        choice = choice_of(seed)
        sets = (
            list(rows) for k in range(10) for rows in itertools.combinations(range(9), k)
            if choice.costs[list(rows)].sum() <= choice.budget
        )  # fmt: skip
        best = min(total(choice, rows) for rows in sets)
        ratios.append(total(choice, STRATEGIES["targeted"](choice)) / best)
    assert min(ratios) >= 1 - 1e-9
    assert np.median(ratios) < 1.05
    assert max(ratios) < 1.5


def test_ours_is_no_worse_than_the_others_under_its_own_belief() -> None:
    wins = 0
    for seed in range(20):
        choice = choice_of(seed, size=25, budget=20.0)
        ours = total(choice, STRATEGIES["targeted"](choice))
        wins += all(
            ours <= total(choice, STRATEGIES[name](choice)) * 1.02
            for name in STRATEGIES
            if name != "targeted"
        )
    assert wins >= 18


def test_the_order_changes_what_comes_first_and_not_the_end() -> None:
    choice = choice_of(4)
    chosen = STRATEGIES["targeted"](choice)
    begun = choice.started(choice.field)
    assert ordered(choice, begun, chosen[::-1]) == chosen
    assert total(choice, chosen) == pytest.approx(total(choice, chosen[::-1]))
    first = begun.gains()[chosen] / choice.costs[chosen]
    assert int(np.argmax(first)) == 0


def test_cheapest_stops_where_the_next_is_too_dear() -> None:
    choice = choice_of(0)
    order = STRATEGIES["cheapest"](choice)
    assert order == np.argsort(choice.costs, kind="stable")[: len(order)].tolist()


def test_isoflop_takes_one_of_every_level_in_turn() -> None:
    choice = choice_of(2, budget=math.inf)
    order = STRATEGIES["isoFLOP"](choice)
    levels = np.floor(np.log2(choice.costs / choice.costs.min()))
    count = len(np.unique(levels))
    assert sorted(levels[order[:count]].tolist()) == np.unique(levels).tolist()


def test_dear_candidates_are_drawn_more_rarely_where_costs_weigh() -> None:
    drawn = {"random": 0.0, "cost-weighted": 0.0}
    for seed in range(200):
        base = choice_of(1, most=1)
        choice = Choice(
            field=base.field, single=base.single, costs=base.costs, budget=base.budget,
            places=base.places, seed=seed, most=1,
        )  # fmt: skip
        for name in drawn:
            drawn[name] += float(choice.costs[STRATEGIES[name](choice)].sum()) / 200
    assert drawn["random"] == pytest.approx(base.costs.mean(), rel=0.15)
    weighted = len(base.costs) / (1 / base.costs).sum()  # the harmonic mean
    assert drawn["cost-weighted"] == pytest.approx(weighted, rel=0.15)

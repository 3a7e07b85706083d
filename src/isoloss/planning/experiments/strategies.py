"""Ways to choose runs for a budget, as values: ours and those that it is compared with.

Each is a function of the belief, the costs and the budget that returns candidates in order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from isoloss.laws.law import Array, Counts, Mask
from isoloss.planning.experiments.field import Field, State

POWERS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Powers of the cost that a gain is divided by; the one whose set serves the budget best wins."""
D_POWER, V_POWER = 0.4, 0.3
"""Powers that arXiv:2604.22753 gives D- and V-optimal design, so that they are no straw men."""
SLACK = 1 + 1e-9


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What a strategy chooses from.

    Attributes:
        field: the belief of the mixture; `single`: that of the heaviest mode alone, without
            discrepancy, which is what classical designs see.
        costs: FLOP of each candidate (n,).
        budget: FLOP in all.
        places: logarithms of the variables (n, v).
        seed: of what is random.
        most: candidates at most.
        done: choices that were made already: runs that are there, or under way.
        closed: rows that are no candidates and teach nothing new.
    """

    field: Field
    single: Field
    costs: Array
    budget: float
    places: Array
    seed: int = 0
    most: int | None = None
    done: tuple[int, ...] = ()
    closed: tuple[int, ...] = ()

    def open(self) -> Mask:
        """Which candidates may be chosen (n,)."""
        free = np.ones(len(self.costs), dtype=np.bool_)
        free[[*self.done, *self.closed]] = False
        return free

    def started(self, field: Field) -> State:
        """A belief after what is done."""
        state = field.start()
        for row in self.done:
            state = state.after(row)
        return state


Strategy = Callable[[Choice], list[int]]


def greedy(
    choice: Choice, state: State, score: Callable[[State], Array], power: float
) -> tuple[list[int], State]:
    """Take what scores most per cost to a power, as long as anything is affordable."""
    chosen: list[int] = []
    left, free = choice.budget * SLACK, choice.open()
    price = choice.costs**power
    while choice.most is None or len(chosen) < choice.most:
        affordable = free & (choice.costs <= left)
        if not affordable.any():
            break
        row = int(np.argmax(np.where(affordable, score(state) / price, -np.inf)))
        chosen.append(row)
        state, left, free[row] = state.after(row), left - choice.costs[row], False
    return chosen, state


def targeted(choice: Choice) -> list[int]:
    """Ours: the set that leaves the target least uncertain for the whole budget.

    Greedy sets for several powers of the cost; the best one, ordered so that the first runs take
    most off per FLOP.
    """
    begun = choice.started(choice.field)
    tried = [greedy(choice, begun, State.gains, power) for power in POWERS]
    chosen = min(tried, key=lambda pair: pair[1].total)[0]
    return ordered(choice, begun, chosen)


def ordered(choice: Choice, state: State, chosen: list[int]) -> list[int]:
    """The same candidates, each next one that which takes most off per FLOP."""
    left, order = list(chosen), list[int]()
    while left:
        gains = state.gains()[left] / choice.costs[left]
        row = left.pop(int(np.argmax(gains)))
        order.append(row)
        state = state.after(row)
    return order


def v_optimal(choice: Choice) -> list[int]:
    """Classical: least mean variance of the target under the best fit alone."""
    return greedy(choice, choice.started(choice.single), State.gains, V_POWER)[0]


def d_optimal(choice: Choice) -> list[int]:
    """Classical: least volume of the parameters' uncertainty; it knows no target."""

    def information(state: State) -> Array:
        return np.log1p(state.variance / state.field.noise**2)

    return greedy(choice, choice.started(choice.single), information, D_POWER)[0]


def cheapest(choice: Choice) -> list[int]:
    """As many runs as the budget pays, the cheapest first."""
    return _while_affordable(choice, np.argsort(choice.costs, kind="stable"), stop=True)


def at_random(choice: Choice) -> list[int]:
    """Any affordable candidate, each as likely as another."""
    return _drawn(choice, np.ones(len(choice.costs)))


def cost_weighted(choice: Choice) -> list[int]:
    """Any affordable candidate, likely in inverse proportion to its cost."""
    return _drawn(choice, 1 / choice.costs)


def grid(choice: Choice) -> list[int]:
    """Spread evenly over the logarithms of the variables: each next one farthest from all."""
    free = choice.open()
    scaled = _standardised(choice.places)
    chosen: list[int] = []
    left = choice.budget * SLACK
    distance = np.full(len(free), np.inf)
    for row in choice.done:
        distance = np.minimum(distance, _distances(scaled, row))
    while choice.most is None or len(chosen) < choice.most:
        affordable = free & (choice.costs <= left)
        if not affordable.any():
            break
        if np.isinf(distance).all():  # begin at the cheapest
            row = int(np.argmin(np.where(affordable, choice.costs, np.inf)))
        else:
            row = int(np.argmax(np.where(affordable, distance, -np.inf)))
        chosen.append(row)
        distance = np.minimum(distance, _distances(scaled, row))
        left, free[row] = left - choice.costs[row], False
    return chosen


def isoflop(choice: Choice) -> list[int]:
    """Levels of equal cost, a factor of two each: one run of every level in turn, from below."""
    free = choice.open()
    costs = np.where(free, choice.costs, np.inf)
    levels = np.where(free, np.floor(np.log2(costs / costs.min()) + 1e-9), -1)
    queues: list[list[int]] = []
    for level in np.unique(levels[free]):
        rows = np.flatnonzero(levels == level)
        middle = np.abs(choice.places[rows, 0] - choice.places[rows, 0].mean())
        queues.append(rows[np.argsort(middle, kind="stable")].tolist())
    turns = [
        queue[turn] for turn in range(max(map(len, queues))) for queue in queues
        if turn < len(queue)
    ]  # fmt: skip
    return _while_affordable(choice, np.array(turns))


STRATEGIES: Mapping[str, Strategy] = {
    "targeted": targeted,
    "V-optimal": v_optimal,
    "D-optimal": d_optimal,
    "grid": grid,
    "isoFLOP": isoflop,
    "cost-weighted": cost_weighted,
    "random": at_random,
    "cheapest": cheapest,
}


def _while_affordable(choice: Choice, order: Counts, *, stop: bool = False) -> list[int]:
    """Candidates of an order that the budget still pays; `stop` at the first that it does not."""
    chosen: list[int] = []
    left, free = choice.budget * SLACK, choice.open()
    for row in order.tolist():
        if choice.most is not None and len(chosen) >= choice.most:
            break
        if not free[row]:
            continue
        if choice.costs[row] > left:
            if stop:
                break
            continue
        chosen.append(row)
        left -= choice.costs[row]
    return chosen


def _drawn(choice: Choice, chances: Array) -> list[int]:
    rng = np.random.default_rng(choice.seed)
    # The first of exponential races: draws without replacement in proportion to the chances.
    race = rng.exponential(size=len(chances)) / np.maximum(chances, 1e-300)
    return _while_affordable(choice, np.argsort(race, kind="stable"))


def _standardised(places: Array) -> Array:
    spread = places.std(axis=0)
    return (places - places.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


def _distances(scaled: Array, row: int) -> Array:
    return ((scaled - scaled[row]) ** 2).sum(axis=1)

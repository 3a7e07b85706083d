"""A ladder whose runs are chosen for the prediction: a small part first, then what teaches most.

The narrowest widths are trained as they always are, with their repeated seeds: they cost little
and measure the noise. The rest of the ladder's compute goes to those runs of the wider trunks that
take most off the uncertainty of the verification run, as `isoloss.planning.experiments` sees it.
A branch of a trunk is cheap once a longer one is chosen, so costs are counted anew after every
choice. The choice is written to the plan before training goes on: a killed study follows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from isoloss.architecture import count_parameters
from isoloss.ladders import LadderPlan, LadderSize, Trunk
from isoloss.laws import get_law
from isoloss.planning.experiments.beliefs import belief_of
from isoloss.planning.experiments.posterior import Observations, posterior_of
from isoloss.planning.experiments.strategies import STRATEGIES, Choice
from isoloss.planning.experiments.table import Table
from isoloss.planning.experiments.targets import target_at
from isoloss.runs import usable

if TYPE_CHECKING:
    from isoloss.laws.law import Array
    from isoloss.training.run_config import RunConfig

FIRST_WIDTHS = 2
"""The narrowest widths, which are trained before anything is chosen."""
LAWS = ("chinchilla", "skaling")
"""Their disagreement is part of what the runs are chosen against."""
DEARER = 2.0
"""How much dearer than the ladder's dearest run a chosen one may be."""
LONGER = 1.0
"""How many doublings longer than the ladder's longest run a chosen one may be."""
LEAST_BEYOND = 2.0
"""The verification run costs so many times the dearest candidate, or more."""


def candidate_size(size: LadderSize) -> LadderSize:
    """The rule of a size's candidates: its ladder, and dearer and longer runs."""
    return replace(size, cap_flops=DEARER * size.cap_flops, doublings=size.doublings + LONGER)


def candidate_plan(ordinary: LadderPlan, wide: LadderPlan) -> LadderPlan:
    """Everything that may be trained: the first part of the ladder, and runs of the wider trunks.

    Args:
        ordinary: the ladder as it is without a design.
        wide: the plan of `candidate_size`.
    """
    first = first_trunks(ordinary)
    widths = {_width(trunk) for trunk in first}
    most = ordinary.verification.flops / LEAST_BEYOND
    kept = [
        tuple(run for run in trunk.runs if run.flops <= most)
        for trunk in wide.trunks
        if _width(trunk) not in widths
    ]
    rest = tuple(Trunk(runs=runs) for runs in kept if runs)
    return replace(ordinary, trunks=(*first, *rest))


def first_trunks(plan: LadderPlan) -> tuple[Trunk, ...]:
    """The trunks that are trained first: the narrowest widths, every seed."""
    narrow = sorted({_width(trunk) for trunk in plan.trunks})[:FIRST_WIDTHS]
    return tuple(trunk for trunk in plan.trunks if _width(trunk) in narrow)


def first_part(plan: LadderPlan) -> LadderPlan:
    """The plan with its first trunks alone."""
    return replace(plan, trunks=first_trunks(plan))


def own_flops(trunks: Sequence[Trunk]) -> float:
    """FLOP of trunks: the common part once, each branch once."""
    return sum(t.own_steps() * t.runs[0].flops / t.runs[0].steps for t in trunks)


def chosen_plan(
    plan: LadderPlan, budget: float, rows: Sequence[Mapping[str, Any]], *, least: int, seed: int
) -> tuple[LadderPlan, list[dict[str, Any]]]:
    """The plan with those runs of its wider trunks that serve the prediction best.

    Args:
        plan: all candidates, from `candidate_plan`.
        budget: FLOP of the whole ladder.
        rows: the first part's rows, trained.
        least: runs of the ladder at least; the cheapest are added where the budget pays for fewer.
        seed: of the fits.

    Returns:
        The plan, and every choice with its cost and the standard error of the verification run's
        log loss that was expected after it.
    """
    first = first_trunks(plan)
    open_runs = tuple(r for t in plan.trunks if t not in first for r in t.runs)
    chosen, told = _spend(plan, open_runs, budget - own_flops(first), rows, seed)
    made = sum(len(trunk.runs) for trunk in first)
    by_cost = sorted(set(range(len(open_runs))) - set(chosen), key=lambda i: open_runs[i].flops)
    chosen += by_cost[: max(0, least - made - len(chosen))]
    ids = {open_runs[i].run_id for i in chosen}
    kept = [
        trunk if trunk in first else _part(trunk, {r.run_id for r in trunk.runs} & ids)
        for trunk in plan.trunks
    ]
    return replace(plan, trunks=tuple(t for t in kept if t is not None)), told


def _width(trunk: Trunk) -> int:
    return trunk.runs[0].architecture.d_model


def _part(trunk: Trunk, ids: set[str]) -> Trunk | None:
    runs = tuple(run for run in trunk.runs if run.run_id in ids)
    return Trunk(runs=runs) if runs else None


@dataclass(frozen=True)
class _Costs:
    """What one more run of a trunk costs, given those that were chosen."""

    runs: tuple[RunConfig, ...]

    def more(self, chosen: Sequence[int]) -> Array:
        """FLOP of each run beyond what the chosen ones need, (n,)."""
        return np.array([self._one(i, chosen) for i in range(len(self.runs))])

    def total(self, chosen: Sequence[int]) -> float:
        """FLOP of the chosen runs."""
        groups: dict[str, list[RunConfig]] = {}
        for i in sorted(chosen, key=lambda i: self.runs[i].steps):
            groups.setdefault(self.runs[i].trunk_id, []).append(self.runs[i])
        return own_flops([Trunk(runs=tuple(runs)) for runs in groups.values()])

    def _one(self, i: int, chosen: Sequence[int]) -> float:
        same = [j for j in chosen if self.runs[j].trunk_id == self.runs[i].trunk_id and j != i]
        return self.total([*same, i]) - self.total(same)


def _spend(
    plan: LadderPlan,
    runs: tuple[RunConfig, ...],
    budget: float,
    rows: Sequence[Mapping[str, Any]],
    seed: int,
) -> tuple[list[int], list[dict[str, Any]]]:
    """Choose one run after another, with costs counted anew, as long as one is affordable."""
    made = [row for row in rows if usable(row)]
    if not runs or not made:
        return [], []
    choice = _choice(plan, runs, budget, made, seed)
    costs = _Costs(runs)
    state = choice.started(choice.field)
    closed = len(choice.costs) - len(runs)
    chosen: list[int] = []
    told: list[dict[str, Any]] = []
    while True:
        spent = costs.total(chosen)
        more = costs.more(chosen)
        now = replace(
            choice,
            costs=np.concatenate([np.full(closed, np.inf), more]),
            budget=budget - spent,
            done=(*choice.done, *(closed + i for i in chosen)),
        )
        order = STRATEGIES["targeted"](now)
        if not order:
            return chosen, told
        state = state.after(order[0])
        chosen.append(order[0] - closed)
        told.append(
            {
                "run_id": runs[chosen[-1]].run_id,
                "own_flops": float(more[chosen[-1]]),
                "expected_standard_error": float(np.sqrt(state.total)),
            }
        )


def _choice(
    plan: LadderPlan,
    runs: tuple[RunConfig, ...],
    budget: float,
    rows: Sequence[Mapping[str, Any]],
    seed: int,
) -> Choice:
    """What the strategy chooses from, once the first part is trained."""
    made = {
        "N": np.array([float(row["params_matmul"]) for row in rows]),
        "D": np.array([float(row["tokens"]) for row in rows]),
    }
    laws = [get_law(name) for name in LAWS]
    ahead = {name: column[:1] for name, column in _columns([plan.verification]).items()}
    target = target_at(ahead, laws[0], "log")
    table = Table.of(
        ("N", "D"),
        made,
        np.array([float(row["loss"]) for row in rows]),
        _columns(runs),
        np.array([run.flops for run in runs]),
        target=target,
    )
    seen: Observations = table.seen
    posteriors = [posterior_of(law, seen, seed=seed) for law in laws]
    belief = belief_of(posteriors, [1 / len(laws)] * len(laws))
    return table.choice(belief, target, budget, seed=seed)


def _columns(runs: Sequence[RunConfig]) -> dict[str, Array]:
    return {
        "N": np.array([float(count_parameters(run.architecture).matmul) for run in runs]),
        "D": np.array([float(run.tokens) for run in runs]),
    }

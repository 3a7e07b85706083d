"""A question with its answer: what the parts of a plan are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from isoloss.errors import UsageError
from isoloss.planning import _serving
from isoloss.planning.allocation import Optimum
from isoloss.planning.draw_optima import GoalOf
from isoloss.planning.goals import Lifetime, Reach, Spend
from isoloss.planning.hardware import HardwareChoice
from isoloss.planning.inference import same_quality
from isoloss.planning.search import Search
from isoloss.planning.sources import Source
from isoloss.planning.targets import reach_metric
from isoloss.planning.wishes import Aim, ShapeWishes


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A question with the optimum that was found for it.

    Attributes:
        aim, wishes, level: what was asked.
        search, goal_of, found: where, for what, and the optimum.
        budget: FLOP in the convention of the search; None for a target.
        lifetime: use after training, where it counts.
        trained_on, serving: hardware, where named.
        ladder_recipe: how the runs were trained, where that is known.
        notes: what was borrowed for repeated text; `borrowed`: whether anything was.
    """

    aim: Aim
    search: Search
    found: Optimum
    goal_of: GoalOf
    budget: float | None
    lifetime: Lifetime | None
    trained_on: HardwareChoice | None
    serving: _serving.Wish | None
    wishes: ShapeWishes
    level: float
    notes: tuple[str, ...]
    borrowed: bool
    ladder_recipe: Mapping[str, Any] | None = None

    @property
    def source(self) -> Source:
        """What was believed."""
        return self.search.source


def goal_for(search: Search, aim: Aim, budget: float | None, lifetime: Lifetime | None) -> GoalOf:
    """What is minimised.

    Raises:
        UsageError: a metric without a step to it, or one that no loss gives.
    """
    if aim.kind == "metric":
        if search.source.chain is None:
            raise UsageError(
                "a target metric needs two steps: a loss from N and D, and the metric from it",
                hint="plan(il.fit_chain(loss_fit, metric_fit), metric=0.6)",
            )
        return reach_metric(search.source.chain, aim.value, lifetime)
    if budget is None:
        target = np.asarray(aim.value)
        return lambda surface: Reach(target=target, lifetime=lifetime)
    if lifetime is not None:
        return same_quality(search, budget, lifetime)
    return lambda surface: Spend(flops=budget)

"""Learning-rate schedules: pure functions of the step, as a factor on the peak rate.

* `wsd`: warm-up, stable, linear decay (arXiv:2404.06395). Until the decay nothing depends on the
  length of the run, so runs of many lengths share one trunk.
* `cosine`: half a cosine from the end of the warm-up (arXiv:1608.03983), as GPT-3 and Chinchilla.
* `linear`: a straight line from the end of the warm-up, as BERT.
* `constant`: warm-up, then the peak rate.

Step counts from 0; the value at `total`, which is never trained, is `final` times the peak.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from isoloss.errors import UsageError

if TYPE_CHECKING:
    from isoloss.training.recipe import Recipe

Shape = Literal["wsd", "cosine", "linear", "constant"]
NEEDS_TOTAL = ("cosine", "linear")
"""Schedules whose every step after the warm-up depends on the length of the run."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A factor on the peak rate for each step.

    A trunk has no decay (`decay_start` and `total` are None); a branch follows the trunk to
    `decay_start` and reaches `final` after step `total` - 1.

    >>> Schedule(warmup=2, decay_start=4, total=6).factor(4)
    1.0
    >>> Schedule(warmup=2, decay_start=4, total=6).factor(5)
    0.5
    """

    warmup: int
    decay_start: int | None = None
    total: int | None = None
    shape: Shape = "wsd"
    final: float = 0.0

    def factor(self, step: int) -> float:
        """Share of the peak learning rate at a step, counted from 0."""
        rise = min(1.0, (step + 1) / self.warmup)
        if self.shape == "constant" or self.total is None:
            return rise
        if self.shape == "wsd":
            if self.decay_start is None or step < self.decay_start:
                return rise
            left = rise * (self.total - step) / (self.total - self.decay_start)
            return rise * self.final + (1 - self.final) * left
        gone = max(0.0, (step - self.warmup) / max(1, self.total - self.warmup))
        left = (1 + math.cos(math.pi * gone)) / 2 if self.shape == "cosine" else 1 - gone
        return rise * (self.final + (1 - self.final) * left)


def branch_schedule(recipe: Recipe, steps: int) -> Schedule:
    """The full schedule of a run of `steps` steps."""
    if recipe.schedule == "wsd":
        decay_start = steps - max(1, round(steps * recipe.decay_fraction))
        return Schedule(
            warmup=recipe.warmup_steps,
            decay_start=decay_start,
            total=steps,
            final=recipe.final_fraction,
        )
    return Schedule(
        warmup=recipe.warmup_steps,
        total=steps,
        shape=recipe.schedule,
        final=recipe.final_fraction,
    )


def trunk_schedule(recipe: Recipe) -> Schedule:
    """The schedule of a trunk that runs of every length can branch from.

    Raises:
        UsageError: the schedule needs the length of the run from its first steps, so that a
            branch would not equal a run trained with it from the start.
    """
    if recipe.schedule in NEEDS_TOTAL:
        raise UsageError(
            f"a run with the {recipe.schedule!r} schedule cannot branch from a trunk: its learning"
            " rate depends on its length at every step",
            hint="Take schedule='wsd' to share trunks, or train each run by itself.",
        )
    return Schedule(warmup=recipe.warmup_steps, shape=recipe.schedule)


def trunk_steps(recipe: Recipe, steps: int) -> int:
    """Steps of a run that a shared trunk can make: those before its schedule needs its length.

    >>> from isoloss.training.recipe import Recipe
    >>> trunk_steps(Recipe(), 100), trunk_steps(Recipe(schedule="cosine"), 100)
    (80, 0)
    """
    if recipe.schedule in NEEDS_TOTAL:
        return 0
    start = branch_schedule(recipe, steps).decay_start
    return steps if start is None else start

"""A question put to a source: what to choose from, what is held fixed, what is allowed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isoloss.planning.candidates import Candidates, Models
from isoloss.planning.chinchilla_optimum import chinchilla_columns
from isoloss.planning.goals import Goal, Spend, Split
from isoloss.planning.limits import Limits
from isoloss.planning.sources import Setting, Source, Surface


@dataclass(frozen=True, kw_only=True)
class Search:
    """A question: what to believe, what to choose from, what is held fixed and what is allowed."""

    source: Source
    candidates: Candidates
    setting: Setting
    limits: Limits

    @property
    def surface(self) -> Surface:
        """The loss of the point estimates."""
        return self.source.surface(self.setting)

    def scored(self, goal: Goal, surface: Surface, models: Models) -> Split:
        """The splits of models, with infinite scores where a limit forbids them."""
        split = goal.split(surface, models)
        allowed = self.limits.allowed(models.n, split.d, self.candidates.min_tokens)
        return Split(
            d=split.d,
            loss=split.loss,
            score=np.where(allowed & np.isfinite(split.score), split.score, np.inf),
        )


def closed_columns(search: Search, goal: Goal) -> list[int] | None:
    """Columns of theta for `closed_form`, where it is the answer."""
    plain = (
        search.candidates.config is None
        and not search.limits.active
        and len(search.source.beliefs) == 1
        and isinstance(goal, Spend)
        and goal.lifetime is None
    )
    return chinchilla_columns(search.source.beliefs[0]) if plain else None

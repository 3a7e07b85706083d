"""How a run is trained, as data: everything that must be equal for two losses to be comparable."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from isoloss.errors import UsageError

RECIPE_VERSION = 1
"""Raised whenever equal settings would give other numbers; part of every run's id."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Batch, optimiser and schedule of a run.

    Learning rate, batch and warm-up do not depend on D: only then does a decay branch of a
    shared trunk equal a run trained for that many tokens from the start.

    Args:
        batch_tokens: tokens per step.
        base_learning_rate: peak AdamW rate (embedding, head, scales) at `base_width`; other
            widths take it times base_width / d_model.
        matrix_learning_rate, momentum: Muon, for the matrices of the blocks, at every width.
        warmup_steps: linear warm-up.
        decay_fraction: share of a run's steps spent on the linear decay to zero.
        betas, eps, weight_decay: AdamW (arXiv:1711.05101).
        clip_norm: largest global gradient norm.
    """

    batch_tokens: int = 1024
    base_learning_rate: float = 0.008
    base_width: int = 64
    matrix_learning_rate: float = 0.012
    momentum: float = 0.95
    warmup_steps: int = 50
    decay_fraction: float = 0.2
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-9
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    version: int = RECIPE_VERSION

    def __post_init__(self) -> None:
        if self.batch_tokens < 1 or self.warmup_steps < 1:
            raise UsageError("batch_tokens and warmup_steps must be positive")
        rates = (self.base_learning_rate, self.matrix_learning_rate, self.clip_norm)
        if not all(0 < rate < math.inf for rate in rates) or not 0 <= self.momentum < 1:
            raise UsageError(
                "learning rates and clip_norm must be positive and momentum lie in [0, 1), found"
                f" {', '.join(map(str, rates))} and {self.momentum}"
            )
        if not 0 < self.decay_fraction <= 1:
            raise UsageError(f"decay_fraction must lie in (0, 1], found {self.decay_fraction}")

    def learning_rate(self, d_model: int) -> float:
        """Peak learning rate at a width."""
        return self.base_learning_rate * self.base_width / d_model

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON and for the run's id."""
        return {**asdict(self), "betas": list(self.betas)}


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Warmup-stable-decay (arXiv:2404.06395): a factor on the peak rate for each step.

    A trunk has no decay (`decay_start` and `total` are None); a branch follows the trunk to
    `decay_start` and reaches zero after step `total` - 1.

    >>> Schedule(warmup=2, decay_start=4, total=6).factor(4)
    1.0
    >>> Schedule(warmup=2, decay_start=4, total=6).factor(5)
    0.5
    """

    warmup: int
    decay_start: int | None = None
    total: int | None = None

    def factor(self, step: int) -> float:
        """Share of the peak learning rate at a step, counted from 0."""
        rise = min(1.0, (step + 1) / self.warmup)
        if self.decay_start is None or self.total is None or step < self.decay_start:
            return rise
        return rise * (self.total - step) / (self.total - self.decay_start)


def branch_schedule(recipe: Recipe, steps: int) -> Schedule:
    """The full schedule of a run of `steps` steps."""
    decay_start = steps - max(1, round(steps * recipe.decay_fraction))
    return Schedule(warmup=recipe.warmup_steps, decay_start=decay_start, total=steps)

"""How a run is trained, as data: everything that must be equal for two losses to be comparable."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from isoloss.errors import UsageError
from isoloss.training.schedules import Schedule, Shape, branch_schedule

RECIPE_VERSION = 1
"""Raised whenever equal settings would give other numbers; part of every run's id."""

OptimizerName = Literal["muon", "adamw"]
Parameterization = Literal["inverse_width", "standard", "mup"]
Decayed = Literal["adamw", "matrices", "all"]
Precision = Literal["float32", "bfloat16"]
_CHOICES: dict[str, Any] = {
    "optimizer": OptimizerName,
    "parameterization": Parameterization,
    "schedule": Shape,
    "weight_decay_on": Decayed,
    "precision": Precision,
}
_FIRST = 12
"""Fields from before there were options: always part of the identity."""

__all__ = ["RECIPE_VERSION", "Recipe", "Schedule", "branch_schedule"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Batch, optimiser and schedule of a run.

    Learning rate, batch and warm-up do not depend on D: only then does a decay branch of a
    shared trunk equal a run trained for that many tokens from the start.

    Every setting is part of a run's id, those that only change the order of sums included
    (`micro_batch_tokens`, `compile`): equal ids promise equal bits.

    Args:
        batch_tokens: tokens per step.
        base_learning_rate: peak AdamW rate at `base_width`; `parameterization` says what other
            widths take.
        matrix_learning_rate, momentum: Muon, for the matrices of the blocks, at every width.
        warmup_steps: linear warm-up.
        decay_fraction: share of a run's steps spent on the linear decay (`wsd` only).
        betas, eps, weight_decay: AdamW (arXiv:1711.05101).
        clip_norm: largest global gradient norm.
        optimizer: `muon` (matrices of the blocks; AdamW moves the rest) or `adamw` for all.
        parameterization: how AdamW's rates follow the width (`isoloss.training.learning_rates`).
        schedule: `wsd`, `cosine`, `linear` or `constant` (`isoloss.training.schedules`).
        final_fraction: share of the peak rate at the end of the schedule.
        weight_decay_on: what AdamW moves, matrices alone (embeddings and head included), or all.
        micro_batch_tokens: tokens of one forward pass, where a step does not fit in memory; the
            gradients of a step's parts are summed. Equal to the whole step but for rounding,
            without dropout; the load-balancing loss of experts is that of each part.
        precision: `bfloat16` runs the matrix products in it (autocast); weights, moments,
            losses and every evaluation stay in float32.
        compile: `torch.compile` the forward and backward pass.
        checkpoint_activations: compute activations again on the way back instead of keeping them.
        spike_nats: leave out the update of a step whose loss is this much above the mean of the
            steps before it; None never does.

    Raises:
        UsageError: a value is out of range.

    >>> Recipe(schedule="cosine").to_dict()["schedule"], "schedule" in Recipe().to_dict()
    ('cosine', False)
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
    optimizer: OptimizerName = "muon"
    parameterization: Parameterization = "inverse_width"
    schedule: Shape = "wsd"
    final_fraction: float = 0.0
    weight_decay_on: Decayed = "adamw"
    micro_batch_tokens: int | None = None
    precision: Precision = "float32"
    compile: bool = False
    checkpoint_activations: bool = False
    spike_nats: float | None = None

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
        _check_options(self)

    def learning_rate(self, d_model: int) -> float:
        """Peak AdamW rate of embeddings and vectors at a width."""
        if self.parameterization == "inverse_width":
            return self.base_learning_rate * self.base_width / d_model
        return self.base_learning_rate

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON and for the run's id; options at their default are left out.

        So the id of a run stays when an option is added; its default must never change.
        """
        default = {f.name: f.default for f in fields(self)[_FIRST:]}
        values = {**asdict(self), "betas": list(self.betas)}
        return {n: v for n, v in values.items() if n not in default or v != default[n]}

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Recipe:
        """The inverse of `to_dict`."""
        return Recipe(**{**values, "betas": tuple(values["betas"])})


def _check_options(recipe: Recipe) -> None:
    for name, choices in _CHOICES.items():
        value = getattr(recipe, name)
        if value not in get_args(choices):
            raise UsageError(
                f"{name} must be one of {', '.join(get_args(choices))}; found {value!r}"
            )
    if not 0 <= recipe.final_fraction <= 1:
        raise UsageError(f"final_fraction must lie in [0, 1], found {recipe.final_fraction}")
    if not 0 <= recipe.weight_decay < math.inf:
        raise UsageError(f"weight_decay must not be negative, found {recipe.weight_decay}")
    micro = recipe.micro_batch_tokens
    if micro is not None and not 0 < micro <= recipe.batch_tokens:
        raise UsageError(
            f"micro_batch_tokens must lie in 1 to batch_tokens ({recipe.batch_tokens:,}), found"
            f" {micro:,}"
        )
    if recipe.spike_nats is not None and not 0 < recipe.spike_nats < math.inf:
        raise UsageError(f"spike_nats must be positive, found {recipe.spike_nats}")

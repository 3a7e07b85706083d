"""How long the plan will take here: time a few steps, then choose the largest size that fits."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import torch

from isoloss.architecture import config_for_width, forward_flops_per_token, training_flops
from isoloss.ladders.plan import LadderPlan
from isoloss.ladders.sizes import SIZES, LadderSize
from isoloss.training.recipe import Recipe, Schedule
from isoloss.training.run import RunConfig
from isoloss.training.state import TrainingState

PROBE_WIDTHS = (16, 96)
OVERHEAD_SECONDS = 12.0
"""Starting workers, evaluating, fitting and drawing the page."""


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Seconds per token: `fixed` whatever the width, plus `per_flop` seconds for each FLOP.

    `two_threads` is how much faster a two-thread process is on the wide model.
    """

    fixed: float
    per_flop: float
    two_threads: float

    def run_seconds(self, run: RunConfig, steps: int) -> float:
        """Expected seconds of `steps` steps and one evaluation of a run."""
        per_token = sum(forward_flops_per_token(run.architecture).values()) * 3
        tokens = steps * run.recipe.batch_tokens + run.eval_tokens / 3
        seconds = tokens * (self.fixed + self.per_flop * per_token)
        return seconds / (self.two_threads if run.threads > 1 else 1.0)

    def plan_seconds(self, plan: LadderPlan) -> list[float]:
        """Expected seconds of each trunk and of the verification run."""
        trunks = [
            self.run_seconds(t.runs[-1], t.own_steps())
            + (len(t.runs) - 1) * self.run_seconds(t.runs[-1], 0)
            for t in plan.trunks
        ]
        return [*trunks, self.run_seconds(plan.verification, plan.verification.steps)]

    def wall_seconds(self, plan: LadderPlan) -> float:
        """Expected wall time: the ladder spread over the workers, then the verification run."""
        *trunks, verification = self.plan_seconds(plan)
        ladder = max(sum(trunks) / plan.workers, max(trunks))
        return ladder + verification + OVERHEAD_SECONDS


def probe_speed(recipe: Recipe, *, vocab_size: int, context_length: int) -> Speed:
    """Time a narrow and a wide model for about two seconds each, on random tokens."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        timings = [_seconds_per_token(w, recipe, vocab_size, context_length) for w in PROBE_WIDTHS]
        torch.set_num_threads(2)
        wide = _seconds_per_token(PROBE_WIDTHS[1], recipe, vocab_size, context_length)
    finally:
        torch.set_num_threads(before)
    flops = [
        training_flops(config_for_width(w, vocab_size=vocab_size, context_length=context_length), 1)
        for w in PROBE_WIDTHS
    ]
    per_flop = max(1e-13, (timings[1] - timings[0]) / (flops[1] - flops[0]))
    return Speed(
        fixed=max(0.0, timings[0] - per_flop * flops[0]),
        per_flop=per_flop,
        two_threads=max(1.0, timings[1] / wide),
    )


def _seconds_per_token(width: int, recipe: Recipe, vocab_size: int, context_length: int) -> float:
    """Median seconds per token of a training step."""
    shape = config_for_width(width, vocab_size=vocab_size, context_length=context_length)
    state = TrainingState.start(shape, recipe, seed=0)
    generator = torch.Generator().manual_seed(0)
    size = (recipe.batch_tokens // context_length, context_length + 1)
    tokens = torch.randint(0, vocab_size, size, generator=generator)
    stamps: list[float] = []
    deadline = time.perf_counter() + 1.5
    state.advance(3, Schedule(warmup=recipe.warmup_steps), lambda _: tokens)
    while len(stamps) < 5 or (time.perf_counter() < deadline and len(stamps) < 60):
        began = time.perf_counter()
        state.advance(state.step + 1, Schedule(warmup=recipe.warmup_steps), lambda _: tokens)
        stamps.append(time.perf_counter() - began)
    return statistics.median(stamps) / recipe.batch_tokens


def fitting_sizes(largest_tokens: int, batch_tokens: int) -> list[LadderSize]:
    """The sizes whose verification run needs no more than `largest_tokens` tokens."""
    return [s for s in SIZES if s.verify_steps() * batch_tokens <= largest_tokens]

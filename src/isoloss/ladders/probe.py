"""How long the plan will take here: time a few steps, then choose the largest size that fits."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import torch

from isoloss.ladders.plan import LadderPlan
from isoloss.ladders.sizes import SIZES, LadderSize
from isoloss.training.aims import Aim, resolve_aim
from isoloss.training.objectives.windows import AnyCorpus
from isoloss.training.recipe import Recipe
from isoloss.training.run import RunConfig, corpus_batches
from isoloss.training.schedules import Schedule
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
        tokens = steps * run.tokens / run.steps + run.eval_tokens / 3
        seconds = tokens * (self.fixed + self.per_flop * run.flops / run.tokens)
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


def probe_speed(
    recipe: Recipe,
    corpus: AnyCorpus,
    *,
    context_length: int,
    aim: Aim | None = None,
    device: str = "cpu",
) -> Speed:
    """Time a narrow and a wide model for about two seconds each, on batches of the corpus."""
    aim = aim or resolve_aim()
    narrow, wide = (
        RunConfig(
            architecture=aim.shape(
                width, vocab_size=corpus.vocab_size, context_length=context_length
            ),
            objective=aim.objective,
            recipe=recipe,
            steps=1000,
            seed=0,
            corpus_fingerprint=corpus.fingerprint,
            eval_tokens=1,
            device=device,
        )
        for width in PROBE_WIDTHS
    )
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        slow, fast = _seconds_per_token(narrow, corpus), _seconds_per_token(wide, corpus)
        torch.set_num_threads(2)
        both = _seconds_per_token(wide, corpus)
    finally:
        torch.set_num_threads(before)
    flops = [run.flops / run.tokens for run in (narrow, wide)]
    per_flop = max(1e-13, (fast - slow) / (flops[1] - flops[0]))
    return Speed(
        fixed=max(0.0, slow - per_flop * flops[0]),
        per_flop=per_flop,
        two_threads=max(1.0, fast / both),
    )


def _seconds_per_token(run: RunConfig, corpus: AnyCorpus) -> float:
    """Median seconds per token of a training step."""
    state = TrainingState.start(run.architecture, run.recipe, seed=0, device=run.device)
    batches, schedule = corpus_batches(corpus, run), Schedule(warmup=run.recipe.warmup_steps)
    stamps: list[float] = []
    state.advance(3, schedule, batches, loss=run.objective.loss)
    deadline = time.perf_counter() + 1.5
    while len(stamps) < 5 or (time.perf_counter() < deadline and len(stamps) < 60):
        began = time.perf_counter()
        state.advance(state.step + 1, schedule, batches, loss=run.objective.loss)
        stamps.append(time.perf_counter() - began)
    return statistics.median(stamps) * run.steps / run.tokens


def fitting_sizes(largest_tokens: int, batch_tokens: int) -> list[LadderSize]:
    """The sizes whose verification run needs no more than `largest_tokens` tokens."""
    return [s for s in SIZES if s.verify_steps() * batch_tokens <= largest_tokens]

"""The few fixed sizes of plan, from a test's to an hour's; a probe of the machine picks one.

A size is a rule, not a list of runs: which widths, the cap on compute that cuts the corner of
the grid (small models run long, large ones short), and the verification run. Token counts are
`MIN_STEPS` steps times powers of √2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

MIN_STEPS = 500
"""Shortest run: a run whose warm-up or decay is a large part of it bends the law."""
LOW_TOKENS_PER_PARAMETER = 2.0
HIGH_TOKENS_PER_PARAMETER = 100.0
NOISE_WIDTHS = 2
"""The cheapest widths are trained with several seeds, to measure run-to-run noise."""


@dataclass(frozen=True, kw_only=True)
class LadderSize:
    """A rule that turns a family of shapes into a ladder.

    Attributes:
        name: what the plan calls it.
        widths: `d_model` of each rung.
        min_steps: steps of the shortest run.
        doublings: largest token count, as doublings of the shortest run.
        per_doubling: token counts per doubling (2 means factors of √2).
        cap_flops: no ladder run costs more (`palm`).
        noise_cap_flops: no repeated-seed run costs more.
        verify_width, verify_doublings: the verification run.
        low_ratio, high_ratio: D/N of the runs that are trained.
    """

    name: str
    widths: tuple[int, ...]
    min_steps: int = MIN_STEPS
    doublings: float
    per_doubling: int
    cap_flops: float
    noise_cap_flops: float
    verify_width: int
    verify_doublings: float
    low_ratio: float = LOW_TOKENS_PER_PARAMETER
    high_ratio: float = HIGH_TOKENS_PER_PARAMETER

    def step_counts(self) -> list[int]:
        """Steps of every token count of the full grid, rising."""
        count = math.floor(self.doublings * self.per_doubling + 1e-9) + 1
        return [round(self.min_steps * 2 ** (i / self.per_doubling)) for i in range(count)]

    def verify_steps(self) -> int:
        """Steps of the verification run."""
        return round(self.min_steps * 2**self.verify_doublings)


SIZES: tuple[LadderSize, ...] = (
    LadderSize(
        name="tiny",
        widths=(16, 24, 32, 48),
        doublings=1.0,
        per_doubling=2,
        cap_flops=5.2e11,
        noise_cap_flops=1.2e11,
        verify_width=64,
        verify_doublings=1.0,
    ),
    LadderSize(
        name="short",
        widths=(16, 24, 32, 48, 64),
        doublings=2.0,
        per_doubling=2,
        cap_flops=8.3e11,
        noise_cap_flops=1.7e11,
        verify_width=80,
        verify_doublings=1.0,
    ),
    LadderSize(
        name="standard",
        widths=(16, 24, 32, 48, 64),
        doublings=2.0,
        per_doubling=2,
        cap_flops=1.2e12,
        noise_cap_flops=2.4e11,
        verify_width=96,
        verify_doublings=1.5,
    ),
    LadderSize(
        name="long",
        widths=(16, 24, 32, 48, 64, 80, 96),
        doublings=3.0,
        per_doubling=2,
        cap_flops=2.4e12,
        noise_cap_flops=4.7e11,
        verify_width=112,
        verify_doublings=2.0,
    ),
    LadderSize(
        name="large",
        widths=(16, 24, 32, 48, 64, 80, 96),
        doublings=3.0,
        per_doubling=2,
        cap_flops=4.7e12,
        noise_cap_flops=4.7e11,
        verify_width=144,
        verify_doublings=2.5,
    ),
)


SMOKE = LadderSize(
    name="smoke",
    widths=(16, 24, 32),
    min_steps=30,
    doublings=2.0,
    per_doubling=2,
    cap_flops=1e12,
    noise_cap_flops=4e9,
    verify_width=48,
    verify_doublings=2.5,
    low_ratio=0.0,
    high_ratio=1e9,
)
"""Seconds, with small batches: tries the loop, predicts nothing. Never chosen by time."""


def size_named(name: str) -> LadderSize:
    """The size of that name.

    Raises:
        KeyError: no such size.
    """
    return {size.name: size for size in (SMOKE, *SIZES)}[name]

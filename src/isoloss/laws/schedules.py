"""Learning-rate schedules as values: the learning rate of every step of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from isoloss.errors import DataError, UsageError
from isoloss.laws.law import Array

Decay = Literal["exponential", "linear"]


@dataclass(frozen=True, eq=False, repr=False)
class LearningRates:
    """The learning rates of a run, one a step; step 0 is the first.

    A warm-up of w steps rises linearly from 0 at step 0 to the peak at step w - 1, as the runs
    of arXiv:2503.12811 did.

    Args:
        values: (steps,), finite and not negative, at least one positive; kept as a copy that
            cannot be written to.

    Raises:
        DataError: naming the first step whose learning rate is no such number.

    >>> LearningRates([0.0, 1e-3, 1e-3, 1e-4])
    LearningRates(4 steps, peak 0.001, last 0.0001)
    """

    values: Array

    def __init__(self, values: npt.ArrayLike) -> None:
        try:
            rates = np.array(values, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError("learning rates must be numbers, one a step") from error
        if rates.ndim != 1 or not len(rates):
            raise DataError(
                f"learning rates must be a list of one a step, found shape {rates.shape}"
            )
        bad = np.flatnonzero(~(np.isfinite(rates) & (rates >= 0)))
        if len(bad):
            raise DataError(
                f"the learning rate of step {bad[0]} must be a finite number that is not"
                f" negative, found {rates[bad[0]]}"
            )
        if not rates.any():
            raise DataError("every learning rate is zero: such a run learns nothing")
        rates.setflags(write=False)
        object.__setattr__(self, "values", rates)

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return (
            f"LearningRates({len(self)} steps, peak {self.values.max():g},"
            f" last {self.values[-1]:g})"
        )

    @property
    def area(self) -> Array:
        """Sum of the learning rates up to and with each step, (steps,)."""
        return np.cumsum(self.values)

    @staticmethod
    def constant(steps: int, peak: float, *, warmup: int = 0) -> LearningRates:
        """Warm-up, then the peak."""
        _check(steps, warmup, peak)
        return LearningRates(_after_warmup(np.full(steps, peak), peak, warmup))

    @staticmethod
    def cosine(steps: int, peak: float, end: float, *, warmup: int = 0) -> LearningRates:
        """Warm-up, then half a cosine that would reach `end` at step `steps` (arXiv:1608.03983)."""
        _check(steps, warmup, peak, end)
        wave = (1 + np.cos(np.pi * _share(steps, warmup))) / 2
        return LearningRates(_after_warmup(end + (peak - end) * wave, peak, warmup))

    @staticmethod
    def linear(steps: int, peak: float, end: float, *, warmup: int = 0) -> LearningRates:
        """Warm-up, then a straight line that would reach `end` at step `steps`."""
        return LearningRates.stable_decay(
            steps, peak, end, decay_from=warmup, warmup=warmup, shape="linear"
        )

    @staticmethod
    def stable_decay(
        steps: int,
        peak: float,
        end: float,
        *,
        decay_from: int,
        warmup: int = 0,
        shape: Decay = "exponential",
    ) -> LearningRates:
        """Warm-up, the peak until step `decay_from`, then a decay (WSD, arXiv:2404.06395)."""
        _check(steps, warmup, peak, end)
        _check_turn("decay_from", decay_from, warmup, steps)
        if shape not in ("exponential", "linear"):
            raise UsageError(f"unknown decay {shape!r}", hint="Use exponential or linear.")
        share = np.maximum(_share(steps, decay_from), 0.0)
        falling = (
            peak ** (1 - share) * end**share
            if shape == "exponential"
            else peak * (1 - share) + end * share
        )
        return LearningRates(_after_warmup(falling, peak, warmup))

    @staticmethod
    def two_stage(
        steps: int, peak: float, second: float, *, switch: int, warmup: int = 0
    ) -> LearningRates:
        """Warm-up, the peak until step `switch`, then the learning rate `second`."""
        _check(steps, warmup, peak, second)
        _check_turn("switch", switch, warmup, steps)
        rates = np.where(np.arange(steps) < switch, peak, second)
        return LearningRates(_after_warmup(rates, peak, warmup))

    def with_flat_warmup(self) -> LearningRates:
        """The same, but with the steps before the first fall at the height they rise to.

        Tissue et al. (arXiv:2408.11029, §3.4) count a warm-up as if it ran at the peak.
        """
        falls = np.flatnonzero(np.diff(self.values) < 0)
        end = int(falls[0]) + 1 if len(falls) else len(self)
        flat = self.values.copy()
        flat[:end] = flat[:end].max()
        return LearningRates(flat)


def _share(steps: int, start: int) -> Array:
    """How much of the way from `start` to `steps` each step has gone; negative before."""
    return (np.arange(steps) - start) / max(steps - start, 1)


def _after_warmup(rates: Array, peak: float, warmup: int) -> Array:
    """`rates` with a linear rise to `peak` in place of its first steps."""
    return np.concatenate((np.linspace(0.0, peak, warmup), rates[warmup:]))


def _check(steps: int, warmup: int, *rates: float) -> None:
    """Raise UsageError unless steps, warm-up and learning rates make a schedule."""
    if steps < 1 or not 0 <= warmup <= steps:
        raise UsageError(
            "a schedule needs at least one step and a warm-up within it, found"
            f" {steps} steps and a warm-up of {warmup}"
        )
    for rate in rates:
        if not (rate > 0 and np.isfinite(rate)):
            raise UsageError(f"a learning rate must be positive, found {rate}")


def _check_turn(name: str, turn: int, warmup: int, steps: int) -> None:
    """Raise UsageError unless a turn lies after the warm-up and inside the schedule."""
    if not warmup <= turn < steps:
        raise UsageError(
            f"{name} must lie between the warm-up ({warmup}) and the last step, found {turn}"
        )

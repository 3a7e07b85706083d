"""Run-to-run noise: how far runs with the same N and D and other seeds lie apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from isoloss.laws.law import Array


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Standard deviation of log loss between seeds; not-a-number with the reason if unknown."""

    sd: float
    degrees_of_freedom: int
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON, in percent of the loss."""
        known = math.isfinite(self.sd)
        return {
            "sd_percent": 100 * self.sd if known else None,
            "degrees_of_freedom": self.degrees_of_freedom,
            "reason": self.reason,
        }


SAME_D = 2e-3
"""Runs whose D differ by less count as equally long: packed pairs fill their rows a little
differently with every seed, and a thousandth of D moves the loss by far less than a seed does."""


def run_noise(n: Array, d: Array, loss: Array) -> Noise:
    """Pooled over every (N, D) that was run more than once; D to within `SAME_D`.

    >>> run_noise(np.array([1., 1.]), np.array([2., 2.]), np.array([3., 3.])).degrees_of_freedom
    1
    """
    order = np.lexsort((d, n))
    new = (np.diff(n[order]) != 0) | (np.diff(np.log(d[order])) > SAME_D)
    group = np.empty(len(n), dtype=np.int64)
    group[order] = np.concatenate([[0], np.cumsum(new)])
    count = np.bincount(group)
    logs = np.log(loss)
    off = logs - (np.bincount(group, weights=logs) / count)[group]
    squares, freedom = float((off**2).sum()), len(loss) - len(count)
    if not freedom:
        return Noise(
            sd=math.nan, degrees_of_freedom=0, reason="no (N, D) was run with several seeds"
        )
    return Noise(sd=math.sqrt(squares / freedom), degrees_of_freedom=freedom)

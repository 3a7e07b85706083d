"""What a plan may choose from: models of rising N, and what a token of training costs each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isoloss.architecture import TransformerConfig
from isoloss.planning.shapes import MAX_PARAMETERS, ShapeTable

FloatArray = NDArray[np.float64]

MIN_TOKENS_PER_PARAMETER, MAX_TOKENS_PER_PARAMETER = 1e-3, 1e7
"""Splits outside these are not looked at; an optimum at the edge is a caveat."""
MIN_PARAMETERS = 1e3
"""Smallest N looked at where no budget says."""
_DENSE = 1025


@dataclass(frozen=True, kw_only=True)
class Models:
    """Models side by side: N, and FLOP per token as the budget and as the law count them."""

    n: FloatArray
    cost: FloatArray
    law_cost: FloatArray


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Models of rising N.

    Attributes:
        real: the shapes (K,); without `config` a grid over N.
        dense: the same as if width were continuous.
        config: the shape of an index of `real`, or none where N alone is chosen and C = 6 N D.
        min_tokens: fewest tokens worth a run: one context, or one.
        vocab_size: of all of them.
        budget: the convention that `cost` counts in, for messages.
    """

    real: Models
    dense: Models
    config: Callable[[int], TransformerConfig] | None
    min_tokens: float
    vocab_size: int
    budget: str

    def between(self, log_n: FloatArray) -> Models:
        """Models of any N between the smallest and the largest, of any shape of array."""
        known = np.log(self.dense.n)
        return Models(
            n=np.exp(log_n),
            cost=np.exp(np.interp(log_n, known, np.log(self.dense.cost))),
            law_cost=np.exp(np.interp(log_n, known, np.log(self.dense.law_cost))),
        )

    @property
    def log_range(self) -> tuple[float, float]:
        """Logarithms of the smallest and the largest N."""
        return float(np.log(self.dense.n[0])), float(np.log(self.dense.n[-1]))

    def nearest(self, n: float) -> int:
        """Index of the real shape whose N is closest in ratio."""
        return int(np.abs(np.log(self.real.n / n)).argmin())


def shapes_to_choose(budget: ShapeTable, law: ShapeTable, convention: str) -> Candidates:
    """Real shapes; the two tables hold the same ones, counted as the budget and as the law do."""
    smallest = budget.config(0)
    return Candidates(
        real=Models(n=law.n, cost=budget.flops_per_token, law_cost=law.flops_per_token),
        dense=Models(n=law.dense_n, cost=budget.dense_flops, law_cost=law.dense_flops),
        config=budget.config,
        min_tokens=smallest.context_length,
        vocab_size=smallest.vocab_size,
        budget=convention,
    )


def sizes_to_choose(flops: float | None, *, vocab_size: int, convention: str) -> Candidates:
    """N alone, with C = 6 N D: all that the budget allows, or from a thousand up without one."""
    low, high = math.log(MIN_PARAMETERS), math.log(MAX_PARAMETERS)
    if flops is not None:
        low = 0.5 * math.log(flops / (6 * MAX_TOKENS_PER_PARAMETER))
        high = 0.5 * math.log(flops / (6 * MIN_TOKENS_PER_PARAMETER))
    n: FloatArray = np.exp(np.linspace(low, high, _DENSE, dtype=np.float64))
    models = Models(n=n, cost=6 * n, law_cost=6 * n)
    return Candidates(
        real=models,
        dense=models,
        config=None,
        min_tokens=0.0,
        vocab_size=vocab_size,
        budget=convention,
    )

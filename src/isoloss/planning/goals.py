"""What a plan is after: the lowest loss for a budget, or the lowest cost of a loss.

Both may count the FLOP (or money) of answering over the model's life beside those of training
(Sardana et al. 2024, arXiv:2401.00448: minimise 6 N D + 2 N D_inference at equal loss).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from isoloss.planning.candidates import Models
from isoloss.planning.sources import Surface

FloatArray = NDArray[np.float64]

_LOG_TOKENS = (0.0, 60.0)
"""Tokens looked at for a loss: up to e^60, more than anybody will ever read."""
_HALVINGS = 60


@dataclass(frozen=True, kw_only=True)
class Split:
    """Every model with the tokens it gets: D, the loss, and the score that is minimised."""

    d: FloatArray
    loss: FloatArray
    score: FloatArray


@dataclass(frozen=True, kw_only=True)
class Lifetime:
    """Use after training.

    Attributes:
        tokens: read and written over the model's life.
        per_token: of models, in the unit of a training budget (FLOP).
        basis: how a token is priced, in words.
        money_per_flop: US dollars of a training FLOP, where tokens are priced in money; else nan.
    """

    tokens: float
    per_token: Callable[[Models], FloatArray]
    basis: str
    money_per_flop: float = math.nan

    def cost(self, models: Models) -> FloatArray:
        """Of all tokens, in the unit of a training budget."""
        return self.tokens * self.per_token(models)


class Goal(Protocol):
    """What is minimised over N."""

    def split(self, surface: Surface, models: Models) -> Split:
        """D, loss and score of each model, (K,) or (R, K); impossible models score infinity."""
        ...


@dataclass(frozen=True, kw_only=True)
class Spend:
    """The lowest loss of a budget; with a lifetime the budget pays for both."""

    flops: float
    lifetime: Lifetime | None = None

    def split(self, surface: Surface, models: Models) -> Split:
        """See `Goal`; the score is the loss."""
        left = self.flops - (self.lifetime.cost(models) if self.lifetime else 0.0)
        possible = np.broadcast_to(left > 0, models.n.shape)
        d = np.where(possible, left, np.nan) / models.cost
        loss = np.where(possible, surface.loss(models.n, d, models.law_cost * d), np.inf)
        return Split(d=d, loss=loss, score=loss)


@dataclass(frozen=True, kw_only=True)
class Reach:
    """The lowest cost of a loss; `target` is one number, or (R, 1) for one a draw."""

    target: FloatArray
    lifetime: Lifetime | None = None

    def split(self, surface: Surface, models: Models) -> Split:
        """See `Goal`; the score is FLOP of training and, with a lifetime, of use."""
        d = tokens_reaching(surface, models, self.target)
        score = models.cost * d + (self.lifetime.cost(models) if self.lifetime else 0.0)
        loss = np.where(np.isfinite(d), self.target, np.inf)
        return Split(d=d, loss=loss, score=np.where(np.isfinite(d), score, np.inf))


def tokens_reaching(surface: Surface, models: Models, target: FloatArray) -> FloatArray:
    """D at which each model has the loss, infinite where no D gives it; by halving log D.

    The loss is taken to fall with D, as it does in every law here (where it goes flat, as with
    repeated data, the first D that reaches the target is found).
    """

    def above(log_d: FloatArray) -> NDArray[np.bool_]:
        d = np.exp(log_d)
        return surface.loss(models.n, d, models.law_cost * d) > target

    shape = np.broadcast_shapes(
        np.shape(target), surface.loss(models.n, models.n, models.law_cost * models.n).shape
    )
    low: FloatArray = np.full(shape, _LOG_TOKENS[0])
    high: FloatArray = np.full(shape, _LOG_TOKENS[1])
    never = above(high)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        worse = above(middle)
        low, high = np.where(worse, middle, low), np.where(worse, high, middle)
    return np.where(never, np.inf, np.exp(high))

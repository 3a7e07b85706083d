"""Answering after training: FLOP or money of the tokens that a model reads and writes in its life.

Sardana et al. (arXiv:2401.00448) minimise 6 N D + 2 N D_inference among the models of one
quality: a third of a training token's FLOP for each token of use. In money a token of use costs
what the roofline of `serving_of` says, and a training FLOP what the hardware takes for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoloss.architecture import TransformerConfig
from isoloss.planning.allocation import lowest_losses
from isoloss.planning.candidates import Candidates, Models
from isoloss.planning.chinchilla_optimum import closed_form
from isoloss.planning.goals import Goal, Lifetime, Reach, Spend
from isoloss.planning.interval import Interval, or_nan, or_null
from isoloss.planning.limits import Limits
from isoloss.planning.search import Search, closed_columns
from isoloss.planning.sources import Surface

FloatArray = NDArray[np.float64]

BY_FLOP = "a third of the FLOP of training on a token (2 N where C is 6 N D)"
_SAMPLES = 13
"""Shapes whose price of serving is worked out; between them it is interpolated in logs."""


def lifetime_in_flops(tokens: float) -> Lifetime:
    """A lifetime in FLOP: one forward pass a token."""
    return Lifetime(tokens=tokens, per_token=lambda models: models.cost / 3, basis=BY_FLOP)


def lifetime_in_money(
    tokens: float,
    candidates: Candidates,
    last: int,
    money_per_token: Callable[[TransformerConfig], float | None],
    money_per_flop: float,
    basis: str,
) -> Lifetime:
    """A lifetime in money, expressed in training FLOP that cost as much.

    Args:
        tokens: of use.
        candidates: real shapes; last: index of the largest that can be served.
        money_per_token: of serving a shape, or None where it cannot be served.
        money_per_flop: of training.
        basis: how a token is priced.
    """
    assert candidates.config is not None, "serving is worked out for shapes"
    picked = np.unique(np.geomspace(1, last + 1, _SAMPLES).astype(int)) - 1
    priced = [(candidates.real.n[i], money_per_token(candidates.config(int(i)))) for i in picked]
    known = np.array([(np.log(n), np.log(price)) for n, price in priced if price])
    top = known[-1, 0]

    def per_token(models: Models) -> FloatArray:
        log_n = np.log(models.n)
        price = np.exp(np.interp(log_n, known[:, 0], known[:, 1])) / money_per_flop
        return np.where(log_n <= top + 1e-9, price, np.inf)

    return Lifetime(tokens=tokens, per_token=per_token, basis=basis, money_per_flop=money_per_flop)


def same_quality(search: Search, flops: float, lifetime: Lifetime) -> Callable[[Surface], Goal]:
    """The goal of each surface: as good as its own optimum of a training budget, for less use."""
    free = replace(search, limits=Limits())

    def goal_of(surface: Surface) -> Goal:
        spend = Spend(flops=flops)
        columns = closed_columns(free, spend)
        if columns is not None:
            target = np.asarray(closed_form(surface.parts[0][1][..., columns], flops)[2])
            target = target if surface.rows is None else target[:, None]
        else:
            target = lowest_losses(free, spend, surface)
        return Reach(target=target, lifetime=lifetime)

    return goal_of


@dataclass(frozen=True, kw_only=True)
class Inference:
    """What a plan's model takes over its life, beside the compute-optimal one of equal loss.

    Attributes:
        tokens: of use.
        basis: how a token of use is priced.
        unit: of the following totals: `flops` or `money` (US dollars).
        training, use, total: of the plan.
        optimal_n, optimal_d, optimal_total: of the compute-optimal model of the same loss; its
            total is nan where it cannot be served.
        saved: share of its total that the plan saves.
    """

    tokens: float
    basis: str
    unit: str
    training: float
    use: float
    total: float
    optimal_n: float
    optimal_d: float
    optimal_total: float
    saved: Interval

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON."""
        total = or_null(self.optimal_total)
        return {**vars(self), "optimal_total": total, "saved": self.saved.to_dict()}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Inference:
        """What `to_dict` wrote."""
        numbers = {
            name: or_nan(document[name])
            for name in ("tokens", "training", "use", "total", "optimal_n", "optimal_d",
                         "optimal_total")
        }  # fmt: skip
        saved = Interval.from_dict(document["saved"])
        basis, unit = str(document["basis"]), str(document["unit"])
        return cls(**numbers, basis=basis, unit=unit, saved=saved)

"""A metric beside the loss: what a plan's model would score, and the loss that a score asks for.

Two steps (Gadre et al. 2024, arXiv:2403.08540; Bhagia et al. 2024, arXiv:2412.04403): the loss
from N and D, the metric from the loss. Every draw of the first goes through one of the second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoloss.errors import UsageError
from isoloss.planning._intervals import interval_of
from isoloss.planning.goals import Goal, Lifetime, Reach
from isoloss.planning.interval import Interval
from isoloss.planning.sources import IntArray, PlannableChain, Surface

FloatArray = NDArray[np.float64]

_LOSSES = (1e-2, 20.0)
_HALVINGS = 80


@dataclass(frozen=True, kw_only=True)
class MetricAtPlan:
    """A metric of the plan's model: `name` is its column; `asked` the value it was planned for."""

    name: str
    value: Interval
    asked: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON."""
        return {"name": self.name, "asked": self.asked, **self.value.to_dict()}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> MetricAtPlan:
        """What `to_dict` wrote."""
        asked = document["asked"]
        return cls(
            name=str(document["name"]),
            value=Interval.from_dict(document),
            asked=None if asked is None else float(asked),
        )


def reach_metric(
    chain: PlannableChain, value: float, lifetime: Lifetime | None
) -> Callable[[Surface], Goal]:
    """The goal of the loss at which the metric has a value, for each draw its own.

    Raises:
        UsageError: no loss gives that value.
    """
    point = _loss_at(chain, np.asarray(chain.second.theta, dtype=np.float64)[None], value)[0]
    if not np.isfinite(point):
        ends = [
            float(_metric(chain, np.asarray(chain.second.theta)[None], np.array([[x]]))[0, 0])
            for x in _LOSSES
        ]
        raise UsageError(
            f"no loss gives {chain.target} = {value:g}: by the second step it lies between "
            f"{min(ends):.4g} and {max(ends):.4g}",
            hint="Ask for a value between the two.",
        )

    def goal_of(surface: Surface) -> Goal:
        if surface.rows is None:
            return Reach(target=np.asarray(point), lifetime=lifetime)
        theta = _second_draws(chain, surface.rows)
        return Reach(target=_loss_at(chain, theta, value)[:, None], lifetime=lifetime)

    return goal_of


def metric_at(
    chain: PlannableChain,
    loss: float,
    draws: tuple[FloatArray, FloatArray] | None,
    level: float,
    asked: float | None,
) -> MetricAtPlan:
    """The metric of a plan, each draw's loss going through a draw of the second step.

    Args:
        chain: both steps.
        loss: at the plan's N and D.
        draws: losses there (R,) of all draws of the first step, with their weights.
        level: of the interval.
        asked: the value that was planned for.
    """
    theta = np.asarray(chain.second.theta, dtype=np.float64)
    value = float(_metric(chain, theta[None], np.array([[loss]]))[0, 0])
    if chain.second.draws is None or draws is None:
        reason = "a step of the chain has no draws"
        found = Interval(value=value, reason=reason)
        return MetricAtPlan(name=chain.target, value=found, asked=asked)
    losses, weights = draws
    rows: IntArray = np.arange(len(losses), dtype=np.int64)
    metrics = _metric(chain, _second_draws(chain, rows), losses[:, None])[:, 0]
    good = np.isfinite(metrics)
    found = interval_of(value, metrics[good], weights[good], level)
    return MetricAtPlan(name=chain.target, value=found, asked=asked)


def _second_draws(chain: PlannableChain, rows: IntArray) -> FloatArray:
    """Draws of the second step for draws of the first: the same resamples, or shuffled ones."""
    draws = chain.second.draws
    if draws is None:
        return np.broadcast_to(chain.second.theta, (len(rows), len(chain.second.theta)))
    if chain.paired:
        return np.asarray(draws)[rows % len(draws)]
    order = np.random.default_rng(0).permutation(len(draws))
    return np.asarray(draws)[order[rows % len(draws)]]


def _metric(chain: PlannableChain, theta: FloatArray, loss: FloatArray) -> FloatArray:
    """The metric (R, K) of draws (R, P) at losses (R, K)."""
    with np.errstate(all="ignore"):
        return np.asarray(chain.second.law.value(theta, {chain.link: loss}), dtype=np.float64)


def _loss_at(chain: PlannableChain, theta: FloatArray, value: float) -> FloatArray:
    """Loss at which each draw (R, P) has the metric, by halving; nan where none does."""
    low = np.full((len(theta), 1), _LOSSES[0])
    high = np.full((len(theta), 1), _LOSSES[1])
    first = _metric(chain, theta, low) - value
    last = _metric(chain, theta, high) - value
    inside = first * last < 0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        as_low = (_metric(chain, theta, middle) - value) * first > 0
        low, high = np.where(as_low, middle, low), np.where(as_low, high, middle)
    return np.where(inside, 0.5 * (low + high), np.nan)[:, 0]

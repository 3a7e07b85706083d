"""What it costs to miss the best size, and how wide the valley is in which it hardly matters.

Around the optimum the loss is flat in log N, so a model of half or twice the size loses little.
Each figure compares with the best split of the same budget: the loss that is given up, and the
further FLOP with which the other size would reach the loss of the best one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoloss.planning._intervals import draws_of, interval_of, quantiles
from isoloss.planning.allocation import Optimum
from isoloss.planning.goals import Lifetime, Reach, Spend
from isoloss.planning.interval import Interval, or_nan, or_null
from isoloss.planning.limits import Limits
from isoloss.planning.search import Search
from isoloss.planning.sources import Surface

FloatArray = NDArray[np.float64]

FACTORS = (0.25, 0.5, 2.0, 4.0)
PERCENTS = (0.1, 1.0)
_SPAN = math.log(64)
_POINTS = 97
_FINE = 1601


@dataclass(frozen=True, kw_only=True)
class Missed:
    """Another size than the best, on the same budget.

    Attributes:
        factor: its N over the best N.
        n, d: of it; D is what the budget leaves.
        loss_more: loss above that of the best size.
        flops_more: FLOP beyond the budget with which it would reach that loss, as a share of the
            budget; infinite values are a reason.
        money_more: the same in US dollars, nan without hardware.
    """

    factor: float
    n: float
    d: float
    loss_more: Interval
    flops_more: Interval
    money_more: float = math.nan

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON."""
        return {
            "factor": self.factor,
            "n": self.n,
            "d": self.d,
            "loss_more": self.loss_more.to_dict(),
            "flops_more": self.flops_more.to_dict(),
            "money_more": or_null(self.money_more),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Missed:
        """What `to_dict` wrote."""
        return cls(
            factor=float(document["factor"]),
            n=float(document["n"]),
            d=float(document["d"]),
            loss_more=Interval.from_dict(document["loss_more"]),
            flops_more=Interval.from_dict(document["flops_more"]),
            money_more=or_nan(document["money_more"]),
        )


@dataclass(frozen=True, kw_only=True)
class Valley:
    """The loss of one budget against N.

    Attributes:
        n: sizes (K,), rising.
        more: loss above the best, in percent of it, at each; by the point estimates.
        low, high: of the draws, each above its own best; empty without draws.
        best_n: where it is lowest.
        within: for .1 and 1, smallest and largest N that lose no more percent of the loss, and
            (`of` = `budget`) that need no more percent of budget for the same loss; an end that
            lies outside `n` is nan.
    """

    n: tuple[float, ...]
    more: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    best_n: float
    within: tuple[Within, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON."""
        curve = {"n": self.n, "percent": self.more, "low": self.low, "high": self.high}
        return {
            "best_n": self.best_n,
            "within": [part.to_dict() for part in self.within],
            "curve": {name: list(values) for name, values in curve.items()},
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Valley:
        """What `to_dict` wrote."""
        n, more, low, high = (
            tuple(float(x) for x in document["curve"][name])
            for name in ("n", "percent", "low", "high")
        )
        return cls(
            n=n,
            more=more,
            low=low,
            high=high,
            best_n=float(document["best_n"]),
            within=tuple(Within.from_dict(part) for part in document["within"]),
        )


@dataclass(frozen=True, kw_only=True)
class Within:
    """Sizes that give up at most `percent` of the `loss`, or that much more `budget`."""

    of: str
    percent: float
    low: float
    high: float

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON; an open end is null."""
        return {
            "of": self.of,
            "percent": self.percent,
            "low": or_null(self.low),
            "high": or_null(self.high),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Within:
        """What `to_dict` wrote."""
        return cls(
            of=str(document["of"]),
            percent=float(document["percent"]),
            low=or_nan(document["low"]),
            high=or_nan(document["high"]),
        )


def missed_sizes(
    search: Search,
    best: Optimum,
    total: float,
    *,
    lifetime: Lifetime | None,
    level: float,
    factors: Sequence[float] = FACTORS,
) -> tuple[Missed, ...]:
    """What other sizes cost, each with an interval over the draws.

    Args:
        search: where the best was found, without limits.
        best: the best split.
        total: the budget, in the unit of the goal's cost, use included where there is a lifetime.
        lifetime: of the goal.
        level: of the intervals.
        factors: sizes over the best.
    """
    free = replace(search, limits=Limits())
    spend = Spend(flops=total, lifetime=lifetime)
    at = [f for f in factors if _possible(free, spend, f * best.n)]
    if not at or not _possible(free, spend, best.n):
        return ()
    log_n = np.log(np.array([best.n, *(f * best.n for f in at)]))

    def of(surface: Surface) -> tuple[FloatArray, FloatArray]:
        """Loss and cost above those of the first model, (..., F) each."""
        models = free.candidates.between(log_n)
        loss = spend.split(surface, models).loss
        reach = Reach(target=loss[..., :1], lifetime=lifetime)
        cost = reach.split(surface, models).score / total - 1
        with np.errstate(invalid="ignore"):  # a draw without a loss here is left out below
            return loss[..., 1:] - loss[..., :1], cost[..., 1:]

    loss, cost = of(free.surface)
    drawn_loss, drawn_cost, weights, reason = _drawn(free, of)
    d = spend.split(free.surface, free.candidates.between(log_n)).d

    def interval(values: FloatArray, draws: FloatArray | None, k: int) -> Interval:
        value = float(values[k])
        if not math.isfinite(value):
            return Interval(value=math.nan, reason="no amount of data reaches the loss at this N")
        if draws is None:
            return Interval(value=value, reason=reason)
        return interval_of(value, draws[:, k], weights, level)

    return tuple(
        Missed(
            factor=f,
            n=f * best.n,
            d=float(np.broadcast_to(d, log_n.shape)[k + 1]),
            loss_more=interval(loss, drawn_loss, k),
            flops_more=interval(cost, drawn_cost, k),
        )
        for k, f in enumerate(at)
    )


def _possible(search: Search, spend: Spend, n: float) -> bool:
    """Whether a size can be looked at and has a loss on the budget."""
    low, high = search.candidates.log_range
    if not low <= math.log(n) <= high:
        return False
    models = search.candidates.between(np.log(np.array([n])))
    return bool(np.isfinite(spend.split(search.surface, models).loss[0]))


def _drawn(search: Search, of: Any) -> tuple[FloatArray | None, FloatArray | None, FloatArray, str]:
    """What `of` gives for all draws, both stacked (R, F); or why there is none."""
    draws, reason = draws_of(search)
    if reason:
        return None, None, np.empty(0), reason
    parts = [
        of(search.source.drawn(search.source.beliefs[index], rows, search.setting))
        for index, rows, _ in draws
    ]
    loss, cost = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    weights = np.concatenate([weights for *_, weights in draws])
    good = np.isfinite(loss).all(axis=1)
    return loss[good], cost[good], weights[good], ""


def valley_of(
    search: Search, best: Optimum, total: float, *, lifetime: Lifetime | None, level: float
) -> Valley:
    """The loss of a budget against N, and how far N may lie from the best.

    Args:
        search, best, total, lifetime, level: as `missed_sizes`.
    """
    free = replace(search, limits=Limits())
    spend = Spend(flops=total, lifetime=lifetime)
    low, high = free.candidates.log_range
    middle = math.log(best.smooth[0])
    grid: FloatArray = np.linspace(
        max(low, middle - _SPAN), min(high, middle + _SPAN), _POINTS, dtype=np.float64
    )
    models = free.candidates.between(grid)
    loss = spend.split(free.surface, models).loss
    lowest = min(float(loss.min()), best.loss)
    shown = np.isfinite(loss) & (loss < 1.2 * lowest)
    grid, loss = grid[shown], loss[shown]
    bottom, top = _band(free, spend, grid, level)
    return Valley(
        n=tuple(np.exp(grid).tolist()),
        more=tuple((100 * (loss / lowest - 1)).tolist()),
        low=bottom,
        high=top,
        best_n=best.smooth[0],
        within=_within(free, spend, grid, lowest),
    )


def _band(
    search: Search, spend: Spend, grid: FloatArray, level: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Percent above each draw's own best on the grid: ends of the interval at each N."""
    draws, reason = draws_of(search)
    if reason or not len(grid):
        return (), ()
    models = search.candidates.between(grid)
    parts: list[FloatArray] = []
    for index, rows, _ in draws:
        surface = search.source.drawn(search.source.beliefs[index], rows, search.setting)
        loss = spend.split(surface, models).loss
        with np.errstate(invalid="ignore"):  # a draw without a loss is left out below
            parts.append(100 * (loss / loss.min(axis=1, keepdims=True) - 1))
    more = np.concatenate(parts)
    weights = np.concatenate([weights for *_, weights in draws])
    good = np.isfinite(more).all(axis=1)
    if good.sum() < 20:
        return (), ()
    ends = np.array(
        [
            quantiles(more[good, k], weights[good], ((1 - level) / 2, (1 + level) / 2))
            for k in range(len(grid))
        ]
    )
    return tuple(ends[:, 0].tolist()), tuple(ends[:, 1].tolist())


def _within(search: Search, spend: Spend, grid: FloatArray, lowest: float) -> tuple[Within, ...]:
    """Ends of the valley on a fine grid."""
    if len(grid) < 3:
        return ()
    fine: FloatArray = np.linspace(grid[0], grid[-1], _FINE, dtype=np.float64)
    models = search.candidates.between(fine)
    loss = 100 * (spend.split(search.surface, models).loss / lowest - 1)
    reach = Reach(target=np.asarray(lowest), lifetime=spend.lifetime)
    cost = 100 * (reach.split(search.surface, models).score / spend.flops - 1)
    found: list[Within] = []
    for of, values in (("loss", loss), ("budget", cost)):
        for percent in PERCENTS:
            inside = np.flatnonzero(values <= percent)
            if len(inside):
                first, last = int(inside[0]), int(inside[-1])
                low = math.nan if first == 0 else math.exp(fine[first])
                high = math.nan if last == _FINE - 1 else math.exp(fine[last])
                found.append(Within(of=of, percent=percent, low=low, high=high))
    return tuple(found)

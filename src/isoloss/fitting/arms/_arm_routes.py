"""From fitted arms to what each is worth: by the shared law, and by a law for each arm."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from isoloss.fitting.arms._arm_law import Arms, separate_law
from isoloss.fitting.arms._arm_rows import ArmRows
from isoloss.fitting.arms._arm_worth import Target, loss_at, multiplier, sizes_of
from isoloss.fitting.arms.arm_effects import ArmEffect, ScalePoint
from isoloss.fitting.bootstrap import Resampling, bootstrap_draws
from isoloss.fitting.result import Estimate, Fit, too_few_draws
from isoloss.laws.law import Array, Columns


@dataclass(frozen=True)
class Route:
    """Parameters of each arm (K, P), and their draws (K, R, P) or None with the reason."""

    thetas: list[Array]
    draws: list[Array] | None
    reason: str


def routes_of(
    shared: Fit,
    arms: Arms,
    separate: Mapping[str, Fit],
    rows: ArmRows,
    bootstrap: int,
    resample: Resampling,
) -> dict[str, Route]:
    """The arms' parameters by the shared law, and by separate ones where every arm has one."""
    each = range(len(arms.names))
    drawn = None if shared.draws is None else [arms.of_arm(shared.draws, k) for k in each]
    routes = {
        "shared": Route([arms.of_arm(shared.theta, k) for k in each], drawn, shared.draws_reason)
    }
    if len(separate) < len(arms.names):
        return routes
    thetas = [separate[name].theta for name in arms.names]
    joined = None
    if bootstrap:
        # One bootstrap over all rows: draws of paired runs must go together across arms.
        assert shared.data is not None
        problem = shared.data.problem(separate_law(arms.law, arms.names), shared.objective.spec)
        flat = bootstrap_draws(
            problem, np.concatenate(thetas), rows.units, bootstrap, shared.seed, resample
        )
        joined = np.split(flat, len(arms.names), axis=1)
    return routes | {"separate": Route(thetas, joined, shared.draws_reason)}


def effect_of(
    arms: Arms,
    arm: int,
    rows: ArmRows,
    shared: Fit,
    goal: Target,
    columns: Columns,
    routes: Mapping[str, Route],
    source: str,
) -> ArmEffect:
    """What one arm is worth."""
    assert shared.data is not None
    sizes = sizes_of(arms.law, columns)
    low, high = float(sizes.min()), float(sizes.max())
    scales = sorted({low, math.sqrt(low * high), high, goal.size})
    points = tuple(
        ScalePoint(
            size=size,
            shared=_worth(arms, arm, goal, routes.get("shared"), size, shared.level)[0],
            separate=_worth(arms, arm, goal, routes.get("separate"), size, shared.level)[0],
        )
        for size in scales
    )
    route = routes[source]
    worth, drawn = _worth(arms, arm, goal, route, goal.size, shared.level)
    pairs, less, more = rows.pairs(arm, shared.data.values)
    return ArmEffect(
        arm=arms.names[arm],
        n_rows=rows.count(arm),
        source=source,
        multiplier=worth,
        loss_gap=_gap(arms, arm, goal, route, shared.level),
        probability_better=_share_above_one(drawn),
        factors={way: shared.params[f"{way}[{arms.names[arm]}]"] for way in arms.ways},
        by_scale=points,
        pairs=pairs,
        pairs_better=less,
        pairs_worse=more,
    )


def _worth(
    arms: Arms, arm: int, goal: Target, route: Route | None, size: float, level: float
) -> tuple[Estimate, Array | None]:
    """The multiplier at one size of the target with its interval, and its draws."""
    if route is None:
        return _figure(math.nan, None, level, "an arm has too few runs for a law of its own"), None
    moved = math.log(size / goal.size)
    value = float(multiplier(arms.law, route.thetas[0], route.thetas[arm], goal, moved))
    if route.draws is None:
        return _figure(value, None, level, route.reason), None
    drawn = multiplier(arms.law, route.draws[0], route.draws[arm], goal, moved)
    return _figure(value, drawn, level, route.reason), drawn


def _gap(arms: Arms, arm: int, goal: Target, route: Route, level: float) -> Estimate:
    def gap(of: list[Array]) -> Array:
        return loss_at(arms.law, of[arm], goal) - loss_at(arms.law, of[0], goal)

    drawn = None if route.draws is None else gap(route.draws)
    return _figure(float(gap(route.thetas)), drawn, level, route.reason)


def _figure(value: float, drawn: Array | None, level: float, reason: str) -> Estimate:
    """A figure with the percentile interval of its draws; an end that is infinite says so."""
    missing = reason if drawn is None else too_few_draws(len(drawn), level)
    stderr = low = high = math.nan
    if drawn is not None and not missing:
        tail = (1 - level) / 2
        # Not linear: between two infinite draws that would be not-a-number.
        low, high = (float(x) for x in np.quantile(drawn, [tail, 1 - tail], method="nearest"))
        if np.isfinite(drawn).all():
            stderr = float(drawn.std(ddof=1))
    if not math.isfinite(high) and not missing:
        missing = "the baseline does not reach the arm's loss with 1e6 times as much"
    return Estimate(value=value, stderr=stderr, low=low, high=high, at_bound=False, reason=missing)


def _share_above_one(drawn: Array | None) -> float:
    """Share of multipliers above 1, kept off 0 and 1 by half a draw."""
    if drawn is None or len(drawn) == 0:
        return math.nan
    above = float((drawn > 1).sum() + 0.5 * (drawn == 1).sum())
    return (above + 0.5) / (len(drawn) + 1)

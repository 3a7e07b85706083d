"""A found optimum becomes a plan: intervals, the concrete shape, its costs and its caveats."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoloss.architecture import (
    FLOPS_CONVENTIONS,
    TransformerConfig,
    count_parameters,
    training_flops,
)
from isoloss.planning import _caveats, _serving
from isoloss.planning._answered import Answered
from isoloss.planning._choosing import six_nd_of
from isoloss.planning._intervals import ALL_AGREE, MIN_DRAWS, draws_of, interval_of
from isoloss.planning._on_hardware import training_on
from isoloss.planning.allocation import Optimum, optimum
from isoloss.planning.budget import Plan
from isoloss.planning.deadweight import FACTORS, Missed, missed_sizes, valley_of
from isoloss.planning.draw_optima import Drawn, GoalOf
from isoloss.planning.goals import Goal, Reach, Spend
from isoloss.planning.inference import Inference
from isoloss.planning.interval import Interval
from isoloss.planning.limits import Limits
from isoloss.planning.recipe import recipe_for
from isoloss.planning.repetition import epochs_of
from isoloss.planning.shapes import DEFAULT_CONTEXT_LENGTH, DEFAULT_VOCAB_SIZE, shape_near
from isoloss.planning.sources import Source, Surface
from isoloss.planning.targets import MetricAtPlan, metric_at

FloatArray = NDArray[np.float64]
_GIVEN = "N was given"


def assembled(answered: Answered) -> Plan:
    """The plan of an answered question."""
    source, found, search = answered.source, answered.found, answered.search
    n_convention = source.n_convention or "params_total"
    six_nd = six_nd_of(n_convention)
    shape = found.config or _nearest_shape(answered, n_convention)
    n, d, loss, flops = _intervals(answered)
    best, total, use = _free_optimum(answered)
    largest = source.ranges.get("C")
    spent = answered.aim.value if answered.aim.kind == "flops" and use is None else found.law_flops
    tokens = max(1.0, float(round(found.d)))
    hardware = training_on(answered, shape, tokens)
    draft = Plan(
        flops=spent,
        flops_convention=_convention(answered, six_nd),
        n_convention=n_convention,
        n=n,
        d=d,
        loss=loss,
        level=answered.level,
        architecture=shape,
        parameters=_parameters(shape),
        flops_by_convention=_flops(shape, tokens, source.family),
        extrapolation=spent / largest[1] if largest else math.nan,
        extrapolation_reason="" if largest else "the source does not say what its runs cost",
        beyond=_beyond(source, found),
        method=found.method,
        source=source.label,
        law=source.law_name,
        caveats=(),
        asked=_asked(answered),
        flops_interval=flops,
        weights=_weights(source),
        best=None if best is found else _point(best),
        deadweight=_deadweight(answered, best, total, hardware),
        valley=valley_of(
            search, best, total, lifetime=answered.lifetime, level=answered.level
        ),
        epochs=(
            None
            if search.setting.unique_tokens is None
            else epochs_of(search, found.n, d, answered.level, borrowed=answered.borrowed)
        ),
        inference=use,
        metric=_metric(answered),
        hardware=hardware,
        serving=None if answered.serving is None else _serving.document(answered.serving, shape),
        recipe=recipe_for(shape, tokens, source_recipe=answered.ladder_recipe),
    )  # fmt: skip
    return replace(draft, caveats=_caveats.of_plan(draft, answered, six_nd=six_nd))


def _nearest_shape(answered: Answered, n_convention: str) -> TransformerConfig:
    family, wishes = answered.source.family, answered.wishes
    return shape_near(
        answered.found.n,
        vocab_size=wishes.size("vocab_size", family) or DEFAULT_VOCAB_SIZE,
        context_length=wishes.size("context_length", family) or DEFAULT_CONTEXT_LENGTH,
        n_convention=n_convention,
        n_layer=wishes.size("n_layer", family),
    )


def _convention(answered: Answered, six_nd: str) -> str:
    known = answered.source.flops_convention
    if answered.aim.on_hardware and known not in FLOPS_CONVENTIONS:
        return six_nd
    return known or six_nd


def _asked(answered: Answered) -> dict[str, Any]:
    asked: dict[str, Any] = {answered.aim.kind: answered.aim.value}
    asked |= answered.search.limits.to_dict()
    if answered.search.setting.unique_tokens is not None:
        asked["unique_tokens"] = answered.search.setting.unique_tokens
    if answered.lifetime is not None:
        asked["inference_tokens"] = answered.lifetime.tokens
    return asked


def _weights(source: Source) -> dict[str, float]:
    """Of several laws by label; a label that comes twice is numbered."""
    if len(source.beliefs) < 2:
        return {}
    found: dict[str, float] = {}
    for number, belief in enumerate(source.beliefs, 1):
        label = belief.label if belief.label not in found else f"{belief.label} ({number})"
        found[label] = belief.weight
    return found


def _point(best: Optimum) -> dict[str, float]:
    return {"n": best.n, "d": best.d, "loss": best.loss, "flops": best.law_flops}


def _free_optimum(answered: Answered) -> tuple[Optimum, float, Inference | None]:
    """The optimum without limits, the budget to compare sizes on, and what use comes to."""
    search, found = answered.search, answered.found
    free = replace(search, limits=Limits())
    best = optimum(free, answered.goal_of) if search.limits.active else found
    if abs(best.n / found.n - 1) < 1e-6:
        best = found
    if answered.lifetime is None:
        return best, (answered.budget or best.score), None
    trained = optimum(free, _training_alone(answered))
    return best, best.score, _inference(answered, trained)


def _training_alone(answered: Answered) -> GoalOf:
    """The goal without a life of use."""
    if answered.budget is not None:
        budget = answered.budget
        return lambda surface: Spend(flops=budget)

    def goal_of(surface: Surface) -> Goal:
        goal = answered.goal_of(surface)
        assert isinstance(goal, Reach), "a target without a budget"
        return replace(goal, lifetime=None)

    return goal_of


def _inference(answered: Answered, trained: Optimum) -> Inference:
    """The plan's life beside that of the model that training alone would choose."""
    found, lifetime, between = answered.found, answered.lifetime, answered.search.candidates.between
    assert lifetime is not None, "asked only with a life of use"

    def use(n: FloatArray) -> FloatArray:
        return lifetime.cost(between(np.log(n)))

    in_money = math.isfinite(lifetime.money_per_flop)
    unit = lifetime.money_per_flop if in_money else 1.0
    total = trained.flops + float(use(np.array([trained.n]))[0])
    saved = _saved(answered, trained, total, use)
    return Inference(
        tokens=lifetime.tokens,
        basis=lifetime.basis,
        unit="money" if in_money else "flops",
        training=unit * found.flops,
        use=unit * (found.score - found.flops),
        total=unit * found.score,
        optimal_n=trained.n,
        optimal_d=trained.d,
        optimal_total=unit * total if math.isfinite(total) else math.nan,
        saved=saved,
    )


def _saved(
    answered: Answered,
    trained: Optimum,
    total: float,
    use: Callable[[FloatArray], FloatArray],
) -> Interval:
    """Share of the compute-optimal model's total, draw by draw."""
    if not math.isfinite(total):
        return Interval(
            value=math.nan, reason="the compute-optimal model does not fit where it is to be served"
        )
    value = 1 - answered.found.score / total
    ours, theirs = answered.found.drawn, trained.drawn
    if ours is None or theirs is None or ours.values.shape != theirs.values.shape:
        reason = draws_of(answered.search)[1] or "some draws have no optimum"
        return Interval(value=value, reason=reason)
    n, d = theirs.values[:2]
    totals = answered.search.candidates.between(np.log(n)).cost * d + use(n)
    return interval_of(value, 1 - ours.values[3] / totals, ours.weights, answered.level)


def _deadweight(
    answered: Answered, best: Optimum, total: float, hardware: Mapping[str, Any] | None
) -> tuple[Missed, ...]:
    """Quarter, half, double and fourfold N, and the plan's own where a limit moved it."""
    factors = [*FACTORS]
    own = answered.found.n / best.n
    if best is not answered.found and abs(own - 1) > 1e-6:
        factors.append(own)
    search = replace(answered.search, limits=Limits())
    missed = missed_sizes(
        search, best, total, lifetime=answered.lifetime, level=answered.level,
        factors=sorted(factors),
    )  # fmt: skip
    if hardware is None:
        return missed
    money = hardware["training"]["money"]["value"] * total / max(answered.found.flops, 1.0)
    return tuple(replace(part, money_more=money * part.flops_more.value) for part in missed)


def _flops(shape: TransformerConfig, tokens: float, family: Mapping[str, Any]) -> dict[str, float]:
    """The run's FLOP under every convention, with the shares of tokens that the runs had."""
    counted = {
        name: family[share] * tokens
        for name, share in (("encoder_tokens", "encoder_share"), ("predicted", "predicted_share"))
        if share in family
    }
    return {
        name: float(training_flops(shape, tokens, name, **counted)) for name in FLOPS_CONVENTIONS
    }


def _parameters(shape: TransformerConfig) -> dict[str, int]:
    counts = count_parameters(shape)
    return {
        "params_total": counts.total,
        "params_non_embedding": counts.non_embedding,
        "params_matmul": counts.matmul,
    }


def _beyond(source: Source, found: Optimum) -> dict[str, float]:
    """Factor outside the runs' range of N and of D; 1 inside."""
    beyond: dict[str, float] = {}
    for name, value in (("N", found.n), ("D", found.d)):
        if name in source.ranges:
            low, high = source.ranges[name]
            beyond[name] = max(value / high, low / value, 1.0)
    return beyond


def _intervals(answered: Answered) -> tuple[Interval, Interval, Interval, Interval | None]:
    """N, D and loss, and FLOP where a target was asked for."""
    found, drawn, level = answered.found, answered.found.drawn, answered.level
    _, reason = draws_of(answered.search)
    if drawn is None:
        reason = reason or "the search is too narrow for an interval"
    elif drawn.values.shape[1] < MIN_DRAWS:
        reason = f"only {drawn.values.shape[1]} draws have an optimum, fewer than {MIN_DRAWS}"
    values = (found.n, found.d, found.loss)
    if drawn is None or reason:
        n, d, loss = (Interval(value=value, reason=reason) for value in values)
        flops = Interval(value=found.law_flops, reason=reason)
    else:
        n, d, loss = (
            _widened(value, smooth, row, drawn.weights, level)
            for value, smooth, row in zip(values, found.smooth, drawn.values[:3], strict=True)
        )
        flops = _flops_interval(answered, drawn)
    if answered.search.limits.n is not None:
        n = Interval(value=found.n, reason=_GIVEN)
        d = replace(d, reason="it follows from N and the budget") if d.reason == ALL_AGREE else d
    if answered.aim.buys and answered.lifetime is None:
        return n, d, loss, None
    return n, d, _loss_there(answered, loss), flops


def _flops_interval(answered: Answered, drawn: Drawn) -> Interval:
    """FLOP of training over the draws; one that never reaches the target takes endless FLOP."""
    models = answered.search.candidates.between(np.log(drawn.values[0]))
    spent = np.append(models.law_cost * drawn.values[1], np.inf)
    weights = np.append((1 - drawn.lost) * drawn.weights, drawn.lost)
    n, d, _ = answered.found.smooth
    smooth = float(answered.search.candidates.between(np.log(np.array([n]))).law_cost[0]) * d
    return _widened(answered.found.law_flops, smooth, spent, weights, answered.level)


def _widened(
    value: float, smooth: float, draws: FloatArray, weights: FloatArray, level: float
) -> Interval:
    """Percentiles over the draws, each at its own optimum.

    Draws move width continuously, the plan in real steps: where the steps are coarser than the
    draws, the interval is widened to the plan's own shape (and a caveat says so).
    """
    found = interval_of(value, draws, weights, level)
    if math.isnan(found.low) or not found.low <= smooth <= found.high:
        return found
    return replace(found, low=min(found.low, value), high=max(found.high, value))


def _loss_there(answered: Answered, at_optimum: Interval) -> Interval:
    """The loss that the draws give the plan's own N and D: how sure the target is reached."""
    there = _losses_there(answered)
    if there is None:
        return at_optimum
    losses, weights = there
    good = np.isfinite(losses)
    return interval_of(answered.found.loss, losses[good], weights[good], answered.level)


def _losses_there(answered: Answered) -> tuple[FloatArray, FloatArray] | None:
    """Losses at the plan's own N and D (R,) of all draws, with their weights."""
    search, found = answered.search, answered.found
    draws, reason = draws_of(search)
    if reason:
        return None
    models = search.candidates.between(np.log(np.array([found.n])))
    d = np.array([found.d])
    losses = [
        search.source.drawn(search.source.beliefs[index], rows, search.setting).loss(
            models.n, d, models.law_cost * d
        )[:, 0]
        for index, rows, _ in draws
    ]
    return np.concatenate(losses), np.concatenate([part for *_, part in draws])


def _metric(answered: Answered) -> MetricAtPlan | None:
    chain = answered.source.chain
    if chain is None:
        return None
    asked = answered.aim.value if answered.aim.kind == "metric" else None
    return metric_at(chain, answered.found.loss, _losses_there(answered), answered.level, asked)

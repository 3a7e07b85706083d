"""The sentences that a plan carries: what to know before spending the budget."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from isoloss.planning._serving import where
from isoloss.planning.shapes import DEFAULT_CONTEXT_LENGTH, DEFAULT_VOCAB_SIZE
from isoloss.planning.sources import depends_on_unique

if TYPE_CHECKING:
    from isoloss.planning._answered import Answered
    from isoloss.planning.allocation import Optimum
    from isoloss.planning.budget import Plan
    from isoloss.planning.sources import Source
    from isoloss.planning.wishes import ShapeWishes

MANY = 0.05
"""Share of draws at an edge, or lost, from which the interval deserves a word."""
MAX_HEAD_SHARE = 0.3
MAX_ASPECT_SEEN = 256
"""Width over depth above which nobody trains; a family of fixed depth gets there."""


def of_plan(plan: Plan, answered: Answered, *, six_nd: str) -> tuple[str, ...]:
    """Every caveat of a plan, the weightiest first."""
    source, optimum = answered.source, answered.found
    return (
        *source.caveats,
        *_of_distance(plan, source),
        *_of_search(plan, answered),
        *_of_interval(plan, source, optimum),
        *_of_data(answered),
        *_of_use(plan, answered),
        *_of_counting(plan, answered, six_nd),
        *_of_shape(plan, source, optimum, answered.wishes),
    )


def _of_distance(plan: Plan, source: Source) -> Iterator[str]:
    if math.isnan(plan.extrapolation):
        yield f"How far the budget lies beyond the runs is unknown: {plan.extrapolation_reason}."
    elif plan.extrapolation > 1:
        yield (
            f"The budget is {plan.extrapolation:.3g} times the largest of the runs "
            f"({source.ranges['C'][1]:.3g} FLOP): the law is extrapolated."
        )
    for name, factor in plan.beyond.items():
        if factor > 1:
            low, high = source.ranges[name]
            yield (f"{name} lies a factor {factor:.3g} outside the runs ({low:.3g} to {high:.3g}).")


def _of_search(plan: Plan, answered: Answered) -> Iterator[str]:
    limits = answered.search.limits
    if answered.found.edge and not limits.active:
        yield (
            f"The optimum is at the edge of the search (the {answered.found.edge} N looked at, "
            f"{plan.n.value:.3g}): the true one may lie beyond, or the law has none."
        )
    if limits.n is not None and abs(plan.n.value / limits.n - 1) > 1e-9:
        yield f"N was to be {limits.n:.4g}; the nearest real shape has {plan.n.value:.4g}."


def _of_interval(plan: Plan, source: Source, optimum: Optimum) -> Iterator[str]:
    if plan.n.reason and plan.loss.reason:
        yield f"N, D and loss have no interval: {plan.loss.reason}."
    elif plan.loss.reason:
        yield f"The loss has no interval: {plan.loss.reason}."
    outside = [
        name
        for name, part in (("N", plan.n), ("D", plan.d), ("loss", plan.loss))
        if not math.isnan(part.low) and not part.low <= part.value <= part.high
    ]
    if outside:
        yield (
            f"The value of {', '.join(outside)} lies outside its interval: the draws disagree "
            "with the fit."
        )
    if optimum.config is not None and optimum.n in (plan.n.low, plan.n.high):
        yield (
            "Steps of width are coarser than the interval of N, which is widened to the plan's "
            f"own shape (between shapes the optimum is N {optimum.smooth[0]:.3g})."
        )
    drawn = optimum.drawn
    if drawn is not None and drawn.at_edge > MANY:
        yield (
            f"{drawn.at_edge:.0%} of the draws have their optimum at an edge of the "
            "search: the interval of N is cut there."
        )
    if drawn is not None and drawn.lost > MANY:
        what = "no optimum" if plan.asked.keys().isdisjoint(("loss", "metric")) else (
            "no model that reaches the target"
        )  # fmt: skip
        yield f"{drawn.lost:.0%} of the draws have {what} and are left out."


def _of_data(answered: Answered) -> Iterator[str]:
    yield from answered.notes
    knows = any(depends_on_unique(belief.law) for belief in answered.source.beliefs)
    if answered.search.setting.unique_tokens is None and knows:
        yield "Every token is taken to be read once (unique tokens = D)."


def _of_use(plan: Plan, answered: Answered) -> Iterator[str]:
    if plan.inference is not None:
        yield (
            f"A token of use is priced by {plan.inference.basis}; a model this far from the "
            "compute-optimal one is only as good as the law says if the law holds at its D/N."
        )
    if answered.serving is not None:
        yield (
            f"The largest N that can be served on {where(answered.serving)} is "
            f"{answered.search.limits.max_n:.4g}, by the roofline's count of memory."
        )
    if plan.hardware is not None and not plan.hardware["layout"]["fits"]:
        yield (
            "No parallel layout of these devices holds the training run: take more of them, or "
            "devices with more memory. Time and money are as if one did."
        )
    if answered.aim.on_hardware:
        yield (
            "The budget is turned into FLOP at one assumed utilisation and price; their ranges "
            "are under hardware and are in no interval of N, D and loss."
        )


def _of_counting(plan: Plan, answered: Answered, six_nd: str) -> Iterator[str]:
    source, optimum = answered.source, answered.found
    if not source.n_convention:
        yield "The source does not say what its N counts; params_total is assumed."
    if source.n_convention == "params_active":
        yield "N counts active parameters; the shape is a dense model of that size."
    if source.published and optimum.config is not None:
        yield (
            "The paper names no shapes; those of the rule (depth by width, see `shape_near`) are "
            f"taken, and the law's C is {plan.flops_convention}."
        )
    if optimum.config is not None:
        return
    if not source.flops_convention:
        yield (
            f"The source does not say how it counts FLOP; C = 6 N D is assumed ({six_nd}, as N "
            f"is {plan.n_convention})."
        )
    elif source.flops_convention != six_nd:
        yield (
            f"The budget is in {source.flops_convention}, but the source knows no family of "
            f"shapes, so it is spent by C = 6 N D with N as {plan.n_convention} ({six_nd})."
        )


def _of_shape(plan: Plan, source: Source, optimum: Optimum, wishes: ShapeWishes) -> Iterator[str]:
    shape = plan.architecture
    for name, default in (
        ("vocab_size", DEFAULT_VOCAB_SIZE),
        ("context_length", DEFAULT_CONTEXT_LENGTH),
    ):
        if getattr(wishes, name) is None and name not in source.family:
            yield f"{name} is not known; the shape assumes {default:,}."
    for name, wish in vars(wishes).items():
        if wish is not None and source.family.get(name, wish) != wish:
            yield (
                f"The runs have {name} {source.family[name]:,}, not {wish:,}: "
                "the law was not fitted to such models."
            )
    counted = plan.parameters.get(plan.n_convention, plan.parameters["params_total"])
    if abs(counted / plan.n.value - 1) > MANY:
        yield (
            f"The nearest shape of the rule has {counted:.4g} {plan.n_convention}, "
            f"N* is {plan.n.value:.4g}."
        )
    head = shape.vocab_size * shape.d_model / plan.parameters["params_matmul"]
    if head > MAX_HEAD_SHARE and plan.n_convention in ("params_matmul", "params_total"):
        yield f"The output head is {head:.0%} of params_matmul: N is much vocabulary."
    if shape.d_model / shape.n_layer > MAX_ASPECT_SEEN:
        yield (
            f"Depth {shape.n_layer} at width {shape.d_model:,} is far from what is trained at "
            "this size; give n_layer, and runs of that depth."
        )
    elif source.published:
        return
    elif optimum.config is not None and not wishes.n_layer and "n_layer" not in source.family:
        yield "The runs differ in depth; depth follows the width by rule (64 to 128 wide a layer)."

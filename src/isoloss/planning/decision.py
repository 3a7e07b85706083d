"""From a source and a budget, or a target, to a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from isoloss.errors import UsageError
from isoloss.planning import _serving
from isoloss.planning._answered import Answered, goal_for
from isoloss.planning._assembly import assembled
from isoloss.planning._choosing import candidates_of
from isoloss.planning.allocation import optimum
from isoloss.planning.budget import Plan
from isoloss.planning.candidates import Candidates
from isoloss.planning.goals import Lifetime
from isoloss.planning.hardware import HardwareChoice, Range, flops_of, hardware_choice
from isoloss.planning.inference import lifetime_in_flops
from isoloss.planning.limits import Limits
from isoloss.planning.repetition import with_repetition
from isoloss.planning.search import Search
from isoloss.planning.sources import Plannable, Setting, Source, read_source
from isoloss.planning.wishes import Aim, ShapeWishes, check_positive, the_aim

Hardware = HardwareChoice | str
Assumed = float | tuple[float, float, float] | Range | None


def plan(
    source: Plannable | Sequence[Plannable],
    *,
    flops: float | None = None,
    gpu_hours: float | None = None,
    money: float | None = None,
    days: float | None = None,
    loss: float | None = None,
    metric: float | None = None,
    hardware: Hardware | None = None,
    devices: int = 1,
    utilisation: Assumed = None,
    price: Assumed = None,
    n: float | None = None,
    max_n: float | None = None,
    min_tokens_per_parameter: float | None = None,
    max_tokens_per_parameter: float | None = None,
    unique_tokens: float | None = None,
    inference_tokens: float | None = None,
    inference_cost: str = "flops",
    serve_on: Hardware | None = None,
    serve_devices: int = 1,
    serve_bits: int = 16,
    serve_context: int | None = None,
    weights: str | Sequence[float] | None = None,
    ladder_recipe: Mapping[str, Any] | None = None,
    n_layer: int | None = None,
    vocab_size: int | None = None,
    context_length: int | None = None,
    level: float = 0.9,
) -> Plan:
    """What to train with a budget, or for a target: parameters, tokens, loss and a shape.

    Where the source knows its family (vocabulary and context of its runs) and its FLOP
    convention, the optimum is over real shapes with exact counts: the family's depth (or
    `n_layer`) and widths in steps of 16, or `rule_depth` where the runs differ in depth.
    Otherwise `C = 6 N D`, and the shape is the nearest of the rule of `shape_near`. A budget of
    hardware is spent by PaLM's count of each shape at the assumed utilisation.

    Args:
        source: a fit; several, or a comparison of laws, to average; a chain of two fits, from N
            and D to the loss and from the loss to a metric; or `published:NAME` (see
            `published_names`).
        flops: the budget in training FLOP, in the source's convention.
        gpu_hours, money, days: instead: device-hours, US dollars, days on all `devices`.
        loss, metric: instead: the cheapest model with this loss, or with this value of the
            chain's metric.
        hardware: a device by name, or a choice made by `hardware_choice`.
        devices, utilisation, price: how many; model FLOP utilisation in (0, 1]; US dollars a
            device-hour; each a number, (value, low, high), or what `measured_utilisation` gave.
            Only for a device by name.
        n: fix N; what is left is D.
        max_n: largest N; min_tokens_per_parameter, max_tokens_per_parameter: bounds of D/N.
        unique_tokens: of the text at hand; more tokens than these are repeated ones.
        inference_tokens: read and written over the model's life. A budget then names a quality:
            that of its compute-optimal model, reached with the least training and use.
        inference_cost: `flops`, or `money`: of training on `hardware`, and of use on `serve_on`
            by its roofline.
        serve_on, serve_devices, serve_bits, serve_context: the model must fit there: devices
            of one copy, bits of a weight (16, 8 or 4), tokens of one request.
        weights: of several fits: `equal` or numbers; a comparison has its own.
        ladder_recipe: how the runs were trained (`recipe_of_runs`): where its learning rate holds
            at other widths, the plan's recipe carries it over.
        n_layer, vocab_size, context_length: fix this part of the shape.
        level: of the intervals.

    Raises:
        UsageError: not exactly one budget or target, a wish that is no positive number, wishes
            that exclude each other, a budget below the smallest model, a target that no model
            reaches, or a law that depends on what a budget does not settle.
        NotFoundError: no published law or device of that name.
        UntrustedError: the law gives no finite loss.

    >>> best = plan("published:hoffmann", flops=5.76e23)
    >>> f"{best.n.value:.4g} parameters on {best.d.value:.4g} tokens"
    '3.219e+10 parameters on 2.982e+12 tokens'
    >>> cheap = plan("published:sardana", flops=6 * 13e9 * 5.765e11, inference_tokens=2e12)
    >>> f"{cheap.n.value:.3g} parameters, {cheap.inference.saved.value:.1%} saved"
    '6.97e+09 parameters, 17.4% saved'
    """
    aim = the_aim(
        {"flops": flops, "gpu_hours": gpu_hours, "money": money, "days": days, "loss": loss,
         "metric": metric}
    )  # fmt: skip
    if not 0 < level < 1:
        raise UsageError(f"level must lie between 0 and 1, found {level!r}", hint="Try 0.9.")
    limits = Limits(
        n=n,
        max_n=max_n,
        min_ratio=min_tokens_per_parameter,
        max_ratio=max_tokens_per_parameter,
    )
    served_on = _choice(serve_on, serve_devices, None, None)
    read = read_source(source, weights)
    wishes = ShapeWishes(n_layer=n_layer, vocab_size=vocab_size, context_length=context_length)
    question = _Question(
        aim=aim,
        source=read,
        wishes=_with_served_context(wishes, read, serve_context),
        limits=limits,
        trained_on=_choice(hardware, devices, utilisation, price),
        serving=_serving.Wish.of(served_on, serve_bits, serve_context),
        unique_tokens=check_positive("unique_tokens", unique_tokens),
        inference_tokens=check_positive("inference_tokens", inference_tokens),
        inference_cost=inference_cost,
        ladder_recipe=ladder_recipe,
    )
    return assembled(_answer(question, level))


@dataclass(frozen=True, kw_only=True)
class _Question:
    """What `plan` was asked, each part checked by itself."""

    aim: Aim
    source: Source
    wishes: ShapeWishes
    limits: Limits
    trained_on: HardwareChoice | None
    serving: _serving.Wish | None
    unique_tokens: float | None
    inference_tokens: float | None
    inference_cost: str
    ladder_recipe: Mapping[str, Any] | None


def _answer(question: _Question, level: float) -> Answered:
    """Look for the optimum."""
    aim, source, notes = question.aim, question.source, ()
    if question.unique_tokens is not None:
        source, notes = with_repetition(source)
    in_money = _in_money(question)
    budget = _budget(aim, question.trained_on)
    candidates = candidates_of(
        source,
        question.wishes,
        budget,
        palm=aim.on_hardware or in_money,
        shapes=question.serving is not None,
    )
    limits = question.limits
    if question.serving is not None:
        limits = _serving.limited(limits, candidates, question.serving)
    setting = Setting(
        n_convention=source.n_convention,
        vocab_size=candidates.vocab_size,
        unique_tokens=question.unique_tokens,
    )
    search = Search(source=source, candidates=candidates, setting=setting, limits=limits)
    lifetime = _lifetime(question, candidates, in_money)
    goal_of = goal_for(search, aim, budget, lifetime)
    return Answered(
        aim=aim,
        search=search,
        found=optimum(search, goal_of),
        goal_of=goal_of,
        budget=budget,
        lifetime=lifetime,
        trained_on=question.trained_on,
        serving=question.serving,
        wishes=question.wishes,
        level=level,
        notes=notes,
        borrowed=source.beliefs != question.source.beliefs,
        ladder_recipe=question.ladder_recipe,
    )


def _with_served_context(
    wishes: ShapeWishes, source: Source, serve_context: int | None
) -> ShapeWishes:
    """Where nothing says how long the context is, it is as long as what is to be served."""
    if serve_context is None or wishes.size("context_length", source.family) is not None:
        return wishes
    return replace(wishes, context_length=serve_context)


def _lifetime(question: _Question, candidates: Candidates, in_money: bool) -> Lifetime | None:
    if question.inference_tokens is None:
        return None
    if not in_money:
        return lifetime_in_flops(question.inference_tokens)
    return _serving.lifetime(
        question.inference_tokens, candidates, question.trained_on, question.serving
    )


def _choice(
    hardware: Hardware | None,
    devices: int,
    utilisation: Assumed,
    price: Assumed,
) -> HardwareChoice | None:
    if isinstance(hardware, HardwareChoice):
        return hardware
    if hardware is None:
        return None
    return hardware_choice(hardware, devices, mfu=utilisation, price=price)


def _budget(aim: Aim, hardware: HardwareChoice | None) -> float | None:
    """FLOP of the budget, in the convention it is searched in; None for a target."""
    if not aim.buys:
        return None
    if not aim.on_hardware:
        return aim.value
    if hardware is None:
        raise UsageError(
            f"a budget of {aim.kind} needs hardware", hint="For example hardware='h100-sxm'."
        )
    return flops_of(hardware, **{aim.kind: aim.value}).value


def _in_money(question: _Question) -> bool:
    if question.inference_cost not in ("flops", "money"):
        raise UsageError(
            f"inference_cost must be 'flops' or 'money', found {question.inference_cost!r}"
        )
    if question.inference_cost == "flops" or question.inference_tokens is None:
        return False
    if question.trained_on is None or question.serving is None:
        raise UsageError(
            "inference_cost='money' needs hardware to train on and serve_on to answer on",
            hint="For example hardware='h100-sxm', serve_on='h100-sxm'.",
        )
    return True

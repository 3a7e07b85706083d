"""A plan in text, at most 80 columns wide."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from isoloss.planning.budget import NO_HARDWARE
from isoloss.planning.interval import Interval

if TYPE_CHECKING:
    from isoloss.planning.budget import Plan
    from isoloss.planning.deadweight import Missed, Within

WIDTH = 80
_UNITS = {
    "flops": "{:.4g} FLOP",
    "gpu_hours": "{:,.4g} device-hours",
    "money": "${:,.4g}",
    "days": "{:,.4g} days",
    "loss": "a loss of {:.4g}",
    "metric": "a metric of {:.4g}",
}


def plan_text(plan: Plan) -> str:
    """Every part that the plan has."""
    lines = [_title(plan)]
    lines += [line for name, text in _rows(plan) for line in _wrapped(f"  {name:<9} ", text)]
    for block in (_epochs(plan), _sizes(plan), _hardware(plan), _serving(plan)):
        lines += block
    if plan.caveats:
        lines.append("Caveats")
    lines += [line for caveat in plan.caveats for line in _wrapped("  - ", caveat)]
    return "\n".join(lines)


def short_text(plan: Plan) -> str:
    """N, D, loss and FLOP alone, with the caveats."""
    wanted = ("Source", "N", "D", "Loss", "FLOP", "Beyond")
    rows = [(name, text) for name, text in _rows(plan) if name in wanted]
    lines = [_title(plan), *(line for row in rows for line in _wrapped(f"  {row[0]:<9} ", row[1]))]
    caveats = [caveat for caveat in plan.caveats if "the shape assumes" not in caveat]
    lines += ["Caveats"] if caveats else []
    lines += [line for caveat in caveats for line in _wrapped("  - ", caveat)]
    return "\n".join(lines)


def _title(plan: Plan) -> str:
    aims = [words.format(plan.asked[kind]) for kind, words in _UNITS.items() if kind in plan.asked]
    if not aims or "flops" in plan.asked:
        return f"Plan for {plan.flops:.4g} FLOP ({plan.flops_convention})"
    return f"Plan for {aims[0]}"


def _rows(plan: Plan) -> Iterator[tuple[str, str]]:
    yield "Source", f"{plan.source}; law {plan.law}"
    limits = {k: v for k, v in plan.asked.items() if k not in _UNITS}
    if limits:
        yield "Asked", ", ".join(f"{name} {value:.4g}" for name, value in limits.items())
    known = [part for part in (plan.n, plan.d, plan.loss) if not math.isnan(part.low)]
    yield "", f"[{plan.level:.0%} interval]" if known else f"no interval: {plan.n.reason}"
    yield "N", f"{plan.n}  {plan.n_convention}"
    yield "D", f"{plan.d}  tokens, {plan.tokens_per_parameter:.3g} per parameter"
    yield "Loss", f"{plan.loss}"
    if plan.metric is not None:
        yield "Metric", f"{plan.metric.value}  {plan.metric.name}"
    if plan.flops_interval is not None:
        yield "FLOP", f"{plan.flops_interval}  {plan.flops_convention}, of training"
    elif "flops" not in plan.asked and plan.asked:
        yield "FLOP", f"{plan.flops:.4g}  {plan.flops_convention}, of training"
    yield from _use(plan)
    if plan.best is not None:
        yield "No limits", _compared(plan, plan.best)
    yield "Shape", ", ".join(f"{k}={v}" for k, v in plan.architecture.to_dict().items())
    others = ", ".join(f"{key} {value:.3g}" for key, value in plan.flops_by_convention.items())
    yield "", f"FLOP of this shape: {others}"
    if plan.recipe is not None:
        recipe = plan.recipe
        yield (
            "Recipe",
            (
                f"{recipe.steps:,} steps of {recipe.batch_tokens:,} tokens, learning rate "
                f"{recipe.learning_rate:.3g}, {recipe.schedule}; the rest and why under `recipe`"
            ),
        )
    yield "Beyond", _beyond(plan)
    yield "Found by", plan.method
    if plan.hardware is None:
        yield "Hardware", NO_HARDWARE


def _use(plan: Plan) -> Iterator[tuple[str, str]]:
    use = plan.inference
    if use is None:
        return
    show = _dollars if use.unit == "money" else _flop
    yield (
        "Use",
        (
            f"{use.tokens:.4g} tokens: training {show(use.training)} + use {show(use.use)} = "
            f"{show(use.total)}"
        ),
    )
    other = f"N {use.optimal_n:.4g}, D {use.optimal_d:.4g}"
    if math.isnan(use.optimal_total):
        yield "", f"{use.saved.reason} ({other})"
    else:
        yield (
            "",
            (
                f"the compute-optimal model of that loss ({other}) takes "
                f"{show(use.optimal_total)}: {_percent(use.saved)} saved"
            ),
        )


def _flop(value: float) -> str:
    return f"{value:.4g} FLOP"


def _dollars(value: float) -> str:
    return f"${value:,.0f}" if value >= 100 else f"${value:,.3g}"


def _compared(plan: Plan, best: Mapping[str, float]) -> str:
    words = f"N {best['n']:.4g}, D {best['d']:.4g}, loss {best['loss']:.4g}"
    if abs(plan.loss.value - best["loss"]) < 1e-9:  # a target: the loss is the same
        return f"{words}; the limits cost {plan.flops / best['flops'] - 1:.1%} more training FLOP"
    return f"{words}; the limits cost {plan.loss.value - best['loss']:.3g}"


def _beyond(plan: Plan) -> str:
    if math.isnan(plan.extrapolation):
        words = plan.extrapolation_reason
    else:
        words = f"{plan.extrapolation:.3g} times the largest budget of the runs"
    outside = [f"{name} {factor:.3g}x" for name, factor in plan.beyond.items() if factor > 1]
    return words + (f"; outside their range: {', '.join(outside)}" if outside else "")


def _epochs(plan: Plan) -> list[str]:
    epochs = plan.epochs
    if epochs is None:
        return []
    read = (
        f"read {_signed(epochs.epochs)} times"
        if epochs.epochs.value > 1
        else "more than D: nothing is repeated"
    )
    lines = _head(f"Repetition: {epochs.unique_tokens:.4g} unique tokens, {read}")
    lines.append("  reading  worth in fresh text  lowers the loss by           fresh text would")
    for part in epochs.worth:
        lines.append(
            f"  {part.epoch:<8} {_percent(part.fresh_share):<20} {_signed(part.loss_gain):<28} "
            f"{part.fresh_gain.value:.3g}"
        )
    if epochs.half_worth:
        lines += _wrapped("  ", (
            f"From reading {epochs.half_worth} on, one is worth less than half of fresh text; "
            f"all readings together at most {epochs.most:.3g} times the unique tokens."
        ))  # fmt: skip
    return lines


def _sizes(plan: Plan) -> list[str]:
    lines: list[str] = []
    if plan.deadweight:
        money = any(math.isfinite(part.money_more) for part in plan.deadweight)
        best = plan.deadweight[0].n / plan.deadweight[0].factor
        over = "budget" if plan.inference is None else "training and use"
        lines.append(f"Another size than N = {best:.4g}, on the same {over}")
        lines.append(
            f"  {'size':<6} {'N':<10} {'loss above the best':<26} "
            + (f"{'FLOP to make up for it':<23} money" if money else "FLOP to make up for it")
        )
        lines += [_missed(part, money).rstrip() for part in plan.deadweight]
        if any(part.loss_more.low < 0 for part in plan.deadweight):
            lines += _wrapped("  ", "Below 0: some draws of the fit take that size for the better.")
    if plan.valley is not None and plan.valley.within:
        lines.append("Valley: sizes that give up at most so much")
        lines += [_within(part) for part in plan.valley.within]
    return lines


def _missed(part: Missed, money: bool) -> str:
    flops = "never" if math.isnan(part.flops_more.value) else _more(part.flops_more)
    dollars = _dollars(part.money_more) if money and math.isfinite(part.money_more) else ""
    size = f"{part.factor:.3g}x"
    return f"  {size:<6} {part.n:<10.4g} {_signed(part.loss_more):<26} {flops:<23} {dollars}"


def _within(part: Within) -> str:
    low = "lower than shown" if math.isnan(part.low) else f"{part.low:.3g}"
    high = "higher than shown" if math.isnan(part.high) else f"{part.high:.3g}"
    what = "of the loss" if part.of == "loss" else "of the budget, at equal loss"
    return f"  {f'{part.percent:g}%':<6} N {low} to {high}  {what}"


def _hardware(plan: Plan) -> list[str]:
    if plan.hardware is None:
        return []
    choice, training = plan.hardware["choice"], plan.hardware["training"]
    lines = _head(
        f"Hardware: {choice['count']:,} x {choice['device']['name']}, {choice['dtype']}, "
        f"utilisation {_span(choice['utilisation'])}, ${_span(choice['price'])} an hour "
        "(ranges of the assumptions, not confidence intervals)"
    )  # fmt: skip
    for name, words in (
        ("device_hours", "device-hours"), ("days", "days"), ("money", "US dollars"),
        ("energy_kwh", "kWh"),
    ):  # fmt: skip
        lines.append(f"  {words:<13} {_span(training[name])}")
    if "at_the_ends" in plan.hardware:
        low, high = plan.hardware["at_the_ends"]
        lines += _wrapped("  ", (
            f"The budget buys {_span(plan.hardware['budget_flops'])} FLOP: at the ends N is "
            f"{low['n']:.3g} to {high['n']:.3g}, the loss {low['loss']:.4g} to {high['loss']:.4g}."
        ))  # fmt: skip
    for reason in plan.hardware["layout"]["reasons"]:
        lines += _wrapped("  - ", str(reason))
    return lines


def _serving(plan: Plan) -> list[str]:
    if plan.serving is None:
        return []
    served = plan.serving
    lines = _head(
        f"Serving on {served['devices_per_replica']} x {served['device']} at "
        f"{served['weight_bits']} bits: weights {served['weight_bytes'] / 1e9:.3g} GB, cache of "
        f"one request {served['cache_bytes'] / 1e9:.3g} GB, at most {served['max_batch']:,} at once"
    )  # fmt: skip
    for name, words in (
        ("first_token_seconds", "first token, s"),
        ("token_seconds", "next tokens, s"),
        ("money_per_million_output", "$ a million written, one request at a time"),
    ):
        lines.append(f"  {_span(served[name]):<28} {words}")
    return lines


def _span(span: Mapping[str, float]) -> str:
    """`0.4 (0.25 to 0.5)`."""
    value, low, high = (_number(span[name]) for name in ("value", "low", "high"))
    return value if low == high else f"{value} ({low} to {high})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if 1000 <= value < 1e7 else f"{value:.4g}"


def _signed(part: Interval) -> str:
    return _with_ends(part, lambda value: f"{value:.3g}", lambda value: f"{value:.2g}")


def _percent(part: Interval) -> str:
    return _with_ends(part, lambda value: f"{100 * value:.3g}%")


def _more(part: Interval) -> str:
    """A share of the budget: in percent, or in budgets where it is many."""
    return _with_ends(part, lambda v: f"{100 * v:.3g}%" if abs(v) < 10 else f"{v:.3g}x")


def _with_ends(
    part: Interval, shown: Callable[[float], str], end: Callable[[float], str] | None = None
) -> str:
    if math.isnan(part.low):
        return shown(part.value)
    end = end or shown
    high = "never" if math.isnan(part.high) else end(part.high)
    return f"{shown(part.value)} [{end(part.low)}, {high}]"


def _head(text: str) -> list[str]:
    """The first line of a block; what does not fit is indented like the block."""
    return textwrap.wrap(text, WIDTH, subsequent_indent="    ")


def _wrapped(start: str, text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=start, subsequent_indent=" " * len(start)) or [
        start.rstrip()
    ]

"""A comparison of arms as text, 80 columns wide."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

from isoloss.fitting.text import WIDTH

if TYPE_CHECKING:
    from isoloss.fitting.arms.arm_effects import ArmComparison, ArmEffect
    from isoloss.fitting.result import Estimate


def comparison_text(result: ArmComparison) -> str:
    """Law, target, the worth of each arm in a sentence, by scale, and the test."""
    fit = result.shared
    conventions = f"N is {fit.n_convention or 'as given'}"
    tied = f"; {result.constraints}" if result.constraints else ""
    head = (
        f"arms by {result.group!r} against {result.baseline!r}: {result.n_rows} runs;"
        f" {conventions}; {result.law.name}{tied}; effect: {result.effect}"
    )
    at = ", ".join(f"{name} = {value:.4g}" for name, value in result.at.items())
    beyond = f", {result.extrapolation:.3g}x beyond the runs" if result.extrapolation > 1 else ""
    lines = [*_wrapped(head), *_wrapped(f"target: {at}{beyond}"), ""]
    for effect in result.effects:
        lines += [*_wrapped(_sentence(result, effect)), *_details(result, effect), ""]
    lines += _wrapped(f"status: {result.status}")
    return "\n".join(lines)


def _sentence(result: ArmComparison, effect: ArmEffect) -> str:
    worth = effect.multiplier
    told = _times(worth.value)
    verb = f"{effect.arm} is worth {told} {result.unit} at the target"
    if math.isnan(worth.low):
        return f"{verb} (no interval: {worth.reason})"
    return (
        f"{verb}, {result.level:.0%} interval [{_times(worth.low)}, {_times(worth.high)}];"
        f" better with probability {_probability(effect.probability_better)}"
    )


def _details(result: ArmComparison, effect: ArmEffect) -> list[str]:
    lines = [f"  loss gap {_interval(effect.loss_gap, '+.4f')}; {effect.n_rows} runs"]
    if effect.pairs:
        told = f"{effect.pairs_better} with less loss, {effect.pairs_worse} with more"
        lines.append(f"  {effect.pairs} pairs with the baseline: {told}")
    for name, factor in effect.factors.items():
        note = " (at its bound)" if factor.at_bound else ""
        lines.append(f"  {name} worth {_interval(factor, '.4g', 'x')} by the shared law{note}")
    lines.append(f"  {'at ' + result.unit:>14}   {'shared law':<29}{'separate laws':<29}")
    for point in effect.by_scale:
        cells = (_interval(point.shared, ".3g", "x"), _interval(point.separate, ".3g", "x"))
        lines.append(f"  {point.size:>14.3g}   {cells[0]:<29}{cells[1]:<29}".rstrip())
    return lines


def _interval(figure: Estimate, form: str, suffix: str = "") -> str:
    if math.isnan(figure.value):
        return "–"
    value, low, high = (_figure(x, form) for x in (figure.value, figure.low, figure.high))
    return f"{value}{suffix}" + ("" if math.isnan(figure.low) else f" [{low}, {high}]")


def _figure(value: float, form: str) -> str:
    return f"{value:{form}}" if math.isfinite(value) else "over 1e6"


def _times(value: float) -> str:
    return f"{_figure(value, '.3g')}x"


def _probability(value: float) -> str:
    if math.isnan(value):
        return "unknown"
    return "> .999" if value > 0.999 else "< .001" if value < 0.001 else f"{value:.3f}".lstrip("0")


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ")

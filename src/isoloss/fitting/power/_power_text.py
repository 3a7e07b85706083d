"""Power fits and scaled predictions as text, 80 columns wide."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from isoloss.fitting.power._power_parts import Exponent
    from isoloss.fitting.power.power_fit import PowerFit
    from isoloss.fitting.scaled_predictions import ScaledPredictions, ScaledRow

WIDTH = 80


def power_text(fit: PowerFit) -> str:
    """Law, exponents with intervals, what is not identified and why, and notes."""
    conventions = [f"N is {fit.n_convention}"] if fit.n_convention else []
    conventions += [f"C is {fit.flops_convention}"] if fit.flops_convention else []
    lines = [
        f"{fit.target} = {fit.formula}",
        "; ".join([f"{fit.n_rows} runs", *conventions]),
        "",
        f"{'':<14}{'value':>12}{'stderr':>11}{'robust':>11}   {fit.level:.0%} interval",
    ]
    lines += [_line(name, e) for name, e in {**fit.params, **fit.combinations}.items()]
    lines += [
        "",
        f"scatter {100 * fit.scatter:.3g}%, R² {fit.r_squared:.6f} of the logarithms",
        *_wrapped(f"intervals: {fit.intervals}"),
    ]
    for relation in fit.relations:
        lines += _wrapped(f"! in these runs {relation}: exponents of both cannot be told apart")
    for note in fit.notes:
        lines += _wrapped(f"note: {note}")
    return "\n".join(lines)


def scaled_text(scaled: ScaledPredictions) -> str:
    """One line a factor, then what was assumed."""
    names = list(scaled.base)
    head = f"{'factor':>7}" + "".join(f"{name:>11}" for name in names)
    of = "of the law" if scaled.kind == "mean" else "of one run"
    lines = [
        f"{scaled.target}: {scaled.law}",
        "",
        f"{head}{'predicted':>13}   {scaled.level:.0%} interval {of}",
        *(_row(row, names) for row in scaled.rows),
        "",
        *_wrapped(f"assumed: {scaled.assumption}"),
    ]
    own = [note for row in scaled.rows for note in row.prediction.notes]
    following = "follows from the others"
    for note in dict.fromkeys([*scaled.notes, *(n for n in own if following not in n)]):
        lines += _wrapped(f"note: {note}")
    return "\n".join(lines)


def _line(name: str, exponent: Exponent) -> str:
    if math.isnan(exponent.value):
        return f"{name:<14}{'–':>12}   not identified"
    band = f"[{exponent.low:.5g}, {exponent.high:.5g}]"
    return (
        f"{name:<14}{exponent.value:>12.5g}{exponent.stderr:>11.3g}"
        f"{exponent.stderr_robust:>11.3g}   {band}"
    )


def _row(row: ScaledRow, names: list[str]) -> str:
    found = row.prediction
    counts = "".join(f"{found.at[name]:>11.4g}" for name in names)
    if math.isnan(found.low):
        band = f"no interval: {found.reason}"
    else:
        band = f"[{found.low:.5g}, {found.high:.5g}]"
    return f"{row.factor:>7g}{counts}{found.loss:>13.5g}   {band}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ")

"""A fit as text, 80 columns wide."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from isoloss.fitting.result import Fit

WIDTH = 80


def fit_text(fit: Fit) -> str:
    """Law, parameters with intervals, objective, status and failed checks."""
    conventions = f"N is {fit.n_convention or 'as given'}"
    if fit.flops_convention:
        conventions += f", C is {fit.flops_convention}"
    lines = [
        f"{fit.law.name}: L = {fit.law.formula}" if fit.law.name != fit.law.formula
        else f"L = {fit.law.formula}",
        f"{fit.n_rows} runs; {conventions}",
        "",
        f"{'':<8}{'value':>12}{'stderr':>12}   {fit.level:.0%} interval",
    ]  # fmt: skip
    for name, estimate in fit.params.items():
        band = (
            f"no interval: {estimate.reason}"
            if math.isnan(estimate.low)
            else f"[{estimate.low:.5g}, {estimate.high:.5g}]"
        )
        stderr = "" if math.isnan(estimate.stderr) else f"{estimate.stderr:.3g}"
        note = "  at its bound" if estimate.at_bound else ""
        lines.append(f"{name:<8}{estimate.value:>12.6g}{stderr:>12}   {band}{note}")
    lines += [
        "",
        *textwrap.wrap(
            f"objective {fit.objective.value:.10g} ({fit.objective.spec.describe()})", WIDTH
        ),
        *textwrap.wrap(f"status: {fit.status}", WIDTH, subsequent_indent="  "),
    ]
    failed = [check for check in fit.checks if not check.passed]
    lines.append(f"checks: {len(fit.checks) - len(failed)} of {len(fit.checks)} passed")
    for check in failed:
        lines += textwrap.wrap(
            f"! {check.name}: {check.message}. {check.cure}", WIDTH, subsequent_indent="  "
        )
    return "\n".join(lines)

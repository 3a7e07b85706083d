"""A fit of loss curves as text, 80 columns wide."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from isoloss.fitting.curve_fitting import CurveFit

WIDTH = 80


def curve_text(fit: CurveFit) -> str:
    """Law, parameters, curves with their errors, objective, status and failed checks."""
    lines = [f"{fit.law.name}: L = {fit.law.formula}", *_wrapped(fit.law.note), ""]
    for parameter in fit.law.parameters:
        estimate = fit.params[parameter.name]
        note = "  at its bound" if estimate.at_bound else ""
        lines.append(f"{parameter.name:<8}{estimate.value:>13.6g}  {parameter.meaning}{note}")
        if not math.isnan(estimate.low):
            band = f"[{estimate.low:.5g}, {estimate.high:.5g}]"
            lines.append(f"{'':<8}{band:>27}")
    if fit.decay is not None:
        lines.append(f"{'lambda':<8}{fit.decay:>13.6g}  given")
    lines += ["", f"{'curve':<28}{'points':>8}{'steps':>9}{'mean error':>13}"]
    for curve in fit.curves:
        error = f"{100 * fit.errors[curve.name]:.3f}%"
        name = textwrap.shorten(curve.name, 27, placeholder="…")
        lines.append(f"{name:<28}{len(curve):>8}{len(curve.schedule):>9}{error:>13}")
    failed = [check for check in fit.checks if not check.passed]
    reasons = dict.fromkeys(e.reason for e in fit.params.values() if e.reason and not e.at_bound)
    if fit.resampling:
        lines += ["", *_wrapped(f"{fit.level:.0%} intervals: {fit.resampling}")]
    lines += [
        "",
        f"objective {fit.objective.value:.10g} ({fit.objective.spec.describe()})",
        *_wrapped(f"status: {fit.status}"),
        *(line for reason in reasons for line in _wrapped(f"no intervals: {reason}")),
        f"checks: {len(fit.checks) - len(failed)} of {len(fit.checks)} passed",
    ]
    for check in failed:
        lines += _wrapped(f"! {check.name}: {check.message}. {check.cure}")
    return "\n".join(lines)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ")

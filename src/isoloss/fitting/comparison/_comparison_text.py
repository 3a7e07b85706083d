"""A comparison as text, 80 columns wide."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

from isoloss.fitting.comparison.compared_laws import short
from isoloss.fitting.text import WIDTH

if TYPE_CHECKING:
    from isoloss.fitting.comparison.compared_laws import ComparedLaw, Comparison

NAME = 22
"""Columns of a law's name."""
EXPLANATION = (
    "error: mean |predicted − measured| / measured on held-out runs; bias: the same with its"
    " sign; best: how often the law is first when held-out runs are resampled; weight: in"
    " predict; dAICc: n ln(RSS/n) + 2k + 2k(k+1)/(n−k−1) of squared residuals of log loss over"
    " all rows, above the lowest; trend: how often chance bends residuals so much."
)


def comparison_text(found: Comparison) -> str:
    """The laws, the baselines, the windows and what was assumed."""
    convention = f"N is {found.n_convention or 'not used'}"
    if found.flops_convention:
        convention += f", C is {found.flops_convention}"
    lines = [
        *_wrapped(f"{len(found.rows)} laws on {found.n_rows} runs; held out: {found.holdout}"),
        *_wrapped(convention),
        "",
        f"{'':<{NAME}}{'error':>7} {f'{found.level:.0%} interval':>13} {'bias':>7} {'best':>5}"
        f" {'weight':>6} {'dAICc':>7} {'trend':>6}",
        *(_law_line(row) for row in found.rows),
        f"{'L(C) of the frontier':<{NAME}}{_percent(found.baseline):>7}",
        f"{'lowest loss seen':<{NAME}}{_percent(found.naive):>7}",
        "",
        f"{'fitted to':<{NAME}}{'rows':>6}{'held out':>10}{'reach':>8}"
        f"{'best law':>10}{'L(C)':>9}{'lowest':>9}",
        *_window_lines(found),
        "",
        *_wrapped(EXPLANATION),
    ]
    for note in found.notes:
        lines += _wrapped(f"note: {note}")
    if not found.trusted:
        lines += _wrapped("! no law predicts better than the lowest loss seen: use none of them")
    for row in found.rows:
        if not found.fits[row.law].trusted:
            lines += _wrapped(f"! {short(row.law, 40)}: {row.status}")
        if row.error.reason:
            lines += _wrapped(f"! {short(row.law, 40)}: no interval: {row.error.reason}")
    return "\n".join(line.rstrip() for line in lines)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ")


def _percent(value: float) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:.2f}%" if value < 100 else f"{value:.0f}%"


def _law_line(row: ComparedLaw) -> str:
    known = math.isfinite(row.error.low)
    band = f"[{row.error.low:.2f}, {row.error.high:.2f}]" if known else "–"
    bias = f"{row.bias:+.2f}%" if math.isfinite(row.bias) else "–"
    delta = f"{row.delta_aicc:.1f}" if math.isfinite(row.delta_aicc) else "–"
    trend = f"{row.trend_p:.3f}" if math.isfinite(row.trend_p) else "–"
    return (
        f"{short(row.law, NAME - 1):<{NAME}}{_percent(row.error.value):>7} {band:>13} {bias:>7}"
        f" {row.best_share:>5.0%} {row.weight:>6.2f} {delta:>7} {trend:>6}"
    )


def _window_lines(found: Comparison) -> list[str]:
    return [
        f"{short(window.fitted_to, NAME - 1):<{NAME}}{window.rows:>6}{window.held_out:>10}"
        f"{_times(window.reach):>8}{_percent(window.errors[found.best]):>10}"
        f"{_percent(window.baseline):>9}{_percent(window.naive):>9}"
        for window in found.windows
    ]


def _times(value: float) -> str:
    return f"{value:.3g}x" if math.isfinite(value) else "–"

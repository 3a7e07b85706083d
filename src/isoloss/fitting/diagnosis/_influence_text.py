"""Influence as text, 80 columns wide."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from isoloss.fitting.diagnosis.influences import Influence, Removal

WIDTH = 80
SHOWN = 10
MOST_OUTLIERS = 8


def influence_text(found: Influence) -> str:
    """The most influential first: displacement, loss and D* without it, largest change."""
    at = ", ".join(f"{name} = {x:.3g}" for name, x in found.at.items())
    lines = textwrap.wrap(
        f"Fits without each {found.by} ({len(found.removals)} of them); more than"
        f" {found.much:.2g} displaces the fit out of its own 50% region.",
        WIDTH,
    )
    lines.append(
        f"with all runs: loss {found.loss:.4f} at {at}"
        if not found.loss_reason
        else f"no prediction: {found.loss_reason}"
    )
    lines.append(
        f"D* = {found.d_star:.3g}, N* = {found.n_star:.3g} for {found.budget:.3g} FLOP (6ND)"
        if not found.plan_reason
        else f"no plan: {found.plan_reason}"
    )
    head = f"{'':<30}{'displaced':>10}{'loss':>9}{'D*':>9}  largest change"
    lines += ["", head, *(_line(found, one) for one in found.removals[:SHOWN])]
    if len(found.removals) > SHOWN:
        lines.append(f"… and {len(found.removals) - SHOWN} that matter less")
    for outlier in found.outliers[:MOST_OUTLIERS]:
        lines += textwrap.wrap(
            f"! {outlier.run_id}: {outlier.reason}", WIDTH, subsequent_indent="  "
        )
    if len(found.outliers) > MOST_OUTLIERS:
        lines.append(f"! and {len(found.outliers) - MOST_OUTLIERS} more outliers")
    return "\n".join(lines)


def _line(found: Influence, one: Removal) -> str:
    label = one.label if len(one.label) <= 29 else one.label[:28] + "…"
    if one.reason:
        return f"{label:<30}{one.reason}"[:WIDTH]
    mark = "*" if one.displacement > found.much else " "
    loss = _percent(one.loss, found.loss)
    plan = f"x{one.d_star / found.d_star:.3g}" if math.isfinite(one.d_star) else "-"
    name, change = _largest_change(found, one)
    return f"{label:<30}{one.displacement:>9.2g}{mark}{loss:>9}{plan:>9}  {name} {change}"


def _largest_change(found: Influence, one: Removal) -> tuple[str, str]:
    """The parameter that moves most, relative to itself."""

    def size(name: str) -> float:
        return abs(one.params[name] - found.params[name]) / max(abs(found.params[name]), 1e-12)

    name = max(one.params, key=size)
    return name, _percent(one.params[name], found.params[name])


def _percent(new: float, old: float) -> str:
    if not (math.isfinite(new) and math.isfinite(old)) or old == 0:
        return "-"
    change = 100 * (new / old - 1)
    return f"{change:+.0f}%" if abs(change) >= 100 else f"{change:+.2g}%"

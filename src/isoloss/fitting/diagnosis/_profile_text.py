"""A profile as text, 80 columns wide."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from isoloss.fitting.diagnosis.profiling import Profile

WIDTH = 80
LINES = 13
BAR = 48
HIGHEST = 1.6
"""The curve is cut off at this many times the limit."""


def profile_text(profile: Profile) -> str:
    """Verdict, calibration and a curve that grows to the right; `|` stands at the limit."""
    lines = textwrap.wrap(f"{profile.verdict}  ({profile.level:.0%})", WIDTH)
    lines += [f"at the optimum {profile.name} = {profile.value:.6g}"]
    for reason in {profile.low_reason, profile.high_reason} - {""}:
        lines += textwrap.wrap(reason, WIDTH, subsequent_indent="  ")
    if math.isfinite(profile.limit):
        lines += ["", *_curve(profile), ""]
        lines += textwrap.wrap(
            f"| is {profile.limit:.4g} above the minimum {profile.minimum:.8g}: F(1,"
            f" {profile.freedom}) at {profile.level:.0%}; {profile.calibration}",
            WIDTH,
            subsequent_indent="  ",
        )
    for note in profile.notes:
        lines += textwrap.wrap(f"! {note}", WIDTH, subsequent_indent="  ")
    return "\n".join(lines)


def _curve(profile: Profile) -> list[str]:
    """One line a value, evenly spaced on the scale of the grid."""
    positions = np.linspace(0, len(profile.grid) - 1, len(profile.grid))
    even = _even(profile)
    at = np.interp(even, profile.grid, positions)
    value = np.where(np.isfinite(profile.objective), profile.objective, profile.minimum + 1e300)
    rise = (np.interp(at, positions, value) - profile.minimum) / profile.limit
    mark = round(BAR / HIGHEST)
    lines: list[str] = []
    for x, height in zip(even.tolist(), rise.tolist(), strict=True):
        bar = "#" * round(min(max(height, 0.0), HIGHEST) / HIGHEST * BAR)
        body = bar.ljust(BAR)
        body = body[:mark] + ("|" if body[mark] == " " else body[mark]) + body[mark + 1 :]
        lines.append(f"{x:>12.5g}  {body.rstrip()}")
    return lines


def _even(profile: Profile) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Values for the lines: equal ratios where the grid spans more than a factor of 5."""
    first, last = float(profile.grid[0]), float(profile.grid[-1])
    if first > 0 and last / first > 5:
        return np.geomspace(first, last, LINES)
    return np.linspace(first, last, LINES)

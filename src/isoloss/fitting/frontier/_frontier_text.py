"""An allocation as text, 80 columns wide."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

from isoloss.fitting.text import WIDTH

if TYPE_CHECKING:
    from isoloss.fitting.frontier.compute_optimum import Allocation, FrontierPoint
    from isoloss.fitting.result import Estimate


def allocation_text(found: Allocation) -> str:
    """Exponents with intervals, the points, what was flagged, and the known biases."""
    convention = f"N is {found.n_convention or 'as given'}"
    if found.flops_convention:
        convention += f", C is {found.flops_convention}"
    names = (("a", found.a), ("b", found.b), ("k_n", found.k_n), ("k_d", found.k_d))
    lines = [
        *_wrapped(f"{found.method}: N* = k_n C^a, D* = k_d C^b; {found.detail}"),
        f"{found.n_rows} runs, {len(found.used)} of {len(found.points)} points; {convention}",
        "",
        f"{'':<8}{'value':>12}{'stderr':>12}   {found.level:.0%} interval",
        *(_estimate_line(name, estimate) for name, estimate in names),
        "",
        f"{'C':>10}{'N*':>11}{'D*':>11}{'loss':>9}{'sizes':>7}  ",
        *(line for point in found.points for line in _point_lines(point)),
        "",
        *_wrapped(f"noise: {found.noise}"),
    ]
    for note in found.notes:
        lines += _wrapped(f"note: {note}")
    for bias in found.biases:
        lines += _wrapped(f"bias: {bias}")
    return "\n".join(line.rstrip() for line in lines)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ")


def _estimate_line(name: str, estimate: Estimate) -> str:
    if math.isnan(estimate.low):
        return f"{name:<8}{estimate.value:>12.5g}{'':>12}   none: {estimate.reason}"
    return (
        f"{name:<8}{estimate.value:>12.5g}{estimate.stderr:>12.3g}"
        f"   [{estimate.low:.5g}, {estimate.high:.5g}]"
    )


def _point_lines(point: FrontierPoint) -> list[str]:
    numbers = (
        f"{point.n:>11.3e}{point.d:>11.3e}{point.loss:>9.4f}"
        if math.isfinite(point.n)
        else f"{'–':>11}{'–':>11}{'–':>9}"
    )
    line = f"{point.flops:>10.3g}{numbers}{point.sizes:>7}"
    if point.used:
        return [line]
    return [line, *textwrap.wrap(f"! {point.flag}", WIDTH - 12, initial_indent=" " * 12,
                                 subsequent_indent=" " * 14)]  # fmt: skip

"""A fit as text, 80 columns wide, and as a fragment of HTML for notebooks."""

from __future__ import annotations

import html
import math
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from isoloss.fitting.result import Estimate, Fit

WIDTH = 80


def fit_text(fit: Fit) -> str:
    """Law, parameters with intervals, objective, status and failed checks."""
    lines = [
        *textwrap.wrap(_formula(fit), WIDTH, subsequent_indent="  "),
        f"{fit.n_rows} runs; {_conventions(fit)}",
        "",
        f"{'':<10}{'value':>12}{'stderr':>12}   {fit.level:.0%} interval",
    ]
    for name, estimate in fit.params.items():
        value, stderr, band = rounded(estimate)
        lines.append(f"{name:<10}{value:>12}{stderr:>12}   {band}".rstrip())
    objective = f"objective {fit.objective.value:.10g} ({fit.objective.spec.describe()})"
    lines += ["", *textwrap.wrap(objective, WIDTH)]
    lines += textwrap.wrap(f"status: {fit.status}", WIDTH, subsequent_indent="  ")
    failed = [check for check in fit.checks if not check.passed]
    lines.append(f"checks: {len(fit.checks) - len(failed)} of {len(fit.checks)} passed")
    for check in failed:
        lines += textwrap.wrap(
            f"! {check.name}: {check.message}. {check.cure}", WIDTH, subsequent_indent="  "
        )
    return "\n".join(lines)


def fit_html(fit: Fit) -> str:
    """The same as HTML: a table of parameters and a list of all checks."""
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in (name, *rounded(e))) + "</tr>"
        for name, e in fit.params.items()
    )
    checks = "".join(
        f"<li>{'✓' if check.passed else '✗'} <b>{html.escape(check.name)}</b>:"
        f" {html.escape(check.message)}{'. ' + html.escape(check.cure) if check.cure else ''}</li>"
        for check in fit.checks
    )
    return (
        f"<div><p><code>{html.escape(_formula(fit))}</code><br>"
        f"{fit.n_rows} runs; {html.escape(_conventions(fit))}</p>"
        f"<table><thead><tr><th></th><th>value</th><th>stderr</th>"
        f"<th>{fit.level:.0%} interval</th></tr></thead><tbody>{rows}</tbody></table>"
        f"<p>objective {fit.objective.value:.10g}"
        f" ({html.escape(fit.objective.spec.describe())})<br>"
        f"<b>{html.escape(fit.status)}</b></p><ul>{checks}</ul></div>"
    )


def rounded(estimate: Estimate) -> tuple[str, str, str]:
    """Value, standard error and interval in words, to two digits of the error.

    >>> from isoloss.fitting.result import Estimate
    >>> rounded(Estimate(value=1.81722, stderr=0.0248, low=1.7788, high=1.8594, at_bound=False))
    ('1.817', '0.025', '[1.779, 1.859]')
    """
    note = "  at its bound" if estimate.at_bound else ""
    note += f"  tied to {estimate.tied_to}" if estimate.tied_to else ""
    if math.isnan(estimate.low):
        value = f"{estimate.value:.6g}"
        return value, "", f"no interval: {estimate.reason}{note}"
    places = _places(estimate.stderr)
    low, high = _number(estimate.low, places), _number(estimate.high, places)
    value, stderr = _number(estimate.value, places), _number(estimate.stderr, places)
    return value, stderr, f"[{low}, {high}]{note}"


def _places(error: float) -> int:
    """Decimals that show two digits of an error; negative for tens and hundreds."""
    if not (math.isfinite(error) and error > 0):
        return 6
    return 1 - math.floor(math.log10(error))


def _number(value: float, places: int) -> str:
    """A number with that many decimals; scientific where plain digits would be noise."""
    if not math.isfinite(value):
        return str(value)
    size = 0 if value == 0 else math.floor(math.log10(abs(value)))
    places = max(places, 1 - size)  # two digits, however large the error is
    if size >= 7 or (size < -4 and value != 0):
        return f"{value:.{min(max(places + size, 1), 6)}e}"
    return f"{round(value, places):.{max(places, 0)}f}"


def _formula(fit: Fit) -> str:
    named = "" if fit.law.name == fit.law.formula else f"{fit.law.name}: "
    given = fit.constraints.describe()
    symbol = "L" if fit.target == "loss" else fit.target
    return f"{named}{symbol} = {fit.law.formula}" + (f"  with {given}" if given else "")


def _conventions(fit: Fit) -> str:
    said = f"N is {fit.n_convention or 'as given'}"
    return said + (f", C is {fit.flops_convention}" if fit.flops_convention else "")

"""Fits side by side as text of 80 columns, LaTeX and HTML."""

from __future__ import annotations

import html
import math
import textwrap
from typing import TYPE_CHECKING

from isoloss.fitting.text import WIDTH

if TYPE_CHECKING:
    from isoloss.fitting.result import Estimate
    from isoloss.fitting.side_by_side import FitTable, GroupFit

CELL = 12
FIRST = 14
ACROSS = 5
"""Parameters in one block of the text: the others go below."""


def table_text(table: FitTable) -> str:
    """Parameters with intervals below them, then objective, rows and status of each group."""
    lines = [*_head(table), ""]
    names = table.law.names
    for start in range(0, len(names), ACROSS):
        lines += [*_block(table, names[start : start + ACROSS]), ""]
    lines.append(f"{'':<{FIRST}}{'rows':>6}{'objective':>12}{'scatter':>9}  status")
    for row in table.rows:
        lines += _verdict(row)
    lines += _sum(table)
    return "\n".join(line.rstrip() for line in lines)


def _head(table: FitTable) -> list[str]:
    law = table.law
    formula = law.formula if law.name == law.formula else f"{law.name}: L = {law.formula}"
    fits = [row.fit for row in table.rows if row.fit is not None]
    said = sorted({fit.n_convention or "as given" for fit in fits})
    counts = f"N is {said[0]}" if len(said) == 1 else f"N DIFFERS: {', '.join(said)}"
    constraints = fits[0].constraints.describe()
    told = [
        f"{len(table)} groups by {table.by!r}" if table.by else f"{len(table)} views",
        counts,
        fits[0].objective.spec.describe(),
        *([constraints] if constraints else []),
        _interval_note(table),
    ]
    return [*textwrap.wrap(formula, WIDTH), *textwrap.wrap("; ".join(told), WIDTH)]


def _interval_note(table: FitTable) -> str:
    reasons = {row.fit.draws_reason for row in table.rows if row.fit is not None}
    if all(reasons):
        return f"no intervals: {sorted(reasons)[0]}"
    return f"{table.level:.0%} intervals below the values"


def _block(table: FitTable, names: tuple[str, ...]) -> list[str]:
    lines = [" " * FIRST + "".join(f"{name:>{CELL}}" for name in names)]
    for row in table.rows:
        found = [row.fit.params[name] if row.fit is not None else None for name in names]
        lines.append(_short(row.name) + "".join(f"{_value(e):>{CELL}}" for e in found))
        if any(e is not None and not math.isnan(e.low) for e in found):
            lines.append(" " * FIRST + "".join(f"{_range(e):>{CELL}}" for e in found))
    return lines


def _short(name: str) -> str:
    kept = name if len(name) < FIRST else f"{name[: FIRST - 2]}…"
    return f"{kept:<{FIRST}}"


def _number(value: float) -> str:
    """Three digits in at most six characters, where that can be."""
    text = f"{value:.3g}"
    if "e" in text:
        mantissa, exponent = f"{value:.1e}".split("e")
        text = f"{mantissa}e{int(exponent)}"
    return text.replace("0.", ".", 1) if text.removeprefix("-").startswith("0.") else text


def _value(estimate: Estimate | None) -> str:
    if estimate is None:
        return "–"
    mark = "!" if estimate.at_bound else ""
    text = f"{estimate.value:.4g}"
    if "e" in text:
        mantissa, exponent = text.split("e")
        text = f"{mantissa}e{int(exponent)}"
    return mark + text


def _range(estimate: Estimate | None) -> str:
    if estimate is None or math.isnan(estimate.low):
        return ""
    return f"{_number(estimate.low)},{_number(estimate.high)}"


def _verdict(row: GroupFit) -> list[str]:
    objective = f"{row.fit.objective.value:.5g}" if row.fit is not None else "–"
    scatter = "–"
    if row.fit is not None and math.isfinite(row.fit.scatter):
        scatter = f"{100 * row.fit.scatter:.2f}%"
    start = f"{_short(row.name)}{row.n_rows:>6}{objective:>12}{scatter:>9}  "
    parts = textwrap.wrap(row.status, WIDTH - len(start))
    return [start + parts[0], *(" " * len(start) + part for part in parts[1:])]


def _sum(table: FitTable) -> list[str]:
    """How much better the groups fit alone than together."""
    pooled = table.pooled.fit if table.pooled is not None else None
    fits = [group.fit for group in table.groups if group.fit is not None]
    if pooled is None or len(fits) < len(table.groups):
        return []
    apart = sum(fit.objective.value for fit in fits)
    return [f"objective of the groups together {apart:.5g}, pooled {pooled.objective.value:.5g}"]


def table_latex(table: FitTable) -> str:
    """A `tabular` with booktabs rules."""
    from isoloss.laws.formula import to_latex

    names = [f"${to_latex(name)}$" for name in table.law.names]
    lines = [
        rf"\begin{{tabular}}{{lr{'r' * len(names)}rl}}",
        r"\toprule",
        " & ".join([_escaped(table.by or "view"), "rows", *names, "objective", "status"]) + r" \\",
        r"\midrule",
    ]
    for row in table.rows:
        if row is table.pooled:
            lines.append(r"\midrule")
        fit = row.fit
        found = [fit.params[name] if fit is not None else None for name in table.law.names]
        objective = _power(fit.objective.value) if fit is not None else "--"
        status = "" if fit is not None and fit.trusted else _escaped(row.status.partition(":")[0])
        cells = [_escaped(row.name), str(row.n_rows), *map(_latex_value, found), objective, status]
        lines.append(" & ".join(cells) + r" \\")
        if any(e is not None and not math.isnan(e.low) for e in found):
            lines.append(" & ".join(["", "", *map(_latex_range, found), "", ""]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def _power(value: float) -> str:
    text = f"{value:.4g}"
    if "e" not in text:
        return text if math.isfinite(value) else "--"
    mantissa, exponent = text.split("e")
    return rf"${mantissa}\times10^{{{int(exponent)}}}$"


def _latex_value(estimate: Estimate | None) -> str:
    return "--" if estimate is None else _power(estimate.value)


def _latex_range(estimate: Estimate | None) -> str:
    if estimate is None or math.isnan(estimate.low):
        return ""
    return rf"{{\footnotesize [{_power(estimate.low)}, {_power(estimate.high)}]}}"


def _escaped(text: str) -> str:
    special = {c: "\\" + c for c in "&%$#_{}"}
    special |= {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(character, character) for character in text)


def table_html(table: FitTable) -> str:
    """One table, for notebooks."""
    header = [table.by or "view", "rows", *table.law.names, "objective", "status"]
    lines = ["<table>", "<caption>" + html.escape("; ".join(_head(table))) + "</caption>"]
    lines.append("<tr>" + "".join(f"<th>{html.escape(text)}</th>" for text in header) + "</tr>")
    for row in table.rows:
        fit = row.fit
        found = [fit.params[name] if fit is not None else None for name in table.law.names]
        cells = [
            str(row.n_rows),
            *(f"{_value(e)} [{_range(e)}]" if _range(e) else _value(e) for e in found),
            f"{fit.objective.value:.5g}" if fit is not None else "–",
            row.status,
        ]
        name = f"<th>{html.escape(row.name)}</th>"
        lines.append(f"<tr>{name}{''.join(f'<td>{html.escape(c)}</td>' for c in cells)}</tr>")
    return "\n".join([*lines, "</table>"])

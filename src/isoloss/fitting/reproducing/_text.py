"""Reproductions as text."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isoloss.fitting.reproducing.figures import Figure, ReproducedFit, Reproduction

WIDTH = 80

_METHODS = {
    "ridge": "a search from the published optimum alone, and one from everywhere",
    "isoflop": "isoFLOP minima by Akima interpolation",
    "curves": "the published constants of the multi-power law",
    "break": "a broken law with one break, squares of log(y + 1)",
    "chain": "two steps in a chain",
    "vocabulary": "the law `vocabulary`, Huber 0.001 of raw residuals, alpha = beta, their D",
    "constants": "the published constants",
}


def settings_text(method: str, settings: Mapping[str, Any]) -> str:
    """How the authors' way is made, in one line."""
    parts = [_METHODS.get(method, "")]
    if "law" in settings:
        parts.append(settings["law"])
    if "objective" in settings:
        delta = f" {settings['delta']:g}" if "delta" in settings else ""
        residual = "raw" if settings.get("residual") == "raw" else "log"
        parts.append(f"{settings['objective']}{delta} of {residual} residuals")
    constraints = (name for name in ("fixed", "tied") if settings.get(name))
    parts += [f"{name}: {', '.join(settings[name])}" for name in constraints]
    return ", ".join(part for part in parts if part)


def reproduction_text(made: Reproduction) -> str:
    """Every fit with its figures, in lines of at most 80 characters."""
    met = sum(fit.passed for fit in made.fits)
    tried = any(figure.paper for fit in made.fits for figure in fit.figures)
    verdict = f", {met} of {len(made.fits)} published fits reproduced" if tried else ""
    lines = [
        f"{made.table}: {made.n_rows} rows{verdict}",
        *_wrapped("", f"{made.paper}; licence: {made.licence}"),
        *_wrapped("", f"rows from {made.source}"),
    ]
    for fit in made.fits:
        lines += ["", *_fit_lines(fit, made.level)]
    if made.caveats:
        lines += ["", *(line for caveat in made.caveats for line in _wrapped("caveat: ", caveat))]
    return "\n".join(lines)


def _fit_lines(fit: ReproducedFit, level: float) -> list[str]:
    title = textwrap.wrap(f"{fit.name} ({fit.by})", WIDTH, subsequent_indent="  ")
    lines = [*title, *_wrapped("", fit.how)]
    tried = [figure for figure in fit.figures if figure.paper is not None]
    if tried:
        rows = [("figure", "published", "as paper", "off", "")]
        lines += _columns([*rows, *(_paper_cells(figure) for figure in tried)])
    ours = [figure for figure in fit.figures if figure.ours is not None]
    if ours:
        rows = [("figure", "published", "ours", f"{level:.0%} interval", "")]
        lines += _columns([*rows, *(_our_cells(figure) for figure in ours)])
    if fit.status:
        lines += _wrapped("ours: ", fit.status)
    return lines + (_wrapped("note: ", fit.note) if fit.note else [])


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    """Cells under each other: first and last column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    ends = (0, len(widths) - 1)
    return [
        "  "
        + "  ".join(
            cell.ljust(width) if i in ends else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _paper_cells(figure: Figure) -> tuple[str, ...]:
    verdict = "met" if figure.passed else "MISSED"
    if math.isinf(figure.tolerance):
        verdict = ""
    assert figure.paper is not None
    found = _number(figure.paper.value)
    return figure.name, _number(figure.published), found, f"{figure.difference:+.1g}", verdict


def _our_cells(figure: Figure) -> tuple[str, ...]:
    ours = figure.ours
    assert ours is not None
    interval = "" if math.isnan(ours.low) else f"{ours.low:.4g} to {ours.high:.4g}"
    verdict = {None: "", True: "inside", False: "OUTSIDE"}[figure.inside]
    return figure.name, _number(figure.published), _number(ours.value), interval, verdict


def _number(value: float) -> str:
    return f"{value:.6g}"


def _wrapped(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=f"  {label}", subsequent_indent="  " + " " * len(label)
    )

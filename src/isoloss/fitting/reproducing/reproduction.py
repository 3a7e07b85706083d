"""From the name of a public run table to its published fits, made again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from isoloss.errors import NotFoundError, UsageError
from isoloss.fitting.reproducing import (
    _by_break,
    _by_chain,
    _by_constants,
    _by_curves,
    _by_isoflop,
    _by_law,
    _by_ridge,
    _by_vocabulary,
)
from isoloss.fitting.reproducing._by_law import Found
from isoloss.fitting.reproducing._text import settings_text
from isoloss.fitting.reproducing.figures import ReproducedFit, Reproduction, figure_of
from isoloss.fitting.result import check_level
from isoloss.runs import Runs
from isoloss.runs.catalogue import (
    PublishedFit,
    PublishedTable,
    published,
    published_table,
    published_tables,
)

Way = Literal["paper", "ours", "both"]

PaperWay = Callable[[Runs, Mapping[str, Any], int], Found]
OurWay = Callable[[Runs, Mapping[str, Any], int, float, int], tuple[Found, str]]


def _constants_of(runs: Runs, settings: Mapping[str, Any], seed: int) -> Found:
    return _by_constants.as_paper(settings)


METHODS: Mapping[str, tuple[PaperWay, OurWay | None]] = {
    "law": (_by_law.as_paper, _by_law.as_ours),
    "ridge": (_by_ridge.as_paper, _by_ridge.as_ours),
    "isoflop": (_by_isoflop.as_paper, _by_isoflop.as_ours),
    "curves": (_by_curves.as_paper, _by_curves.as_ours),
    "break": (_by_break.as_paper, _by_break.as_ours),
    "chain": (_by_chain.as_paper, _by_chain.as_ours),
    "vocabulary": (_by_vocabulary.as_paper, _by_vocabulary.as_ours),
    "constants": (_constants_of, None),
}
"""How the fits of the catalogue are made: as the authors did, and with our defaults."""


def reproducible_tables() -> tuple[PublishedTable, ...]:
    """The tables of the catalogue for which fits were published."""
    return tuple(table for table in published_tables() if table.fits)


def reproduce(
    name: str,
    way: Way = "both",
    *,
    fit: str | None = None,
    directory: str | Path | None = None,
    bootstrap: int = 1000,
    level: float = 0.9,
    seed: int = 0,
    tell: Callable[[str], None] | None = None,
) -> Reproduction:
    """Make the published fits of a public run table again.

    Args:
        name: of the table in the catalogue.
        way: `paper`: with the law, objective and rows of the authors; `ours`: with our defaults
            on the same rows, with intervals; `both`.
        fit: only the fits whose names hold this text; all if left out.
        directory: where a copy of the table lies; see `isoloss.runs.catalogue.published`.
        bootstrap: resamples of our intervals; level: of them.
        seed: the same seed gives the same figures.
        tell: is told which fit is being made.

    Raises:
        NotFoundError: no such table, nothing published for it, or no fit of that name.
        UsageError: an unknown way, a level outside (0, 1), a negative count.
        DataError, EnvironmentProblem: the table cannot be had; see `published`.
    """
    if way not in get_args(Way):
        raise UsageError(f"unknown way {way!r}", hint=f"Use {', '.join(get_args(Way))}.")
    if bootstrap < 0:
        raise UsageError(f"bootstrap must not be negative, found {bootstrap}")
    check_level(level)
    table = published_table(name)
    chosen = _chosen(table, fit)
    runs = published(f"{table.name}/all" if table.part else table.name, directory=directory)
    made: list[ReproducedFit] = []
    for index, one in enumerate(chosen, 1):
        if tell is not None:
            tell(f"{index} of {len(chosen)}: {one.name}")
        made.append(_made(one, runs, way, bootstrap, level, seed))
    return Reproduction(
        table=table.name,
        paper=table.paper,
        licence=table.licence,
        source=str(runs.to_frame()["source"].iloc[0]),
        n_rows=len(runs),
        fits=tuple(made),
        caveats=table.caveats,
        level=level,
        seed=seed,
    )


def _chosen(table: PublishedTable, fit: str | None) -> tuple[PublishedFit, ...]:
    if not table.fits:
        known = ", ".join(other.name for other in reproducible_tables())
        raise NotFoundError(
            f"the catalogue has no published fit of {table.name} to make again",
            hint=f"It has fits of: {known}.",
        )
    found = tuple(one for one in table.fits if (fit or "").lower() in one.name.lower())
    if not found:
        raise NotFoundError(
            f"no published fit of {table.name} is called {fit!r}",
            hint=f"There are: {'; '.join(one.name for one in table.fits)}.",
        )
    return found


def _made(
    one: PublishedFit, runs: Runs, way: Way, bootstrap: int, level: float, seed: int
) -> ReproducedFit:
    as_paper, as_ours = METHODS[one.method]
    paper = as_paper(runs, one.settings, seed) if way != "ours" else None
    ours, status = None, ""
    if way != "paper" and as_ours is not None:
        ours, status = as_ours(runs, one.settings, bootstrap, level, seed)
    figures = tuple(
        figure_of(name, published, paper, ours) for name, published in one.figures.items()
    )
    return ReproducedFit(
        name=one.name,
        by=one.by,
        how=settings_text(one.method, one.settings),
        figures=figures,
        status=status,
        note=one.note,
    )

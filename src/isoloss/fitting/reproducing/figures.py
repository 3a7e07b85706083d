"""What a reproduction found: figures beside the published ones, with differences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from isoloss.fitting._json import SCHEMA_VERSION


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A figure that was found, with an interval where there is one (else not-a-number)."""

    value: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One published figure and what came out for it.

    Attributes:
        name: of the figure: a parameter, `objective`, `a` (exponent of N*), `error.RUN` in
            percent, and so on.
        published: the value that was published.
        tolerance: how far ours may be from it, absolute; infinite where it is only shown.
        at_most: whether any lower value passes too, as for an objective.
        paper: found as the authors did; None where that was not asked for.
        ours: found with the defaults here; None where not asked for, or without such a figure.
    """

    name: str
    published: float
    tolerance: float
    at_most: bool = False
    paper: Measured | None = None
    ours: Measured | None = None

    @property
    def difference(self) -> float:
        """Found as the authors did, less published; not-a-number where it was not."""
        return math.nan if self.paper is None else self.paper.value - self.published

    @property
    def passed(self) -> bool | None:
        """Whether the authors' way gives the published figure; None where it was not tried."""
        if self.paper is None:
            return None
        off = self.difference
        return (off if self.at_most else abs(off)) <= self.tolerance

    @property
    def inside(self) -> bool | None:
        """Whether our interval holds the published figure; None where there is no interval."""
        if self.ours is None or math.isnan(self.ours.low):
            return None
        return self.ours.low <= self.published <= self.ours.high

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        return {
            "name": self.name,
            "published": self.published,
            "tolerance": _number(self.tolerance),
            "at_most": self.at_most,
            "paper": None if self.paper is None else _number(self.paper.value),
            "difference": _number(self.difference),
            "passed": self.passed,
            "ours": None if self.ours is None else _number(self.ours.value),
            "ours_low": None if self.ours is None else _number(self.ours.low),
            "ours_high": None if self.ours is None else _number(self.ours.high),
            "inside": self.inside,
        }


@dataclass(frozen=True, kw_only=True, repr=False)
class ReproducedFit:
    """A published fit that was made again.

    Attributes:
        name, by, note: as the catalogue has them.
        how: the settings of the authors, in words.
        figures: one by one; `status`: what our own fit says of itself, or nothing.
    """

    name: str
    by: str
    how: str
    figures: tuple[Figure, ...]
    status: str = ""
    note: str = ""

    def __repr__(self) -> str:
        met = sum(figure.passed is True for figure in self.figures)
        return f"ReproducedFit({self.name}: {met} of {len(self.figures)} figures met)"

    @property
    def passed(self) -> bool:
        """Whether every figure that was tried the authors' way was met."""
        return all(figure.passed is not False for figure in self.figures)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        return {
            "name": self.name,
            "by": self.by,
            "how": self.how,
            "passed": self.passed,
            "status": self.status,
            "note": self.note,
            "figures": [figure.to_dict() for figure in self.figures],
        }


@dataclass(frozen=True, kw_only=True, repr=False)
class Reproduction:
    """The published fits of one run table, made again.

    Attributes:
        table: its name in the catalogue; `paper`, `licence`, `caveats`: as there.
        source: where the rows that were read come from.
        n_rows: rows of the table.
        level: of our intervals.
    """

    table: str
    paper: str
    licence: str
    source: str
    n_rows: int
    fits: tuple[ReproducedFit, ...]
    caveats: tuple[str, ...]
    level: float
    seed: int

    def __repr__(self) -> str:
        met = sum(fit.passed for fit in self.fits)
        return f"Reproduction({self.table}: {met} of {len(self.fits)} fits reproduced)"

    @property
    def passed(self) -> bool:
        """Whether every published figure that was tried was met."""
        return all(fit.passed for fit in self.fits)

    def summary(self) -> str:
        """The figures side by side, in 80 columns."""
        from isoloss.fitting.reproducing._text import reproduction_text

        return reproduction_text(self)

    def _repr_html_(self) -> str:
        import html

        return f"<pre>{html.escape(self.summary())}</pre>"

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        return {
            "schema_version": SCHEMA_VERSION,
            "table": self.table,
            "paper": self.paper,
            "licence": self.licence,
            "source": self.source,
            "n_rows": self.n_rows,
            "passed": self.passed,
            "level": self.level,
            "seed": self.seed,
            "fits": [fit.to_dict() for fit in self.fits],
            "caveats": list(self.caveats),
        }

    def to_frame(self) -> Any:
        """A pandas frame with one row a figure."""
        import pandas as pd

        rows = [
            {"fit": fit.name, **figure.to_dict()} for fit in self.fits for figure in fit.figures
        ]
        return pd.DataFrame(rows)


def figure_of(
    name: str,
    published: Mapping[str, Any],
    paper: Mapping[str, Measured] | None,
    ours: Mapping[str, Measured] | None,
) -> Figure:
    """A figure of the catalogue with what was found for it.

    Args:
        published: `value`, and `rtol` or `atol`, and `at_most`, of the catalogue.
        paper, ours: all that was found each way, or None.
    """
    value = float(published["value"])
    atol, rtol = published.get("atol"), published.get("rtol")
    tolerance = math.inf
    if atol is not None or rtol is not None:
        tolerance = float(atol or 0.0) + float(rtol or 0.0) * abs(value)
    return Figure(
        name=name,
        published=value,
        tolerance=tolerance,
        at_most=bool(published.get("at_most", False)),
        paper=None if paper is None else paper.get(name),
        ours=None if ours is None else ours.get(name),
    )


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None

"""Exponents of N* from isoFLOP minima."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isoloss.fitting.frontier.isoflop_minima import isoflop
from isoloss.fitting.reproducing._by_law import Found
from isoloss.fitting.reproducing._selecting import selected
from isoloss.fitting.reproducing.figures import Measured
from isoloss.runs import Runs


def as_paper(runs: Runs, settings: Mapping[str, Any], seed: int) -> Found:
    """Exponents with the authors' noise between seeds."""
    used = selected(runs, settings["rows"])
    made = isoflop(used, n=settings["n"], noise=settings["noise"], seed=seed)
    return {"a": Measured(value=made.a.value), "b": Measured(value=made.b.value)}


def as_ours(
    runs: Runs, settings: Mapping[str, Any], bootstrap: int, level: float, seed: int
) -> tuple[Found, str]:
    """Exponents with the defaults of `isoflop`, with intervals; how many budgets were used."""
    used = selected(runs, settings["rows"])
    made = isoflop(used, n=settings["n"], bootstrap=bootstrap, level=level, seed=seed)
    found = {
        name: Measured(value=e.value, low=e.low, high=e.high)
        for name, e in (("a", made.a), ("b", made.b))
    }
    return found, f"{len(made.used)} of {len(made.points)} budgets have a minimum inside"

"""A published optimum that is only local: where a search that starts beside it ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from isoloss.fitting.estimation import fit
from isoloss.fitting.reproducing._by_law import Found, as_ours, figures_of
from isoloss.fitting.reproducing._selecting import selected
from isoloss.fitting.reproducing.figures import Measured
from isoloss.fitting.solver.constraints import Constraints, reduced_law
from isoloss.fitting.solver.coordinates import Coordinates
from isoloss.fitting.solver.optimum import solve
from isoloss.laws import get_law
from isoloss.runs import Runs

__all__ = ["as_ours", "as_paper"]


def as_paper(runs: Runs, settings: Mapping[str, Any], seed: int) -> Found:
    """A search that starts at the published optimum alone, and one from everywhere.

    `local.NAME`: where the first ends; `local.ratio`: its objective over that of the published
    optimum; NAME and `ratio`: the same of the lowest optimum there is.
    """
    law = get_law(settings["law"])
    used = selected(runs, settings.get("rows"))
    made = fit(used, law, n=settings["n"], fixed=settings["fixed"], bootstrap=0, seed=seed)
    assert made.data is not None
    free = reduced_law(law, Constraints(dict(settings["fixed"]), {}))
    there = np.array([settings["near"][name] for name in free.names])
    problem = made.data.problem(free, made.objective.spec)
    local = solve(problem, starts=0, near=there[None], seed=seed)
    published = float(problem.total(Coordinates.of(free).u(there)[None])[0])
    found = figures_of(made, runs, settings)
    found["ratio"] = Measured(value=made.objective.value / published)
    found["local.ratio"] = Measured(value=local.value / published)
    for name, value in zip(free.names, local.theta, strict=True):
        found[f"local.{name}"] = Measured(value=float(value))
    return found

"""What a fit becomes without some of its runs, and which rows lie far from it.

Every refit is exact: the objective is minimised again without the rows, from the full optimum.
The order is that of the likelihood displacement (Cook 1986): how far the objective of all rows
rises when the parameters found without some of them are put in. It knows no units, so that a
change along a flat valley, which every bootstrap makes too, does not look like influence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from isoloss.errors import UsageError
from isoloss.fitting._json import SCHEMA_VERSION, plain
from isoloss.fitting._records import Recorded
from isoloss.fitting.diagnosis._ahead import ahead, largest, loss_at, planned_n
from isoloss.fitting.diagnosis._calibration import chi_square_quantile
from isoloss.fitting.diagnosis._grouping import By, groups_of
from isoloss.fitting.diagnosis.outlying import Outlier, outliers, typical_scale
from isoloss.fitting.diagnosis.profiling import problem_of
from isoloss.fitting.solver.constraints import expanded
from isoloss.fitting.solver.coordinates import Coordinates
from isoloss.fitting.solver.descent import Problem, descend
from isoloss.laws.law import Array, Counts, Mask

if TYPE_CHECKING:
    from isoloss.fitting.result import Fit

AHEAD = 10.0
"""Predictions and plans are compared at this many times the compute of the largest run."""
BATCH_CELLS = 60_000
MOST_CELLS = 100_000_000
"""Refits times rows: of one batch in memory, and of all that are tried."""
MEDIAN = 0.5


@dataclass(frozen=True, kw_only=True)
class Removal:
    """The fit without some rows.

    Attributes:
        label: what was left out; rows: how many; run_ids: which.
        displacement: twice the rise of the full objective at the new parameters over its scale;
            its own `chi2` quantile says what is much.
        params: the new parameters; objective: minimum over the rows that are left.
        loss, d_star, n_star: predicted and planned at the comparison point; not-a-number with
            the influence's reasons.
        reason: why there is no refit; empty where there is one.
    """

    label: str
    rows: int
    run_ids: tuple[str, ...]
    displacement: float
    params: Mapping[str, float]
    objective: float
    loss: float
    n_star: float
    d_star: float
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        numbers = {
            "displacement": self.displacement,
            "objective": self.objective,
            "loss": self.loss,
            "n_star": self.n_star,
            "d_star": self.d_star,
        }
        return {
            "label": self.label,
            "rows": self.rows,
            "run_ids": list(self.run_ids),
            "params": plain(dict(self.params), self.reason),
            **plain(numbers, self.reason),
        }


@dataclass(frozen=True, kw_only=True, repr=False)
class Influence(Recorded):
    """How much each run, group, cluster or budget decides.

    Attributes:
        by: what was left out at a time.
        removals: the most influential first.
        params: of the full fit; loss, n_star, d_star: what it predicts and plans.
        at: where `loss` is predicted; budget: for which D* is planned, with C = 6 N D.
        much: a displacement beyond this moves the fit out of its own 50% region.
        outliers: rows with residuals beyond a robust threshold.
        loss_reason, plan_reason: why there is no prediction or plan.
    """

    by: By
    removals: tuple[Removal, ...]
    params: Mapping[str, float]
    at: Mapping[str, float]
    budget: float
    loss: float
    n_star: float
    d_star: float
    much: float
    outliers: tuple[Outlier, ...]
    loss_reason: str = ""
    plan_reason: str = ""

    def __repr__(self) -> str:
        first = self.removals[0]
        return f"Influence(by {self.by}: most of all {first.label}, {first.displacement:.2g})"

    def summary(self) -> str:
        """The ten most influential in 80 columns, and the outliers."""
        from isoloss.fitting.diagnosis._influence_text import influence_text

        return influence_text(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        return {
            "schema_version": SCHEMA_VERSION,
            "by": self.by,
            "params": dict(self.params),
            "at": dict(self.at),
            **plain({"loss": self.loss}, self.loss_reason),
            **plain(
                {"budget": self.budget, "n_star": self.n_star, "d_star": self.d_star},
                self.plan_reason,
            ),
            "much": self.much,
            "removals": [removal.to_dict() for removal in self.removals],
            "outliers": [outlier.to_dict() for outlier in self.outliers],
        }

    def to_frame(self) -> Any:
        """A pandas frame with one row a removal: new values and their changes."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for one in self.removals:
            row: dict[str, Any] = {"left_out": one.label, "rows": one.rows}
            row |= {"displacement": one.displacement, "loss": one.loss, "d_star": one.d_star}
            row |= {"loss_change": one.loss - self.loss, "d_star_factor": one.d_star / self.d_star}
            row |= dict(one.params)
            row |= {f"{name}_change": x - self.params[name] for name, x in one.params.items()}
            rows.append(row)
        return pd.DataFrame(rows)


def influence(fit: Fit, by: By = "run", *, budget: float | None = None) -> Influence:
    """Refit without each run, group, cluster or budget, and say what changes.

    Args:
        fit: with its rows.
        by: `run`: rows of one run id; `cluster`: rows that are not independent, as the fit's
            bootstrap takes them; `group`: rows with one value of the table's column `group`;
            `budget`: rows of about the same compute.
        budget: FLOP of the plan that is compared; ten times the largest run's if left out.

    Raises:
        UsageError: an unknown `by`, a budget that is not positive, or a fit without its rows.
        DataError: by budget, where the rows do not tell their compute; by group, where the
            table named none.

    >>> import isoloss as il
    >>> found = il.fit(il.example_runs(), bootstrap=0).influence(by="cluster")
    >>> found.removals[0].displacement >= found.removals[-1].displacement
    True
    """
    if by not in get_args(By):
        raise UsageError(f"unknown {by!r}", hint=f"Use {', '.join(get_args(By))}.")
    if budget is not None and not (budget > 0 and math.isfinite(budget)):
        raise UsageError(f"budget must be positive, found {budget}")
    problem, u = problem_of(fit)
    assert fit.data is not None
    groups = groups_of(fit.data, by)
    if len(groups) * fit.n_rows > MOST_CELLS:
        raise UsageError(
            f"{len(groups)} refits of {fit.n_rows} rows are too many",
            hint='Leave out budgets instead: by="budget".',
        )
    flops = budget if budget is not None else AHEAD * largest(fit.data)
    at, loss_reason = ahead(fit.law, fit.data, AHEAD)
    removals, plan_reason = _removals(fit, problem, u, groups, at, flops)
    whole = fit.theta[None]
    n_star = float(planned_n(fit.law, fit.data, whole, flops)[0][0])
    free = int((~Coordinates.of(problem.law).at_bound(u)).sum())
    return Influence(
        by=by,
        removals=removals,
        params=dict(zip(fit.law.names, fit.theta.tolist(), strict=True)),
        at=at,
        budget=flops,
        loss=float(loss_at(fit.law, whole, at)[0]),
        n_star=n_star,
        d_star=flops / 6 / n_star,
        much=chi_square_quantile(MEDIAN, max(free, 1)),
        outliers=outliers(problem, u, fit.data.run_ids),
        loss_reason=loss_reason,
        plan_reason=plan_reason,
    )


def _removals(
    fit: Fit,
    problem: Problem,
    u: Array,
    groups: list[tuple[str, Counts]],
    at: Mapping[str, float],
    flops: float,
) -> tuple[tuple[Removal, ...], str]:
    """Refits without each group, the most influential first, and why there is no plan."""
    assert fit.data is not None
    kept = np.ones((len(groups), fit.n_rows), dtype=np.bool_)
    for k, (_, rows) in enumerate(groups):
        kept[k, rows] = False
    found, value = refitted(problem, u, kept)
    far = [one.row for one in outliers(problem, u, fit.data.run_ids)]
    scale = typical_scale(problem, u, fit.data.clusters, far)
    displacement = 2 * (problem.total(found) - problem.total(u[None])) / scale
    theta = expanded(fit.law, fit.constraints, Coordinates.of(problem.law).theta(found))
    loss = loss_at(fit.law, theta, at)
    n_star, reason = planned_n(fit.law, fit.data, theta, flops)
    numbers = np.stack([displacement, value, loss, n_star, flops / 6 / n_star], axis=1)
    too_few = kept.sum(axis=1) <= len(problem.law.parameters)
    numbers[too_few], theta[too_few] = math.nan, math.nan
    removals = [
        Removal(
            label=label,
            rows=len(rows),
            run_ids=_named(fit.data.run_ids, rows),
            displacement=float(numbers[k, 0]),
            params=dict(zip(fit.law.names, theta[k].tolist(), strict=True)),
            objective=float(numbers[k, 1]),
            loss=float(numbers[k, 2]),
            n_star=float(numbers[k, 3]),
            d_star=float(numbers[k, 4]),
            reason="too few rows are left to fit" if too_few[k] else "",
        )
        for k, (label, rows) in enumerate(groups)
    ]
    removals.sort(key=lambda one: -math.inf if one.reason else one.displacement, reverse=True)
    return tuple(removals), reason


def _named(run_ids: tuple[str, ...], rows: Counts) -> tuple[str, ...]:
    positions: list[int] = rows.tolist()
    return tuple(run_ids[k] for k in positions)


def refitted(problem: Problem, u: Array, kept: Mask) -> tuple[Array, Array]:
    """Optima (K, P) and objectives (K,) of the rows that each of `kept` (K, n) keeps."""
    given = np.ones(len(problem.loss)) if problem.weights is None else problem.weights
    points, values = np.empty((len(kept), len(u))), np.empty(len(kept))
    batch = max(1, BATCH_CELLS // len(problem.loss))
    for first in range(0, len(kept), batch):
        part = slice(first, first + batch)
        weights = kept[part] * given
        without = replace(problem, weights=weights)
        start = np.repeat(u[None], len(weights), axis=0)
        points[part], values[part] = descend(
            without, start, iterations=500, tolerance=1e-12, accelerated=True
        )
    return points, values

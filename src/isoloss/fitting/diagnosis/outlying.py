"""Rows that lie far from a fitted law: flagged with a reason, never dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from isoloss.fitting.diagnosis._calibration import calibrate, student_quantile
from isoloss.fitting.solver.coordinates import Coordinates
from isoloss.fitting.solver.descent import Problem
from isoloss.laws.law import Array, Counts

OUTLIER_LEVEL = 0.01
"""Chance that a table of normal residuals has any outlier at all."""


@dataclass(frozen=True, kw_only=True)
class Outlier:
    """A row far from the law: flagged, never dropped."""

    run_id: str
    row: int
    residual: float
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        return {
            "run_id": self.run_id,
            "row": self.row,
            "residual": self.residual,
            "reason": self.reason,
        }


def outliers(problem: Problem, u: Array, run_ids: tuple[str, ...]) -> tuple[Outlier, ...]:
    """Rows whose residual is beyond what a table of normal residuals has in 1 of 100 cases.

    The scale is the median absolute residual with the small-sample factor of Rousseeuw and
    Leroy (1987, section 5.1.2): 1.4826 (1 + 5/(n − P)).
    """
    r = problem.residual(u[None])[0]
    freedom = len(r) - len(u)
    if freedom < 1:
        return ()
    scale = 1.4826 * (1 + 5 / freedom) * float(np.median(np.abs(r)))
    threshold = student_quantile(1 - OUTLIER_LEVEL / 2 / len(r), max(freedom, 3))
    rounding = 1e-9 * (np.abs(problem.loss) if problem.objective.residual == "raw" else 1.0)
    far = np.flatnonzero(np.abs(r) > np.maximum(threshold * scale, rounding))
    order = far[np.argsort(-np.abs(r[far]), kind="stable")]
    rows: list[int] = order.tolist()
    side = {True: "below", False: "above"}
    return tuple(
        Outlier(
            run_id=run_ids[k],
            row=k,
            residual=float(r[k]),
            reason=f"{abs(r[k]) / scale:.1f} robust standard deviations {side[bool(r[k] > 0)]} the"
            f" law ({abs(r[k]):.3g} {problem.objective.residual}); {threshold:.1f} is the most"
            f" that {len(r)} normal residuals reach",
        )
        for k in rows
    )


def without(problem: Problem, rows: Sequence[int]) -> Problem:
    """The problem of the other rows."""
    kept = np.ones(len(problem.loss), dtype=np.bool_)
    kept[list(rows)] = False
    return replace(
        problem,
        data={name: column[kept] for name, column in problem.data.items()},
        loss=problem.loss[kept],
        weights=None if problem.weights is None else problem.weights[kept],
    )


def typical_scale(problem: Problem, u: Array, clusters: Counts, rows: Sequence[int]) -> float:
    """κ of `_calibration`, its median over free parameters; `rows`, the outliers, do not enter.

    They would hide themselves: one far row raises the scale by which it is judged.
    """
    free = ~Coordinates.of(problem.law).at_bound(u)
    others, left = without(problem, rows), np.delete(clusters, list(rows))
    scales = [calibrate(others, u, left, unit, free).scale for unit in np.eye(len(u))[free]]
    return float(np.median(scales)) if scales else float("nan")

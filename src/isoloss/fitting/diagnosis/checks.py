"""Whether to believe a fit: named checks, each with what was seen and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from isoloss.fitting.diagnosis._calibration import calibrate, chi_square_quantile
from isoloss.fitting.diagnosis._profile_path import spread_of
from isoloss.fitting.diagnosis._slices import ParameterSlice
from isoloss.fitting.diagnosis.outlying import outliers, typical_scale, without
from isoloss.fitting.diagnosis.row_checks import counts_agree, head_share, no_checkpoints, no_copies
from isoloss.fitting.result import Check
from isoloss.fitting.solver.coordinates import Coordinates
from isoloss.fitting.solver.descent import Problem, descend
from isoloss.fitting.solver.optimum import Optimum
from isoloss.laws.law import Array, Counts

if TYPE_CHECKING:
    from isoloss.runs import Runs

LARGEST_CONDITION = 1e8
"""Of the curvature matrix scaled to unit diagonal."""
LEAST_AGREEING = 2
LARGEST_GRADIENT = 1e-3
TREND = 0.5
INFLUENCE = 3.0
FAR = 4.0
"""Where the objective is looked at on both sides of E, in standard errors of the curvature."""
LEVEL = 0.9
SHIFTED_AT_ONCE = 10_000
"""Rows in one batch of the steps without a group."""
MOST_NAMED = 5


def all_checks(
    problem: Problem,
    optimum: Optimum,
    clusters: Counts,
    extra: Mapping[str, Array],
    run_ids: tuple[str, ...] = (),
    runs: Runs | None = None,
    n: str | None = None,
) -> tuple[Check, ...]:
    """Every check of a fit that applies to it.

    `extra` has further columns (C) to look for trends in; `run_ids` name rows; `runs` has the
    same rows with all their columns, and `n` is the column that was asked for as N.
    """
    u = Coordinates.of(problem.law).u(optimum.theta)
    run_ids = run_ids or tuple(f"row {k + 1}" for k in range(len(problem.loss)))
    found = (
        starts_agree(optimum, len(problem.loss)),
        gradient_is_small(optimum),
        inside_bounds(problem, optimum),
        identified(problem, u),
        irreducible_loss(problem, u, clusters),
        enough_configurations(problem, clusters),
        no_trend(problem, u, extra),
        no_dominant_run(problem, u, clusters),
        outliers_are_harmless(problem, u, clusters, run_ids),
        no_copies(problem, run_ids),
        no_checkpoints(problem, problem.residual(u[None])[0], clusters, extra),
        head_share(runs, n) if runs is not None else None,
        counts_agree(runs, n) if runs is not None else None,
    )
    return tuple(check for check in found if check is not None)


def starts_agree(optimum: Optimum, rows: int) -> Check:
    """Several starts must end at the best objective."""
    passed = optimum.agreeing >= LEAST_AGREEING
    others = (
        "; other optima at " + ", ".join(f"{value:.4g}" for value in optimum.others)
        if optimum.others
        else ""
    )
    return Check(
        name="starts_agree",
        passed=passed,
        message=f"{optimum.agreeing} of {optimum.starts} starts reached the best objective"
        f"{_on_a_sample(optimum, rows)}{others}",
        cure="" if passed else "The best optimum may not be the best there is: try another law.",
    )


def _on_a_sample(optimum: Optimum, rows: int) -> str:
    """On how many of the rows the starts were tried, where these were not all."""
    if optimum.start_rows == rows:
        return ""
    return (
        f" on a sample of {optimum.start_rows:,} of the {rows:,} rows, whose best points were"
        " taken further on all rows"
    )


def gradient_is_small(optimum: Optimum) -> Check:
    """The gradient, in units of the curvature, must vanish."""
    passed = optimum.gradient_norm <= LARGEST_GRADIENT
    return Check(
        name="gradient",
        passed=passed,
        message=f"relative gradient norm {_size(optimum.gradient_norm)}",
        cure="" if passed else "The search did not settle: the law may not suit these runs.",
    )


def _size(norm: float) -> str:
    """Below 1e-9 the digits are rounding errors, which differ from machine to machine."""
    return "below 1e-9" if norm < 1e-9 else f"{norm:.1e}"


def inside_bounds(problem: Problem, optimum: Optimum) -> Check:
    """No parameter may lie at an end of its domain."""
    names = [n for n, at in zip(problem.law.names, optimum.at_bound, strict=True) if at]
    return Check(
        name="bounds",
        passed=not names,
        message=f"at a bound: {', '.join(names)}" if names else "no parameter at a bound",
        cure="Its value is the bound's, not the data's: use a law without it." if names else "",
    )


def identified(problem: Problem, u: Array) -> Check:
    """The curvature at the optimum must fix every direction."""
    _, jacobian = problem.residual_and_jacobian(u[None])
    jacobian = np.nan_to_num(jacobian)
    columns = jacobian[0] / np.maximum(np.linalg.norm(jacobian[0], axis=0), 1e-300)
    singular = np.linalg.svd(columns, compute_uv=False)
    condition = float((singular[0] / max(singular[-1], 1e-150)) ** 2)
    enough = len(problem.loss) > len(u)
    passed = bool(enough and condition <= LARGEST_CONDITION)
    return Check(
        name="identifiability",
        passed=passed,
        message=f"condition number {condition:.1e} with {len(problem.loss)} runs"
        f" for {len(u)} parameters",
        cure=""
        if passed
        else "Some parameters trade off exactly: vary N and D more, or use a"
        " law with fewer parameters.",
    )


def irreducible_loss(problem: Problem, u: Array, clusters: Counts) -> Check | None:
    """The objective must rise on both sides of E: one evaluation each, others re-optimised.

    None for a law without a free E. The whole curve is `fit.profile("E")`.
    """
    if "E" not in problem.law.names:
        return None
    cut = ParameterSlice(problem, problem.law.index("E"))
    slope = cut.gradient(u)
    free = ~Coordinates.of(problem.law).at_bound(u)
    free[cut.position] = True
    calibration = calibrate(problem, u, clusters, slope, free)
    if not np.isfinite(calibration.scale):
        return None
    step = FAR * np.sqrt(calibration.scale * spread_of(problem, u, slope))
    aims = np.clip(u[cut.position] + np.array([-step, step]), *cut.ends)
    starts = cut.placed(_along_valley(problem, u, cut.position, aims), aims)
    inside = Coordinates.of(problem.law).inside(starts)
    _, value = descend(cut.restricted(aims), inside, iterations=40, tolerance=1e-6)
    rise = (value - float(problem.total(u[None])[0])) / calibration.limit(LEVEL)
    shown = cut.shown(aims)
    flat = [
        f"{side} E = {shown[k]:.4g}"
        for k, side in enumerate(("down to", "up to"))
        if not rise[k] >= 1
    ]
    return Check(
        name="irreducible_loss",
        passed=not flat,
        message=f"the objective hardly rises {' and '.join(flat)}"
        if flat
        else "the objective rises on both sides of E",
        cure='E is open on that side: see fit.profile("E"), and add runs that come nearer to it.'
        if flat
        else "",
    )


def _along_valley(problem: Problem, u: Array, position: int, aims: Array) -> Array:
    """Where the others would go (S, P) if the curvature at the optimum told all."""
    _, hessian = problem.gradient_and_hessian(u[None])
    size = np.sqrt(np.maximum(np.diag(hessian[0]), 1e-300))
    scaled = np.nan_to_num(hessian[0] / np.outer(size, size)) + 1e-9 * np.eye(len(u))
    unit = np.eye(len(u))[position] / size
    way = np.asarray(np.linalg.solve(scaled, unit), dtype=np.float64) / size
    return u + np.outer((aims - u[position]) / way[position], way)


def enough_configurations(problem: Problem, clusters: Counts) -> Check:
    """Runs that share a trunk, or an (N, D), are not independent."""
    distinct = distinct_points(problem)
    groups = len(np.unique(clusters))
    passed = distinct >= len(problem.law.parameters) + 2 and groups >= 4
    return Check(
        name="configurations",
        passed=passed,
        message=f"{distinct} distinct points in {groups} independent groups",
        cure="" if passed else "Intervals from so few are not usable: add runs.",
    )


def distinct_points(problem: Problem) -> int:
    """How many different points of the law's variables the rows have."""
    points = np.stack([np.round(_log(c), 6) for c in problem.data.values()], axis=1)
    return len(np.unique(points, axis=0))


def no_trend(problem: Problem, u: Array, extra: Mapping[str, Array]) -> Check:
    """Residuals must not depend on the size of the runs (rank correlation)."""
    residual = problem.residual(u[None])[0]
    found: list[str] = []
    for name, column in {**problem.data, **extra}.items():
        if len(np.unique(column)) > 3:
            x = _log(column)
            curved = np.abs(x - np.median(x))
            for label, axis in ((name, x), (f"|log {name}|", curved)):
                value = _rank_correlation(axis, residual)
                if abs(value) > max(TREND, 3.0 / np.sqrt(len(residual))):
                    found.append(f"{label} ({value:+.2f})")
    return Check(
        name="residual_trend",
        passed=not found,
        message=f"residuals go with {', '.join(found)}" if found else "residuals show no trend",
        cure="The law bends the wrong way: compare it with others." if found else "",
    )


def no_dominant_run(problem: Problem, u: Array, clusters: Counts) -> Check:
    """No single group of runs may decide the parameters (one Gauss-Newton step without it)."""
    residual, jacobian = problem.residual_and_jacobian(u[None])
    j, r = jacobian[0], residual[0]
    # Robust losses weigh a residual near 0 almost without limit: that is no influence.
    size = np.maximum(np.abs(r), float(np.median(np.abs(r))))
    weight = problem.objective.weight(size)
    hessian: Array = (j * weight[:, None]).T @ j
    hessian += 1e-10 * np.diag(np.diag(hessian))
    scale = float(np.sqrt(max(float((weight * r**2).mean()), 1e-300)))
    shift, count = _shifts(hessian, j, r, weight, clusters)
    group = int(np.argmax(shift))
    worst = float(shift[group]) / scale
    who = f"{int(count[group])} run(s) of group {int(np.unique(clusters)[group])}"
    passed = bool(worst <= INFLUENCE * np.sqrt(len(u)))
    return Check(
        name="influence",
        passed=passed,
        message=f"largest shift from leaving one group out: {worst:.1f} ({who})",
        cure="" if passed else "One group decides the fit: look at it, and add runs beside it.",
    )


def _shifts(
    hessian: Array, j: Array, r: Array, weight: Array, clusters: Counts
) -> tuple[Array, Counts]:
    """How far one step without each group moves the fit, in the metric of the Hessian, and rows.

    Both of shape (groups,); the groups are those of `np.unique(clusters)`.
    """
    _, index, count = np.unique(clusters, return_inverse=True, return_counts=True)
    order = np.argsort(index, kind="stable")
    first = np.cumsum(count) - count
    rows = (j * weight[:, None])[order]
    gradient = np.add.reduceat(rows * r[order][:, None], first)
    shift = np.empty(len(count))
    batches = min(len(count), 1 + len(r) // SHIFTED_AT_ONCE)
    for part in np.array_split(np.arange(len(count)), batches):
        own = slice(first[part[0]], first[part[-1]] + count[part[-1]])
        outer = rows[own][:, :, None] * j[order[own]][:, None, :]
        without = hessian - np.add.reduceat(outer, first[part] - first[part[0]])
        # A parameter that no run tells anything of stays where it is.
        diagonal = np.diag(hessian)
        without += np.diag(np.where(diagonal > 0, 1e-8 * diagonal, 1.0))
        step = np.linalg.solve(without, gradient[part][:, :, None])[:, :, 0]
        shift[part] = np.sqrt(np.maximum(np.einsum("gp,pq,gq->g", step, hessian, step), 0.0))
    return shift, count


def outliers_are_harmless(
    problem: Problem, u: Array, clusters: Counts, run_ids: tuple[str, ...]
) -> Check:
    """Rows far from the law are named; together they may not move it much (an exact refit)."""
    found = outliers(problem, u, run_ids)
    if not found:
        return Check(name="outliers", passed=True, message="no residual is an outlier")
    rows = [one.row for one in found]
    others = without(problem, rows)
    there, value = descend(others, u[None], iterations=60, tolerance=1e-7)
    free = ~Coordinates.of(problem.law).at_bound(u)
    scale = typical_scale(problem, there[0], clusters, rows)
    moved = 2 * float(others.total(u[None])[0] - value[0]) / scale
    much = chi_square_quantile(0.5, max(int(free.sum()), 1))
    passed = bool(not moved > much)
    named = ", ".join(one.run_id for one in found[:MOST_NAMED])
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    return Check(
        name="outliers",
        passed=passed,
        message=f"far from the law: {named}{more}; without them the fit moves by {moved:.2g} of"
        f" the {much:.2g} that is much",
        cure=""
        if passed
        else "Look at those runs (diverged? another setup?), and leave them out with a reason"
        " where there is one: runs.where(...).",
    )


def _log(column: Array) -> Array:
    """Logarithm of a positive column, else the column."""
    return np.log(column) if (column > 0).all() else column


def _rank_correlation(x: Array, y: Array) -> float:
    """Spearman's correlation; equal values share a rank."""
    ranks = [_ranks(values) for values in (x, y)]
    if np.ptp(ranks[0]) == 0 or np.ptp(ranks[1]) == 0:
        return 0.0
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(values: Array) -> Array:
    """Mean rank of each value, (n,)."""
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return ((last - counts + last - 1) / 2)[index]

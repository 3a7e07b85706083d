"""Runs and a law → a fit."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from isoloss.architecture import FAMILIES
from isoloss.errors import DataError, UsageError
from isoloss.fitting.arms._arm_rows import EMPTY, labels_of
from isoloss.fitting.bootstrap import Resampling, bootstrap_draws
from isoloss.fitting.diagnosis.checks import all_checks, distinct_points
from isoloss.fitting.result import (
    Check,
    Estimate,
    Fit,
    FittedRows,
    ObjectiveValue,
    check_level,
    too_few_draws,
)
from isoloss.fitting.solver.constraints import Constraints, expanded, reduced_law
from isoloss.fitting.solver.descent import Problem
from isoloss.fitting.solver.objective import LossName, Objective, ResidualName
from isoloss.fitting.solver.optimum import Optimum, solve
from isoloss.laws import Law, get_law
from isoloss.laws.law import Array

if TYPE_CHECKING:
    from isoloss.runs import Runs

LEAST_SPARE = 2
"""Distinct points beyond the parameters that intervals need: with one, they mean nothing."""


class FitSettings(TypedDict, total=False):
    """The settings of `fit`, for functions that pass them on to it."""

    target: str | None
    objective: LossName
    delta: float
    residual: ResidualName
    tau: float
    nu: float
    weights: str | None
    fixed: Mapping[str, float] | None
    tied: Mapping[str, str] | None
    bootstrap: int
    resample: Resampling
    level: float
    seed: int
    n: str | None


def fit(
    runs: Runs,
    law: str | Law = "chinchilla",
    *,
    target: str | None = None,
    objective: LossName = "huber",
    delta: float = 1e-3,
    residual: ResidualName = "log",
    tau: float = 0.9,
    nu: float = 4.0,
    weights: str | None = None,
    fixed: Mapping[str, float] | None = None,
    tied: Mapping[str, str] | None = None,
    bootstrap: int = 1000,
    resample: Resampling = "auto",
    level: float = 0.9,
    seed: int = 0,
    n: str | None = None,
) -> Fit:
    """Fit a law to the used rows of a run table.

    Args:
        runs: the table.
        law: a name (`isoloss.laws.law_names()`), a formula, or a `Law`.
        target: the column that the law predicts; the law's own (`loss` for most) if left out.
        objective, delta, residual, tau, nu: what is minimised (`isoloss.fitting.Objective`).
        weights: a column of positive weights of the rows in the objective.
        fixed: values of parameters that are not fitted, such as `{"E": 1.69}`.
        tied: parameters that equal another one, such as `{"beta": "alpha"}`.
        bootstrap: resamples for the intervals; 0 for none.
        resample: `smooth` weighs rows at random, `case` draws rows, `cluster` draws whole clusters
            (a trunk, a run's checkpoints, seeds of one configuration), `wild` multiplies the
            residuals of each cluster by one random weight; `auto` chooses (see `bootstrap_draws`).
        level: of the intervals.
        seed: of starts and resamples; the same seed gives the same fit.
        n: which column is N; `params_matmul` where every row has it.

    Raises:
        DataError: fewer runs than parameters, or a column that the law needs is missing.
        UsageError: an unknown objective, a level outside (0, 1), a negative count, an unknown
            parameter in `fixed` or `tied`.

    >>> import isoloss as il
    >>> il.fit(il.example_runs(), "chinchilla", bootstrap=0).n_rows > 10
    True
    """
    check_level(level)
    _refuse_negative(bootstrap=bootstrap, seed=seed)
    spec = Objective(name=objective, delta=delta, residual=residual, tau=tau, nu=nu)
    used = runs.used()
    chosen = get_law(law, _own_columns(used))
    constraints = Constraints(dict(fixed or {}), dict(tied or {}))
    free = reduced_law(chosen, constraints)
    if len(used) <= len(free.parameters):
        raise DataError(
            f"{len(used)} usable runs cannot fix the {len(free.parameters)} parameters of"
            f" {chosen.name!r}",
            hint="Add runs, use a law with fewer parameters, or fix or tie some of them.",
        )
    rows = _rows(used, chosen, target or chosen.target, weights, n)
    _refuse_signs(rows, spec)
    problem = rows.problem(free, spec)
    optimum = _solved(problem, seed)
    extra = _extra_columns(used, dict(rows.columns), n)
    checks = all_checks(problem, optimum, rows.clusters, extra, rows.run_ids, used, n)
    draws, reason = _resampled(problem, optimum, rows, bootstrap, seed, resample, level)
    status, trusted = _status(checks)
    estimates = intervals_of(free, optimum, draws, reason, level)
    return Fit(
        law=chosen,
        theta=expanded(chosen, constraints, optimum.theta),
        params=_with_constraints(chosen, constraints, estimates),
        constraints=constraints,
        objective=ObjectiveValue(spec=spec, value=optimum.value),
        target=rows.target,
        data=rows,
        status=status,
        trusted=trusted,
        checks=checks,
        draws=None if draws is None else expanded(chosen, constraints, draws),
        draws_reason="" if draws is not None else reason,
        n_convention=_n_convention(used, chosen, n),
        flops_convention=str(used.constant("flops_convention") or ""),
        n_rows=len(used),
        seed=seed,
        level=level,
        ranges={k: (float(v.min()), float(v.max())) for k, v in {**rows.columns, **extra}.items()},
        family=_family(used),
        scatter=_scatter(problem, optimum),
        runs_hash=runs.hash(),
        evidence={
            "starts": optimum.starts,
            "start_rows": optimum.start_rows,
            "agreeing": optimum.agreeing,
            "other_optima": list(optimum.others),
            "gradient_norm": optimum.gradient_norm,
        },
    )


def _refuse_negative(**counts: int) -> None:
    for name, value in counts.items():
        if value < 0:
            raise UsageError(f"{name} must not be negative, found {value}")


def _solved(problem: Problem, seed: int) -> Optimum:
    """The optimum.

    Raises:
        DataError: the law has no value at the rows, wherever the search begins.
    """
    optimum = solve(problem, seed=seed)
    if not math.isfinite(optimum.value):
        raise DataError(
            f"the law {problem.law.name!r} has no value at these runs, from any start",
            hint="Look for logarithms or powers of what is not positive in the formula.",
        )
    return optimum


def _resampled(
    problem: Problem,
    optimum: Optimum,
    rows: FittedRows,
    bootstrap: int,
    seed: int,
    resample: Resampling,
    level: float,
) -> tuple[Array | None, str]:
    """Bootstrap draws, or None; and why intervals at `level` cannot be read off them, or ''."""
    if not bootstrap:
        return None, "the fit was made without bootstrap (bootstrap=0)"
    spare = distinct_points(problem) - len(problem.law.parameters)
    if spare < LEAST_SPARE:
        more = f"{spare} point{'' if spare == 1 else 's'} more than parameters"
        return None, f"{more}: too few to judge the scatter by"
    draws = bootstrap_draws(problem, optimum.theta, rows.clusters, bootstrap, seed, resample)
    return draws, too_few_draws(len(draws), level)


def _rows(used: Runs, law: Law, target: str, weights: str | None, n: str | None) -> FittedRows:
    """What the fit sees of the used rows.

    Raises:
        DataError: a column is missing or empty, or weights are not positive.
    """
    weight = None
    if weights is not None:
        weight = used.vector(weights)
        if not ((weight > 0) & np.isfinite(weight)).all():
            raise DataError(
                f"weights must be positive numbers; column {weights!r} has {weight.min():g}"
            )
    return FittedRows(
        columns={v: used.vector(v, n=n) for v in law.variables},
        values=used.vector(target),
        target=target,
        weights=weight,
        clusters=used.clusters(),
        run_ids=tuple(str(run_id) for run_id in used.to_frame()["run_id"]),
        groups=_groups(used),
    )


def _groups(used: Runs) -> tuple[str, ...]:
    """The column `group` of every row; nothing where there is none, or nothing in it."""
    if "group" not in used.to_frame().columns:
        return ()
    labels = labels_of(used, "group")
    return tuple(labels) if any(label != EMPTY for label in labels) else ()


def _refuse_signs(rows: FittedRows, objective: Objective) -> None:
    """Log residuals need positive values.

    Raises:
        DataError: naming the first run whose value is not positive.
    """
    wrong = np.flatnonzero(~(rows.values > 0))
    if objective.residual == "log" and len(wrong):
        raise DataError(
            f"run {rows.run_ids[wrong[0]]!r}: {rows.target} is {rows.values[wrong[0]]:g};"
            " log residuals need positive values",
            hint='Fit it with residual="raw" (--residual raw), or leave the run out.',
        )


def _own_columns(used: Runs) -> tuple[str, ...]:
    """Columns that a formula may name, beside those of `isoloss.runs`; single letters may not."""
    return tuple(str(name) for name in used.to_frame().columns if len(str(name)) > 1)


def _n_convention(used: Runs, law: Law, n: str | None) -> str:
    """The column that is N, or the only count that the formula names; else empty."""
    if {"N", "M"} & set(law.variables):
        return used.n_column(n)
    named = [v for v in law.variables if v.startswith("params_")]
    return named[0] if len(named) == 1 else ""


def _extra_columns(used: Runs, data: dict[str, Array], n: str | None) -> dict[str, Array]:
    """N, D and C, where every row has them and the law does not use them."""
    found: dict[str, Array] = {}
    for name in ("N", "D", "C"):
        if name not in data:
            with contextlib.suppress(DataError, UsageError):
                found[name] = used.vector(name, n=n)
    return found


_OWN_FAMILY = {
    "decoder": "isoloss",
    "encoder": "encoder",
    "encoder_decoder": "encoder-decoder",
}
"""Families that a row names by their kind alone; others are `kind/family`."""


def _family(used: Runs) -> dict[str, Any]:
    """What all rows share of the ladder's shapes; empty where they differ or are unknown."""
    shared = {name: used.constant(name) for name in ("vocab_size", "context_length", "n_layer")}
    kind, _, name = str(used.constant("architecture") or "").partition("/")
    family = name or _OWN_FAMILY.get(kind, "")
    if any(v is None for v in shared.values()) or family not in FAMILIES:
        return {}
    sizes: dict[str, Any] = {n: int(value) for n, value in shared.items() if value is not None}
    if family == "isoloss":
        return sizes
    return {**sizes, "architecture": family, **_shares(used)}


def _shares(used: Runs) -> dict[str, float]:
    """Shares of the tokens that an encoder sees, and that a head predicts, over all rows."""
    names = {"encoder_share": "meta_tokens_encoder", "predicted_share": "meta_tokens_predicted"}
    tokens = used.vector("D").sum()
    found: dict[str, float] = {}
    for share, column in names.items():
        with contextlib.suppress(DataError, UsageError):
            counted = used.vector(column)
            found[share] = float(counted.sum() / tokens)
    return found


def _scatter(problem: Problem, optimum: Optimum) -> float:
    """Standard deviation of log residuals, P degrees of freedom taken off; robust to a few."""
    value = problem.law.value(optimum.theta, problem.data)
    if not ((value > 0).all() and (problem.loss > 0).all()):
        return math.nan
    residual = np.log(value) - np.log(problem.loss)
    free = max(len(residual) - len(optimum.theta), 1)
    spread = 1.4826 * float(np.median(np.abs(residual)))
    kept = np.minimum(np.abs(residual), 4 * spread) if spread > 0 else np.abs(residual)
    return math.sqrt(float((kept**2).sum()) / free)


def intervals_of(
    law: Law, optimum: Optimum, draws: Array | None, reason: str, level: float
) -> dict[str, Estimate]:
    """Values with intervals; an interval that there is not carries `reason` or its own."""
    tail = (1 - level) / 2
    result: dict[str, Estimate] = {}
    for position, name in enumerate(law.names):
        stderr = low = high = math.nan
        at_bound = bool(optimum.at_bound[position])
        why = "the parameter lies at its bound" if at_bound else reason
        if draws is not None and not why:
            column = draws[:, position]
            stderr = float(column.std(ddof=1))
            low, high = (float(x) for x in np.quantile(column, [tail, 1 - tail]))
        result[name] = Estimate(
            value=float(optimum.theta[position]),
            stderr=stderr,
            low=low,
            high=high,
            at_bound=at_bound,
            reason=why,
        )
    return result


def _with_constraints(
    law: Law, constraints: Constraints, free: Mapping[str, Estimate]
) -> dict[str, Estimate]:
    """Estimates of all parameters, in the order of the law."""
    result: dict[str, Estimate] = {}
    for name in law.names:
        if name in constraints.fixed:
            result[name] = Estimate(
                value=constraints.fixed[name],
                stderr=math.nan,
                low=math.nan,
                high=math.nan,
                at_bound=False,
                reason="fixed, not fitted",
            )
        elif name in constraints.tied:
            result[name] = replace(free[constraints.tied[name]], tied_to=constraints.tied[name])
        else:
            result[name] = free[name]
    return result


def _status(checks: tuple[Check, ...]) -> tuple[str, bool]:
    """One of a few sentences, and whether the fit may be used."""
    failed = {check.name for check in checks if not check.passed}
    if failed & {"starts_agree", "gradient"}:
        return "not converged: no optimum was confirmed; do not use these parameters", False
    if "identifiability" in failed:
        return "converged, but not identified: other parameters fit these runs as well", False
    if "bounds" in failed:
        return "converged at a bound: predictions may serve, that parameter says nothing", True
    if failed:
        return "converged, with doubts: read the checks before you extrapolate", True
    return "converged and identified", True

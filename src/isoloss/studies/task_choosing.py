"""Fit the laws of a score, and choose by the largest runs when they were not seen.

Each route has a few named candidates; the one that came nearest to the runs that were held out is
taken. A score that does not tell its law is `not identified`, with the reason, and has no number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from isoloss.errors import DataError, UsageError
from isoloss.fitting.bootstrap import Resampling
from isoloss.fitting.chained import ChainedFit, fit_chain
from isoloss.laws.law import Array
from isoloss.studies.task_candidates import (
    Candidate,
    ScoredBy,
    columns_of,
    direct_laws,
    score_of,
    second_steps,
)
from isoloss.studies.task_laws import ScoreLaw, Trial, known

if TYPE_CHECKING:
    from isoloss.fitting import Fit
    from isoloss.runs import Runs

LEAST_DIFFERENT = 5
"""Different scores below which no law is tried."""
LEAST_KEPT = 8
LEAST_HELD = 2
HELD_FROM = 0.5
"""Runs above this share of the largest compute are held out."""
LEAST_CORRELATION = 0.5
"""Rank correlation of score and loss below which the score says nothing of the loss."""
RESAMPLE: Resampling = "wild"
"""As the forecast of the loss draws, so that draws of both steps belong together."""


def score_laws(runs: Runs, metric: ScoredBy, loss: Fit) -> tuple[ScoreLaw, ScoreLaw]:
    """Both routes to a score: in two steps by way of the loss, and directly.

    Args:
        runs: a table with N, D, C, loss and the metric's column.
        metric: the score.
        loss: the law of the loss, fitted to the same runs; the first step.

    Returns:
        The chain and the direct law, each identified or with the reason why not.
    """
    rows = [row for row in runs.used().rows() if known(row.get(metric.column))]
    told = _unfit(rows, metric)
    if told:
        return tuple(  # type: ignore[return-value]
            ScoreLaw(metric=metric, route=route, status="not identified", reason=told)
            for route in ("chain", "direct")
        )
    table = _Table.of(rows, metric)
    return (
        _chosen(table, "chain", second_steps(metric), loss),
        _chosen(table, "direct", direct_laws(metric), loss),
    )


def second_step(
    rows: Sequence[Mapping[str, Any]], metric: ScoredBy, candidate: Candidate, loss: Fit
) -> tuple[Fit, tuple[float, ...]]:
    """The step from loss to score alone, and its errors on the largest runs when held out.

    The losses are those that were measured: what the first step is off by is not in the errors.

    Args:
        rows: with `loss`, `flops` and the metric's column.
        metric: the score.
        candidate: the law, of the loss.
        loss: the law of the loss, whose level and seed are taken.

    Returns:
        The fit to all rows, and predicted minus measured score of those that were held out; none
        where the rows are too few to hold some out.

    Raises:
        DataError, UsageError: the law cannot be fitted to the rows.
    """
    table = _Table.of(rows, metric)
    whole = _fitted(table.whole, candidate, loss, draws=0)
    if table.kept is None:
        return whole, ()
    try:
        kept = _fitted(table.kept, candidate, loss, draws=0)
    except (DataError, UsageError):
        return whole, ()
    return whole, tuple(_error(kept, candidate, row, metric) for row in table.held)


def _unfit(rows: Sequence[Mapping[str, Any]], metric: ScoredBy) -> str:
    """Why no law can be told from these scores; empty where one may."""
    if not rows:
        return f"no run has a value of {metric.name}"
    scores = np.array([float(row[metric.column]) for row in rows])
    different = len(np.unique(scores.round(9)))
    if different == 1:
        return (
            f"all {len(rows)} runs score {scores[0]:g}: the metric does not move yet; look at the"
            " smooth ones, and train larger models"
        )
    if different < LEAST_DIFFERENT:
        return f"{len(rows)} runs have only {different} different scores"
    losses = np.array([float(row["loss"]) for row in rows])
    together = _rank_correlation(scores, losses) * (-1 if metric.higher_is_better else 1)
    if not together >= LEAST_CORRELATION:
        return (
            f"the score does not follow the loss: their rank correlation is {together:.2f} in the"
            f" direction of better, {LEAST_CORRELATION:g} is needed"
        )
    return ""


def _rank_correlation(one: Array, other: Array) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(one, other).statistic)  # pyright: ignore


@dataclass(frozen=True)
class _Table:
    """The scored rows, those that are kept when the largest are held out, and those."""

    metric: ScoredBy
    whole: Runs
    kept: Runs | None
    held: tuple[Mapping[str, Any], ...]
    reason: str
    largest: float
    ahead: float

    @staticmethod
    def of(rows: Sequence[Mapping[str, Any]], metric: ScoredBy) -> _Table:
        from isoloss.runs import Runs

        filled = [{**row, **columns_of(float(row[metric.column]), metric)} for row in rows]
        largest = max(float(row["flops"]) for row in filled)
        limit = HELD_FROM * largest
        kept = [row for row in filled if float(row["flops"]) <= limit]
        held = [row for row in filled if float(row["flops"]) > limit]
        reason = ""
        if len(kept) < LEAST_KEPT or len(held) < LEAST_HELD:
            reason = (
                f"{len(kept)} runs cost at most half of the largest and {len(held)} more than"
                f" that; {LEAST_KEPT} and {LEAST_HELD} are needed to hold the latter out"
            )
        return _Table(
            metric,
            Runs.from_rows(filled),
            None if reason else Runs.from_rows(kept),
            () if reason else tuple(held),
            reason,
            largest,
            math.nan if reason else _ahead(kept, held),
        )


def _ahead(kept: Sequence[Mapping[str, Any]], held: Sequence[Mapping[str, Any]]) -> float:
    """Mean log distance of held-out runs from the dearest that was kept."""
    top = max(float(row["flops"]) for row in kept)
    return float(np.mean([math.log(float(row["flops"]) / top) for row in held]))


def _chosen(table: _Table, route: str, candidates: tuple[Candidate, ...], loss: Fit) -> ScoreLaw:
    """The candidate that was least off on held-out runs, among those whose fit may be used."""
    first = _refitted(loss, table.kept) if route == "chain" and table.kept is not None else None
    trials = tuple(_tried(table, candidate, loss, first, route) for candidate in candidates)
    common: dict[str, Any] = {
        "metric": table.metric,
        "route": route,
        "trials": trials,
        "held_out": tuple(str(row["run_id"]) for row in table.held),
        "held_reason": table.reason,
        "measured": tuple(float(row[table.metric.column]) for row in table.held),
        "largest": table.largest,
        "ahead": table.ahead,
    }
    usable = [trial for trial in trials if trial.trusted]
    if not usable:
        statuses = "; ".join(f"{t.candidate.name}: {t.status}" for t in trials)
        return ScoreLaw(status="not identified", reason=statuses, **common)
    best = min(usable, key=lambda trial: (math.isnan(trial.rms), trial.rms)).candidate
    fit = _fitted(table.whole, best, loss, draws=0 if loss.draws is None else len(loss.draws))
    whole = fit_chain(loss, fit) if route == "chain" else fit
    return ScoreLaw(
        status="identified",
        chosen=best,
        fit=whole,
        scatter=_scatter(fit, best, table),
        **common,
    )


def _tried(table: _Table, candidate: Candidate, loss: Fit, first: Fit | None, route: str) -> Trial:
    """A candidate fitted to all runs, and to those that are kept, which predicts the others."""
    try:
        whole = _fitted(table.whole, candidate, loss, draws=0)
    except (DataError, UsageError) as error:
        return Trial(candidate=candidate, status=error.message, trusted=False)
    errors: tuple[float, ...] = ()
    if table.kept is not None and (route == "direct" or first is not None):
        try:
            kept = _fitted(table.kept, candidate, loss, draws=0)
            law = fit_chain(first, kept) if route == "chain" and first is not None else kept
            errors = tuple(_error(law, candidate, row, table.metric) for row in table.held)
        except (DataError, UsageError):
            errors = ()
    return Trial(candidate=candidate, status=whole.status, trusted=whole.trusted, errors=errors)


def _fitted(runs: Runs, candidate: Candidate, loss: Fit, *, draws: int) -> Fit:
    from isoloss.fitting import fit

    return fit(
        runs,
        candidate.law,
        target=candidate.target,
        objective="squared",
        residual="raw",
        fixed=candidate.fixed,
        bootstrap=draws,
        resample=RESAMPLE,
        level=loss.level,
        seed=loss.seed,
    )


def _refitted(loss: Fit, kept: Runs | None) -> Fit | None:
    """The law of the loss without the runs that are held out; None where they are too few."""
    from isoloss.fitting import fit

    assert kept is not None
    spec = loss.objective.spec
    try:
        return fit(
            kept,
            loss.law,
            objective=spec.name,
            delta=spec.delta,
            residual=spec.residual,
            bootstrap=0,
            seed=loss.seed,
        )
    except DataError:
        return None


def _error(
    law: Fit | ChainedFit, candidate: Candidate, row: Mapping[str, Any], metric: ScoredBy
) -> float:
    """Predicted minus measured score of a held-out row."""
    names = law.variables if isinstance(law, ChainedFit) else law.law.variables
    at: dict[str, Any] = {name: _variable(row, name, law) for name in names}
    found = score_of(np.array([law.predict(**at).loss]), candidate.target, metric)[0]
    return float(found) - float(row[metric.column])


def _variable(row: Mapping[str, Any], name: str, law: Fit | ChainedFit) -> float:
    """A variable of a row, N in the convention of the fit."""
    from isoloss.runs import Runs

    first = law.first if isinstance(law, ChainedFit) else law
    return float(Runs.from_rows([row]).vector(name, n=first.n_convention or None)[0])


def _scatter(fit: Fit, candidate: Candidate, table: _Table) -> float:
    """Standard deviation of single runs around a law, in units of the score."""
    assert fit.data is not None
    predicted = fit.law.value(fit.theta, fit.data.columns)
    residual = score_of(predicted, candidate.target, table.metric) - score_of(
        fit.data.values, candidate.target, table.metric
    )
    free = max(len(residual) - (len(fit.law.parameters) - len(candidate.fixed)), 1)
    return math.sqrt(float((residual**2).sum()) / free)

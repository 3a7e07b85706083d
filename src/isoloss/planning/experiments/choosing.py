"""From a fit, candidates, a budget and a target to a design: which runs to make next."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from isoloss.errors import DataError, UsageError
from isoloss.laws.law import Array, Columns, Counts
from isoloss.planning.experiments.beliefs import (
    Belief,
    belief_of_draws,
    belief_of_fits,
    residual_of,
)
from isoloss.planning.experiments.candidates import Candidates, grid_of, read_candidates
from isoloss.planning.experiments.field import State
from isoloss.planning.experiments.result import Alternative, ChosenRun, Design
from isoloss.planning.experiments.strategies import STRATEGIES, Choice
from isoloss.planning.experiments.table import Table
from isoloss.planning.experiments.targets import Target, target_of

if TYPE_CHECKING:
    from isoloss.fitting import Fit

Spread = Literal["modes", "draws"]
MOST_RUNS = 100
LITTLE = 0.5
"""Share of the budget below which a caveat says that it is not spent."""


def design(
    fit: Fit | Sequence[Fit],
    candidates: object = None,
    *,
    budget: float,
    target: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    running: object = None,
    batch: int | None = None,
    weights: Mapping[str, float] | None = None,
    spread: Spread = "modes",
    strategy: str = "targeted",
    least_flops: float = 0.0,
    most: int = MOST_RUNS,
    columns: Mapping[str, str] | None = None,
    seed: int = 0,
) -> Design:
    """The runs that take most off the target's uncertainty for a budget.

    Every run is worth what it would take off the variance of the target, in the linearised model
    of all explanations of the runs so far: the local optima of each law with their covariances
    and their disagreement. What laws are wrong by is shared by neighbours, so that runs of one
    corner cannot make up for none near the target (`posterior`).

    Args:
        fit: a fit, or fits of several laws to the same rows.
        candidates: a path, a frame, rows or `Runs` with the law's variables and `flops`; a grid
            of the fit's family when left out.
        budget: FLOP to spend.
        target: `dict(flops=1e22)`, a point or points of the law's variables such as
            `dict(N=70e9, D=2e12)`, `dict(optimum=1e22)` for N* of a budget, `dict(exponent="a")`
            or `dict(parameter="alpha")`.
        running: runs that are under way, as `candidates`: counted as made.
        batch: so many runs are marked to be made before the next look; all when left out.
        weights: of several laws by name; equal when left out.
        spread: `modes` for local optima with their covariances; `draws` for the fits' bootstrap
            draws.
        strategy: `targeted`, or one of those it is compared with.
        least_flops: candidates that cost less are left out.
        most: runs at most.
        columns: their name → ours, for the tables of candidates and of running runs.
        seed: of strategies that draw.

    Raises:
        UsageError: a wrong budget, target, strategy or weight; `columns` without a table;
            nothing is affordable.
        DataError: a candidate lacks a variable or its cost; the fit lost its rows.

    >>> import isoloss as il
    >>> fit = il.fit(il.example_runs(), "chinchilla", bootstrap=0)
    >>> found = il.design(fit, budget=1e13, target=dict(flops=1e14))
    >>> found.after < found.now
    True
    """
    fits = _fits(fit)
    shares = _shares(fits, weights)
    first = fits[int(np.argmax(shares))]
    _check(budget, most, batch, strategy, spread)
    if columns and candidates is None and running is None:
        raise UsageError(
            "a mapping of columns is for tables of candidates and of running runs; there is none",
            hint="The columns of the fitted runs are named where the fit is made, as with:"
            " isoloss fit TABLE --map OURS=THEIRS -o FIT",
        )
    variables = list(dict.fromkeys(v for each in fits for v in each.law.variables))
    n = first.n_convention or None
    if candidates is None:
        given = grid_of(first, budget)
    else:
        given = read_candidates(candidates, variables, n=n, columns=columns)
    given = given.kept(given.flops >= least_flops)
    if not len(given) or given.flops.min() > budget:
        cheapest = f"the cheapest costs {given.flops.min():.3g}" if len(given) else "none is left"
        raise UsageError(
            f"a budget of {budget:.3g} FLOP pays for no candidate: {cheapest}",
            hint="Raise the budget, lower least_flops, or give smaller candidates.",
        )
    under_way = (
        None if running is None else read_candidates(running, variables, n=n, columns=columns)
    )
    wish = target_of(target, first, residual_of(first))
    assert first.data is not None
    table = Table.of(
        variables,
        _seen_columns(fits),
        first.data.values,
        given.columns,
        given.flops,
        target=wish,
        running=None if under_way is None else under_way.columns,
    )
    make = belief_of_fits if spread == "modes" else belief_of_draws
    belief = make(fits, shares, table.seen)
    choice = table.choice(belief, wish, budget, seed=seed, most=most)
    order = STRATEGIES[strategy](choice)
    return _assembled(
        table, belief, wish, choice, order, given, batch,
        laws={each.law.name: share for each, share in zip(fits, shares, strict=True)},
        running=0 if under_way is None else len(under_way),
        strategy=strategy,
        caveats=_caveats(fits, given, choice, order),
    )  # fmt: skip


def _seen_columns(fits: Sequence[Fit]) -> Columns:
    """The variables of all laws over the rows that were fitted."""
    found: dict[str, Array] = {}
    for each in fits:
        assert each.data is not None
        found |= each.data.columns
    return found


def _fits(fit: Fit | Sequence[Fit]) -> list[Fit]:
    fits = [cast("Fit", fit)] if hasattr(fit, "law") else list(cast("Sequence[Fit]", fit))
    if not fits:
        raise UsageError("design needs a fit", hint="il.design(il.fit(runs, 'chinchilla'), …)")
    for each in fits:
        if not hasattr(each, "theta"):
            raise UsageError(
                f"design takes a fit, found {type(each).__name__}",
                hint="Fit the runs first: il.fit(runs, 'chinchilla').",
            )
        if each.data is None:
            raise DataError(
                f"the fit of {each.law.name!r} has lost its rows",
                hint="Keep its .npz beside the JSON, or fit the runs anew.",
            )
        same = (each.runs_hash, each.target, residual_of(each))
        if same != (fits[0].runs_hash, fits[0].target, residual_of(fits[0])):
            raise UsageError(
                "the fits are of different rows, targets or residuals",
                hint="Fit every law to the same runs with the same settings.",
            )
    return fits


def _shares(fits: Sequence[Fit], weights: Mapping[str, float] | None) -> list[float]:
    """Weights of the fits, summing to one."""
    if weights is None:
        return [1 / len(fits)] * len(fits)
    names = [each.law.name for each in fits]
    for name, weight in weights.items():
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            raise UsageError(
                f"there is no fit of {name!r} to weigh",
                hint=f"Did you mean {close[0]!r}?" if close else f"Fits: {', '.join(names)}.",
            )
        if not (math.isfinite(weight) and weight >= 0):
            raise UsageError(f"the weight of {name!r} must not be negative, found {weight!r}")
    total = sum(weights.values())
    if not total > 0:
        raise UsageError("the weights of the laws are all zero", hint="Give one above zero.")
    return [weights.get(name, 0.0) / total for name in names]


def _check(budget: float, most: int, batch: int | None, strategy: str, spread: str) -> None:
    if not (math.isfinite(budget) and budget > 0):
        raise UsageError(
            f"budget must be a positive number of FLOP, found {budget!r}",
            hint="Give what may be spent on the next runs, such as budget=1e19.",
        )
    for name, value in (("most", most), ("batch", batch)):
        if value is not None and value < 1:
            raise UsageError(f"{name} must be 1 or more, found {value}")
    for name, value, known in (
        ("strategy", strategy, list(STRATEGIES)),
        ("spread", spread, ["modes", "draws"]),
    ):
        if value not in known:
            close = difflib.get_close_matches(value, known, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"One of {', '.join(known)}."
            raise UsageError(f"no {name} is called {value!r}", hint=hint)


def _assembled(
    table: Table, belief: Belief, target: Target, choice: Choice, order: list[int],
    given: Candidates, batch: int | None, **rest: Any,
) -> Design:  # fmt: skip
    begun = choice.started(choice.field)
    errors = _errors(begun, order)
    chosen = np.array(order, dtype=np.int64) - table.closed
    spent = np.cumsum(given.flops[chosen]) if order else np.zeros(0)
    mean, _ = belief.mean_and_features(target.quantity)
    value = float(mean[0]) if len(mean) == 1 else math.nan
    return Design(
        target=target.name,
        unit=target.unit,
        target_value=math.exp(value) if target.unit == "relative" else value,
        budget=float(choice.budget),
        spent=float(spent[-1]) if order else 0.0,
        now=math.sqrt(begun.total),
        after=errors[-1] if errors else math.sqrt(begun.total),
        runs=_runs(given, chosen, spent, errors, batch),
        alternatives=tuple(
            _alternative(name, choice, begun) for name in STRATEGIES if name != rest["strategy"]
        ),
        modes=len(belief.modes),
        noise=belief.scatter.noise,
        discrepancy=belief.scatter.discrepancy,
        candidates=len(given),
        seed=choice.seed,
        **rest,
    )


def _errors(state: State, order: Sequence[int]) -> list[float]:
    """Standard error of the target after each run of an order."""
    found: list[float] = []
    for row in order:
        state = state.after(row)
        found.append(math.sqrt(state.total))
    return found


def _runs(
    given: Candidates, chosen: Counts, spent: Array, errors: list[float], batch: int | None
) -> tuple[ChosenRun, ...]:
    return tuple(
        ChosenRun(
            position=int(row),
            job={**given.rows[row], "flops": float(given.flops[row])},
            variables={name: float(column[row]) for name, column in given.columns.items()},
            flops=float(given.flops[row]),
            cumulative_flops=float(spent[place]),
            standard_error=errors[place],
            now=batch is None or place < batch,
        )
        for place, row in enumerate(chosen)
    )


def _alternative(name: str, choice: Choice, begun: State) -> Alternative:
    order = STRATEGIES[name](choice)
    errors = _errors(begun, order)
    return Alternative(
        strategy=name,
        runs=len(order),
        flops=float(choice.costs[order].sum()),
        standard_error=errors[-1] if errors else math.sqrt(begun.total),
    )


def _caveats(
    fits: Sequence[Fit], given: Candidates, choice: Choice, order: list[int]
) -> tuple[str, ...]:
    told = [
        f"The fit of {each.law.name} is not to be trusted: {each.status}"
        for each in fits
        if not each.trusted
    ]
    if given.note:
        told.append(given.note)
    spent = float(choice.costs[order].sum())
    if choice.most is not None and len(order) >= choice.most:
        told.append(f"No more than {choice.most} runs were asked for; {spent:.3g} FLOP suffice.")
    elif spent < LITTLE * choice.budget:
        told.append(f"The candidates use up only {spent / choice.budget:.0%} of the budget.")
    told.append(
        "Expected errors suppose that the law holds as well beyond the runs as among them: look"
        " again after every batch."
    )
    return tuple(told)

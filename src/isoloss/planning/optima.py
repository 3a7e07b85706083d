"""Compute-optimal N and D over a range of budgets, as a table."""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from isoloss.errors import UsageError
from isoloss.planning._choosing import candidates_of, six_nd_of
from isoloss.planning._intervals import draws_of, interval_of
from isoloss.planning.allocation import Optimum, optimum
from isoloss.planning.draw_optima import Drawn
from isoloss.planning.goals import Spend
from isoloss.planning.interval import Interval, or_null
from isoloss.planning.limits import Limits
from isoloss.planning.search import Search
from isoloss.planning.sources import Plannable, Setting, Source, read_source
from isoloss.planning.wishes import MAX_FLOPS, ShapeWishes

if TYPE_CHECKING:
    from pandas import DataFrame

SCHEMA_VERSION = 1
MAX_POINTS = 200
_WIDTH = 80


@dataclass(frozen=True, kw_only=True)
class BudgetRow:
    """One budget: N*, D*, D*/N* and the loss, and how far beyond the runs it lies."""

    flops: float
    n: Interval
    d: Interval
    tokens_per_parameter: Interval
    loss: Interval
    extrapolation: float

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON."""
        return {
            "flops": self.flops,
            "n": self.n.to_dict(),
            "d": self.d.to_dict(),
            "tokens_per_parameter": self.tokens_per_parameter.to_dict(),
            "loss": self.loss.to_dict(),
            "extrapolation": or_null(self.extrapolation),
        }


@dataclass(frozen=True, kw_only=True)
class OptimalSplits:
    """Compute-optimal splits of several budgets.

    Attributes:
        rows: one a budget, rising.
        exponent: a of N* = k C^a between the first and the last budget; nan for one budget.
        n_convention, flops_convention: what N and C count.
        level: of the intervals.
        source, law: what they were made from.
        caveats: what the source has to say.
    """

    rows: tuple[BudgetRow, ...]
    exponent: Interval
    n_convention: str
    flops_convention: str
    level: float
    source: str
    law: str
    caveats: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON."""
        return {
            "rows": [row.to_dict() for row in self.rows],
            "exponent": self.exponent.to_dict(),
            "n_convention": self.n_convention,
            "flops_convention": self.flops_convention,
            "level": self.level,
            "source": self.source,
            "law": self.law,
            "caveats": list(self.caveats),
        }

    def to_frame(self) -> DataFrame:
        """One row a budget: flops, and value, low and high of each quantity."""
        import pandas as pd

        return pd.DataFrame([_flat(row) for row in self.rows])

    def summary(self) -> str:
        """The table in text, at most 80 columns wide."""
        lines = [
            f"Compute-optimal splits by {self.source}",
            f"  C in {self.flops_convention}, N in {self.n_convention}"
            + (f", [{self.level:.0%} interval]" if self._known else ""),
            f"  {'C':<8} {'N*':<20} {'D*':<20} {'D*/N*':<6} loss",
        ]
        lines += [
            f"  {row.flops:<8.3g} {_cell(row.n, _short):<20} {_cell(row.d, _short):<20} "
            f"{row.tokens_per_parameter.value:<6.3g} {_cell(row.loss, _digits)}"
            for row in self.rows
        ]
        if not math.isnan(self.exponent.value):
            lines.append(f"  N* grows as C^{_cell(self.exponent, _digits)}")
        beyond = [row.flops for row in self.rows if row.extrapolation > 1]
        words = list(self.caveats)
        if beyond:
            words.append(f"From C = {beyond[0]:.3g} on the budget is beyond all runs.")
        if not self._known:
            words.append(f"No intervals: {self.rows[0].loss.reason}.")
        lines += ["Caveats"] if words else []
        for caveat in words:
            lines += textwrap.wrap(caveat, _WIDTH, initial_indent="  - ", subsequent_indent="    ")
        return "\n".join(lines)

    @property
    def _known(self) -> bool:
        return any(not math.isnan(row.loss.low) for row in self.rows)

    def __repr__(self) -> str:
        return (
            f"OptimalSplits({len(self.rows)} budgets from {self.rows[0].flops:.3g} to "
            f"{self.rows[-1].flops:.3g}, source={self.source!r})"
        )

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.summary())}</pre>"


def optimal_splits(
    source: Plannable | Sequence[Plannable],
    budgets: Sequence[float],
    *,
    unique_tokens: float | None = None,
    weights: str | Sequence[float] | None = None,
    level: float = 0.9,
) -> OptimalSplits:
    """The best split of each budget, every draw at its own optimum.

    Args:
        source, unique_tokens, weights, level: as in `plan`.
        budgets: training FLOP in the source's convention.

    Raises:
        UsageError: no budget, one that is no positive number, or what `plan` refuses.

    >>> table = optimal_splits("published:epoch", [1e21, 1e23])
    >>> f"{table.rows[1].n.value:.3g} {table.exponent.value:.4f}"
    '2.94e+10 0.5126'
    """
    chosen = sorted(float(budget) for budget in budgets)
    if not chosen or not all(0 < budget <= MAX_FLOPS for budget in chosen):
        raise UsageError(
            f"expected budgets in FLOP between 0 and {MAX_FLOPS:g}, found {list(budgets)}"
        )
    if not 0 < level < 1:
        raise UsageError(f"level must lie between 0 and 1, found {level!r}", hint="Try 0.9.")
    read = read_source(source, weights)
    notes: tuple[str, ...] = ()
    if unique_tokens is not None:
        from isoloss.planning.repetition import with_repetition

        read, notes = with_repetition(read)
    found = [_at(read, budget, unique_tokens) for budget in chosen]
    largest = read.ranges.get("C", (math.nan, math.nan))[1]
    reason = draws_of(found[0][0])[1]
    rows = [
        _row(best, budget, largest, level, reason)
        for (_, best), budget in zip(found, chosen, strict=True)
    ]
    return OptimalSplits(
        rows=tuple(rows),
        exponent=_exponent(chosen, found[0][1], found[-1][1], level, reason),
        n_convention=read.n_convention or "params_total",
        flops_convention=read.flops_convention or six_nd_of(read.n_convention),
        level=level,
        source=read.label,
        law=read.law_name,
        caveats=(*read.caveats, *notes),
    )


def budgets_between(low: float, high: float, points: int) -> list[float]:
    """Budgets from one to another in equal ratios.

    Raises:
        UsageError: the ends are in the wrong order, or too few or too many points.

    >>> budgets_between(1e18, 1e20, 3)
    [1e+18, 1e+19, 1e+20]
    """
    if not low < high:
        raise UsageError(
            f"the range of budgets must rise, found {low:g} to {high:g}", hint="Exchange them."
        )
    if not 2 <= points <= MAX_POINTS:
        raise UsageError(f"expected 2 to {MAX_POINTS} points, found {points}")
    exponents = np.linspace(math.log10(low), math.log10(high), points)
    return [float(f"{10**exponent:.6g}") for exponent in exponents]


def _at(source: Source, budget: float, unique: float | None) -> tuple[Search, Optimum]:
    candidates = candidates_of(source, ShapeWishes(), budget, palm=False, shapes=False)
    setting = Setting(
        n_convention=source.n_convention,
        vocab_size=candidates.vocab_size,
        unique_tokens=unique,
    )
    search = Search(source=source, candidates=candidates, setting=setting, limits=Limits())
    return search, optimum(search, lambda surface: Spend(flops=budget))


def _row(best: Optimum, budget: float, largest: float, level: float, reason: str) -> BudgetRow:
    # Values between the shapes, as the draws are: a table of steps would look uneven.
    n, d, loss = best.smooth
    drawn = best.drawn
    if drawn is None:
        n_, d_, ratio, loss_ = (
            Interval(value=value, reason=reason or "the search is too narrow for an interval")
            for value in (n, d, d / n, loss)
        )
    else:
        rows, weights = drawn.values, drawn.weights
        n_, d_, ratio, loss_ = (
            interval_of(value, draws, weights, level)
            for value, draws in (
                (n, rows[0]), (d, rows[1]), (d / n, rows[1] / rows[0]), (loss, rows[2]),
            )
        )  # fmt: skip
    return BudgetRow(
        flops=budget,
        n=n_,
        d=d_,
        tokens_per_parameter=ratio,
        loss=loss_,
        extrapolation=budget / largest,
    )


def _exponent(
    budgets: Sequence[float], first: Optimum, last: Optimum, level: float, reason: str
) -> Interval:
    if len(budgets) < 2 or budgets[0] == budgets[-1]:
        return Interval(value=math.nan, reason="one budget has no exponent")
    span = math.log(budgets[-1] / budgets[0])
    value = math.log(last.smooth[0] / first.smooth[0]) / span
    low, high = first.drawn, last.drawn
    if low is None or high is None or not _paired(low, high):
        return Interval(value=value, reason=reason or "some draws have no optimum at one end")
    draws = np.log(high.values[0] / low.values[0]) / span
    return interval_of(value, draws, low.weights, level)


def _paired(one: Drawn, two: Drawn) -> bool:
    return one.lost == two.lost == 0 and one.values.shape == two.values.shape


def _flat(row: BudgetRow) -> dict[str, float]:
    found = {"flops": row.flops, "extrapolation": row.extrapolation}
    for name in ("n", "d", "tokens_per_parameter", "loss"):
        part: Interval = getattr(row, name)
        found |= {name: part.value, f"{name}_low": part.low, f"{name}_high": part.high}
    return found


def _cell(part: Interval, shown: Callable[[float], str]) -> str:
    if math.isnan(part.low):
        return shown(part.value)
    high = "none" if math.isnan(part.high) else shown(part.high)
    return f"{shown(part.value)} [{shown(part.low)}, {high}]"


def _digits(value: float) -> str:
    return f"{value:#.4g}" if value >= 1 else f"{value:.3f}"


def _short(value: float) -> str:
    """A count with the suffix that the command line takes back.

    >>> _short(7.225e10), _short(512e6), _short(3.2e15)
    ('72.2B', '512M', '3.2e+15')
    """
    for factor, suffix in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if 1 <= value / factor < 1000:
            return f"{value / factor:.3g}{suffix}"
    return f"{value:.3g}"

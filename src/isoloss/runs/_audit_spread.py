"""Checks of what the rows span: can a law of N and D be found from them at all?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from isoloss.runs._audit_evidence import Evidence, Finding, counted, rounded

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LEAST_VALUES = 3
_LEAST_RANGE = 4.0
_LEAST_ROWS = 8
_ONE_LINE = 0.05
_NARROW_LINE = 0.25
_ONE_SIZE = 0.02
"""Values this close are one: shapes are never exactly what was planned."""


def spread_findings(evidence: Evidence) -> Iterator[Finding]:
    """Too few sizes, too short a range, N and D that only move together."""
    import numpy as np

    n, d = evidence.numbers("N"), tokens_of(evidence)
    good = np.isfinite(n) & np.isfinite(d)
    if not good.any():
        return
    n, d = n[good], d[good]
    if len(n) < _LEAST_ROWS:
        yield Finding(
            name="few_runs",
            severity="warning",
            message=f"{counted(len(n), 'run')}: too few for a law of five constants and its"
            " intervals",
            cure="Fit a law with fewer constants, or add runs: isoloss study plans a ladder.",
        )
    stuck = [*_one_value("N", "D", n), *_one_value("D", "N", d)]
    yield from stuck
    if not stuck:
        yield from _range("N", n)
        yield from _range("D", d)
        yield from _line(n, d)
        yield from _isoflop(evidence)


def tokens_of(evidence: Evidence) -> NDArray[np.float64]:
    """D of every row, from C = 6 N D where it is not there."""
    import numpy as np

    d, six = evidence.numbers("D"), evidence.numbers("C") / (6 * evidence.numbers("N"))
    return np.where(np.isfinite(d), d, six)


def _one_value(symbol: str, other: str, values: NDArray[np.float64]) -> Iterator[Finding]:
    sizes = len(set(rounded(values, _ONE_SIZE)))
    if sizes < _LEAST_VALUES:
        yield Finding(
            name="not_identified",
            severity="error",
            message=f"{symbol} has {counted(sizes, 'value')}: a law of N and D cannot be found"
            " from these rows",
            cure=f"Fit a law of {other} alone (il.fit_power), or add runs of other {symbol}.",
        )


def _range(symbol: str, values: NDArray[np.float64]) -> Iterator[Finding]:
    span = float(values.max() / values.min())
    if span < _LEAST_RANGE:
        yield Finding(
            name="short_range",
            severity="warning",
            message=f"{symbol} spans a factor of {span:.2g}: its exponent will hardly be found",
            cure=f"Add runs: a factor of ten or more in {symbol}.",
        )


def _line(n: NDArray[np.float64], d: NDArray[np.float64]) -> Iterator[Finding]:
    """N and D on one line of the log-log plane: their two terms cannot be told apart."""
    import numpy as np

    x, y = np.log(n), np.log(d)
    slope, cut = np.polyfit(x, y, 1)
    spread = float(np.std(y - slope * x - cut))
    if spread >= _NARROW_LINE:
        return
    one = spread < _ONE_LINE
    fixed = abs(slope - 1) < 0.05
    what = (
        f"D / N is about {np.median(d / n):.3g} in every row"
        if fixed
        else (f"D follows N^{slope:.2f}")
    )
    yield Finding(
        name="one_line",
        severity="error" if one else "warning",
        message=f"{what} (to a factor of {np.exp(spread):.2f}): the shares of N and of D in the"
        f" loss {'cannot' if one else 'can hardly'} be told apart",
        cure="Add runs off the line: small models on much text, large ones on little; or fit a"
        " law of C alone (il.envelope, il.fit_power).",
    )


def _isoflop(evidence: Evidence) -> Iterator[Finding]:
    """Rows at a few budgets."""
    c = evidence.numbers("C")
    budgets = Counter(key for key in rounded(c, 0.02) if key == key)
    full = {budget: rows for budget, rows in budgets.items() if rows >= 4}
    if not full or sum(full.values()) < 0.8 * len(evidence):
        return
    if len(full) == 1:
        yield Finding(
            name="one_budget",
            severity="warning",
            message=f"all rows are at one budget ({next(iter(full)):.3g} FLOP): it has an optimum,"
            " but not how the optimum moves",
            cure="Add budgets; three or more give exponents.",
        )
        return
    yield Finding(
        name="isoflop",
        severity="note",
        message=f"the rows are isoFLOP profiles at {len(full)} budgets",
        cure="il.isoflop(runs) finds their minima; a law of N and D fits them too.",
    )

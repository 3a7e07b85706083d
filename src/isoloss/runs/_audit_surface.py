"""A smooth surface through the losses: how far rows lie off it, and whether there are two."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from isoloss.runs._audit_evidence import Evidence, Finding, rounded

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LEAST_ROWS = 18
_LEAST_SIZES = 3
_BIWEIGHT = 4.685
_LEAST_SHARE = 0.15
_LEAST_APART = 0.02
_LEAST_SEPARATION = 6.0
"""Distance of two heaps over the spread within them; halves of a normal sample have 2.7."""


def surface_residuals(evidence: Evidence) -> NDArray[np.float64]:
    """Share of its loss by which each row lies above a smooth surface, fitted robustly.

    Iteratively reweighted least squares with Tukey's biweight; not-a-number for rows without
    N, D or loss, and for those that saw text again and again: repeated text is worth less than
    new. All are where there are too few rows or sizes for six coefficients.
    """
    import numpy as np

    out = np.full(len(evidence), math.nan)
    good, basis = _surface(evidence)
    if len(basis) == 0:
        return out
    weights, rest = np.ones(len(basis)), np.zeros(len(basis))
    for _ in range(25):
        root = np.sqrt(weights)
        rest = 1 - basis @ _solved(basis * root[:, None], root)
        far = np.abs(rest) / (_BIWEIGHT * _scale(rest))
        weights = np.where(far < 1, (1 - far**2) ** 2, 0)
    out[good] = rest
    return out


def two_group_findings(evidence: Evidence) -> Iterator[Finding]:
    """Losses on two surfaces a constant factor apart: two ways of counting or measuring.

    The surface and the membership are fitted in turn, as in k-means.
    """
    import numpy as np

    good, basis = _surface(evidence)
    if len(basis) < _LEAST_ROWS + 6:
        return
    one = np.ones(len(basis))
    rest = one - basis @ _solved(basis, one)
    above = upper_heap(rest)
    for _ in range(50):
        solution = _solved(np.column_stack([basis, above.astype(np.float64)]), one)
        rest = one - basis @ solution[:-1]
        moved = upper_heap(rest)
        if np.array_equal(moved, above):
            break
        above = moved
    upper, lower = rest[above], rest[~above]
    if min(len(upper), len(lower)) < max(3, _LEAST_SHARE * len(rest)):
        return
    within = math.sqrt(float(len(upper) * upper.var() + len(lower) * lower.var()) / len(rest))
    apart = float(upper.mean() - lower.mean())
    if apart > _LEAST_APART and apart > _LEAST_SEPARATION * within:
        yield Finding(
            name="two_groups",
            severity="warning",
            message=f"the losses lie on two surfaces {apart:.0%} apart"
            f" ({len(upper)} of {len(rest)} rows on the upper one): units, conventions of N,"
            " datasets or recipes are mixed",
            cure="Find what tells them apart, and fit one kind.",
            rows=evidence.run_ids(np.flatnonzero(good)[above].tolist()),
        )


def _surface(evidence: Evidence) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which rows count, and their six terms over their loss (rows, 6); no rows if too few.

    Powers of N and D about those of published laws, so that the terms bend as losses do; each
    over the loss, so that equal shares weigh alike.
    """
    import numpy as np

    n, d, loss, unique = (evidence.numbers(name) for name in ("N", "D", "L", "U"))
    good = np.isfinite(n) & np.isfinite(d) & np.isfinite(loss) & ~(d > 1.5 * unique)
    if good.sum() < _LEAST_ROWS or len(set(rounded(n[good], 0.01))) < _LEAST_SIZES:
        return good, np.empty((0, 6))
    u, v = (x[good] / math.exp(float(np.log(x[good]).mean())) for x in (n, d))
    terms = [u**0, u**-0.2, u**-0.5, v**-0.2, v**-0.5, (u * v) ** -0.25]
    return good, np.stack(terms, axis=1) / loss[good][:, None]


def _solved(columns: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    return np.asarray(np.linalg.lstsq(columns, target, rcond=None)[0], dtype=np.float64)


def _scale(rest: NDArray[np.float64]) -> float:
    """Robust standard deviation of residuals, never zero."""
    import numpy as np

    return 1.4826 * float(np.median(np.abs(rest))) or 1e-12


def upper_heap(rest: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which residuals belong to the upper of the two heaps of least spread within."""
    import numpy as np

    values = np.sort(rest)
    k = np.arange(1, len(values))
    total, squares = np.cumsum(values), np.cumsum(values**2)
    low = squares[:-1] - total[:-1] ** 2 / k
    high = squares[-1] - squares[:-1] - (total[-1] - total[:-1]) ** 2 / (len(values) - k)
    best = int(np.argmin(low + high))
    return rest > (values[best] + values[best + 1]) / 2

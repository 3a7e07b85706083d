"""Which rows belong together: of one run, group, cluster, or budget."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from isoloss.errors import DataError
from isoloss.fitting.diagnosis._ahead import compute_of
from isoloss.laws.law import Array, Counts

if TYPE_CHECKING:
    from isoloss.fitting.result import FittedRows

By = Literal["run", "group", "budget", "cluster"]
SAME_BUDGET = 1.1
WIDEST_BUDGET = 2.0
"""Runs within 10% of compute lie on one budget, unless that chains over more than a factor 2."""


def groups_of(data: FittedRows, by: By) -> list[tuple[str, Counts]]:
    """Labels and rows of what is left out at a time.

    Raises:
        DataError: by budget, where the rows do not tell their compute; by group, where they have
            none.
    """
    compute = compute_of(data.columns)
    if by == "run":
        keys: Any = np.array(data.run_ids)
    elif by == "budget":
        if compute is None:
            raise DataError(
                f"the law sees {', '.join(data.columns)}: that does not tell the compute of a run",
                hint='Leave out runs or clusters instead: by="run".',
            )
        keys = budgets(compute)
    elif by == "group":
        if not data.groups:
            raise DataError(
                "the fitted rows have no groups: the table has no column 'group', it is empty, or"
                " the fit was saved before fits kept it",
                hint='Leave out clusters instead, by="cluster", or fit again with that column.',
            )
        keys = np.array(data.groups)
    else:
        keys = data.clusters
    found: list[tuple[str, Counts]] = []
    for key in np.unique(keys).tolist():
        rows = np.flatnonzero(keys == key)
        label = str(key)
        if compute is not None and by == "budget":
            label = f"C about {float(np.exp(np.log(compute[rows]).mean())):.3g}"
        elif by == "cluster":
            label = f"cluster {key} ({data.run_ids[int(rows[0])]}…)"
        found.append((label, rows))
    return found


def budgets(compute: Array) -> Counts:
    """One integer a row (n,): rows on about the same budget share it.

    Budgets are told apart by gaps of more than 10%; where these chain over more than a factor
    of two, by rounding to a quarter of a decade.

    >>> budgets(np.array([1e18, 1.02e18, 3e18])).tolist()
    [0, 0, 1]
    """
    logs = np.log(compute)
    order = np.argsort(logs, kind="stable")
    labels = np.empty(len(logs), dtype=np.int64)
    labels[order] = np.concatenate([[0], np.cumsum(np.diff(logs[order]) > math.log(SAME_BUDGET))])
    widths = [np.ptp(logs[labels == k]) for k in range(int(labels.max()) + 1)]
    if max(widths) > math.log(WIDEST_BUDGET):
        _, labels = np.unique(np.round(4 * logs / math.log(10)), return_inverse=True)
    return labels.astype(np.int64)

"""What laws and baselines predict for held-out rows, and how far off they are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from isoloss.fitting.backtesting import Ladder, baseline_losses, log_predictions
from isoloss.fitting.comparison._holding_out import Split
from isoloss.laws import Law
from isoloss.laws.law import Array, Columns, Counts, Mask

RESAMPLES = 1000
LEAST_CLUSTERS = 5
"""Fewer held-out groups of rows give an error no interval."""


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """One entry for each split and each row that it holds out, p in all.

    Attributes:
        window, row: which split and which row, (p,).
        distance: how far beyond the fitted rows, the largest of its variables, in logs (p,).
        errors: log predicted − log measured of each law (p,); not-a-number without a value.
        baseline, naive: the same of the plain L(C) and of the lowest loss seen.
    """

    window: Counts
    row: Counts
    distance: Array
    errors: Mapping[str, Array]
    baseline: Array
    naive: Array

    def average(self, values: Array) -> float:
        """Mean of values (p,), the windows counting alike; those without any value not at all."""
        return float(np.nanmean(self.averages(values))) if np.isfinite(values).any() else math.nan

    def averages(self, values: Array) -> Array:
        """Mean of values (p,) in each window, (W,)."""
        total, count = self._sums(values, self.window, int(self.window.max()) + 1)
        return total / np.where(count > 0, count, math.nan)

    def resampled(self, values: Array, clusters: Counts, seed: int) -> Array:
        """`average` over rows drawn by cluster with replacement, (RESAMPLES,)."""
        groups, index = np.unique(clusters[self.row], return_inverse=True)
        windows = int(self.window.max()) + 1
        total, count = self._sums(values, self.window * len(groups) + index, windows * len(groups))
        drawn = np.random.default_rng(seed).multinomial(
            len(groups), np.full(len(groups), 1 / len(groups)), size=RESAMPLES
        )
        weighed = [drawn @ part.reshape(windows, -1).T for part in (total, count)]  # (R, W)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = weighed[0] / weighed[1]
        some = np.isfinite(means)
        sums = np.where(some, means, 0.0).sum(axis=1)
        return sums / np.maximum(some.sum(axis=1), 1)

    def groups(self, clusters: Counts) -> int:
        """How many independent groups of rows were held out."""
        return len(np.unique(clusters[self.row]))

    def _sums(self, values: Array, cell: Counts, cells: int) -> tuple[Array, Array]:
        known = np.isfinite(values)
        total, count = (
            np.asarray(np.bincount(cell[known], weights=w, minlength=cells), dtype=np.float64)
            for w in (values[known], None)
        )
        return total, count


def predict_held(
    laws: Sequence[Law],
    columns: Columns,
    loss: Array,
    splits: Sequence[Split],
    near: Mapping[str, Array | None],
) -> HeldOut:
    """Fit every law to the fitted rows of every split, and predict the rows it holds out.

    Args:
        laws: the laws; columns: their variables over all rows, and N, D, C where known.
        loss: of all rows.
        splits: what is fitted and what is held out.
        near: parameters (P,) of each law that are a good start.
    """
    errors: dict[str, list[Array]] = {law.name: [] for law in laws}
    distance: list[Array] = []
    baseline: list[Array] = []
    naive: list[Array] = []
    for split in splits:
        seen, asked = _rows(columns, split.fitted), _rows(columns, split.held)
        measured = np.log(loss[split.held])
        for law in laws:
            logs = log_predictions(law, seen, loss[split.fitted], asked, near[law.name])
            errors[law.name].append(logs - measured)
        naive.append(math.log(float(loss[split.fitted].min())) - measured)
        baseline.append(_baseline(seen, loss[split.fitted], asked) - measured)
        distance.append(_distance(seen, asked))
    held = [np.flatnonzero(split.held) for split in splits]
    return HeldOut(
        window=np.concatenate([np.full(len(rows), i) for i, rows in enumerate(held)]),
        row=np.concatenate(held),
        distance=np.concatenate(distance),
        errors={name: np.concatenate(parts) for name, parts in errors.items()},
        baseline=np.concatenate(baseline),
        naive=np.concatenate(naive),
    )


def _rows(columns: Columns, chosen: Mask) -> dict[str, Array]:
    return {name: values[chosen] for name, values in columns.items()}


def _baseline(seen: Columns, loss: Array, asked: Columns) -> Array:
    """Log of the losses of the plain L(C); not-a-number where C is unknown."""
    if "C" not in seen:
        return np.full(len(next(iter(asked.values()))), math.nan)
    c = seen["C"]
    ladder = Ladder(n=seen.get("N", c), d=seen.get("D", c), c=c, loss=loss)
    return np.log(baseline_losses(ladder, asked["C"]))


def _distance(seen: Columns, asked: Columns) -> Array:
    """How far beyond the fitted rows, in logs: of all positive variables the largest, (m,)."""
    far = np.zeros(len(next(iter(asked.values()))))
    for name, values in seen.items():
        if (values > 0).all() and (asked[name] > 0).all():
            x, known = np.log(asked[name]), np.log(values)
            far = np.maximum(far, np.maximum(x - known.max(), known.min() - x))
    return far

"""The rows of a comparison: which arm each belongs to, and which are drawn together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from isoloss.errors import DataError, UsageError
from isoloss.fitting.arms._arm_law import ARM
from isoloss.laws.law import Array, Counts
from isoloss.runs.columns import close_names

if TYPE_CHECKING:
    from isoloss.runs import Runs

NEAR = 1e-3
"""Relative distance within which two runs have the same N and D."""
EMPTY = "(empty)"


@dataclass(frozen=True, kw_only=True)
class ArmRows:
    """Used rows with the number of their arm.

    Attributes:
        runs: the used rows with a column `meta_arm_index`; `parent_id` names the unit of each
            row, because fits draw rows with one parent together.
        names: of the arms, the baseline first; `index`: the arm of each row (n,).
        points: one row a configuration and seed (n,); equal numbers in two arms are a pair.
        units: rows that share one are not independent (n,).
    """

    runs: Runs
    names: tuple[str, ...]
    index: Counts
    points: Counts
    units: Counts

    def count(self, arm: int) -> int:
        """Rows of an arm."""
        return int((self.index == arm).sum())

    def of_arm(self, arm: int) -> Runs:
        """The rows of one arm alone."""
        return self.runs.where([bool(own) for own in self.index == arm], "another arm").used()

    def pairs(self, arm: int, loss: Array) -> tuple[int, int, int]:
        """Points that this arm and the baseline both have; with less, and with more mean loss."""
        both = set(self.points[self.index == arm].tolist())
        both &= set(self.points[self.index == 0].tolist())
        less = more = 0
        for point in both:
            at = self.points == point
            own, base = loss[at & (self.index == arm)], loss[at & (self.index == 0)]
            less += bool(own.mean() < base.mean())
            more += bool(own.mean() > base.mean())
        return len(both), less, more


def labels_of(runs: Runs, column: str) -> list[str]:
    """The text of a column for every used row; empty cells are `(empty)`.

    Raises:
        DataError: no such column, with a close match.
    """
    frame = runs.used().to_frame()
    found = [str(name) for name in frame.columns]
    if column not in found:
        close = close_names(column, found)
        raise DataError(
            f"the runs have no column {column!r} to tell them apart by",
            hint=(f"Did you mean {' or '.join(map(repr, close))}? " if close else "")
            + f"Columns: {', '.join(found[:20])}{' …' if len(found) > 20 else ''}.",
        )
    values: list[Any] = frame[column].tolist()
    return [_label(value) for value in values]


def _label(value: Any) -> str:
    if value is None or value == "" or value != value:
        return EMPTY
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def arm_rows(
    runs: Runs, group: str, baseline: str | None, variables: Sequence[str], n: str | None
) -> ArmRows:
    """Sort the used rows by arm and find what belongs together.

    Raises:
        DataError: no such column, fewer than two arms, or no such baseline.
    """
    used = runs.used()
    labels = labels_of(used, group)
    names = list(dict.fromkeys(label for label in labels if label != EMPTY))
    if len(names) < 2:
        raise DataError(
            f"column {group!r} holds {_listed(names)}: a comparison needs two arms or more",
            hint="Name the column that tells the arms apart, e.g. group='dataset'.",
        )
    if EMPTY in labels:
        raise DataError(
            f"column {group!r} is empty in {labels.count(EMPTY)} of {len(labels)} used runs",
            hint="Fill it in, or leave these runs out with a reason (Runs.where).",
        )
    names = _baseline_first(names, baseline, group)
    index = np.array([names.index(label) for label in labels], dtype=np.int64)
    points = _points(used, variables, n)
    units = _units(used.clusters(), points)
    return ArmRows(
        runs=_marked(used, index, units),
        names=tuple(names),
        index=index,
        points=points,
        units=units,
    )


def _listed(names: list[str]) -> str:
    return f"one value, {names[0]!r}" if names else "no value"


def _baseline_first(names: list[str], baseline: str | None, group: str) -> list[str]:
    if baseline is None:
        return names
    if baseline not in names:
        close = close_names(baseline, names)
        raise UsageError(
            f"no arm in column {group!r} is called {baseline!r}",
            hint=(f"Did you mean {close[0]!r}? " if close else "")
            + f"Arms: {', '.join(names[:12])}.",
        )
    return [baseline, *(name for name in names if name != baseline)]


def _points(used: Runs, variables: Sequence[str], n: str | None) -> Counts:
    """One number for each combination of variables and seed, (n,)."""
    columns = [used.vector(v, n=n) for v in variables]
    near = [np.round(np.log(c) / NEAR) if (c > 0).all() else c for c in columns]
    frame = used.to_frame()
    seeds: list[Any] = frame["seed"].tolist() if "seed" in frame.columns else [None] * len(frame)
    keys = list(zip(*near, map(_label, seeds), strict=True))
    known: dict[Any, int] = {}
    return np.array([known.setdefault(key, len(known)) for key in keys], dtype=np.int64)


def _units(clusters: Counts, points: Counts) -> Counts:
    """Connected components of rows that share a cluster or a point, (n,)."""
    units = np.arange(len(clusters))
    while True:
        before = units.copy()
        for labels in (clusters, points):
            _, group = np.unique(labels, return_inverse=True)
            smallest = np.full(int(group.max()) + 1, len(units))
            np.minimum.at(smallest, group, units)
            units = smallest[group]
        if (units == before).all():
            return units


def _marked(used: Runs, index: Counts, units: Counts) -> Runs:
    from isoloss.runs import Runs as Table

    frame = used.to_frame()
    frame[ARM] = index.astype(float)
    frame["parent_id"] = [f"unit {unit}" for unit in units.tolist()]
    return Table.from_frame(frame)

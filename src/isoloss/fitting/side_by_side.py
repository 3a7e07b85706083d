"""Fits of several groups or views side by side ("rainbow" tables)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

from isoloss.errors import DataError, UsageError
from isoloss.fitting._records import Recorded
from isoloss.fitting.arms._arm_rows import labels_of
from isoloss.fitting.estimation import FitSettings, fit
from isoloss.fitting.result import SCHEMA_VERSION, Fit, check_level
from isoloss.fitting.solver.constraints import Constraints
from isoloss.laws import Law, get_law

if TYPE_CHECKING:
    from isoloss.runs import Runs

POOLED = "(all)"
"""The name of the fit of all groups together."""


@dataclass(frozen=True, kw_only=True)
class GroupFit:
    """The fit of one group; None with the reason where it cannot be made."""

    name: str
    n_rows: int
    fit: Fit | None
    reason: str = ""

    @property
    def status(self) -> str:
        """The fit's, or why there is none."""
        return self.fit.status if self.fit is not None else f"not fitted: {self.reason}"

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        found = self.fit.to_dict() if self.fit is not None else None
        missing = {} if found is not None else {"fit_reason": self.reason}
        return {"name": self.name, "n_rows": self.n_rows, "fit": found, **missing}


@dataclass(frozen=True, kw_only=True, repr=False)
class FitTable(Recorded):
    """Fits of one law to several groups of runs, one row a group; the pooled fit stands last.

    Attributes:
        law: of all fits.
        by: the column that tells groups apart; empty for views that were given by name.
        groups: one a row, in the order of the table.
        pooled: the fit of all rows, or None where it was not asked for.
        level: of the intervals.
    """

    law: Law
    by: str
    groups: tuple[GroupFit, ...]
    pooled: GroupFit | None
    level: float

    @property
    def rows(self) -> tuple[GroupFit, ...]:
        """The groups, then the pooled fit."""
        return self.groups + (() if self.pooled is None else (self.pooled,))

    @property
    def trusted(self) -> bool:
        """Whether every group has a fit that may be used."""
        return all(group.fit is not None and group.fit.trusted for group in self.groups)

    def __repr__(self) -> str:
        fitted = sum(group.fit is not None for group in self.groups)
        return f"FitTable({self.law.name} by {self.by or 'view'}: {fitted} of {len(self)} groups)"

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, name: str) -> Fit:
        """The fit of one group, or of `(all)`.

        Raises:
            UsageError: no such group, or it was not fitted.
        """
        for row in self.rows:
            if row.name == name:
                if row.fit is None:
                    raise UsageError(f"group {name!r} was {row.status}")
                return row.fit
        raise UsageError(
            f"no group {name!r}", hint=f"Groups: {', '.join(row.name for row in self.rows)}."
        )

    def summary(self) -> str:
        """The table in 80 columns."""
        from isoloss.fitting._side_by_side_text import table_text

        return table_text(self)

    def to_latex(self) -> str:
        """A LaTeX table (booktabs): values with intervals below them.

        >>> import isoloss as il
        >>> table = il.fit_groups(il.example_runs(), by="d_model", law="a*D**b", bootstrap=0)
        >>> table.to_latex().splitlines()[0]
        '\\\\begin{tabular}{lrrrrl}'
        """
        from isoloss.fitting._side_by_side_text import table_latex

        return table_latex(self)

    def _repr_html_(self) -> str:
        from isoloss.fitting._side_by_side_text import table_html

        return table_html(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        return {
            "schema_version": SCHEMA_VERSION,
            "format": "isoloss-fit-table-1",
            "law": self.law.name,
            "formula": self.law.formula,
            "by": self.by or None,
            "level": self.level,
            "groups": [group.to_dict() for group in self.groups],
            "pooled": self.pooled.to_dict() if self.pooled is not None else None,
        }

    def to_frame(self) -> Any:
        """A pandas frame with one row a group: each parameter with `_low` and `_high`."""
        import pandas as pd

        return pd.DataFrame([_flat(self.law, row) for row in self.rows])


def _flat(law: Law, row: GroupFit) -> dict[str, Any]:
    cells: dict[str, Any] = {"group": row.name, "n_rows": row.n_rows}
    for name in law.names:
        estimate = row.fit.params[name] if row.fit is not None else None
        for suffix, key in (("", "value"), ("_low", "low"), ("_high", "high")):
            cells[name + suffix] = getattr(estimate, key) if estimate is not None else math.nan
    cells["objective"] = row.fit.objective.value if row.fit is not None else math.nan
    cells["scatter"] = row.fit.scatter if row.fit is not None else math.nan
    cells["n_convention"] = row.fit.n_convention if row.fit is not None else ""
    cells["trusted"] = row.fit is not None and row.fit.trusted
    cells["status"] = row.status
    return cells


def fit_groups(
    runs: Runs | Mapping[str, Runs],
    by: str | None = None,
    law: str | Law = "chinchilla",
    *,
    pooled: bool = True,
    **settings: Unpack[FitSettings],
) -> FitTable:
    """Fit one law to each group of runs, and to all of them together.

    A group with too few runs keeps its row, with the reason. All groups count N by one column:
    `n`, or the one that suits every used row.

    Args:
        runs: the table; or views by name, which may share rows and are not pooled.
        by: the column that tells groups apart; every value that it has is a group.
        pooled: whether to fit all rows together too.
        law, settings: as for `isoloss.fit`.

    Raises:
        DataError: no such column, or no group can be fitted.
        UsageError: neither a column nor views, or what `isoloss.fit` refuses.

    >>> import isoloss as il
    >>> table = il.fit_groups(il.example_runs(), by="d_model", law="a*D**b", bootstrap=0)
    >>> table.rows[-1].name
    '(all)'
    """
    level = settings.get("level", 0.9)
    check_level(level)
    views, own_column = _views(runs, by, settings.get("n"))
    options: dict[str, Any] = {**settings, "n": own_column}
    constraints = Constraints(dict(settings.get("fixed") or {}), dict(settings.get("tied") or {}))
    chosen = _law_for(views, law, constraints)
    groups = tuple(_group(name, view, chosen, options) for name, view in views.items())
    if all(group.fit is None for group in groups):
        raise DataError(
            f"none of the {len(groups)} groups can be fitted; {groups[0].name}: {groups[0].reason}",
            hint="Use a law with fewer parameters, or a column with fewer groups.",
        )
    whole = None
    if by is not None and pooled and not isinstance(runs, Mapping):
        whole = _group(POOLED, runs, chosen, options)
    return FitTable(law=chosen, by=by or "", groups=groups, pooled=whole, level=level)


def _views(
    runs: Runs | Mapping[str, Runs], by: str | None, n: str | None
) -> tuple[dict[str, Runs], str | None]:
    """The groups by name, and the column that is N in all of them (None: each its own)."""
    if isinstance(runs, Mapping):
        if by is not None or not runs:
            raise UsageError(
                "views by name need no column, and at least one view",
                hint='Give by="COLUMN" with one table, or {"name": runs, …} without it.',
            )
        return dict(runs), n
    if by is None:
        raise UsageError(
            "nothing tells the groups apart", hint='Give by="COLUMN", or {"name": runs, …}.'
        )
    used = runs.used()
    labels = labels_of(used, by)
    names = dict.fromkeys(labels)
    views = {
        name: used.where([label == name for label in labels], "another group") for name in names
    }
    return views, n if n is not None else _common_n(used)


def _common_n(used: Runs) -> str | None:
    """The count of parameters that suits every row; None where there is none."""
    try:
        return used.n_column()
    except DataError:
        return None


def _law_for(views: Mapping[str, Runs], law: str | Law, constraints: Constraints) -> Law:
    first = next(iter(views.values())).to_frame()
    chosen = get_law(law, [str(name) for name in first.columns if len(str(name)) > 1])
    constraints.check(chosen)
    return chosen


def _group(name: str, runs: Runs, law: Law, options: Mapping[str, Any]) -> GroupFit:
    """One row of the table; what is wrong with the data of a group is its reason."""
    count = len(runs.used())
    try:
        return GroupFit(name=name, n_rows=count, fit=fit(runs, law, **options))
    except DataError as error:
        return GroupFit(name=name, n_rows=count, fit=None, reason=error.message)

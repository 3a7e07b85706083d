"""What the checks of an audit look at: the used rows as arrays, and what a check says."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from isoloss.errors import IsolossError
from isoloss.runs._cells import is_empty
from isoloss.runs.columns import ALIASES, N_ORDER

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from isoloss.runs.table import Runs

Severity = Literal["note", "warning", "error"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")

# Text that says which row it is, what came of it or when, not under which settings it was made.
_NO_SETTING = frozenset(
    {"run_id", "name", "parent_id", "status", "reason", "source", "source_row", "created_at"}
)
_MOST_LABELS = 50


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that an audit found.

    Attributes:
        name: what it is called in scripts.
        severity: `error`: numbers are wrong or the law cannot be found from them; `warning`: a
            fit will mislead unless it is looked at; `note`: worth knowing.
        message: what was seen.
        cure: what to do about it.
        rows: ids of the runs that it concerns; empty where it concerns the table.
    """

    name: str
    severity: Severity
    message: str
    cure: str
    rows: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The used rows of a table.

    Attributes:
        runs: the table, with the rows that are left out.
        columns: the cells of its used rows, None where they are empty.
        ids: their run ids.
        n_name: the count that N is, or the one that most rows have; empty where there is none.
        n_problem: why the rows have no N in common, or empty.
    """

    runs: Runs
    columns: Mapping[str, list[Any]]
    ids: tuple[str, ...]
    n_name: str
    n_problem: str

    @staticmethod
    def of(runs: Runs) -> Evidence:
        """Collect what is known."""
        columns = {
            name: [None if is_empty(cell) else cell for cell in cells]
            for name, cells in runs.used().cells().items()
        }
        name, problem = "", ""
        try:
            name = runs.n_column()
        except IsolossError as error:
            problem = error.message
            name = _fullest_count(columns)
        return Evidence(
            runs=runs,
            columns=columns,
            ids=tuple(str(run_id) for run_id in columns["run_id"]),
            n_name=name,
            n_problem=problem,
        )

    def __len__(self) -> int:
        return len(self.ids)

    def cells(self, name: str) -> list[Any]:
        """The cells of a column, None where it is missing or they are empty."""
        return self.columns.get(name) or [None] * len(self)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column, or `N`, `D`, `C` or another variable, as numbers; not-a-number where empty."""
        import numpy as np

        column = self.n_name if name == "N" else ALIASES.get(name, name)
        values = [
            float(cell)
            if isinstance(cell, (int, float)) and not isinstance(cell, bool)
            else math.nan
            for cell in self.cells(column)
        ]
        return np.asarray(values, dtype=np.float64)

    def texts(self, name: str) -> list[str]:
        """A column as text, empty where it is."""
        return ["" if cell is None else str(cell) for cell in self.cells(name)]

    def has(self, name: str) -> bool:
        """Whether a column is there with at least one value."""
        return any(cell is not None for cell in self.cells(name))

    def names(self) -> list[str]:
        """All columns."""
        return list(self.columns)

    def distinct(self, name: str) -> list[str]:
        """The different texts of a column, without the empty one."""
        return sorted(set(self.texts(name)) - {""})

    def labels(self) -> list[str]:
        """Columns of text or truth values that sort the rows into a few kinds."""
        found: list[str] = []
        for name in self.names():
            cells = [cell for cell in self.cells(name) if cell is not None]
            if name in _NO_SETTING or not cells or not isinstance(cells[0], (str, bool)):
                continue
            if 2 <= len(set(cells)) <= min(_MOST_LABELS, max(2, len(cells) // 2)):
                found.append(name)
        return found

    def groups(self, *keys: Iterable[object]) -> Iterator[list[int]]:
        """Row numbers that share all keys, in the order of their first rows."""
        sorted_rows: dict[tuple[object, ...], list[int]] = {}
        for row, key in enumerate(zip(*keys, strict=True)):
            sorted_rows.setdefault(key, []).append(row)
        yield from sorted_rows.values()

    def run_ids(self, rows: Iterable[int]) -> tuple[str, ...]:
        """The ids of rows."""
        return tuple(self.ids[row] for row in rows)


def rounded(values: NDArray[np.float64], share: float = 1e-6) -> list[float]:
    """Keys under which values that differ by less than about `share` are one."""
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(values)
    order = np.argsort(logs, kind="stable")
    keys = np.full(len(values), math.nan)
    last, key = -math.inf, 0.0
    for row in order:
        if not math.isfinite(logs[row]):
            continue
        if logs[row] - last > share:
            key = float(values[row])
        last = float(logs[row])
        keys[row] = key
    return [float(key) for key in keys]


def several(values: Iterable[object], most: int = 4) -> str:
    """A few values for a sentence.

    >>> several(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    given = [str(value) for value in values]
    given = [text if len(text) <= 24 else f"{text[:23]}…" for text in given]
    more = len(given) - most
    return ", ".join(given) if more <= 0 else f"{', '.join(given[:most])} and {more} more"


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun.

    >>> counted(1, "row"), counted(3, "row")
    ('1 row', '3 rows')
    """
    return f"{number} {one if number == 1 else many or one + 's'}"


def _fullest_count(columns: Mapping[str, list[Any]]) -> str:
    """The count of parameters that most rows have; of equals the first of `N_ORDER`."""
    others = [name for name in columns if name.startswith("params_") and name not in N_ORDER]
    ranked = [name for name in N_ORDER if name in columns] + others
    empty = {name: sum(cell is None for cell in columns[name]) for name in ranked}
    return min(ranked, key=lambda name: empty[name], default="")

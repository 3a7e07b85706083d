"""The run table: frozen, checked, with its conventions named."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from isoloss._files import sha256_text, write_text_atomic
from isoloss.errors import DataError, UsageError
from isoloss.runs._cells import Origin, Table, checked_table, content, is_empty, is_used, rows_of
from isoloss.runs._delimited import delimited
from isoloss.runs._summary import summary_text
from isoloss.runs.columns import ALIASES, N_ORDER, close_names, kind_of, missing_column, renamed
from isoloss.runs.reading import columns_of_frame, columns_of_rows, read_table
from isoloss.runs.units import scaled, split_columns

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Mask = Iterable[bool] | Callable[[pd.DataFrame], Iterable[bool]]

# Columns whose rows may not differ in what they mean where one is read as a variable.
_CONVENTION_OF = {"flops": "flops_convention", "own_flops": "flops_convention", "loss": "loss_unit"}


@dataclass(frozen=True, eq=False, repr=False)
class Runs:
    """Runs of models, one a row; rows that a fit may not use stay, with their reason.

    Make one with `read`, `from_frame` or `from_rows`, which check every cell. Columns are those
    of docs/design.md §3 (counts are absolute, loss in nats per token unless `loss_unit` says
    otherwise), then any others. Nothing changes a `Runs`.

    >>> runs = Runs.from_rows([{"params_total": 1e6, "tokens": 2e7, "loss": 3.5}])
    >>> len(runs), runs.n_column(), runs.vector("M").tolist()
    (1, 'params_total', [20.0])
    """

    _frame: pd.DataFrame
    _dropped: int = 0

    @classmethod
    def read(cls, path: str | Path, columns: Mapping[str, str] | None = None) -> Runs:
        """Read a .csv, .tsv, .jsonl or .parquet file.

        Args:
            path: the file; text must be UTF-8, with a header line.
            columns: their name → our name, for columns that are called otherwise there; with
                a factor where the unit differs, as in {"Tokens (B)": "tokens:1e9"} (or `:B`).

        Raises:
            NotFoundError: no such file.
            DataError: the file is not what its name says, lacks a column that is needed, or
                holds a wrong value: file, row (1 is the first below the header), column and
                value are named.
        """
        return cls._from_columns(read_table(Path(path)), columns, label=str(path))

    @classmethod
    def from_frame(cls, frame: object, columns: Mapping[str, str] | None = None) -> Runs:
        """The runs of a pandas, Polars or Arrow table; arguments and errors as for `read`."""
        return cls._from_columns(columns_of_frame(frame), columns, label="the frame")

    @classmethod
    def from_rows(
        cls,
        rows: Iterable[Mapping[str, object]],
        columns: Mapping[str, str] | None = None,
        *,
        label: str = "the rows",
    ) -> Runs:
        """The runs of dicts, one a run; `label` is what errors call them, else as for `read`."""
        return cls._from_columns(columns_of_rows(rows), columns, label=label)

    @classmethod
    def _from_columns(cls, raw: Table, columns: Mapping[str, str] | None, *, label: str) -> Runs:
        plain, factors = split_columns(columns)
        names, theirs = renamed(list(raw), plain, label=label)
        ours = dict(zip(names, raw.values(), strict=True))
        for name, factor in factors.items():
            ours[name] = [scaled(value, factor) for value in ours[name]]
        cells, dropped = checked_table(ours, Origin(label=label, theirs=theirs))
        return cls(_frame_of(cells), dropped)

    def __len__(self) -> int:
        """All rows, also those that a fit may not use."""
        return len(self._frame)

    def __repr__(self) -> str:
        return f"<Runs: {len(self)} rows, {int(self._used_mask().sum())} for a fit>"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.summary())}</pre>"

    def where(self, mask: Mask, reason: str = "left out by where") -> Runs:
        """Keep all rows, but leave those that fail `mask` out of fits, with `reason`.

        Args:
            mask: one truth value a row, or a function of the frame that gives them.
            reason: why; a row that had a reason before keeps its own.

        Raises:
            UsageError: the mask has another length or holds other things, or no reason.
            DataError: the function asks for a column that is not there.

        >>> runs = Runs.from_rows([
        ...     {"params_total": 1e6, "tokens": 2e7, "loss": 3.5},
        ...     {"params_total": 1e6, "tokens": 4e7, "loss": 3.3},
        ... ])
        >>> len(runs.where(lambda r: r["tokens"] > 3e7).used())
        1
        """
        if not reason.strip():
            raise UsageError("where needs a reason", hint="Say why rows are left out.")
        kept = self._mask(mask)
        frame = self._frame.copy()
        reasons = cast("list[str]", frame["reason"].tolist())
        frame["reason"] = _objects(
            [old if old or keep else reason for old, keep in zip(reasons, kept, strict=True)]
        )
        return Runs(frame, self._dropped)

    def used(self) -> Runs:
        """Only the rows that a fit may use: status empty or 'ok', and no reason against them."""
        return Runs(self._frame[self._used_mask()].reset_index(drop=True))

    def to_frame(self) -> pd.DataFrame:
        """A copy of the table as a pandas frame; empty text is '', an empty number NaN."""
        return self._frame.copy()

    def cells(self) -> dict[str, list[Any]]:
        """Plain lists by column, all of one length; empty text is '', an empty number NaN."""
        return _cells_of(self._frame)

    def rows(self) -> list[dict[str, Any]]:
        """One dict a run, without its empty cells."""
        return [
            {name: value for name, value in row.items() if not is_empty(value)}
            for row in rows_of(_cells_of(self._frame))
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON: the hash and the rows."""
        return {"schema_version": 1, "hash": self.hash(), "runs": self.rows()}

    def to_csv(self, path: str | Path) -> None:
        """Write a UTF-8 CSV file atomically; every cell reads back as it was.

        Text that a spreadsheet would run as a formula is guarded (`isoloss.runs.export_runs`).

        Raises:
            EnvironmentProblem: the folder is not writable or the disk is full.
        """
        write_text_atomic(path, delimited(self.cells()))

    def n_column(self, n: str | None = None) -> str:
        """The column that is N: one convention for all rows that a fit may use.

        Args:
            n: the column to take; otherwise the first of `params_matmul`,
                `params_non_embedding` and `params_total` that every used row has, or the only
                other `params_*` that every used row has.

        Raises:
            DataError: no count is there in every used row.
            UsageError: `n` is no name of a count.
        """
        frame = self._used_frame()
        counts = [name for name in _names(frame) if name.startswith("params_")]
        if n is not None:
            return self._named_n(n, counts)
        full = [name for name in counts if not frame[name].isna().any()]
        for name in N_ORDER:
            if name in full:
                return name
        if len(full) == 1:
            return full[0]
        if full:
            raise DataError(
                f"N may be {' or '.join(full)}", hint=f"Say which, e.g. --n {full[0]} (n=...)."
            )
        held = ", ".join(f"{name} in {int(frame[name].notna().sum())}" for name in counts)
        raise DataError(
            f"the rows count parameters in different ways: of {len(frame)} rows, {held}",
            hint="Give one count for every row, or leave the others out with a reason.",
        )

    def _named_n(self, n: str, counts: list[str]) -> str:
        if not n.startswith("params_"):
            close = close_names(n, counts, n=1) or counts[:1]
            raise UsageError(
                f"{n!r} is no count of parameters", hint=f"Use a params_* column, e.g. {close[0]}."
            )
        self.vector(n)
        return n

    def vector(self, name: str, *, n: str | None = None) -> NDArray[np.float64]:
        """A variable of a formula over the used rows: shape (rows,), float64.

        Args:
            name: `N` (the column `n_column(n)`), `D`, `C`, `U`, `L`, `M` = D/N, `V`, `lr`, `B`,
                or any numeric column.
            n: which count is N.

        Raises:
            DataError: the column is missing, is empty in a used row, holds text, or its rows
                mix conventions (`flops_convention`, `loss_unit`).
        """
        import numpy as np

        if name == "M":
            return self.vector("D") / self.vector("N", n=n)
        column = self.n_column(n) if name == "N" else ALIASES.get(name, name)
        frame = self._used_frame()
        if column not in _names(frame):
            what = f"{column!r} (the variable {name})" if column != name else ""
            raise missing_column(column, _names(frame), label="the runs", what=what)
        values = frame[column].tolist()
        ids = cast("list[str]", frame["run_id"].tolist())
        for value, run_id in zip(values, ids, strict=True):
            if is_empty(value) or isinstance(value, str):
                raise _no_number(column, value, run_id, values)
        self._refuse_mixed(column)
        return np.asarray(values, dtype=np.float64)

    def clusters(self) -> NDArray[np.int64]:
        """One integer a used row, shape (rows,): rows with one `parent_id` share it."""
        import numpy as np

        frame = self._used_frame()
        parents: list[str] = [""] * len(frame)
        if "parent_id" in _names(frame):
            parents = cast("list[str]", frame["parent_id"].tolist())
        known: dict[str, int] = {}
        keys = [f"parent {parent}" if parent else f"row {i}" for i, parent in enumerate(parents)]
        return np.asarray([known.setdefault(key, len(known)) for key in keys], dtype=np.int64)

    def constant(self, name: str) -> str | float | int | bool | None:
        """The one value that all used rows share in a column (or variable), or None."""
        column = ALIASES.get(name, name)
        frame = self._used_frame()
        if column not in _names(frame):
            return None
        values = set(frame[column].tolist())
        value: Any = values.pop() if len(values) == 1 else None
        if is_empty(value):
            return None
        whole = isinstance(value, float) and kind_of(column) == "count" and value.is_integer()
        return int(value) if whole else value

    def hash(self) -> str:
        """SHA-256 of what the runs say, in hexadecimal.

        The order of rows and columns and the columns `created_at` and `meta_seconds` do not
        enter; every other cell does, numbers exactly.
        """
        rows = sorted(self.rows(), key=lambda row: str(row["run_id"]))
        return sha256_text("\n".join(content(row) for row in rows))

    def summary(self) -> str:
        """Counts, ranges, conventions and rows left out, as text of 80 columns."""
        return summary_text(self, dropped=self._dropped)

    def _used_mask(self) -> NDArray[np.bool_]:
        import numpy as np

        status = cast("list[str]", self._frame["status"].tolist())
        reason = cast("list[str]", self._frame["reason"].tolist())
        pairs = zip(status, reason, strict=True)
        return np.asarray([is_used(s, r) for s, r in pairs], dtype=np.bool_)

    def _used_frame(self) -> pd.DataFrame:
        return self._frame[self._used_mask()]

    def _mask(self, mask: Mask) -> list[bool]:
        try:
            given = mask(self.to_frame()) if callable(mask) else mask
        except KeyError as error:
            wanted = str(error.args[0]) if error.args else ""
            raise missing_column(wanted, _names(self._frame), label="the runs") from error
        values = [_truth(value) for value in given]
        if len(values) != len(self):
            raise UsageError(
                f"the mask has {len(values)} values for {len(self)} rows",
                hint="Give one truth value for every row, also for those left out already.",
            )
        return values

    def _refuse_mixed(self, column: str) -> None:
        convention = _CONVENTION_OF.get(column)
        frame = self._used_frame()
        if convention is None or convention not in _names(frame):
            return
        said = sorted(set(cast("list[str]", frame[convention].tolist())) - {""})
        if len(said) > 1:
            raise DataError(
                f"the rows give {column!r} under different conventions ({convention}): "
                f"{', '.join(said)}",
                hint="Convert them to one, or leave the others out with a reason.",
            )


def _truth(value: object) -> bool:
    """A truth value of a mask; pandas' NA, a comparison with nothing, is False."""
    if isinstance(value, bool) or type(value).__name__ in ("bool", "bool_"):
        return bool(value)
    if is_empty(value):
        return False
    raise UsageError(
        f"a mask holds truth values, found {value!r}", hint='For example: r["tokens"] > 1e8'
    )


def _no_number(column: str, value: object, run_id: str, values: list[Any]) -> DataError:
    if isinstance(value, str) and not is_empty(value):
        return DataError(
            f"run {run_id!r}, column {column!r}: expected a number, found {value!r}",
            hint="Use a column of numbers.",
        )
    empty = sum(is_empty(other) for other in values)
    return DataError(
        f"run {run_id!r}, column {column!r}: empty, as in {empty} of {len(values)} runs",
        hint=f"Fill in {column!r}, or leave these runs out with a reason.",
    )


def _names(frame: pd.DataFrame) -> list[str]:
    return [str(name) for name in cast("Iterable[object]", frame.columns)]


def _objects(values: list[Any]) -> Any:
    import pandas as pd

    return pd.Series(values, dtype=object)


def _frame_of(cells: Table) -> pd.DataFrame:
    """A frame of cells: text and truth values with gaps as objects, numbers as NumPy types."""
    import pandas as pd

    def series(values: list[Any]) -> Any:
        given = [value for value in values if value is not None]
        if any(isinstance(value, str) for value in given):
            return _objects(values)
        if any(isinstance(value, bool) for value in given):
            return _objects(values) if len(given) < len(values) else pd.Series(values, dtype=bool)
        whole = len(given) == len(values) and all(isinstance(value, int) for value in given)
        return pd.Series(values, dtype="int64" if whole else "float64")

    return pd.DataFrame({name: series(values) for name, values in cells.items()})


def _cells_of(frame: pd.DataFrame) -> Table:
    return {name: frame[name].tolist() for name in _names(frame)}

"""From the name of a public table to its runs."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from isoloss.errors import EnvironmentProblem, NotFoundError
from isoloss.runs.catalogue.entries import Form, PublishedTable, published_table
from isoloss.runs.catalogue.fetching import VARIABLE, local_files, source_files
from isoloss.runs.catalogue.forms import READERS, Row
from isoloss.runs.table import Runs

ALL = "all"
"""The part that is the whole table."""


def published(name: str, *, directory: str | Path | None = None) -> Runs:
    """The runs of a public table, in our columns; fetched once, checked, cached.

    It is looked for in `directory`, else in the folder that `ISOLOSS_PUBLISHED_DIR` names, then in
    the cache, then at its source, whose files must be byte for byte those of the catalogue.
    Rows that its authors left out, and rows of another part of the table, stay with a reason.

    Args:
        name: of the table (`published_tables()`); `NAME/PART` takes another part of a table that
            has parts, `NAME/all` everything.
        directory: a folder with copies; nothing else is looked at.

    Raises:
        NotFoundError: no such table or part, or `directory` does not hold it.
        DataError: a file is not the one that the catalogue knows.
        EnvironmentProblem: it cannot be fetched, or is of a kind that isoloss does not open.
    """
    wanted, _, part = name.removeprefix("published:").partition("/")
    table = published_table(wanted)
    form, files = _found(table, directory)
    rows = READERS[form.reader](files)
    return Runs.from_rows(
        _with_reasons(_with_origin(rows, table, form), table, part),
        columns=_present(table.columns, rows),
        label=f"published:{table.name}",
    )


def _found(table: PublishedTable, directory: str | Path | None) -> tuple[Form, dict[str, bytes]]:
    """The form that was found and its files."""
    folder = directory if directory is not None else os.environ.get(VARIABLE) or None
    local = local_files(Path(folder).expanduser(), table) if folder is not None else None
    if local is not None:
        form = table.copy if local[0] == "copy" else table.source
        assert form is not None
        return _readable(table, form), local[1]
    if directory is not None:
        looked_for = [form.files[0].path for form in (table.copy,) if form is not None]
        raise NotFoundError(
            f"{directory}: no copy of {table.name}",
            hint=f"It would hold {' or '.join([*looked_for, table.name])}.",
        )
    return _readable(table, table.source), source_files(table)


def _readable(table: PublishedTable, form: Form) -> Form:
    if form.reader:
        return form
    raise EnvironmentProblem(
        f"{table.name}: {form.note}",
        hint=f"Set {VARIABLE} to a folder that holds {table.copy.files[0].path}."
        if table.copy
        else "",
    )


def _with_origin(rows: Iterable[Row], table: PublishedTable, form: Form) -> list[Row]:
    """Rows with the columns of the entry, and where each comes from: `source`, `source_row`."""
    where = table.place
    if len(form.files) == 1:
        where += f" {form.files[0].path}"
    if form.name == "copy":
        where = f"{table.place}, by the copy {form.files[0].path}"
    return [
        {**table.constants, **row, "source": where, "source_row": index}
        for index, row in enumerate(rows, 1)
    ]


def _with_reasons(rows: list[Row], table: PublishedTable, part: str) -> list[Row]:
    wanted = _part(rows, table, part)
    return [{**row, "reason": _reason(row, table, wanted)} for row in rows]


def _reason(row: Mapping[str, object], table: PublishedTable, part: str) -> str:
    """Why a row is not to be used, or nothing."""
    own = str(row.get(table.part_column, "")) if part not in ("", ALL) else part
    if own != part:
        return f"of another part: published:{table.name}/{own}"
    return next((rule.reason for rule in table.left_out if rule.applies(row)), "")


def _part(rows: list[Row], table: PublishedTable, part: str) -> str:
    """The part that is wanted; empty for a table without parts.

    Raises:
        NotFoundError: there is no such part.
    """
    if part in ("", ALL):
        return part or table.part
    parts = list(dict.fromkeys(str(row[table.part_column]) for row in rows)) if table.part else []
    if part in parts:
        return part
    if not parts:
        raise NotFoundError(
            f"{table.name} has no parts, found {part!r}", hint=f"Give published:{table.name}."
        )
    close = difflib.get_close_matches(part, parts, n=1, cutoff=0.3)
    hint = f"Did you mean published:{table.name}/{close[0]}? " if close else ""
    raise NotFoundError(
        f"{table.name} has no part {part!r}", hint=f"{hint}Parts: {', '.join(parts)}, all."
    )


def _present(columns: Mapping[str, str], rows: list[Row]) -> dict[str, str]:
    """The mapping without columns that this form of the table does not have at all.

    A column that becomes one of ours must be there: `Runs` says which is missing.
    """
    names = {name for row in rows for name in row}
    return {
        theirs: ours
        for theirs, ours in columns.items()
        if theirs in names or not ours.startswith("meta_")
    }

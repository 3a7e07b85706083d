"""What the catalogue knows of each public run table, read from `tables/` and `files.csv`."""

from __future__ import annotations

import csv
import difflib
import functools
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, Literal, cast

from isoloss.errors import NotFoundError

FormName = Literal["source", "copy"]


@dataclass(frozen=True, kw_only=True)
class PublishedFile:
    """One file of a table: its path (in the repository, or in a local folder), size, SHA-256."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Form:
    """A form in which a table lies somewhere.

    Attributes:
        name: `source`: the files of its repository; `copy`: one flat table in a local folder.
        reader: of `isoloss.runs.catalogue.forms`; empty where isoloss will not open the files.
        n_rows: rows that the reader gives.
        note: what was done to the source's rows.
    """

    name: FormName
    files: tuple[PublishedFile, ...]
    reader: str
    n_rows: int
    note: str = ""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Rows that come with a reason against their use: those whose `column` holds one of `values`.

    Without a column, all rows.
    """

    reason: str
    column: str = ""
    values: tuple[str, ...] = ()

    def applies(self, row: Mapping[str, object]) -> bool:
        """Whether a row, in the names of its source, is one of them."""
        return not self.column or str(row.get(self.column)) in self.values


@dataclass(frozen=True, kw_only=True)
class PublishedFit:
    """A fit that was published for a table.

    Attributes:
        name: a short title, unique in its table.
        by: whose figures they are.
        method: how it is made again; a key of the methods of `isoloss.fitting.reproducing`.
        settings: of that method.
        figures: published values by name: `value` with `rtol` or `atol`; `at_most` where ours
            may be lower.
        note: what is known about differences.
    """

    name: str
    by: str
    method: str
    settings: Mapping[str, Any]
    figures: Mapping[str, Mapping[str, float]]
    note: str = ""


@dataclass(frozen=True, kw_only=True, repr=False)
class PublishedTable:
    """A public run table: where it lies, what it holds, and what was published about it.

    Attributes:
        name: what `published` calls it.
        paper, licence: of the data, as their source states it.
        repository, commit: where the files lie; `verified`: whether the files there were read
            and compared with the copy.
        columns: their names → ours; `constants`: columns that are the same in every row.
        counts: which N, which C and which loss, in words.
        part_column, part: the column that splits the table, and the value that is taken unless
            another is named; empty where there is none.
        left_out: which rows come with a reason.
        caveats: what to know before fitting a law.
    """

    name: str
    title: str
    paper: str
    licence: str
    repository: str
    commit: str
    verified: bool
    counts: str
    source: Form
    copy: Form | None
    columns: Mapping[str, str]
    constants: Mapping[str, str | float]
    part_column: str = ""
    part: str = ""
    left_out: tuple[LeftOut, ...] = ()
    caveats: tuple[str, ...] = ()
    fits: tuple[PublishedFit, ...] = field(default=(), repr=False)

    def __repr__(self) -> str:
        return f"PublishedTable({self.name}: {self.n_rows} rows, {self.paper})"

    @property
    def n_rows(self) -> int:
        """Rows at its source."""
        return self.source.n_rows

    @property
    def place(self) -> str:
        """Repository and commit."""
        return f"{self.repository}@{self.commit[:12]}"

    def summary(self) -> str:
        """What is known of the table, in 80 columns."""
        from isoloss.runs.catalogue._text import table_text

        return table_text(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        return {
            "name": self.name,
            "title": self.title,
            "rows": self.n_rows,
            "paper": self.paper,
            "licence": self.licence,
            "repository": self.repository,
            "commit": self.commit,
            "verified": self.verified,
            "readable": bool(self.source.reader),
            "files": len(self.source.files),
            "bytes": self.source.size,
            "counts": self.counts,
            "columns": dict(self.columns),
            "constants": dict(self.constants),
            "part_column": self.part_column or None,
            "part": self.part or None,
            "left_out": [rule.reason for rule in self.left_out],
            "caveats": list(self.caveats),
            "fits": [fit.name for fit in self.fits],
        }


@functools.cache
def published_tables() -> tuple[PublishedTable, ...]:
    """Every table of the catalogue, by name.

    >>> published_tables()[1].name
    'chinchilla_epoch'
    """
    home = resources.files("isoloss.runs.catalogue")
    with home.joinpath("files.csv").open(encoding="utf-8") as file:
        files = list(csv.DictReader(file))
    found = (item for item in home.joinpath("tables").iterdir() if item.name.endswith(".toml"))
    return tuple(_read(item, files) for item in sorted(found, key=lambda item: item.name))


def published_table(name: str) -> PublishedTable:
    """What the catalogue knows of one table; a leading `published:` may stay.

    Raises:
        NotFoundError: there is none of that name; the hint has the closest ones.
    """
    wanted = name.removeprefix("published:").strip()
    known = {table.name: table for table in published_tables()}
    key = wanted.lower().replace("-", "_")
    if key in known:
        return known[key]
    close = difflib.get_close_matches(key, known, n=3, cutoff=0.4)
    close += [name for name in known if key and key in name and name not in close]
    meant = f"Did you mean {' or '.join(f'published:{name}' for name in close)}? " if close else ""
    raise NotFoundError(
        f"there is no public run table named {wanted!r} in the catalogue",
        hint=f"{meant}`isoloss runs published` lists them.",
    )


def _read(item: Traversable, files: Sequence[Mapping[str, str]]) -> PublishedTable:
    return table_of(item.name.removesuffix(".toml"), item.read_text("utf-8"), files)


def table_of(name: str, text: str, files: Sequence[Mapping[str, str]]) -> PublishedTable:
    """An entry from its TOML text and the rows of `files.csv`."""
    given = tomllib.loads(text)
    own = [line for line in files if line["table"] == name]
    forms = {
        form: _form(form, given.pop(form), own) for form in ("source", "copy") if form in given
    }
    part = given.pop("part", {})
    return PublishedTable(
        name=name,
        source=forms["source"],
        copy=forms.get("copy"),
        part_column=part.get("column", ""),
        part=part.get("default", ""),
        left_out=tuple(_rule(rule) for rule in given.pop("left_out", ())),
        fits=tuple(_fit(fit) for fit in given.pop("fits", ())),
        caveats=tuple(given.pop("caveats", ())),
        columns=given.pop("columns", {}),
        constants=given.pop("constants", {}),
        **given,
    )


def _form(name: str, given: Mapping[str, Any], files: Sequence[Mapping[str, str]]) -> Form:
    return Form(
        name=cast("FormName", name),
        files=tuple(
            PublishedFile(path=line["path"], size=int(line["bytes"]), sha256=line["sha256"])
            for line in files
            if line["form"] == name
        ),
        reader=given["reader"],
        n_rows=given["rows"],
        note=given.get("note", ""),
    )


def _rule(given: Mapping[str, Any]) -> LeftOut:
    values = tuple(str(value) for value in given.get("is", ()))
    return LeftOut(reason=given["reason"], column=given.get("column", ""), values=values)


def _fit(given: Mapping[str, Any]) -> PublishedFit:
    return PublishedFit(
        name=given["name"],
        by=given["by"],
        method=given["method"],
        settings=given.get("settings", {}),
        figures=given["figures"],
        note=given.get("note", ""),
    )

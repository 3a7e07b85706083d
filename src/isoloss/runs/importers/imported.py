"""What an import gives: the runs, and how each column of them came about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from isoloss.runs.importers.mapping import Mapped
from isoloss.runs.table import Runs

if TYPE_CHECKING:
    import pandas as pd

_MOST = 12
"""How many notes and skipped files the text shows."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """What was read together: one table, or the logs of one format.

    Attributes:
        label: the file, or the first of the logs and how many more.
        format: its name.
        n_rows: rows that came of it.
        mapping: its columns.
    """

    label: str
    format: str
    n_rows: int
    mapping: tuple[Mapped, ...]


@dataclass(frozen=True, kw_only=True, repr=False)
class Imported:
    """An import, nothing written yet.

    Attributes:
        runs: the rows; those that a fit may not use have a `reason`.
        sources: what was read, with the columns of each.
        derived: for each derived column, in how many rows.
        notes: what the reader should know, one sentence each.
        skipped: path → why it was left out.
        unconfirmed: options that would confirm a unit; while there are any, the counts may be
            off by a thousand or a billion.
    """

    runs: Runs
    sources: tuple[Source, ...]
    derived: Mapping[str, int] = field(default_factory=dict[str, int])
    notes: tuple[str, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict[str, str])
    unconfirmed: tuple[str, ...] = ()

    def __repr__(self) -> str:
        formats = ", ".join(dict.fromkeys(source.format for source in self.sources))
        return f"<Imported: {len(self.runs)} rows, {len(self.runs.used())} for a fit, of {formats}>"

    @property
    def mapping(self) -> tuple[Mapped, ...]:
        """Every column of every source, once."""
        every = [one for source in self.sources for one in source.mapping]
        return tuple(dict.fromkeys(every))

    def to_frame(self) -> pd.DataFrame:
        """The rows as a pandas frame."""
        return self.runs.to_frame()

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        return {
            "n_rows": len(self.runs),
            "n_used": len(self.runs.used()),
            "hash": self.runs.hash(),
            "sources": [
                {
                    "label": source.label,
                    "format": source.format,
                    "n_rows": source.n_rows,
                    "mapping": [one.to_dict() for one in source.mapping],
                }
                for source in self.sources
            ],
            "derived": dict(self.derived),
            "notes": list(self.notes),
            "skipped": dict(self.skipped),
            "unconfirmed": list(self.unconfirmed),
        }

    def summary(self) -> str:
        """Where each column is from, what was derived, and what to know, for people."""
        lines: list[str] = []
        for source in self.sources:
            lines.append(f"{source.label}: {source.format}, {_rows(source.n_rows)}")
            lines += _columns(source.mapping)
        if self.derived:
            lines.append("derived (each row says how, in meta_derived):")
            lines += [f"  {name:<22} in {_rows(count)}" for name, count in self.derived.items()]
        lines += [f"note: {note}" for note in self.notes[:_MOST]]
        if len(self.notes) > _MOST:
            lines.append(f"and {len(self.notes) - _MOST} more notes; --json shows all")
        if self.skipped:
            lines.append(f"left out {len(self.skipped)} files:")
            lines += [f"  {path}: {why}" for path, why in list(self.skipped.items())[:_MOST]]
        if self.unconfirmed:
            lines.append("units to confirm before this can be written:")
            lines += [f"  {flag}" for flag in self.unconfirmed]
        return "\n".join(lines)


def _rows(count: int) -> str:
    return f"{count} row" if count == 1 else f"{count} rows"


def _columns(mapping: tuple[Mapped, ...]) -> list[str]:
    """One line a column; those of our own name that are as they should be share one."""
    same = [one.ours for one in mapping if one.how == "same name" and not one.note]
    lines: list[str] = []
    for one in mapping:
        if one.ours in same:
            continue
        times = f" x {one.factor:g}" if one.factor != 1 else ""
        note = f": {one.note}" if one.note else ""
        lines.append(f"  {one.ours:<22} <- {one.theirs!r}{times} ({one.how}{note})")
    if same:
        lines.append(f"  by our own name: {', '.join(same)}")
    return lines

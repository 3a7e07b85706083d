"""Entries of the catalogue as text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from isoloss.runs.catalogue.fetching import size_text

if TYPE_CHECKING:
    from isoloss.runs.catalogue.entries import PublishedTable

WIDTH = 80


def table_text(table: PublishedTable) -> str:
    """One entry in lines of at most 80 characters."""
    part = f"{table.part_column} = {table.part} unless another is named" if table.part else ""
    facts = {
        "rows": f"{table.n_rows} ({table.counts})",
        "paper": table.paper,
        "licence": table.licence,
        "source": f"{table.place}, {len(table.source.files)} files,"
        f" {size_text(table.source.size)}{'' if table.verified else ', not verified'}",
        "part": part,
        "fits": "; ".join(fit.name for fit in table.fits) or "none published",
    }
    lines = [textwrap.fill(f"{table.name}: {table.title}", WIDTH, subsequent_indent="  ")]
    lines += [_wrapped(f"{name:<8}", text) for name, text in facts.items() if text]
    lines += [_wrapped("left out", rule.reason) for rule in table.left_out]
    lines += [_wrapped("caveat", caveat) for caveat in table.caveats]
    return "\n".join(lines)


def _wrapped(label: str, text: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent=f"  {label:<8}  ", subsequent_indent=" " * 12)


def tables_text(tables: Sequence[PublishedTable], there: Sequence[str]) -> str:
    """One line a table: name, rows, paper, licence, and whether it is at hand."""
    head = ("name", "rows", "paper", "licence", "at hand")
    lines = [head] + [
        (table.name, str(table.n_rows), table.paper.split(";")[0].split(",")[0],
         table.licence.split(";")[0], where)
        for table, where in zip(tables, there, strict=True)
    ]  # fmt: skip
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if index == 1 else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )

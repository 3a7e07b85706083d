"""The catalogue as a page of documentation; `python -m isoloss.runs.catalogue._page` prints it."""

from __future__ import annotations

import textwrap

from isoloss.runs.catalogue.entries import Form, PublishedTable, published_tables
from isoloss.runs.catalogue.fetching import size_text

_HEAD = """\
# Public run tables

Made by `python -m isoloss.runs.catalogue._page` from `src/isoloss/runs/catalogue`; a test holds
this part equal to it.

None of these tables comes with isoloss. `il.published("NAME")`, or `published:NAME` wherever a
command takes a run table, looks for a copy in the folder that `ISOLOSS_PUBLISHED_DIR` names, then
in the cache (`XDG_CACHE_HOME`), and else fetches the files once, from their repository at the
commit named here. Every file must have the SHA-256 of the catalogue, wherever it comes from. Rows
that the authors left out, and rows of another part, stay in the table with their reason;
`NAME/PART` takes another part and `NAME/all` everything. Mind the licences: they are those of the
data's authors.
"""


def page_of_tables() -> str:
    """The page, in Markdown: a table of the entries, then one section each."""
    tables = published_tables()
    lines = [_HEAD, "| name | rows | licence | paper | fits |", "|---|---|---|---|---|"]
    lines += [
        f"| [{t.name}](#{t.name}) | {t.n_rows} | {t.licence} | {t.paper} | {len(t.fits) or ''} |"
        for t in tables
    ]
    return "\n".join([*lines, "", *(_section(table) for table in tables)]).rstrip() + "\n"


def _section(table: PublishedTable) -> str:
    lines = [f"## {table.name}", "", _filled(f"**{table.title}.** {table.counts}."), ""]
    lines.append(_item(f"Source: {table.repository} at `{table.commit}`; {_form(table.source)}"))
    if not table.verified:
        lines.append(_item("*Not verified*: the rows were not compared with those of the source."))
    if table.copy is not None:
        lines.append(_item(f"Copy: {_form(table.copy)}"))
    renamed = ", ".join(f"`{theirs}` is {ours}" for theirs, ours in table.columns.items())
    if renamed:
        lines.append(_item(f"Columns: {renamed}"))
    if table.part:
        lines.append(_item(f"Part: `{table.part_column}` = `{table.part}` unless another is named"))
    lines += [_item(f"Left out: {rule.reason}") for rule in table.left_out]
    lines += [_item(caveat) for caveat in table.caveats]
    return "\n".join([*lines, ""])


def _form(form: Form) -> str:
    files = "1 file" if len(form.files) == 1 else f"{len(form.files)} files"
    rows = f"{form.n_rows} rows in {files}, {size_text(form.size)}"
    return f"{rows}. {form.note[:1].upper()}{form.note[1:]}"


def _item(text: str) -> str:
    return textwrap.fill(
        text, 100, initial_indent="* ", subsequent_indent="  ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _filled(text: str) -> str:
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    print(page_of_tables(), end="")

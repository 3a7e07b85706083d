"""Text separated by commas or tabs, with cells that no spreadsheet takes for a formula.

What begins with one of these characters is run by spreadsheets when a file is opened (formula or
CSV injection). An apostrophe before it makes it text. So that nothing is lost, text that already
begins with apostrophes and such a character gets one more, and reading takes one away.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

from isoloss.runs._cells import Table, is_empty

_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_GUARDED = re.compile(r"'+[=+\-@\t\r\n]")


def guarded(text: str) -> str:
    """Text with an apostrophe before it where a spreadsheet would run it.

    >>> guarded("=1+1"), guarded("a=1"), guarded("'=1")
    ("'=1+1", 'a=1', "''=1")
    """
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(text: str) -> str:
    """The inverse of `guarded`.

    >>> unguarded("'=1+1"), unguarded("'quoted'")
    ('=1+1', "'quoted'")
    """
    return text[1:] if _GUARDED.match(text) else text


def delimited(cells: Table, delimiter: str = ",") -> str:
    """A table with a header line; every cell reads back as it was."""
    rows = zip(*cells.values(), strict=True)
    return "".join(_line(row, delimiter) for row in (cells, *rows))


def _line(values: Iterable[object], delimiter: str) -> str:
    # The writer quotes only the line ends that it writes itself: a lone CR would split a cell.
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow([_cell(value) for value in values])
    return text.getvalue().removesuffix("\r\n") + "\n"


def _cell(value: object) -> object:
    if is_empty(value):
        return ""
    return guarded(value) if isinstance(value, str) else value

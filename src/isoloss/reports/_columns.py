"""Text for a terminal of 80 columns: wide characters count twice, control characters not at all."""

from __future__ import annotations

import unicodedata
from typing import Any

COLUMNS = 80


def plain(value: Any) -> str:
    """One line without control characters: a name from a file must not steer the terminal.

    >>> plain("a" + chr(27) + "[31m" + chr(10) + "b")
    'a[31m b'
    """
    text = " ".join(str(value).split())
    return "".join(mark for mark in text if unicodedata.category(mark) not in ("Cc", "Cf", "Cs"))


def width(text: str) -> int:
    """Columns that a text takes.

    >>> width("ab"), width("红楼梦")
    (2, 6)
    """
    return sum(_mark_width(mark) for mark in text)


def _mark_width(mark: str) -> int:
    if unicodedata.combining(mark):
        return 0
    return 2 if unicodedata.east_asian_width(mark) in "WF" else 1


def wrapped(text: str, indent: str = "  ") -> list[str]:
    """Lines of at most 80 columns; those after the first are indented.

    >>> wrapped("one two", indent="  ")
    ['one two']
    """
    lines, line = [], ""
    for word in plain(text).split(" "):
        for piece in _pieces(word, COLUMNS - width(indent)):
            if line.strip() and width(line) + 1 + width(piece) > COLUMNS:
                lines.append(line)
                line = indent + piece
            else:
                line = f"{line} {piece}" if line else piece
    return [*lines, line]


def _pieces(word: str, most: int) -> list[str]:
    pieces, piece = [], ""
    for mark in word:
        if width(piece + mark) > most:
            pieces.append(piece)
            piece = ""
        piece += mark
    return [*pieces, piece]

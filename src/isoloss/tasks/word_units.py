"""A text as words, so that figures of texts do not depend on anybody's tokeniser."""

from __future__ import annotations

import re

from isoloss.tasks.languages import UNSPACED_LETTER

_ALONE = UNSPACED_LETTER.pattern
# `\w` has no combining marks, which belong to the letter before: accents, points, Indic vowels.
_LETTER = r"[\w\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff]"
_PART = f"(?:(?!{_ALONE}){_LETTER})+"
_UNIT = re.compile(rf"{_ALONE}|{_PART}(?:['’]{_PART})*|\S")


def word_spans(text: str) -> list[tuple[int, int]]:
    """Where each word begins and ends.

    A word is a run of letters and digits (an apostrophe within it stays), a letter of a script
    without spaces between words, or any other single mark. White space is none.
    """
    return [found.span() for found in _UNIT.finditer(text)]


def words_of(text: str) -> list[str]:
    """The words themselves, upper and lower case kept.

    >>> words_of("Don't go, 我会!")
    ["Don't", 'go', ',', '我', '会', '!']
    """
    return _UNIT.findall(text)

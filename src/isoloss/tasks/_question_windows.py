"""A question with windows of its text, as an encoder reads them, and answers as token spans.

A row is `begin question separator window separator`, in RoBERTa's models with two separators after
the question. Windows overlap, so that an answer lies
whole in one of them. Texts in scripts without spaces are cut into single letters first, so that
an answer can begin and end at any of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from isoloss.errors import UsageError
from isoloss.tasks.languages import UNSPACED_LETTER

Offsets = list[tuple[int, int]]
_LETTER = UNSPACED_LETTER.pattern
_PIECES = re.compile(f"{_LETTER}|(?:(?!{_LETTER}).)+", re.DOTALL)
_BEGINS = ("[CLS]", "<s>")


@dataclass(frozen=True, kw_only=True)
class Framing:
    """How rows are put together.

    Attributes:
        tokenizer: of the `tokenizers` package.
        begin, separator: ids.
        length: most tokens of a row.
        stride: tokens between the beginnings of two windows; half a window when None.
        max_question: most tokens of a question; its end is cut.
        between: separators after the question.
    """

    tokenizer: Any
    begin: int
    separator: int
    length: int
    stride: int | None = None
    max_question: int = 64
    between: int = 1


@dataclass(frozen=True, kw_only=True)
class Window:
    """One row.

    Attributes:
        ids: tokens.
        first: where the window's text begins in it.
        offsets: characters of the text that each of its tokens stands for.
    """

    ids: list[int]
    first: int
    offsets: Offsets


def framing_of(
    tokenizer: Any,
    *,
    end: int,
    length: int,
    stride: int | None,
    max_question: int,
    between: int = 1,
) -> Framing:
    """The framing of a model: its own `[CLS]` or `<s>`, else the end of text at both places."""
    begins = (tokenizer.token_to_id(name) for name in _BEGINS)
    begin = next((found for found in begins if found is not None), end)
    return Framing(
        tokenizer=tokenizer,
        begin=begin,
        separator=end,
        length=length,
        stride=stride,
        max_question=max_question,
        between=between,
    )


def tokens_with_places(tokenizer: Any, text: str) -> tuple[list[int], Offsets]:
    """Tokens of a text, and the characters that each stands for."""
    pieces = list(_PIECES.finditer(text))
    found = tokenizer.encode_batch([one.group() for one in pieces], add_special_tokens=False)
    ids: list[int] = []
    offsets: Offsets = []
    for piece, encoding in zip(pieces, found, strict=True):
        ids += encoding.ids
        offsets += [(piece.start() + a, piece.start() + b) for a, b in encoding.offsets]
    return ids, offsets


def windows_of(framing: Framing, question: str, context: str) -> list[Window]:
    """Every window of a text with its question; none where the text has no tokens.

    Raises:
        UsageError: rows are too short for the question and any text.
    """
    asked, _ = tokens_with_places(framing.tokenizer, question)
    asked = asked[: framing.max_question]
    before = [framing.begin, *asked, *[framing.separator] * framing.between]
    room = framing.length - len(before) - 1  # a separator follows the window too
    if room < 1:
        raise UsageError(
            f"rows of {framing.length:,} tokens have no room beside a question of {len(asked):,}",
            hint="Take a model with a longer context, or a shorter question:"
            f" --set max_question_tokens={max(1, framing.length // 4)}",
        )
    step = min(framing.stride or max(1, room // 2), room)
    ids, offsets = tokens_with_places(framing.tokenizer, context)
    windows: list[Window] = []
    for at in range(0, len(ids), step):
        part = slice(at, at + room)
        row = [*before, *ids[part], framing.separator]
        windows.append(Window(ids=row, first=len(before), offsets=offsets[part]))
        if at + room >= len(ids):
            break
    return windows


def token_span(offsets: Sequence[tuple[int, int]], start: int, end: int) -> tuple[int, int] | None:
    """First and last token of the characters `start` to before `end`; None unless all are there.

    >>> token_span([(0, 3), (3, 7), (7, 9)], 4, 9)
    (1, 2)
    """
    inside = [i for i, (a, b) in enumerate(offsets) if a < end and b > start and b > a]
    if not inside or offsets[inside[0]][0] > start or offsets[inside[-1]][1] < end:
        return None
    return inside[0], inside[-1]

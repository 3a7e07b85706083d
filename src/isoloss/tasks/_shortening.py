"""The beginning of a text that still fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def shortened(text: str, tokenizer: Any, count: Callable[[str], int], room: int) -> str | None:
    """The beginning of `text`, cut between two of its tokens, for which `count` is within `room`.

    Args:
        text: what may lose its end.
        tokenizer: of the `tokenizers` package, for the places between tokens.
        count: tokens of the whole (a prompt) when it holds such a beginning.
        room: most tokens of the whole.

    Returns:
        The beginning, possibly empty; None where the whole is too long without any of it.
    """
    bare = count("")
    if bare > room:
        return None
    ends = [end for _, end in tokenizer.encode(text, add_special_tokens=False).offsets]
    keep = min(len(ends), room - bare)
    while keep > 0:
        part = text[: ends[keep - 1]]
        used = count(part)
        if used <= room:
            return part
        # Tokens that a template repeats, or that are cut otherwise beside their neighbours.
        keep = min(keep - 1, keep * (room - bare) // max(1, used - bare))
    return ""

"""What fits into a context: how long an answer may be, and the beginning of a long text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from isoloss.errors import UsageError
from isoloss.tasks.opening import OpenModel


def answer_room(opened: OpenModel, wanted: int, usual: int) -> int:
    """Most tokens of an answer: `wanted`, where the model's context has room for it.

    A decoder's prompt and answer share the context. Where `wanted` is what the task has anyway
    (`usual`), an answer gets at most half of it, and the prompt the rest. The target of an
    encoder-decoder begins with one token that is none of the answer.

    Raises:
        UsageError: another length was chosen, and leaves no room for a prompt.
    """
    context = opened.context_length
    if opened.kind == "encoder_decoder":
        return min(wanted, max(1, context - 1))
    if wanted == usual:
        return min(wanted, max(1, context // 2))
    if wanted >= context - len(opened.before):
        raise UsageError(
            f"{opened.folder}: max_tokens={wanted:,} leaves no room for a prompt in a context of"
            f" {context:,} tokens",
            hint=f"Take fewer, such as half of it: --set max_tokens={max(1, context // 2)}.",
        )
    return wanted


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

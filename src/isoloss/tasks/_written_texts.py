"""One prompt's texts as a result keeps them: repeated parts, pieces, what a person wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from isoloss.tasks.generation import Generation
from isoloss.tasks.opening import OpenModel
from isoloss.tasks.repetition import repeated_spans
from isoloss.tasks.word_units import word_spans, words_of


def output_of(texts: Sequence[str], details: Sequence[Mapping[str, Any]] | None) -> dict[str, Any]:
    """The first text of a prompt, and `more` of them, each with its repeated parts."""
    found = [
        {
            "output": text,
            "repeated": repeated_spans(words_of(text), word_spans(text)),
            **(details[i] if details else {}),
        }
        for i, text in enumerate(texts)
    ]
    return found[0] | ({"more": found[1:]} if len(found) > 1 else {})


def yardstick_of(human: str, words: int) -> dict[str, Any]:
    text = first_words(human, words)
    return {
        "references": [text],
        "references_repeated": [repeated_spans(words_of(text), word_spans(text))],
    }


def first_words(text: str, count: int) -> str:
    spans = word_spans(text)[:count]
    return text[: spans[-1][1]] if spans else ""


def details_of(opened: OpenModel, made: Generation) -> dict[str, Any]:
    """How a text ended, and its tokens as pieces of it where they can be told apart."""
    pieces: list[str] = []
    told = ""
    for count in range(1, len(made.tokens) + 1):
        text = opened.decode(list(made.tokens[:count]))
        if count < len(made.tokens) and text.endswith("\ufffd"):
            pieces.append("")  # half a character: the next token completes it
            continue
        pieces.append(text[len(told) :] if text.startswith(told) else "")
        told = text
    joined = "".join(pieces)
    # Some tokenisers drop the space at the beginning of what they decode alone.
    if pieces and made.text == " " + joined:
        pieces[0] = " " + pieces[0]
    elif not joined.startswith(made.text):
        return {"ended": made.ended}
    return {"ended": made.ended, "pieces": pieces, "log_probs": list(made.log_probs)}

"""Documents → passages: a prompt, and what its author wrote after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from isoloss.errors import DataError
from isoloss.tasks.examples import Row, text_of
from isoloss.tasks.word_units import word_spans


@dataclass(frozen=True)
class Passage:
    """A prompt, what a person wrote after it, and the number of its document."""

    prompt: str
    human: str
    document: int


def passages_of(
    examples: Sequence[Row], *, prompt_words: int, per_text: int
) -> tuple[list[Passage], int]:
    """The passages of documents, and how many documents were too short for one.

    Args:
        examples: each with a `text`, and where there is a `prompt` too, the text is what follows
            it, taken as it is.
        prompt_words: words of a prompt; at least as many must follow it.
        per_text: most passages of one document, which begin at equal distances.

    Raises:
        DataError: an example without a text, or all are too short.

    >>> found, _ = passages_of(
    ...     [{"text": "a b c d e f g h", "place": "row 1"}], prompt_words=2, per_text=9
    ... )
    >>> [(one.prompt, one.human) for one in found]
    [('a b', ' c d'), ('e f', ' g h')]
    """
    found: list[Passage] = []
    short = 0
    for number, example in enumerate(examples):
        text = text_of(example["text"], example["place"])
        if example.get("prompt") is not None:
            found.append(Passage(text_of(example["prompt"], example["place"]), text, number))
            continue
        parts = _parts(text, prompt_words, per_text)
        short += not parts
        found += [Passage(prompt, human, number) for prompt, human in parts]
    if examples and not found:
        raise DataError(
            f"none of {len(examples):,} texts has {2 * prompt_words:,} words: {prompt_words:,} of"
            " the prompt and as many after it",
            hint="Give longer texts, or a smaller --set prompt_words=N.",
        )
    return found, short


def _parts(text: str, prompt_words: int, per_text: int) -> list[tuple[str, str]]:
    spans = word_spans(text)
    count = min(per_text, len(spans) // (2 * prompt_words))
    found: list[tuple[str, str]] = []
    for index in range(count):
        first, last = index * len(spans) // count, (index + 1) * len(spans) // count - 1
        middle = spans[first + prompt_words - 1][1]
        found.append((text[spans[first][0] : middle], text[middle : spans[last][1]]))
    return found

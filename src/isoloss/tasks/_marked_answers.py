"""Answers with the place where each stands in its text, checked against the text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isoloss.errors import DataError
from isoloss.tasks.answers import reference_answers, unanswerable
from isoloss.tasks.examples import Row, text_of

Marked = tuple[str, int]
"""An answer and the character of the text where it begins."""


def marked_answers(example: Row) -> list[Marked]:
    """The answers of an example that say where they stand, each once; none of an unanswerable one.

    Read are SQuAD's list of `{text, answer_start}` and the two lists `{"text": [...],
    "answer_start": [...]}` that the hub makes of it.

    Raises:
        DataError: an answer without a place, or that does not stand there.
    """
    context, place = text_of(example["context"], example["place"]), example["place"]
    if unanswerable(example):
        reference_answers(example)
        return []
    found: dict[Marked, None] = {}
    for number, (text, start) in enumerate(_given(example["answers"], place), start=1):
        where = f"{place}, answer {number}"
        if not isinstance(text, str) or not text.strip():
            raise DataError(f"{where}: expected a text, found {text!r:.80}")
        if not isinstance(start, int) or isinstance(start, bool):
            raise DataError(
                f"{where}: expected answer_start, a number, found {start!r:.80}",
                hint="Spans are trained on answers that say where they stand in the text.",
            )
        _check(text, start, context, where)
        found[text, start] = None
    return list(found)


def misplaced(example: Row) -> bool:
    """Whether an answer of an example says that it stands where it does not.

    Answers that say no place are let through.
    """
    if unanswerable(example):
        return False
    context = str(example["context"])
    try:
        given = _given(example["answers"], example["place"])
    except DataError:  # a text alone
        return False
    return any(
        isinstance(text, str) and isinstance(start, int) and not _stands(text, start, context)
        for text, start in given
    )


def _given(answers: Any, place: str) -> list[tuple[Any, Any]]:
    if isinstance(answers, Mapping):
        texts, starts = answers.get("text"), answers.get("answer_start")
        if isinstance(texts, list) and isinstance(starts, list) and len(texts) == len(starts):
            answers = [{"text": t, "answer_start": s} for t, s in zip(texts, starts, strict=True)]
    if not isinstance(answers, list) or not answers:
        raise DataError(
            f"{place}: expected a list of answers with text and answer_start, found {answers!r:.80}"
        )
    found: list[tuple[Any, Any]] = []
    for one in answers:
        known: Mapping[str, Any] = one if isinstance(one, Mapping) else {"text": one}
        found.append((known.get("text"), known.get("answer_start")))
    return found


def _check(text: str, start: int, context: str, where: str) -> None:
    if _stands(text, start, context):
        return
    there = context[start : start + len(text)] if start >= 0 else ""
    standing = context.find(text)
    hint = f"The text has it at {standing}." if standing >= 0 else "The text does not have it."
    raise DataError(
        f"{where}: expected {text!r:.60} at character {start}, found {there!r:.60}", hint=hint
    )


def _stands(text: str, start: int, context: str) -> bool:
    return start >= 0 and context.startswith(text, start)

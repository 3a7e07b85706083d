"""What the choices of an example are, and which of them its answer names.

Data sets say it in many ways: by a number from 0 (MMLU, HellaSwag), a letter (RACE), a label that
stands beside each choice (ARC: letters or numbers from 1), the text itself, or a truth value
(BoolQ). Every reading that is possible is tried, and an answer with two of them is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isoloss.errors import DataError
from isoloss.tasks.examples import text_of

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_TRUE, _FALSE = ("yes", "true"), ("no", "false")
_NUMBER, _LABEL, _TRUTH = "by its number from 0", "by its label", "by its truth value"
_HINT = (
    "Give its number from 0, its letter from A, its label or its text; --set labels=1,2,3,4"
    " says what answers call the choices, in their order."
)
_YES_NO_HINT = "Give true or false, yes or no; --set labels=1,0 says that 1 means yes and 0 no."


@dataclass(frozen=True, kw_only=True)
class ChoiceList:
    """The choices of an example.

    Attributes:
        texts: two or more.
        labels: what the data call them, or none.
        stated: the labels are the user's, so that a number among them is a label too.
        named: they stand in the example; yes and no are meant where none do.
    """

    texts: tuple[str, ...]
    labels: tuple[str | int, ...] = ()
    stated: bool = False
    named: bool = True


def choices_of(value: Any, place: str, labels: Sequence[str] = ()) -> ChoiceList:
    """The choices: a list of texts, ARC's `{"text": [...], "label": [...]}`, or a list of such.

    Args:
        value: what the example has; None means yes and no.
        place: of the example, for messages.
        labels: what answers call the choices, whatever the example says.

    Raises:
        DataError: something else, fewer than two, or labels that do not tell them apart.
    """
    texts, own = (("yes", "no"), None) if value is None else _texts_and_labels(value, place)
    given: Any = tuple(labels[: len(texts)]) if labels else own
    if given is None:
        return ChoiceList(texts=texts, named=value is not None)
    known = isinstance(given, (list, tuple)) and all(_is_label(one) for one in given)
    if not known or len(given) != len(texts):
        raise DataError(
            f"{place}: expected one label for each of the {len(texts)} choices, found {given!r:.80}"
        )
    if len({str(one).strip().lower() for one in given}) < len(given):
        raise DataError(f"{place}: two choices have one label: {given!r:.80}")
    return ChoiceList(
        texts=texts, labels=tuple(given), stated=bool(labels), named=value is not None
    )


def _texts_and_labels(value: Any, place: str) -> tuple[tuple[str, ...], Any]:
    labels: Any = None
    texts: Any = value
    if isinstance(value, Mapping):
        texts, labels = value.get("text"), value.get("label")
    elif isinstance(value, (list, tuple)) and all(isinstance(one, Mapping) for one in value):
        texts = [one.get("text") for one in value]
        found = [one.get("label") for one in value]
        labels = None if all(one is None for one in found) else found
    if not isinstance(texts, (list, tuple)) or len(texts) < 2:
        raise DataError(f"{place}: expected a list of two or more choices, found {value!r:.80}")
    return tuple(text_of(choice, place) for choice in texts), labels


def _is_label(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    return isinstance(value, int) and not isinstance(value, bool)


def right_choice(answer: Any, choices: ChoiceList, place: str) -> int:
    """The number of the choice that the answer names.

    A label decides where choices have labels. Without them a number counts from 0 and a letter
    from A; a text names the choice that has it.

    Raises:
        DataError: it names no choice, or may mean two.

    >>> arc = choices_of({"text": ["red", "blue"], "label": ["1", "2"]}, "row 1")
    >>> right_choice("1", arc, "row 1"), right_choice("blue", arc, "row 1")
    (0, 1)
    """
    readings = _readings(answer, choices)
    meant = set(readings.values())
    if len(meant) == 1:
        return meant.pop()
    hint = _HINT if choices.named else _YES_NO_HINT
    if not meant:
        labels = f", labelled {', '.join(map(str, choices.labels))}" if choices.labels else ""
        raise DataError(
            f"{place}: the answer {answer!r:.80} is none of the {len(choices.texts)} choices"
            f"{labels}",
            hint=hint,
        )
    told = " or ".join(f"{choices.texts[n]!r:.60} {how}" for how, n in readings.items())
    raise DataError(f"{place}: the answer {answer!r:.80} may mean {told}", hint=hint)


def labels_told(labels: Sequence[str]) -> str:
    """The user's labels as a part of a signature; nothing where there are none."""
    return f"|labels:{','.join(labels)}" if labels else ""


def _readings(answer: Any, choices: ChoiceList) -> dict[str, int]:
    """Each way to read the answer, and the choice that it names so."""
    if isinstance(answer, str):
        return _text_readings(answer.strip(), choices)
    if isinstance(answer, bool):
        return _truth(_TRUE if answer else _FALSE, choices)
    if not isinstance(answer, int):
        return {}
    label = _labelled(answer, choices)
    if label is not None and (choices.stated or isinstance(choices.labels[label], int)):
        return {_LABEL: label}
    return _numbered(answer, choices) | ({} if label is None else {_LABEL: label})


def _text_readings(answer: str, choices: ChoiceList) -> dict[str, int]:
    label = _labelled(answer, choices)
    if label is not None:
        return {_LABEL: label}
    same = [n for n, text in enumerate(choices.texts) if text.strip() == answer]
    found = {f"by its text (choice {n})": n for n in same}
    if not choices.named:
        for words in (_TRUE, _FALSE):
            found |= _truth(words, choices) if answer.lower() in words else {}
    if choices.labels:
        return found
    if answer.isdecimal():
        found |= _numbered(int(answer), choices)
    if choices.named and len(answer) == 1 and answer.upper() in _LETTERS[: len(choices.texts)]:
        found["by its letter"] = _LETTERS.index(answer.upper())
    return found


def _labelled(answer: str | int, choices: ChoiceList) -> int | None:
    """The choice with a label; capitals decide only where nothing else is the same."""
    labels = [str(label).strip() for label in choices.labels]
    if str(answer) in labels:
        return labels.index(str(answer))
    lower = [label.lower() for label in labels]
    return lower.index(str(answer).lower()) if str(answer).lower() in lower else None


def _numbered(number: int, choices: ChoiceList) -> dict[str, int]:
    found = {_NUMBER: number} if 0 <= number < len(choices.texts) else {}
    if not choices.named and number in (0, 1):  # of yes and no, 1 may as well mean "true"
        found |= _truth(_TRUE if number else _FALSE, choices)
    return found


def _truth(words: tuple[str, ...], choices: ChoiceList) -> dict[str, int]:
    same = [n for n, text in enumerate(choices.texts) if text.strip().lower() in words]
    return {_TRUTH: same[0]} if len(same) == 1 else {}

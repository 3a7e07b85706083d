"""Which choice an answer names, in the ways that data sets have."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoloss.errors import DataError
from isoloss.tasks._right_choice import choices_of, right_choice

COLOURS = ["red", "green", "blue", "grey"]


def chosen(answer: Any, value: Any, labels: tuple[str, ...] = ()) -> int:
    return right_choice(answer, choices_of(value, "file, row 1", labels), "file, row 1")


def labelled(*labels: Any) -> dict[str, Any]:
    return {"text": COLOURS[: len(labels)], "label": list(labels)}


@pytest.mark.parametrize(
    ("answer", "value", "number"),
    [
        (1, COLOURS, 1),
        ("B", COLOURS, 1),
        ("b", COLOURS, 1),
        ("green", COLOURS, 1),
        (" green ", COLOURS, 1),
        ("0", COLOURS, 0),
        (True, None, 0),
        (False, None, 1),
        ("no", None, 1),
        ("Yes", None, 0),
        ("FALSE", None, 1),
        (True, ["no", "yes"], 1),
        (False, ["True", "False"], 1),
        ("A", ["A", "B"], 0),
        ("2", ["0", "1", "2"], 2),
    ],
)
def test_answers_by_number_letter_text_and_truth(answer: Any, value: Any, number: int) -> None:
    assert chosen(answer, value) == number


@pytest.mark.parametrize(
    ("answer", "value", "number"),
    [
        ("1", labelled("1", "2", "3", "4"), 0),
        ("4", labelled("1", "2", "3", "4"), 3),
        (2, labelled(1, 2, 3), 1),
        (3, labelled("1", "2", "3"), 2),
        ("2", labelled(1, 2, 3), 1),
        ("A", labelled("B", "A", "C"), 1),
        ("c", labelled("B", "A", "C"), 2),
        ("A", labelled("E", "F", "A"), 2),
        ("blue", labelled("A", "B", "C"), 2),
        (2, labelled("A", "B", "C"), 2),
        ("2", {"text": ["2", "3"], "label": ["1", "2"]}, 1),
        ("B", [{"text": "x", "label": "B"}, {"text": "y", "label": "A"}], 0),
        (1, [{"text": "x"}, {"text": "y"}], 1),
    ],
)
def test_labels_decide(answer: Any, value: Any, number: int) -> None:
    assert chosen(answer, value) == number


@given(st.permutations(["1", "2", "3", "4"]), st.integers(0, 3))
def test_labels_decide_in_any_order(labels: list[str], right: int) -> None:
    assert chosen(labels[right], labelled(*labels)) == right


@pytest.mark.parametrize(
    ("answer", "value", "says"),
    [
        (1, labelled("1", "2", "3"), "'green' by its number from 0 or 'red' by its label"),
        ("B", ["B", "A"], r"'B' by its text \(choice 0\) or 'A' by its letter"),
        ("1", ["1", "2"], r"'1' by its text \(choice 0\) or '2' by its number from 0"),
        ("x", ["x", "y", "x"], r"'x' by its text \(choice 0\) or 'x' by its text \(choice 2\)"),
        (1, None, "'no' by its number from 0 or 'yes' by its truth value"),
        ("0", None, "'yes' by its number from 0 or 'no' by its truth value"),
    ],
)
def test_an_answer_that_may_mean_two_things_is_refused(answer: Any, value: Any, says: str) -> None:
    with pytest.raises(DataError, match=f"row 1: the answer .* may mean {says}") as caught:
        chosen(answer, value)
    assert "--set labels=" in caught.value.hint


@pytest.mark.parametrize(
    ("answer", "value", "labels", "number"),
    [
        (1, COLOURS, ("1", "2", "3", "4"), 0),
        ("4", COLOURS, ("1", "2", "3", "4"), 3),
        (1, labelled("1", "2", "3"), ("0", "1", "2", "3"), 1),
        (1, None, ("1", "0"), 0),
        (0, None, ("1", "0"), 1),
        ("B", ["B", "A"], ("A", "B"), 1),
    ],
)
def test_labels_of_the_user_settle_it(
    answer: Any, value: Any, labels: tuple[str, ...], number: int
) -> None:
    assert chosen(answer, value, labels) == number


@pytest.mark.parametrize("answer", [2, -1, "C", "2", "neither", None, 1.5, ["x"], True, ""])
def test_an_answer_that_is_no_choice(answer: Any) -> None:
    with pytest.raises(DataError, match=r"row 1: the answer .* is none of the 2 choices") as caught:
        chosen(answer, ["x", "y"])
    assert "number from 0" in caught.value.hint


@pytest.mark.parametrize("answer", ["0", "5", "D", 7, -1])
def test_an_answer_that_is_no_label(answer: Any) -> None:
    with pytest.raises(DataError, match="none of the 3 choices, labelled 1, 2, 3"):
        chosen(answer, labelled("1", "2", "3"))


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("red", "expected a list of two or more choices"),
        (["red"], "expected a list of two or more choices"),
        ({"label": ["A", "B"]}, "expected a list of two or more choices"),
        (["red", ""], "an empty text"),
        (["red", 3], "expected a text, found 3"),
        ({"text": COLOURS, "label": ["A", "B"]}, "expected one label for each of the 4"),
        (labelled("A", None), "expected one label for each of the 2"),
        ([{"text": "x", "label": "A"}, {"text": "y"}], "expected one label for each of the 2"),
        (labelled("A", "a"), "two choices have one label"),
    ],
)
def test_choices_that_are_none(value: Any, says: str) -> None:
    with pytest.raises(DataError, match=f"row 1: {says}"):
        choices_of(value, "file, row 1")


def test_too_few_labels_of_the_user() -> None:
    with pytest.raises(DataError, match="expected one label for each of the 4 choices"):
        choices_of(COLOURS, "file, row 1", ("1", "2"))

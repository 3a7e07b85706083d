"""Words, and how much a text repeats itself: by hand and by brute force."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoloss.tasks.repetition import (
    ends_in_loop,
    longest_repeat,
    ngrams,
    repeated_share,
    repeated_spans,
)
from isoloss.tasks.word_units import word_spans, words_of

TEXTS = st.text(alphabet="abc", max_size=14)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("It’s 3.5 km, isn't it?", ["It’s", "3", ".", "5", "km", ",", "isn't", "it", "?"]),
        ("我会GPT讲。", ["我", "会", "GPT", "讲", "。"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("cafe\u0301 naïve", ["cafe\u0301", "naïve"]),
        ("def f_1(x):\n    return x", ["def", "f_1", "(", "x", ")", ":", "return", "x"]),
        (" \n\t\u3000", []),
    ],
)
def test_words(text: str, wanted: list[str]) -> None:
    assert words_of(text) == wanted


@given(st.text(max_size=40))
def test_words_are_all_of_a_text_but_its_blanks(text: str) -> None:
    spans = word_spans(text)
    assert [text[a:b] for a, b in spans] == words_of(text)
    assert "".join(words_of(text)) == "".join(text.split())


@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize("period", [1, 3, 5])
def test_the_share_of_a_periodic_text_has_a_closed_form(n: int, period: int) -> None:
    length = 40
    words = [str(place % period) for place in range(length)]
    assert repeated_share(words, n) == pytest.approx(1 - period / (length - n + 1))


def test_the_share_by_hand() -> None:
    text = "the cat sat on the mat and the cat sat on the sofa"
    words = text.split()
    # 10 four-grams, of which "the cat sat on" and "cat sat on the" come again.
    assert repeated_share(words, 4) == pytest.approx(2 / 10)
    assert longest_repeat(words) == 5
    assert math.isnan(repeated_share(words[:3], 4))


@given(TEXTS)
def test_the_longest_repeat_by_brute_force(text: str) -> None:
    sizes = [n for n in range(1, len(text)) if len(set(ngrams(text, n))) < len(text) - n + 1]
    assert longest_repeat(text) == max(sizes, default=0)


@given(TEXTS, st.text(alphabet="abc", min_size=2, max_size=4))
def test_a_loop_is_found_whatever_comes_before(text: str, phrase: str) -> None:
    assert ends_in_loop(text + 3 * phrase)
    assert not ends_in_loop(text + 3 * phrase + "x")


@given(TEXTS, st.integers(1, 3))
def test_marked_parts_are_the_repeated_n_grams(text: str, n: int) -> None:
    marked = set()
    for first in range(len(text) - n + 1):
        if text[first : first + n] in [text[i : i + n] for i in range(first)]:
            marked |= set(range(first, first + n))
    spans = repeated_spans(text, [(i, i + 1) for i in range(len(text))], n)
    assert {place for start, end in spans for place in range(start, end)} == marked
    assert spans == sorted(spans)

"""Words and runs of words, against plain loops."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoloss.corpus.selection import shingles as module
from isoloss.corpus.selection.shingles import runs_of_words, shingles, words

TEXTS = st.text(st.sampled_from("aAbB 9_-.\n學習é"), max_size=40)
# The definition in the module's docstring, on bytes: after 學 the letters of its word may follow.
WORD = re.compile(rb"[\xe3-\xe9][0-9A-Za-z_\x80-\xe2\xea-\xff]*|[0-9A-Za-z_\x80-\xe2\xea-\xff]+")


def plain_words(text: str) -> list[bytes]:
    return [found.lower() for found in WORD.findall(text.encode("utf-8"))]


@given(text=TEXTS, block=st.sampled_from([4, 16, 1 << 20]))
@settings(max_examples=200, deadline=None)
def test_words_are_those_of_a_plain_search(text: str, block: int) -> None:
    expected = plain_words(text)
    if max(map(len, expected), default=0) > block // 2:
        return  # such words may be cut
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", block)
        module._powers.cache_clear()
        found = words(text.encode("utf-8"))
        module._powers.cache_clear()
    data = text.encode("utf-8")
    spans = zip(found.starts.tolist(), found.lengths.tolist(), strict=True)
    assert [data[start : start + length].lower() for start, length in spans] == expected
    by_word = dict(zip(expected, found.hashes.tolist(), strict=True))
    assert [by_word[word] for word in expected] == found.hashes.tolist()
    assert len(set(by_word.values())) == len(by_word)


@given(texts=st.lists(TEXTS, max_size=8), size=st.integers(1, 5))
@settings(max_examples=200, deadline=None)
def test_shingles_are_the_runs_inside_each_text(texts: list[str], size: int) -> None:
    hashes, offsets = shingles([text.encode("utf-8") for text in texts], size)
    meaning: dict[int, tuple[bytes, ...]] = {}
    for text, start, end in zip(texts, offsets[:-1], offsets[1:], strict=True):
        own = plain_words(text)
        expected = [tuple(own[i : i + size]) for i in range(len(own) - size + 1)]
        expected = expected or ([tuple(own)] if own else [])
        assert end - start == len(expected)
        for value, run in zip(hashes[start:end].tolist(), expected, strict=True):
            assert meaning.setdefault(value, run) == run
    assert len(set(meaning.values())) == len(meaning)


def test_order_matters_in_a_run() -> None:
    found = words(b"one two two one")
    first, _, last = runs_of_words(found.hashes, 2)
    assert first != last
    assert runs_of_words(found.hashes[:1], 2).tolist() == []
    assert runs_of_words(np.empty(0, np.uint64), 1).tolist() == []


def test_case_space_and_punctuation_do_not_matter() -> None:
    first = words(b"One, two - THREE\n").hashes
    assert np.array_equal(first, words(b"one two three").hashes)

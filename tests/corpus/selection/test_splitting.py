"""Training and validation share no text, by files and by blocks."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoloss.corpus import Document, Split, split_documents
from isoloss.corpus.selection.splitting import GAP_BYTES, LEAST_SHARE, VALIDATION_SHARE


def split(texts: list[str], **options: int) -> Split:
    documents = [Document(name=str(i), text=text) for i, text in enumerate(texts)]
    return split_documents(documents, **options)


def numbered_lines(n_bytes: int, start: int = 0) -> str:
    """A text whose every line occurs once."""
    return "".join(f"line {i:08d}\n" for i in range(start, start + n_bytes // 14))


def files(count: int, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return [numbered_lines(rng.randint(200, 900), 1000 * i) for i in range(count)]


def test_exact_duplicates_and_blank_texts_are_dropped() -> None:
    texts = files(120)
    result = split([*texts, texts[3], texts[7], "  \n", texts[3]])
    assert (result.documents, result.duplicates) == (120, 3)
    assert sorted(result.train + result.validation) == sorted(texts)
    assert result.n_bytes == sum(map(len, texts))


def test_many_files_are_split_whole_and_the_share_is_met() -> None:
    result = split(files(300))
    assert result.by == "files"
    assert set(result.train).isdisjoint(result.validation)
    share = sum(map(len, result.validation)) / result.n_bytes
    assert VALIDATION_SHARE <= share < 1.25 * VALIDATION_SHARE + 0.01


def test_the_split_does_not_depend_on_the_order_of_files() -> None:
    texts = files(200)
    first, second = split(texts), split(texts[::-1])
    assert set(first.validation) == set(second.validation)
    assert set(first.train) == set(second.train)


def test_a_few_huge_files_among_small_ones_are_split_by_blocks() -> None:
    texts = [*(f"note {i}" for i in range(150)), numbered_lines(300_000)]
    result = split(texts)
    assert result.by == "blocks"
    share = sum(map(len, result.validation)) / result.n_bytes
    assert LEAST_SHARE < share < 2 * VALIDATION_SHARE


@pytest.mark.parametrize("n_bytes", [30_000, 100_000, 1_000_000, 12_000_000])
def test_a_single_book_is_split_by_blocks_with_gaps(n_bytes: int) -> None:
    book = numbered_lines(n_bytes)
    result = split([book])
    assert result.by == "blocks"
    assert len(result.validation) >= 7
    share = sum(map(len, result.validation)) / n_bytes
    assert VALIDATION_SHARE / 2 < share < VALIDATION_SHARE * 1.5
    spans = sorted(
        [
            (book.index(text), book.index(text) + len(text), kind)
            for kind in ("train", "validation")
            for text in getattr(result, kind)
        ]
    )
    for (_, end, kind), (start, _, next_kind) in itertools.pairwise(spans):
        assert kind != next_kind
        assert start - end >= GAP_BYTES - 1


def test_a_chinese_book_is_cut_between_characters() -> None:
    rng = random.Random(0)
    book = "".join(chr(rng.randint(0x4E00, 0x9FFF)) for _ in range(40_000))  # no line breaks
    result = split([book])
    assert all(text in book for text in result.train + result.validation)
    assert "\ufffd" not in "".join(result.train + result.validation)


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=400), max_size=8))
@settings(max_examples=40, deadline=None)
def test_any_few_texts_lose_nothing_but_gaps(texts: list[str]) -> None:
    base = numbered_lines(20_000)
    result = split([base, *texts])
    kept = {base, *(t for t in texts if t.strip())}
    for text in result.train + result.validation:
        assert any(text in whole for whole in kept)
    assert not {t for t in result.validation if "line 0" in t and any(t in u for u in result.train)}


def test_more_text_than_wanted_keeps_a_fixed_random_part() -> None:
    texts = files(300)
    part = split(texts, max_bytes=60_000)
    assert 60_000 <= part.n_bytes < 61_000
    assert set(part.train + part.validation) < set(texts)
    again = split(texts[::-1], max_bytes=60_000)
    assert set(again.train + again.validation) == set(part.train + part.validation)

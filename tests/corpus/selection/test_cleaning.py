"""Clean text stays as it is byte for byte; what is amiss is mended, and drops are counted."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoloss.corpus import Cleaning, read_documents
from isoloss.corpus.selection import Cleaner
from isoloss.corpus.selection.quality import repeated_lines, repeated_ngrams, shares
from isoloss.errors import UsageError

CHINESE = "學而時習之，不亦說乎？有朋自遠方來，不亦樂乎？\n" * 3


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])))
def test_text_without_control_characters_stays(text: str) -> None:
    assert Cleaning().clean(text) == text


def test_layout_stays_and_control_characters_go() -> None:
    assert Cleaning().clean("a\tb\n\x0cdef\u2028\x85g 👩‍👩‍👧") == "a\tb\n\x0cdef\u2028\x85g 👩‍👩‍👧"
    assert Cleaning().clean("\x00a\x1b[0m\x7fb\x9c\rc\r\nd") == "a[0mb\nc\nd"
    assert Cleaning(controls=False, line_ends=False).clean("\x00\r\n") == "\x00\r\n"


def test_normalisation_and_repair_are_asked_for() -> None:
    assert Cleaning().clean("e\u0301 \u212a") == "e\u0301 \u212a"
    assert Cleaning(nfc=True).clean("e\u0301 \u212a") == "é K"
    broken = "schÃ¶n â€“ fine\n“curly” ﬁne Ｗide\n學"
    assert Cleaning().clean(broken) == broken
    assert Cleaning(repair="auto").clean(broken) == "schön – fine\n“curly” ﬁne Ｗide\n學"


def test_real_texts_are_neither_changed_nor_dropped(shared_data: Path) -> None:
    folders = [shared_data / "corpora" / name for name in ("zh_classical", "zh_d2l", "wikitext2")]
    texts = [d.text for d in read_documents([f for f in folders[:2] if f.is_dir()])]
    assert texts
    cleaner = Cleaner(Cleaning(repair="auto"))
    assert [cleaner(text) == text for text in texts] == [True] * len(texts)
    assert (cleaner.changed, cleaner.blank, cleaner.dropped) == (0, 0, {})


def test_each_filter_names_itself_and_drops_are_counted() -> None:
    cleaner = Cleaner(
        Cleaning(
            min_characters=5,
            max_characters=2_000,
            min_letters=0.3,
            max_digits=0.4,
            max_symbols=0.5,
            max_repeated_lines=0.5,
            max_repeated_ngrams=0.5,
        )
    )
    good = ["A plain sentence.", "學而時習之，不亦說乎？"]
    assert [cleaner(text) for text in good] == good
    bad = {
        "min_characters": "four",
        "max_characters": "word " * 500,
        "min_letters": "12 34 !! ?? a",
        "max_digits": "abc 1234",
        "max_symbols": "abc !!!!!!",
        "max_repeated_lines": "again and\n" * 9,
        "max_repeated_ngrams": "one two three four five six " * 9,
    }
    for text in bad.values():
        assert cleaner(text) is None
    assert cleaner(" \n") is None
    assert dict(cleaner.dropped) == dict.fromkeys(bad, 1)
    assert cleaner.blank == 1


def test_measures_against_hand_counts() -> None:
    assert shares("學é1_ \n") == (0.5, 0.25, 0.25)
    assert shares("") == (0, 0, 0)
    assert repeated_lines("abc\n\n abc\nde\n") == 3 / 8
    assert repeated_ngrams("a b c x a b c y", 3) == 3 / 8
    assert repeated_ngrams("a a a a a", 2) == 4 / 5  # all but the first run are repetitions
    assert repeated_ngrams("too short", 5) == 0
    assert repeated_ngrams(CHINESE, 5) > 0.6


def test_gopher_drops_boilerplate_and_keeps_prose() -> None:
    prose = " ".join(f"word{i} and word{i * 7 % 101}" for i in range(100))
    assert Cleaning.gopher().objection(prose) is None
    assert Cleaning.gopher().objection("Click here to read more of it\n" * 30) is not None


@pytest.mark.parametrize(
    "options",
    [{"repair": "always"}, {"min_letters": 1.5}, {"max_digits": -0.1}, {"min_characters": -1}],
)
def test_impossible_settings(options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        Cleaning(**options)  # type: ignore[arg-type]

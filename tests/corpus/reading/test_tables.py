"""Rows of tables by name and by number; every mistake names its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from isoloss.corpus.reading import read_rows
from isoloss.errors import DataError, UsageError


def rows(path: Path, text: str, *fields: str) -> list[tuple[str, ...]]:
    path.write_text(text, "utf-8", newline="")
    return [texts for _, texts in read_rows([path], fields)]


def test_csv_with_quotes_breaks_and_other_columns(tmp_path: Path) -> None:
    text = '\ufeffen,n,zh\r\n"a ""quoted"", word",1,學\r\n"two\nlines",2,習\r\n'
    found = rows(tmp_path / "a.csv", text, "zh", "en")
    assert found == [("學", 'a "quoted", word'), ("習", "two\nlines")]


def test_tsv_without_names_and_with_lone_quotes(tmp_path: Path) -> None:
    text = 'He said "no\t他說\tCC-BY\n\nSecond\t二\tCC-BY'
    assert rows(tmp_path / "a.tsv", text, "1", "2") == [('He said "no', "他說"), ("Second", "二")]


def test_a_cell_beyond_the_limit_of_the_csv_module(tmp_path: Path) -> None:
    assert rows(tmp_path / "a.csv", f"text\n{'x' * 300_000}\n", "text") == [("x" * 300_000,)]


@pytest.mark.parametrize(
    ("name", "text", "fields", "message"),
    [
        ("a.csv", "en,zh\na,b\n", ("de",), "no column 'de'; found en, zh"),
        ("a.csv", "en,zh\na\n", ("zh",), "line 2: 1 columns, column 2 was asked for"),
        ("a.csv", 'en\n"open', ("en",), "line 2: not a .csv table, or cut short"),
        ("a.tsv", "a\tb\nc\n", ("1", "2"), "line 2: 1 columns, column 2 was asked for"),
        ("a.jsonl", '{"en": "a"}\n', ("en", "zh"), "line 1: no text in field 'zh'; found en"),
        ("a.jsonl", "[" * 100_000, ("en",), "line 1: not JSON"),
    ],
)
def test_bad_tables(
    tmp_path: Path, name: str, text: str, fields: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        rows(tmp_path / name, text, *fields)
    assert name in caught.value.message


def test_columns_are_counted_from_one_and_texts_are_no_tables(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="counted from 1"):
        rows(tmp_path / "a.tsv", "a\tb\n", "0")
    with pytest.raises(DataError, match=r"\.txt'? is not a type of text that isoloss reads here"):
        rows(tmp_path / "a.txt", "text", "1")

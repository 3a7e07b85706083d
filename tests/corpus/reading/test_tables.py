"""Rows of tables by name and by number; every mistake names its line."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from isoloss.corpus.reading import read_rows
from isoloss.corpus.reading.tables import field_value
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
        ("a.jsonl", '{"a": ["x", 1]}', ("a",), "line 1: field 'a' holds a list with int"),
        ("a.jsonl", '{"a": {"en": "x"}}', ("a",), "line 1: field 'a' holds dict, not text"),
        ("a.jsonl", '{"a": {"en": "x"}}', ("a.de",), "no text in field 'a.de'; found a.en"),
        ("a.jsonl", '{"a": null}', ("a",), "line 1: field 'a' holds NoneType, not text"),
    ],
)
def test_bad_tables(
    tmp_path: Path, name: str, text: str, fields: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        rows(tmp_path / name, text, *fields)
    assert name in caught.value.message


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_lists_and_nested_fields(tmp_path: Path, suffix: str) -> None:
    given = [
        {"source": ["One.", "Two."], "target": ["first", "second"], "to": {"zh": "一"}},
        {"source": ["Three."], "target": ["only"], "to": {"zh": "三"}},
    ]
    path = tmp_path / f"a.{suffix}"
    if suffix == "jsonl":
        path.write_text("\n".join(map(json.dumps, given)), "utf-8")
    else:
        pd.DataFrame(given).to_parquet(path)
    found = [texts for _, texts in read_rows([path], ["source", "target", "to.zh"])]
    assert found == [("One. Two.", "first second", "一"), ("Three.", "only", "三")]
    several = {"target": 0}
    found = [texts for _, texts in read_rows([path], ["source", "target"], several)]
    assert found == [("One. Two.", "first"), ("Three.", "only")]
    assert several == {"target": 1}


def test_nested_parquet_columns_are_named(tmp_path: Path) -> None:
    pd.DataFrame({"to": [{"zh": "一"}]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"no text in field 'to\.de'; found to\.zh"):
        list(read_rows([tmp_path / "a.parquet"], ["to.de"]))
    with pytest.raises(DataError, match=r"no column 'from\.de'; found to"):
        list(read_rows([tmp_path / "a.parquet"], ["from.de"]))


def test_names_with_dots_of_their_own() -> None:
    row = {"a.b": 1, "a": {"b": 2, "c.d": 3}, "e.f": {"g": 4}}
    names = ["a.b", "a.c.d", "e.f.g", "a.x", "x.b", "a.b.c"]
    assert [field_value(row, name) for name in names] == [1, 3, 4, None, None, None]


def test_columns_are_counted_from_one_and_texts_are_no_tables(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="counted from 1"):
        rows(tmp_path / "a.tsv", "a\tb\n", "0")
    with pytest.raises(DataError, match=r"\.txt'? is not a type of text that isoloss reads here"):
        rows(tmp_path / "a.txt", "text", "1")

"""Every kind of text comes in, and every mistake in the input is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from isoloss.corpus import prepare_corpus, read_documents, standard_library_documents
from isoloss.errors import DataError, NotFoundError

CHINESE = "學而時習之，不亦說乎？"


def texts(*sources: Path, text_field: str = "text") -> list[str]:
    return [d.text for d in read_documents(list(sources), text_field=text_field)]


def parquet(path: Path, **columns: list[object]) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), path)
    return path


def written(path: Path, data: bytes | str) -> Path:
    path.write_bytes(data.encode("utf-8") if isinstance(data, str) else data)
    return path


def test_plain_files_with_a_byte_order_mark_and_chinese(tmp_path: Path) -> None:
    marked = written(tmp_path / "a.TXT", b"\xef\xbb\xbf" + CHINESE.encode())
    plain = written(tmp_path / "b.md", CHINESE + "\r\n")
    assert texts(marked, plain) == [CHINESE, CHINESE + "\r\n"]


def test_a_folder_is_searched_at_every_depth_in_a_fixed_order(tmp_path: Path) -> None:
    for name in ("b/two.txt", "a/one.py", ".git/hidden.txt", "c/.secret.txt", "c/picture.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        written(tmp_path / name, name)
    assert texts(tmp_path) == ["a/one.py", "b/two.txt"]


def test_tables_by_field(tmp_path: Path) -> None:
    lines = ['{"text": "one"}', "", json.dumps({"text": "two\u2028\x85lines"}, ensure_ascii=False)]
    jsonl = written(tmp_path / "a.jsonl", "\ufeff" + "\r\n".join(lines))
    table = parquet(tmp_path / "b.parquet", n=[1, 2], body=["three", CHINESE])
    assert texts(jsonl) == ["one", "two\u2028\x85lines"]
    assert texts(table, text_field="body") == ["three", CHINESE]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", b"caf\xe9 au lait", "not UTF-8: byte 0xe9 at offset 3"),
        ("a.pdf", b"%PDF", "'?.pdf'? is not a type of text"),
        ("a", b"text", "no suffix is not a type of text"),
        ("a.parquet.gz", b"PAR1", "is not a type of text"),
        ("a.jsonl", '{"text": "a"}\n{"tex', "line 2: not JSON"),
        ("a.jsonl", '{"body": "a", "n": 1}', "no text in field 'text'; found body, n"),
        ("a.jsonl", '{"text": 5}', "line 1: field 'text' holds int, not text"),
        ("a.jsonl", "[1, 2]", "no text in field 'text'; found list"),
        ("a.jsonl", r'{"text": "\ud800"}', "line 1: half of a surrogate pair"),
        ("a.parquet", b"PAR1 junk", "not a Parquet file"),
        ("a.parquet", b"", "not a Parquet file"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, name: str, data: bytes | str, message: str) -> None:
    path = written(tmp_path / name, data)
    with pytest.raises(DataError, match=message) as caught:
        texts(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"body": ["a"]}, "no column 'text'; found body"),
        ({"text": [1, 2]}, "row 1: field 'text' holds int, not text"),
        ({"text": ["a", None]}, "row 2: field 'text' holds NoneType, not text"),
    ],
)
def test_bad_parquet_columns_are_named(tmp_path: Path, columns, message: str) -> None:
    with pytest.raises(DataError, match=message):
        texts(parquet(tmp_path / "a.parquet", **columns))


def test_a_parquet_file_cut_short(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", text=["some text"] * 50)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="cut short"):
        texts(path)


def test_missing_and_empty_sources(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nowhere"):
        texts(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no text in this folder"):
        texts(tmp_path)
    empty = written(tmp_path / "empty.txt", " \n ")
    with pytest.raises(DataError, match="the corpus is empty"):
        prepare_corpus([empty], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("size", "vocabulary"), [(1, 257), (2_000, 257), (2_000, 1024)])
def test_a_text_too_small_is_refused(tmp_path: Path, size: int, vocabulary: int) -> None:
    source = written(tmp_path / "a.txt", ("ab " * size)[:size])
    with pytest.raises(DataError, match="too small"):
        prepare_corpus([source], tmp_path / "out", vocab_size=vocabulary)


def test_the_standard_library_is_a_corpus() -> None:
    names = [d.name for _, d in zip(range(400), standard_library_documents(), strict=False)]
    assert {"argparse.py", "asyncio/tasks.py"} <= set(names)
    assert not [name for name in names if "site-packages" in name or "/test/" in name]


def test_a_large_plain_file_comes_in_parts_cut_at_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from isoloss.corpus.reading import compressed, documents

    lines = [f"line {i} 學而時習\r\n" for i in range(2_000)]
    path = written(tmp_path / "a.txt", "\ufeff" + "".join(lines) + "學" * 10_000)
    monkeypatch.setattr(
        documents, "text_parts", lambda p: compressed.text_parts(p, part_bytes=4_000)
    )
    found = list(read_documents([path]))
    assert "".join(d.text for d in found) == "".join(lines) + "學" * 10_000
    assert [d.name for d in found[:3]] == [f"{path}:part {i}" for i in (1, 2, 3)]
    assert all(len(d.text.encode()) <= 4_000 for d in found)
    assert sum(d.text.endswith("\n") for d in found) >= 8


def test_an_offset_in_a_late_part_is_that_in_the_file(tmp_path: Path) -> None:
    from isoloss.corpus.reading.compressed import text_parts

    path = written(tmp_path / "a.txt", b"\xef\xbb\xbf" + b"0123456789\n" * 1_000 + b"\xff")
    with pytest.raises(DataError, match="byte 0xff at offset 11,003"):
        list(text_parts(path, part_bytes=500))


def test_lists_beside_texts_are_not_texts(tmp_path: Path) -> None:
    (tmp_path / "books").mkdir()
    written(tmp_path / "books" / "a.txt", "a book")
    written(tmp_path / "books" / "metadata.tsv", "file\tauthor\na.txt\tB")
    assert texts(tmp_path / "books") == ["a book"]
    (tmp_path / "tables").mkdir()
    written(tmp_path / "tables" / "a.csv", "text\nfrom a table\n")
    assert texts(tmp_path / "tables") == ["from a table"]


def test_the_standard_library_is_read_with_its_bytes_unchanged() -> None:
    from isoloss.corpus import Cleaning

    changed = [d.name for d in standard_library_documents() if Cleaning().clean(d.text) != d.text]
    assert changed == []

"""Examples from files of every format, and from what is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isoloss.errors import DataError, EnvironmentProblem, IsolossError, NotFoundError, UsageError
from isoloss.tasks.examples import read_examples, texts_of
from isoloss.tasks.perplexity import Perplexity

WANTED = {"source": ("src",), "target": ("references",), "extra": ()}


def read(path: Path, columns: dict[str, str] | None = None, **options: Any) -> list[dict[str, Any]]:
    rows = read_examples([path], columns, wanted=WANTED, optional=("extra",), **options)
    return [{k: v for k, v in row.items() if k != "place"} for row in rows]


def test_every_format_gives_the_same(tmp_path: Path) -> None:
    rows = [{"source": 'a "quoted"', "target": "é 中"}, {"source": "b", "target": "c"}]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    (tmp_path / "x.json").write_text(json.dumps(rows), "utf-8")
    frame = pd.DataFrame(rows)
    frame.to_csv(tmp_path / "x.csv", index=False)
    frame.to_parquet(tmp_path / "x.parquet")
    lines = ["source\ttarget", *("\t".join(row.values()) for row in rows)]
    (tmp_path / "x.tsv").write_text("\n".join(lines), "utf-8")
    for suffix in ("jsonl", "json", "csv", "parquet", "tsv"):
        assert read(tmp_path / f"x.{suffix}") == rows, suffix


def test_a_plain_file_is_one_text(tmp_path: Path) -> None:
    for name, text in (("a.txt", "One.\n\nTwo.\n"), ("b.MD", "# Three"), ("d.txt", "")):
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "c.jsonl").write_text('{"text": "Four."}\n', "utf-8")
    files = [tmp_path / name for name in ("a.txt", "b.MD", "c.jsonl")]
    rows = Perplexity().read(files)
    assert [row["text"] for row in rows] == ["One.\n\nTwo.\n", "# Three", "Four."]
    places = [str(files[0]), str(files[1]), f"{files[2]}, row 1"]
    assert [row["place"] for row in rows] == places
    assert Perplexity().read(files, limit=1) == rows[:1]
    with pytest.raises(NotFoundError, match=r"e\.txt: no such file"):
        Perplexity().read([tmp_path / "e.txt"])


def test_a_table_without_a_header_has_numbers(tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_text("one\teins\tmore\ntwo\tzwei\tmore\n", "utf-8")
    found = read(tmp_path / "x.tsv", {"source": "1", "target": "2"})
    assert found == [{"source": "one", "target": "eins"}, {"source": "two", "target": "zwei"}]


def test_other_names_and_a_map(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"src": "a", "zh": ["b", "c"]}\n' * 3, "utf-8")
    assert (
        read(tmp_path / "x.jsonl", {"target": "zh"}, limit=2)
        == [{"source": "a", "target": ["b", "c"]}] * 2
    )


@pytest.fixture
def data_set(tmp_path: Path) -> Path:
    """A data set as translations lie on the hub: Parquet by split, texts under their language."""
    folder = tmp_path / "set"
    (folder / "data").mkdir(parents=True)
    for split, count in (("train", 3), ("test", 2)):
        rows = [{"translation": {"en": f"{split} {i}", "zh": f"句{i}"}} for i in range(count)]
        pd.DataFrame(rows).to_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")
    return folder


NESTED = {"source": "translation.en", "target": "translation.zh"}


def test_a_data_set_by_the_name_that_corpora_use(data_set: Path) -> None:
    held_out = read(Path(f"hf://{data_set}:test"), NESTED)
    assert held_out == [
        {"source": "test 0", "target": "句0"},
        {"source": "test 1", "target": "句1"},
    ]
    assert [row["source"] for row in read(Path(f"hf://{data_set}"), NESTED)] == [
        f"train {i}" for i in range(3)
    ]
    (row,) = read_examples(
        [f"hf://{data_set}"], NESTED, wanted=WANTED, optional=("extra",), limit=1
    )
    assert row["place"] == f"hf://{data_set}, row 1"


def test_a_data_set_is_streamed(data_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more rows are asked for than are wanted, and nothing is kept on disk."""
    import datasets

    asked: list[Any] = []
    load = datasets.load_dataset

    def watched(*names: Any, **options: Any) -> Any:
        asked.append(options["streaming"])
        for number, row in enumerate(load(*names, **options)):
            asked.append(number)
            yield row

    monkeypatch.setattr(datasets, "load_dataset", watched)
    read(Path(f"hf://{data_set}"), NESTED, limit=2)
    assert asked == [True, 0, 1]


def test_mistakes_in_names_of_data_sets(data_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFoundError, match=r"Available splits: \['train', 'test'\]"):
        read(Path(f"hf://{data_set}:validation"), NESTED)
    with pytest.raises(DataError, match=r"did you mean 'translation\.en'\?") as caught:
        read(Path(f"hf://{data_set}"), {**NESTED, "source": "translation.eng"})
    assert "Found: translation.en, translation.zh" in caught.value.message
    with pytest.raises(UsageError, match="perhaps with /config and :split"):
        read_examples(["hf://owner/name:config@test"], NESTED, wanted=WANTED)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EnvironmentProblem, match="the hub cannot be reached") as offline:
        read_examples(["hf://owner/name:test"], NESTED, wanted=WANTED)
    assert "download the data set and give its folder" in offline.value.hint


@pytest.mark.parametrize("suffix", ["jsonl", "json", "parquet"])
def test_nested_columns_of_files(tmp_path: Path, suffix: str) -> None:
    rows = [{"translation": {"en": "yes", "zh": "是"}}]
    path = tmp_path / f"x.{suffix}"
    if suffix == "parquet":
        pd.DataFrame(rows).to_parquet(path)
    else:
        path.write_text(json.dumps(rows[0] if suffix == "jsonl" else rows), "utf-8")
    assert read(path, NESTED) == [{"source": "yes", "target": "是"}]


def test_squad(tmp_path: Path) -> None:
    asked = {"question": "who?", "answers": [{"text": "me", "answer_start": 3}], "id": "1"}
    page = {"title": "t", "paragraphs": [{"context": "it's me", "qas": [asked]}]}
    (tmp_path / "x.json").write_text(json.dumps({"version": "1.1", "data": [page]}), "utf-8")
    wanted = {"context": (), "question": (), "answers": (), "title": ()}
    (row,) = read_examples([tmp_path / "x.json"], wanted=wanted)
    assert row["context"] == "it's me"
    assert row["answers"] == asked["answers"]
    assert row["title"] == "t"


def test_a_table_without_a_header_is_read_by_number(tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_text("I went.\tIch ging.\nGo.\tGeh.\n", "utf-8")
    with pytest.raises(DataError, match="no 'source'") as caught:
        read_examples([tmp_path / "x.tsv"], wanted={"source": (), "target": ()})
    assert "no header: --map source=1 --map target=2." in caught.value.hint


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.jsonl", "{", "line 1: not JSON"),
        ("x.jsonl", "[1]", "line 1: expected a JSON object"),
        ("x.jsonl", '{"a": 1}', "row 1: no 'source'. Found: a"),
        ("x.jsonl", '{"sorce": "x", "target": "y"}', "did you mean 'sorce'"),
        ("x.jsonl", "\n\n", "no examples"),
        ("x.csv", "source,target\na,b,c\n", "line 2: expected 2 cells"),
        ("x.json", "{}", "expected a list of examples"),
        ("x.json", '{"data": [{"paragraphs": [{}]}]}', "not as in SQuAD"),
        ("x.doc", "a", "expected .jsonl"),
        ("x.txt", "a", "no 'source'. Found: text"),
        ("x.parquet", "PAR1", "not a Parquet file"),
    ],
)
def test_files_that_are_not_what_they_say(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(DataError, match=message):
        read(tmp_path / name)


def test_no_such_file_or_column(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"source": "a", "target": "b"}', "utf-8")
    with pytest.raises(NotFoundError, match="no such file") as caught:
        read(tmp_path / "y.jsonl")
    assert "x.jsonl" in caught.value.hint
    with pytest.raises(UsageError, match="the task has no 'sauce'"):
        read(tmp_path / "x.jsonl", {"sauce": "source"})
    with pytest.raises(DataError, match="found a folder"):
        read(tmp_path)
    with pytest.raises(DataError, match="/dev/null: expected a file of examples, found a device"):
        read(Path("/dev/null"))


def test_a_value_of_null_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"source": "a", "references": null}', "utf-8")
    with pytest.raises(DataError, match="row 1: 'references' is null"):
        read(tmp_path / "x.jsonl")


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200), suffix=st.sampled_from(["jsonl", "json", "csv", "tsv"]))
def test_junk_gives_clear_errors(tmp_path: Path, data: bytes, suffix: str) -> None:
    path = tmp_path / f"junk.{suffix}"
    path.write_bytes(data)
    with pytest.raises(IsolossError):
        read(path)


@pytest.mark.parametrize(
    ("value", "texts"),
    [("a", ["a"]), (["a", "b"], ["a", "b"]), ({"text": ["a"], "answer_start": [3]}, ["a"])],
)
def test_one_text_or_several(value: Any, texts: list[str]) -> None:
    assert texts_of(value, "here") == texts


@pytest.mark.parametrize("value", ["", " ", [], [""], None, 3, [3], {"text": []}, {}])
def test_no_text(value: Any) -> None:
    with pytest.raises(DataError, match="here: "):
        texts_of(value, "here")

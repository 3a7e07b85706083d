"""A study as data."""

from __future__ import annotations

from pathlib import Path

import pytest

from isoloss.errors import DataError, NotFoundError, UsageError
from isoloss.studies import load_spec
from isoloss.studies.spec import parse_spec, settled


def test_the_built_in_study_is_the_default_of_every_key():
    assert load_spec("laptop") == parse_spec({}, "nothing")


def test_every_number_survives_json():
    spec = load_spec("laptop")
    assert parse_spec(spec.model_dump(), "itself") == spec


def test_relative_sources_are_beside_the_file_wherever_one_stands(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    spec = tmp_path / "sub" / "s.toml"
    spec.write_text(
        "[corpus]\nsources = ['a.txt', '../b.txt', 'stdlib', '/c.txt', 'hf://o/n:train']\n"
    )
    monkeypatch.chdir(tmp_path)
    first = load_spec("sub/s.toml")
    monkeypatch.chdir(tmp_path / "sub")
    assert load_spec(Path("s.toml")) == first
    assert first.corpus.sources == [
        str(tmp_path / "sub" / "a.txt"), str(tmp_path / "b.txt"), "stdlib", "/c.txt",
        "hf://o/n:train",
    ]  # fmt: skip


def test_names_of_data_stay_and_paths_are_settled(tmp_path):
    sources = ["a.txt", "hf://o/n/c:train", Path("hf://o/n"), "hf:///data:test", "stdlib"]
    assert settled(sources, tmp_path) == [
        str(tmp_path / "a.txt"), "hf://o/n/c:train", "hf://o/n", "hf:///data:test", "stdlib",
    ]  # fmt: skip
    (tmp_path / "stdlib").mkdir()
    assert settled(["stdlib"], tmp_path) == [str(tmp_path / "stdlib")]


def test_the_command_line_wins_over_the_spec():
    spec = load_spec("laptop").with_choices(
        minutes=2, sources=["x.txt"], text_field="body", noise_seeds=5
    )
    assert (spec.minutes, spec.corpus.sources) == (2.0, ["x.txt"])
    assert (spec.corpus.text_field, spec.ladder.noise_seeds) == ("body", 5)
    assert spec.with_choices() == spec


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"minutes": 0}, "minutes: input should be greater than 0, found 0"),
        ({"minutes": float("nan")}, "minutes"),
        ({"minutes": "6"}, "found '6'"),
        ({"name": ""}, "name"),
        ({"corpus": {"vocab_size": 256}}, "corpus.vocab_size"),
        ({"corpus": {"sources": []}}, "corpus.sources"),
        ({"corpus": {"sources": "a.txt"}}, "corpus.sources"),
        ({"ladder": {"seed": -1}}, "ladder.seed"),
        ({"ladder": {"workers": True}}, "ladder.workers"),
        ({"recipe": {"momentum": 0.9}}, "unknown key 'recipe.momentum'"),
        ({"prediction": {"level": 1.0}}, "prediction.level"),
        ({"ladder": 3}, "ladder"),
    ],
)
def test_wrong_values_name_their_place(values, message):
    with pytest.raises(UsageError) as caught:
        parse_spec(values, "here")
    assert message in caught.value.message
    assert caught.value.message.startswith("here: ")
    assert caught.value.hint


def test_a_misspelt_key_of_any_table_gets_a_close_one():
    for table, wrong, close in (("model", "famly", "family"), ("task", "limt", "limit")):
        with pytest.raises(UsageError) as caught:
            parse_spec({table: {wrong: 1}}, "here")
        assert caught.value.hint == f"Did you mean {close!r}?"


def test_all_mistakes_are_told_at_once():
    with pytest.raises(UsageError, match=r"level.*minutes|minutes.*level"):
        parse_spec({"minutes": -1, "prediction": {"level": 2.0}}, "here")


def test_files_that_are_no_spec(tmp_path):
    with pytest.raises(NotFoundError):
        load_spec(tmp_path / "nothing.toml")
    with pytest.raises(NotFoundError):
        load_spec(tmp_path)
    (tmp_path / "s.toml").write_bytes(b"\xff")
    with pytest.raises(DataError, match="not TOML"):
        load_spec(tmp_path / "s.toml")

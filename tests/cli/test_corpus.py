"""`isoloss corpus` through the real command line."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from isoloss.cli import main

OF_TEXTS = ("--weight", "a=1", "--text-field", "text", "--max-bytes", "1k")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = random.Random(0)
    texts = [" ".join(f"w{rng.randint(0, 900)}" for _ in range(120)) for _ in range(150)]
    texts += [texts[0], texts[1] + " end", "too short"]
    lines = [json.dumps({"body": text}) for text in texts]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), "utf-8")
    (tmp_path / "b.txt").write_text("\n".join(reversed(texts)), "utf-8")
    rows = [f"{text[:40]}\t{text[40:90]}\tby {i}" for i, text in enumerate(texts[:150])]
    (tmp_path / "pairs.tsv").write_text("\n".join(rows), "utf-8")
    return tmp_path


def answer(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, Any, str]:
    code = main(["corpus", *map(str, words), "--json"])
    shown = capsys.readouterr()
    return code, json.loads(shown.out), shown.err


def test_a_corpus_is_prepared_and_reported(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["prepare", folder / "a.jsonl", "--out", folder / "c", "--vocab-size", "300",
             "--text-field", "body", "--filter", "min_characters=50", "--special-token", "<|mask|>",
             "--near-duplicates", "0.7"]  # fmt: skip
    code, document, err = answer(capsys, *words)
    corpus = document["corpus"]
    assert (code, document["schema_version"]) == (0, 1)
    assert (corpus["documents"], corpus["duplicates"]) == (151, 1)
    assert corpus["dropped"] == {"min_characters": 1}
    near = corpus["near_duplicates"]
    assert near["border"] + near["train"] + near["validation"] == 1
    assert corpus["special_tokens"]["<|mask|>"] == 300
    assert corpus["settings"]["near_duplicates"] == 0.7
    assert "corpus: encoding" in err
    code, again, _ = answer(capsys, "report", folder / "c", "--recheck")
    assert (code, again["corpus"]) == (0, corpus)
    assert main(["corpus", "report", str(folder / "c")]) == 0
    shown = capsys.readouterr().out
    assert "1 by the filter min_characters" in shown
    assert str(folder / "c") in shown


def test_a_mixture(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, document, _ = answer(
        capsys, "prepare", "--domain", f"one={folder / 'b.txt'}", "--domain", "code=stdlib",
        "--weight", "one=1", "--weight", "code=3", "--tokenizer", "bytes",
        "--max-bytes", "1M", "--near-duplicates", "off", "--out", folder / "c",
    )  # fmt: skip
    domains = {d["name"]: d for d in document["corpus"]["domains"]}
    assert code == 0
    assert {name: d["weight"] for name, d in domains.items()} == {"one": 0.25, "code": 0.75}
    assert domains["code"]["documents"] > 10


def test_pairs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, document, _ = answer(
        capsys, "prepare", folder / "pairs.tsv", "--pair-fields", "1,2", "--attribution-field", "3",
        "--attribution", "made up", "--vocab-size", "300", "--out", folder / "p",
    )  # fmt: skip
    assert code == 0
    assert document["corpus"]["attribution"] == "made up"
    assert document["corpus"]["train_pairs"] > 100
    code, again, _ = answer(capsys, "report", folder / "p")
    assert again["corpus"] == document["corpus"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["report", "nowhere"], 5, "no prepared corpus here"),
        (["prepare", "nowhere.txt", "--out", "c"], 5, "no such file or folder"),
        (["prepare", "a.jsonl", "--out", "c"], 3, "no text in field 'text'; found body"),
        (
            ["prepare", "b.txt", "--out", "c", "--near-duplicates", "many"],
            2,
            "or off, found 'many'",
        ),
        (["prepare", "b.txt", "--out", "c", "--filter", "min_chars=5"], 2, "no such filter"),
        (["prepare", "b.txt", "--out", "c", "--weight", "x=1"], 2, "which is no domain"),
        (["prepare", "b.txt", "--out", "c", "--tokenizer", "bpee"], 2, "no such tokeniser"),
        (["prepare", "b.txt", "--out", "c", "--tokenizer", "t.json"], 5, "t.json: no such file"),
        (["prepare", "--out", "c", "--domain", "stdlib"], 2, "NAME=VALUE"),
        (["prepare", "b.txt", "--domain", "a=b.txt", "--out", "c"], 2, "sources or --domain"),
        (["prepare", "pairs.tsv", "--pair-fields", "1", "--out", "c"], 2, "found 1"),
        (["prepare", "pairs.tsv", "--pair-fields", "1,9", "--out", "c"], 3, "column 9"),
        (
            ["prepare", "--domain", "a=pairs.tsv", "--pair-fields", "1,2", "--out", "c"],
            2,
            "--domain: only for a corpus of texts",
        ),
        (
            ["prepare", "pairs.tsv", "--pair-fields", "1,2", "--out", "c", *OF_TEXTS],
            2,
            "--weight, --text-field, --max-bytes: only for a corpus of texts, not of pairs",
        ),
        (["prepare", "b.txt", "--attribution", "me", "--out", "c"], 2, "for a corpus of pairs"),
        (["prepare", "b.txt", "--attribution-field", "3", "--out", "c"], 2, "corpus of pairs"),
    ],
)
def test_mistakes(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(folder)
    found, document, _ = answer(capsys, *words)
    assert (found, message in document["error"]["message"]) == (code, True), document
    assert not (folder / "c").exists()

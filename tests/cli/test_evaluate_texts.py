"""`isoloss evaluate` of texts from files and of baselines, and two results side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from isoloss.cli import main

ENGLISH = ["The cat sat on the mat.", "He doesn't like it, does he?", "Rain fell all night long."]
MADE = ["The cat is on the mat.", "He does not like it, doesn't he?", "It rained all night."]
GERMAN = ["Die Katze saß auf der Matte.", "Er mag es nicht, oder?", "Es regnete die ganze Nacht."]


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main(["evaluate", *map(str, words)])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """A table of German and English sentences."""
    path = tmp_path / "pairs.tsv"
    rows = [f"{german}\t{english}" for german, english in zip(GERMAN, ENGLISH, strict=True)]
    path.write_text("\n".join(["source\ttarget", *rows]) + "\n", "utf-8")
    return path


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    path = tmp_path / "made.txt"
    path.write_text("\n".join(MADE) + "\n", "utf-8")
    return path


def test_texts_are_scored_and_compared_with_a_baseline(
    capsys, pairs: Path, lines: Path, tmp_path: Path
) -> None:
    common = ("--task", "translation", "--data", pairs)
    code, out, err = run(capsys, *common, "--baseline", "copy", "-o", tmp_path / "copy.json")
    assert (code, err) == (0, "")
    assert out.startswith("translation: 3 examples, baseline copy\n")
    assert "\n  baseline copy|bleu|" in out
    words = (*common, "--predictions", lines, "--against", tmp_path / "copy.json")
    code, out, _ = run(capsys, *words)
    assert code == 0
    assert "\n  given|bleu|" in out
    assert "against baseline copy, on the same examples:\n" in out
    assert "  made differently: baseline copy -> given\n" in out
    bleu = next(line for line in out.splitlines() if line.startswith("  bleu   ") and "->" in line)
    assert bleu.endswith(("p = 0.0005", "p = 0.001", "p = 0"))
    code, out, _ = run(capsys, *words, "--json")
    document: dict[str, Any] = json.loads(out)
    assert (document["made"], document["compared_with"]["made"]) == ("given", "baseline copy")
    assert document["signature"].startswith("given|bleu|")
    compared = {one["metric"]: one for one in document["compared_with"]["metrics"]}
    assert compared["bleu"]["second"] == document["metrics"]["bleu"]["value"]


def test_a_comparison_without_an_interval_says_why(
    capsys, pairs: Path, lines: Path, tmp_path: Path
) -> None:
    common = ("--task", "translation", "--data", pairs, "--limit", 1)
    lines.write_text(MADE[0] + "\n", "utf-8")
    run(capsys, *common, "--baseline", "copy", "-o", tmp_path / "copy.json")
    code, out, _ = run(capsys, *common, "--predictions", lines, "--against", tmp_path / "copy.json")
    assert code == 0
    assert "no interval: only 1 independent example" in out
    assert "nan" not in out


def test_the_memory_needs_training_pairs(capsys, pairs: Path, tmp_path: Path) -> None:
    common = ("--task", "translation", "--data", pairs)
    code, out, _ = run(capsys, *common, "--baseline", "memory", "--train", pairs)
    assert code == 0
    assert "translation: 3 examples, baseline memory" in out
    assert "  bleu  100 " in out
    code, _, err = run(capsys, *common, "--baseline", "memory")
    assert code == 2
    assert "--baseline memory --train FILE" in err
    code, _, err = run(capsys, *common, "--baseline", "copy", "--train", pairs)
    assert code == 2
    assert "the baseline copy does not learn from examples" in err
    code, _, err = run(capsys, *common, "--predictions", pairs, "--train", pairs)
    assert code == 2
    assert "no --baseline is given" in err


def test_mistakes_in_files_of_texts(capsys, pairs: Path, lines: Path) -> None:
    common = ("--task", "translation", "--data", pairs, "--predictions")
    lines.write_bytes("\n".join(GERMAN).encode("latin-1"))
    code, _, err = run(capsys, *common, lines)
    assert code == 3
    assert f"{lines}: not UTF-8 text" in err
    lines.write_text("one\n", "utf-8")
    code, _, err = run(capsys, *common, lines)
    assert code == 3
    assert "translation: 1 texts for 3 examples" in err
    code, _, err = run(capsys, *common, lines.with_name("mad.txt"))
    assert code == 5
    code, _, err = run(capsys, *common, lines, "--baseline", "copy")
    assert code == 2
    assert "2 of MODEL, --predictions and --baseline are given" in err


def test_answers_with_line_ends_in_json_lines(capsys, tmp_path: Path) -> None:
    data, made = tmp_path / "asked.jsonl", tmp_path / "made.jsonl"
    row = {"question": "Who?", "answers": [], "is_impossible": True}
    rows = [{"question": "When?", "answers": ["in 1889\nor 1890"]}, row]
    data.write_text("".join(json.dumps(one) + "\n" for one in rows), "utf-8")
    made.write_text(json.dumps("in 1889\nor 1890") + "\n" + json.dumps({"output": ""}), "utf-8")
    code, out, _ = run(
        capsys, "--task", "question-answering", "--data", data, "--predictions", made
    )
    assert code == 0
    assert "  exact_match  1 " in out
    assert "  given|squad-2|words\n" in out
    assert "1 of 2 questions have no answer in their text" in out


def test_answers_that_are_not_where_they_say_are_told(capsys, tmp_path: Path) -> None:
    data = tmp_path / "asked.jsonl"
    row = {"question": "When?", "context": "Built in 1889."}
    rows = [{**row, "answers": [{"text": "1889", "answer_start": at}]} for at in (9, 3)]
    data.write_text("".join(json.dumps(one) + "\n" for one in rows), "utf-8")
    code, out, _ = run(
        capsys, "--task", "extractive-qa", "--data", data, "--baseline", "first-sentence"
    )
    assert code == 0
    told = " ".join(out.split())
    assert "note: 1 of 2 examples have an answer that is not where answer_start says" in told
    assert "asked.jsonl, row 2; they are scored all the same" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--set", "batch_rows=0"], "batch_rows must be a whole number of at least 1, found 0"),
        (["--set", "max_tokens=0"], "max_tokens must be a whole number of at least 1, found 0"),
        (["--set", "language=english"], "unknown language 'english'"),
        (["--set", "tokenize=mecab"], "unknown tokenize 'mecab'"),
        (["--seed", "-1"], "seed"),
    ],
)
def test_options_out_of_range(capsys, pairs: Path, words: list[str], told: str) -> None:
    common = ("--task", "translation", "--data", pairs, "--baseline", "copy")
    code, _, err = run(capsys, *common, *words)
    assert code == 2
    assert told in err

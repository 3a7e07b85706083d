"""`isoloss evaluate` of texts from files and of baselines, and two results side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from isoloss.cli import main
from isoloss.cli._evaluation import typed_options
from isoloss.errors import EnvironmentProblem
from isoloss.tasks import TASKS, TaskResult, task_class
from isoloss.tasks.translation import Translation

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


def test_what_cannot_be_saved_or_compared_is_refused_first(
    capsys, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.json"
    common = ("--data", pairs, "--baseline")
    run(capsys, "--task", "summarisation", *common, "lead-1", "-o", other)
    monkeypatch.setattr(Translation, "score", lambda *_, **__: pytest.fail("scored"))
    words = ("--task", "translation", *common, "copy")
    for path in (tmp_path, other / "x.json", "/proc/x.json"):
        code, out, err = run(capsys, *words, "-o", path)
        assert (code, out) == (6, "")
        assert f"cannot write {path}" in err
    code, out, err = run(capsys, *words, "--against", other)
    assert (code, out) == (2, "")
    assert "expected a result of translation, found one of summarisation" in err
    assert {one.name for one in tmp_path.iterdir()} == {"other.json", "pairs.tsv"}


def test_scores_are_told_though_saving_fails(
    capsys, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise EnvironmentProblem("the disk is full")

    monkeypatch.setattr(TaskResult, "save", full)
    words = ("--task", "translation", "--data", pairs, "--baseline", "copy", "-o", tmp_path / "x")
    code, out, err = run(capsys, *words)
    assert code == 6
    assert "  bleu " in out
    assert "Saved" not in out
    assert "isoloss: error: the disk is full" in err
    code, out, _ = run(capsys, *words, "--json")
    document = json.loads(out)
    assert (code, document["error"]["message"]) == (6, "the disk is full")
    assert document["metrics"]["bleu"]["value"] >= 0


def test_scores_are_saved_though_they_cannot_be_compared(
    capsys, pairs: Path, tmp_path: Path
) -> None:
    common = ("--task", "translation", "--data", pairs, "--baseline", "copy")
    run(capsys, *common, "--limit", 2, "-o", tmp_path / "two.json")
    words = (*common, "--against", tmp_path / "two.json", "-o", tmp_path / "x.json")
    code, out, err = run(capsys, *words)
    assert code == 2
    assert out.startswith("translation: 3 examples")
    assert "of other examples" in err
    assert TaskResult.load(tmp_path / "x.json").n_examples == 3


def test_empty_texts_are_counted(capsys, pairs: Path, lines: Path) -> None:
    lines.write_text(f"\n{MADE[0]}\n \n", "utf-8")
    _, out, _ = run(capsys, "--task", "translation", "--data", pairs, "--predictions", lines)
    assert "  note: 2 of 3 outputs are empty" in out


def test_texts_of_options_are_taken_as_they_are() -> None:
    given = {"stop": r"。,\n,\t,\\u3002", "template": r"问：{source}\n答：\t"}
    assert typed_options(Translation, given) == {
        "stop": ("。", "\n", "\t", r"\\u3002"),
        "template": "问：{source}\n答：\t",
    }


def test_close_names_are_told(capsys, pairs: Path) -> None:
    common = ("--task", "translation", "--data", pairs, "--baseline", "copy")
    code, _, err = run(capsys, *common, "--set", "max_token=3")
    assert code == 2
    assert "Did you mean max_tokens? It has batch_rows, beams," in err
    assert "level" not in err
    code, _, err = run(capsys, *common, "--map", "targt=2")
    assert code == 2
    assert "Did you mean target? It reads: source, target." in err


def test_every_task_lists_its_baselines(capsys) -> None:
    code, out, _ = run(capsys, "--list")
    assert code == 0
    assert "  baseline best-constant, first-sentence, nearest-sentence\n" in out
    for name in TASKS:
        kind = task_class(name)
        known = set(getattr(kind(), "baselines", dict)())
        assert known <= set(kind.baseline_names) <= {*known, "memory", "human"}
        assert bool(kind.baseline_names) is (name in _WITH_BASELINES)


_WITH_BASELINES = ("generation", "translation", "summarisation", "extractive-qa")


def test_a_signature_breaks_at_bars_alone(capsys, pairs: Path, tmp_path: Path) -> None:
    common = ("--task", "translation", "--data", pairs, "--baseline", "copy", "--limit", 1)
    _, out, _ = run(capsys, *common, "-o", tmp_path / "x.json")
    signature = TaskResult.load(tmp_path / "x.json").signature
    assert len(signature) > 80
    assert signature in "".join(line.strip() for line in out.splitlines())
    assert max(map(len, out.splitlines()[:-1])) <= 80
    assert "intervals over examples" not in out

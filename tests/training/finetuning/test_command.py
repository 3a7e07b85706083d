"""`isoloss finetune`: what its flags mean, and what is read of its model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from isoloss.cli import main
from isoloss.runs import Runs

Row = dict[str, Any]


@pytest.fixture
def finetune(model_folder: Callable[..., Path], questions: list[Row], tmp_path: Path, capsys: Any):
    """Run the command on questions; gives code and document."""
    start = model_folder("encoder")
    for name, rows in (("train", questions[:150]), ("dev", questions[150:170])):
        told = [{k: v for k, v in row.items() if k != "place"} for row in rows]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, told)), "utf-8")

    def run(*flags: str) -> tuple[int, Row]:
        code = main(["finetune", str(start), "--out", str(tmp_path / "out"), *flags, "--json"])
        return code, json.loads(capsys.readouterr().out)

    return run


def test_flags_reach_the_run(finetune: Any, tmp_path: Path, capsys: Any) -> None:
    data = [str(tmp_path / "train.jsonl"), "--dev", str(tmp_path / "dev.jsonl")]
    code, document = finetune(
        *("--task", "extractive-qa", "--data", *data, "--dev-limit", "12", "--steps", "9"),
        *("--rows", "4", "--learning-rate", "0.001", "--schedule", "cosine", "--score-every", "3"),
        *("--set", "max_answer_tokens=5", "--seed", "3", "--weight-decay", "0.1"),
    )
    assert code == 0
    row = document["run"]
    assert (row["learning_rate"], row["schedule"], row["seed"]) == (0.001, "cosine:1", 3)
    assert row["batch_tokens"] == 4 * 48
    assert row["meta_last_score_step"] == 9
    assert document["score"]["n_examples"] == 12
    assert "max_tokens:5" in document["score"]["signature"]
    assert set(document["baselines"]) == {"best-constant", "first-sentence", "nearest-sentence"}
    assert Runs.from_rows([row]).to_frame()["objective"].tolist() == ["spans"]
    words = ["evaluate", document["paths"]["model"], "--task", "extractive-qa", "--limit", "12"]
    words += ["--data", str(tmp_path / "dev.jsonl"), "--set", "max_answer_tokens=5", "--json"]
    assert main(words) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["metrics"]["f1"]["value"] == document["score"]["metrics"]["f1"]["value"]


def test_evaluation_takes_the_options_of_the_tuning(
    finetune: Any, tmp_path: Path, capsys: Any
) -> None:
    code, document = finetune(
        *("--task", "extractive-qa", "--data", str(tmp_path / "train.jsonl"), "--steps", "3"),
        *("--dev-limit", "6", "--set", "max_question_tokens=3", "--set", "stride=7"),
    )
    assert code == 0
    assert document["score"]["n_examples"] == 6
    asked = "stride:7|question_tokens:3"
    assert asked in document["score"]["signature"]
    words = ["evaluate", document["paths"]["model"], "--task", "extractive-qa", "--limit", "4"]
    words += ["--data", str(tmp_path / "dev.jsonl"), "--json"]

    def evaluated(*more: str) -> Row:
        assert main([*words, *more]) == 0
        return json.loads(capsys.readouterr().out)

    alone = evaluated()
    assert asked in alone["signature"]
    told = "as the model was tuned: max_question_tokens=3, stride=7; --set takes other values"
    assert alone["notes"][-1] == told
    other = evaluated("--set", "stride=9")
    assert "stride:9|question_tokens:3" in other["signature"]
    assert other["notes"][-1] == "the model was tuned with stride=7"

    path = tmp_path / "out" / "run.json"
    known = json.loads(path.read_text("utf-8"))
    known["run"]["scoring"]["options"]["stride"] = "7"
    path.write_text(json.dumps(known), "utf-8")
    assert main(words) == 3
    assert "stride: expected int, found '7'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        ([], 2, "on a task or on a text"),
        (["--task", "extractive-qa"], 2, "no examples given"),
        (["--data", "train.jsonl"], 2, "on a task or on a text"),
        (["--corpus", "text.txt", "--dev", "dev.jsonl"], 2, "examples are given, and no task"),
        (["--corpus", "text.txt", "--patience", "2"], 2, "only a task takes patience"),
        (["--corpus", "text.txt", "--set", "beams=2"], 2, "only a task takes --set"),
        (["--corpus", "text.txt", "--map", "a=b"], 2, "only a task takes --map"),
        (["--corpus", "text.txt", "--dev-limit", "2"], 2, "only a task takes --dev-limit"),
        (
            ["--task", "extractive-qa", "--data", "TRAIN", "--objective", "causal"],
            2,
            "a task has an objective of its own",
        ),
        (["--task", "extractiv-qa", "--data", "x.jsonl"], 5, "no task named 'extractiv-qa'"),
        (["--task", "extractive-qa", "--data", "absent.jsonl"], 5, "absent.jsonl: no such file"),
        (["--task", "extractive-qa", "--data", "TRAIN", "--alpha", "2"], 2, "--alpha scales"),
        (["--task", "extractive-qa", "--data", "TRAIN", "--set", "stride=x"], 2, "expects int"),
        (["--task", "translation", "--data", "TRAIN"], 3, "row 1: no 'source'"),
        (["--task", "question-answering", "--data", "TRAIN"], 2, "needs a model of kind decoder"),
        (["--task", "extractive-qa", "--data", "TRAIN", "--schedule", "sine"], 2, "schedule must"),
        (["--task", "extractive-qa", "--data", "TRAIN", "--patience", "2"], 2, "counts scores"),
    ],
)
def test_mistakes(finetune: Any, tmp_path: Path, flags: list[str], code: int, message: str) -> None:
    given = [str(tmp_path / "train.jsonl") if flag == "TRAIN" else flag for flag in flags]
    found, document = finetune(*given)
    assert message in document["error"]["message"]
    assert found == code


@pytest.mark.parametrize("command", ["evaluate", "finetune", "train"])
def test_fields_of_examples_are_no_columns_with_units(command: str, capsys: Any) -> None:
    assert main([command, "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert 'Name a field of the examples: "question=query". Repeatable.' in said
    assert "1e9" not in said

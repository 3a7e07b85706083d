"""Every mistake ends with its exit code, a message, a hint, and no traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from isoloss.cli import main
from isoloss.cli._mistakes import explain
from isoloss.errors import DataError, EnvironmentProblem, NotFoundError, UntrustedError

USAGE = [
    (["fti", "example"], "isoloss fit"),
    (["--jsno"], "--help"),
    (["fit", "example", "--lwa", "chinchilla"], "--law"),
    (["fit"], "TABLE"),
    (["fit", "example", "--level", "high"], "high"),
    (["plan", "example"], "--flops"),
    (["plan", "example", "--flops", "-1e15"], "positive"),
    (["plan", "example", "--flops", "nan"], "nan"),
    (["plan", "example", "--flops", "lots"], "lots"),
    (["predict", "example", "--n", "0", "--d", "1e9"], "positive"),
    (["runs"], "command"),
    (["runs", "shwo", "example"], "shwo"),
    (["fit", "example", "extra"], "extra"),
    (["fit", "example", "--map", "tokens"], "NAME=VALUE"),
    (["fit", "table.csv", "--map", "tokens=a", "--map", "tokens=b"], "twice"),
    (["fit", "table.csv", "--map", "tokens=a", "--map", "loss=a"], "both"),
]


@pytest.mark.parametrize(("words", "told"), USAGE, ids=lambda item: " ".join(item)[:40])
def test_wrong_usage(words: list[str], told: str, capsys) -> None:
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("isoloss: error: ")
    assert told in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(("words", "told"), USAGE, ids=lambda item: " ".join(item)[:40])
def test_wrong_usage_as_json(words: list[str], told: str, capsys) -> None:
    assert main([*words, "--json"]) == 2
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert document["schema_version"] == 1
    assert document["error"]["code"] == "usage"
    assert told in document["error"]["message"] + document["error"]["hint"]
    assert set(document["error"]) == {"code", "message", "hint"}


def test_json_alone_is_wrong_usage_in_json(capsys) -> None:
    assert main(["--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "usage"


def test_a_missing_file_gets_the_closest_name_beside_it(tmp_path: Path, capsys) -> None:
    (tmp_path / "measured.csv").write_text("loss\n1\n", "utf-8")
    assert main(["fit", str(tmp_path / "mesured.csv")]) == 5
    assert f"Did you mean {tmp_path / 'measured.csv'}?" in capsys.readouterr().err


def test_a_misspelt_example_is_recognised(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["fit", "exmaple"]) == 5
    assert "`example`" in capsys.readouterr().err


def test_a_folder_without_a_store_is_not_found(tmp_path: Path, capsys) -> None:
    assert main(["ledger", str(tmp_path)]) == 5
    assert "found no store" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "told"),
    [("{", "JSON"), ('{"n": 1}', "'law'"), ("[]", "'law'")],
)
def test_a_json_file_that_is_no_fit(tmp_path: Path, text: str, told: str, capsys) -> None:
    (tmp_path / "fit.json").write_text(text, "utf-8")
    assert main(["predict", str(tmp_path / "fit.json"), "--n", "1e6", "--d", "1e9"]) == 3
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "exit_code"),
    [
        (DataError("x", hint="y"), "bad_data", 3),
        (UntrustedError("x", hint="y"), "untrusted", 4),
        (NotFoundError("x", hint="y"), "not_found", 5),
        (EnvironmentProblem("x", hint="y"), "environment", 6),
        (OSError(28, "No space left on device"), "environment", 6),
        (PermissionError(13, "Permission denied", "/out"), "environment", 6),
        (FileNotFoundError(2, "No such file", "a.csv"), "not_found", 5),
        (MemoryError(), "environment", 6),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
         "environment", 6),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), "environment", 6),
        (ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn"), "environment", 6),
        (ModuleNotFoundError("No module named 'isoloss.x'", name="isoloss.x"), "internal", 1),
        (ZeroDivisionError("division by zero"), "internal", 1),
        (KeyboardInterrupt(), "interrupted", 130),
    ],
)  # fmt: skip
def test_every_kind_of_failure(error: BaseException, code: str, exit_code: int) -> None:
    problem = explain(error, ["fit", "example"])
    assert (problem.code, problem.exit_code) == (code, exit_code)
    assert problem.message
    assert problem.hint


def test_a_missing_extra_names_its_installation() -> None:
    error = ModuleNotFoundError("No module named 'ray'", name="ray")
    assert explain(error, ["study"]).hint == 'Install it with: pip install "isoloss[ray]"'


def test_an_interrupted_study_says_how_to_go_on() -> None:
    hint = explain(KeyboardInterrupt(), ["study", "--out", "my study"]).hint
    assert hint == "Finished runs are kept; go on with: isoloss study --out 'my study'"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["train", "--out", "m"], "Training is kept up to its last checkpoint; go on with: "),
        (["--json", "finetune", "m"], "Training is kept up to its last checkpoint; go on with: "),
        (["corpus", "prepare", "a.txt"], "An unfinished corpus is made anew; start again with: "),
        (["runs", "import", "a.csv"], "All rows were added, or none; start again with: "),
        (["runs", "show", "a.csv"], "Nothing was changed; start again with: "),
    ],
)
def test_what_an_interrupted_command_leaves(words: list[str], told: str) -> None:
    hint = explain(KeyboardInterrupt(), words).hint
    assert hint == told + " ".join(["isoloss", *words])


def test_ctrl_c_ends_a_command_with_130(tmp_path: Path) -> None:
    """A real SIGINT while the command reads its table from a pipe that never ends."""
    pipe = tmp_path / "table.csv"
    os.mkfifo(pipe)
    process = subprocess.Popen(
        [sys.executable, "-m", "isoloss", "fit", str(pipe), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    writer = os.open(pipe, os.O_WRONLY)  # returns once the command has opened the other end
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    os.close(writer)
    assert process.returncode == 130, err
    assert json.loads(out)["error"]["code"] == "interrupted"
    assert "Traceback" not in err

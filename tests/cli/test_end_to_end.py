"""A tiny study through the real command line: what it leaves behind and what reads it."""

from __future__ import annotations

import json
import math
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

KEYS = {"schema_version", "runs", "fit", "verification", "plans", "paths"}
FIT_KEYS = {
    "law", "formula", "n_convention", "params", "objective", "status", "checks", "n_rows", "seed",
}  # fmt: skip
VERIFICATION_KEYS = {
    "n", "d", "flops", "predicted", "low", "high", "level",
    "measured", "error_percent", "inside", "registered_at", "trained_at",
}  # fmt: skip


def events(folder: Path) -> list[tuple[str, str, dict[str, Any]]]:
    """Kind, time and payload of the ledger's events, read past isoloss."""
    with sqlite3.connect(folder / "runs.sqlite") as database:
        found = database.execute("SELECT kind, at, payload FROM isoloss_events ORDER BY id")
        rows = [(kind, at, json.loads(payload)) for kind, at, payload in found]
    database.close()
    return rows


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Time of change and content of every file."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


def test_one_json_document_with_every_binding_key(finished):
    document = finished.document
    assert document.keys() >= KEYS
    assert document["fit"].keys() >= FIT_KEYS
    assert document["verification"].keys() >= VERIFICATION_KEYS
    assert {"name", "delta", "residual", "value"} <= document["fit"]["objective"].keys()
    for parameter in document["fit"]["params"].values():
        assert {"value", "stderr", "low", "high", "at_bound"} <= parameter.keys()
    for check in document["fit"]["checks"]:
        assert {"name", "passed", "message", "cure"} <= check.keys()
    for plan in document["plans"]:
        assert {"value", "low", "high"} <= plan["n"].keys() & plan["d"].keys() & plan["loss"].keys()
        assert {"flops", "architecture"} <= plan.keys()
    assert len(document["plans"]) == 3
    assert {"ladder", "noise", "verification"} == {run["role"] for run in document["runs"]}
    assert "Traceback" not in finished.done.stderr
    assert "registered: predicted" in finished.done.stderr
    told = json.loads((finished.folder / "study.json").read_text("utf-8"))
    assert told == document


def test_files_exist_and_nothing_half_made_is_left(finished):
    assert {"report", "store", "fit", "prediction"} <= finished.document["paths"].keys()
    for path in finished.document["paths"].values():
        assert Path(path).exists(), path
    assert not [p for p in finished.folder.rglob(".*") if p.name != ".lock"]
    assert not list((finished.folder / "trunks").rglob("*.safetensors"))


def test_the_prediction_is_older_than_its_run(finished):
    recorded = {kind: (at, payload) for kind, at, payload in events(finished.folder)}
    assert list(recorded) == ["prediction", "outcome"]
    registered_at, prediction = recorded["prediction"]
    folder = finished.folder
    model_began = (folder / "model" / "tokenizer.json").stat()
    checkpoint = (folder / "model" / "checkpoint.safetensors").stat()
    written = (folder / "prediction.json").stat()
    assert written.st_mtime_ns <= model_began.st_mtime_ns
    assert written.st_mtime_ns < checkpoint.st_mtime_ns
    assert datetime.fromisoformat(registered_at).timestamp() < checkpoint.st_mtime
    check = finished.document["verification"]
    assert check["registered_at"] <= check["trained_at"]  # whole seconds
    assert json.loads((folder / "prediction.json").read_text("utf-8")) == prediction


def test_the_prediction_names_the_runs_and_the_plan_it_came_from(finished):
    from isoloss._files import canonical_json, sha256_text
    from isoloss.runs import Runs

    prediction = json.loads((finished.folder / "prediction.json").read_text("utf-8"))
    ladder = [run for run in finished.document["runs"] if run["role"] != "verification"]
    plain = [{k: v for k, v in run.items() if k != "role"} for run in ladder]
    assert Runs.from_rows(plain).hash() == prediction["runs_hash"]
    plan = json.loads((finished.folder / "plan.json").read_text("utf-8"))["plan"]
    assert sha256_text(canonical_json(plan)) == prediction["plan_hash"]
    assert finished.document["fit"]["n_rows"] == len(ladder)


def test_the_outcome_follows_from_prediction_and_run(finished):
    check = finished.document["verification"]
    measured, predicted = check["measured"], check["predicted"]
    assert check["low"] < predicted < check["high"]
    assert math.isclose(check["error_percent"], 100 * (predicted - measured) / measured)
    assert check["inside"] == (check["low"] <= measured <= check["high"])
    assert check["compute_ratio"] > 2
    assert (
        len({row["run_id"] for row in finished.document["residuals"]})
        == len(finished.document["runs"]) - 1
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["ledger", "{study}"], "1 registered, 1 scored"),
        (["report", "{study}", "-o", "{tmp}/page.html"], "Saved"),
        (["runs", "show", "{study}"], "runs:"),
        (["fit", "{study}", "--bootstrap", "20"], "chinchilla"),
        (["predict", "{study}/fit.json", "--n", "1e5", "--d", "60k"], "loss"),
        (["plan", "{study}/fit.json", "--flops", "1e12"], "Caveats"),
        (["study", "--status", "--out", "{study}"], "stage: finished"),
    ],
)
def test_commands_read_the_folder(finished, tmp_path, capsys, words, expected):
    from isoloss.cli import main

    before = state(finished.folder)
    filled = [word.format(study=finished.folder, tmp=tmp_path) for word in words]
    assert main(filled) in ((0, 4) if words[0] == "fit" else (0,))
    told = capsys.readouterr()
    assert expected in told.out
    assert main([*filled, "--json"]) in (0, 4)
    document = json.loads(capsys.readouterr().out)
    assert document["schema_version"] == 1
    assert "error" not in document
    assert state(finished.folder) == before


def test_generate_speaks_with_the_verification_run(finished, capsys):
    from isoloss.cli import main

    for place in (finished.folder, finished.folder / "model"):
        assert main(["generate", str(place), "--prompt", "def", "--max-tokens", "8"]) == 0
        assert capsys.readouterr().out.startswith("def")


def test_reading_needs_no_pytorch(finished, python, tmp_path):
    study = str(finished.folder)
    commands = [
        ["fit", study, "--bootstrap", "20", "-o", str(tmp_path / "fit.json")],
        ["predict", str(tmp_path / "fit.json"), "--n", "1e5", "--d", "60k"],
        ["plan", str(tmp_path / "fit.json"), "--flops", "1e12"],
        ["report", study, "-o", str(tmp_path / "page.html")],
        ["runs", "show", study],
        ["ledger", study],
        ["study", "--status", "--out", study],
    ]
    done = python(
        f"from isoloss.cli import main\n"
        f"for words in {commands!r}:\n"
        f"    code = main(words)\n"
        f"    assert code in ((0, 4) if words[0] == 'fit' else (0,)), (words, code)\n"
        f"code = main(['study', '--out', {str(tmp_path / 'new')!r}])\n"
        f"assert code == 6, code\n",
        blocked=("torch", "tokenizers", "safetensors"),
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'pip install "isoloss[train]"' in done.stderr
    assert (tmp_path / "page.html").stat().st_size > 100_000


def test_a_second_call_repeats_nothing_and_changes_no_number(finished, isoloss):
    before = state(finished.folder)
    again = isoloss("study", finished.spec, "--out", finished.folder, "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout) == finished.document
    assert "loss" not in again.stderr  # no run landed
    assert "finished" in again.stderr
    assert state(finished.folder) == before


def test_the_end_is_told_in_eighty_columns(finished, capsys):
    from isoloss.cli import main

    assert main(["study", str(finished.spec), "--out", str(finished.folder)]) == 0
    told = capsys.readouterr().out
    for word in ("predicted", "measured", "report.html"):
        assert word in told
    lines = [line for line in told.splitlines() if str(finished.folder) not in line]
    assert max(map(len, lines)) <= 80


def test_dry_run_shows_the_rungs_and_trains_nothing(finished, tmp_path, capsys):
    from isoloss.cli import main

    words = ["study", str(finished.spec), "--out", str(tmp_path / "dry"), "--dry-run"]
    assert main(words) == 0
    told = capsys.readouterr()
    assert "verification" in told.out
    assert "matmul" in told.out
    assert "matmul" not in told.err
    assert main([*words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["dry_run"] is True
    assert document["corpus"]["train_tokens"] > 0
    assert [row["role"] for row in document["rungs"]].count("verification") == 1
    assert not (tmp_path / "dry" / "runs.sqlite").exists()
    assert main(["study", "--status", "--out", str(tmp_path / "dry")]) == 0
    assert "the plan is settled" in capsys.readouterr().out

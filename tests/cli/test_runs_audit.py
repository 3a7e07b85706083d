"""`isoloss runs check`, `schema`, `validate` and `export` through the real command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from isoloss.runs import Runs, example_runs, run_table_schema

Run = Callable[..., Any]


def test_an_audit_is_one_page_or_one_document(isoloss: Run, tmp_path: Path) -> None:
    done = isoloss("runs", "check", "example")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "0 errors, 0 warnings, 1 note"
    table = tmp_path / "billions.csv"
    lines = ["N,D,L", *(f"{n},{n * m},{4 - n - m / 100}" for n in (0.1, 0.2, 0.4, 0.8)
                        for m in (10, 20, 40))]  # fmt: skip
    table.write_text("\n".join(lines), "utf-8")
    names = ("--map", "params_total=N", "--map", "tokens=D", "--map", "loss=L")
    done = isoloss("runs", "check", table, *names, "--json")
    assert done.returncode == 3
    (found,) = [f for f in json.loads(done.stdout)["findings"] if f["severity"] == "error"]
    assert found["name"] == "units"
    right = ("--map", "params_total=N:1e9", "--map", "tokens=D:1e9", "--map", "loss=L")
    document = json.loads(isoloss("runs", "check", table, *right, "--json").stdout)
    assert not any(finding["name"] == "units" for finding in document["findings"])


def test_the_schema_is_printed(isoloss: Run) -> None:
    assert json.loads(isoloss("runs", "schema").stdout) == run_table_schema()
    assert json.loads(isoloss("runs", "schema", "--json").stdout)["schema"] == run_table_schema()


def test_a_file_is_validated(isoloss: Run, tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    row = {"params_total": 1e6, "tokens": 2e7, "loss": 3.5}
    rows = [row, {**row, "tokens": "2B"}]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    done = isoloss("runs", "validate", file)
    assert done.returncode == 3
    assert "row 2, column 'tokens': expected a positive finite number, found '2B'" in done.stdout
    document = json.loads(isoloss("runs", "validate", file, "--json").stdout)
    assert (document["valid"], document["n_rows"]) == (False, 2)
    assert document["problems"][0]["value"] == "2B"


def test_runs_are_exported_and_valid(isoloss: Run, tmp_path: Path) -> None:
    file = tmp_path / "runs.parquet"
    done = isoloss("runs", "export", "example", "-o", file, "--json")
    assert json.loads(done.stdout)["hash"] == example_runs().hash()
    assert Runs.read(file).hash() == example_runs().hash()
    assert isoloss("runs", "validate", file).returncode == 0
    assert isoloss("runs", "export", "example", "-o", tmp_path / "runs.xlsx").returncode == 2

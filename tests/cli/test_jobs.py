"""A ladder that another trainer trains: jobs out, rows back, and a law."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from isoloss.architecture import TransformerConfig, count_parameters
from isoloss.runs import RunStore, record_all, validate_rows


def trained_elsewhere(job: dict[str, Any]) -> dict[str, Any]:
    """What a trainer would report, by a law instead of by training."""
    n, d = job["row"]["params_matmul"], job["tokens"]
    noise = 0.002 * math.sin(1e3 * n + d)
    return {**job["row"], "loss": (2 + 60 / n**0.35 + 40 / d**0.3) * (1 + noise), "status": "ok"}


def test_jobs_go_out_and_rows_come_back(
    isoloss: Callable[..., Any], spec_file: Path, tmp_path: Path
) -> None:
    out, file = tmp_path / "study", tmp_path / "jobs.json"
    done = isoloss("study", spec_file, "--out", out, "--jobs", file, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["paths"]["jobs"] == str(file)
    assert not (out / "runs.sqlite").exists()

    document = json.loads(file.read_text("utf-8"))
    ladder = [job for job in document["jobs"] if job["role"] == "ladder"]
    assert [job["role"] for job in document["jobs"]][-1] == "verification"
    for job in document["jobs"]:
        assert job["steps"] * job["batch_tokens"] == job["tokens"] == job["row"]["tokens"]
        counts = count_parameters(TransformerConfig(**job["architecture"]))
        assert counts.total == job["row"]["params_total"]
        assert job["row"]["run_id"] == job["job_id"]

    rows = [trained_elsewhere(job) for job in ladder]
    assert validate_rows(rows) == ()
    with RunStore.open(out / "runs.sqlite") as store:
        assert record_all(store, rows) == [job["job_id"] for job in ladder]
        assert record_all(store, rows) == [job["job_id"] for job in ladder]
    told = json.loads(isoloss("study", "--out", out, "--status", "--json").stdout)
    assert told["runs_finished"] == len(ladder) == told["runs_planned"] - 1
    fitted = isoloss("fit", out, "--bootstrap", "20", "--json")
    assert json.loads(fitted.stdout)["n_rows"] == len(ladder), fitted.stderr
    checked = json.loads(isoloss("runs", "check", out, "--json").stdout)
    assert not any(finding["severity"] == "error" for finding in checked["findings"])

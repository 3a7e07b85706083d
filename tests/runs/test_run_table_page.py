"""docs/run-table.md: its table is the schema's, its examples run, its findings exist."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from isoloss.runs._column_text import COLUMN_TEXT
from isoloss.runs.columns import COLUMNS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "run-table.md").read_text("utf-8")


def examples(mark: str) -> str:
    """The Python of the examples under a mark, joined."""
    return "\n".join(re.findall(rf"<!-- {mark} -->\n```python\n(.*?)```", PAGE, re.S))


def test_every_column_is_on_the_page_as_in_the_schema() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| (.+) \|$", PAGE, re.M)
    told = {name: text for name, kind, text in rows if name in COLUMNS}
    assert told == COLUMN_TEXT


def test_every_finding_is_on_the_page() -> None:
    table = PAGE.split("## What `isoloss runs check` looks for")[1]
    named = set(re.findall(r"`(\w+)`", "\n".join(line for line in table.splitlines()
                                                 if line.startswith("|"))))  # fmt: skip
    source = "\n".join(
        path.read_text("utf-8") for path in (ROOT / "src/isoloss/runs").glob("_audit_*.py")
    )
    made = set(re.findall(r'name="(\w+)"', source))
    assert made <= named
    assert named - made == {
        "mixed_datasets", "mixed_tokenizers", "mixed_objectives", "mixed_metrics"
    } - made  # fmt: skip


def test_the_examples_of_recording_run(python: Callable[..., Any]) -> None:
    done = python(examples("runs"))
    assert done.returncode == 0, done.stderr


def test_the_example_of_jobs_runs(python: Callable[..., Any], tmp_path: Path) -> None:
    row = {"params_matmul": 1e5, "params_total": 2e5, "tokens": 1e6}
    jobs = [
        {"job_id": name, "role": role, "tokens": 1e6, "row": {**row, "run_id": name}}
        for name, role in (("a", "ladder"), ("b", "ladder"), ("c", "verification"))
    ]
    (tmp_path / "jobs.json").write_text(json.dumps({"jobs": jobs}), "utf-8")
    code = examples("jobs") + "\nwith il.RunStore.open('DIR/runs.sqlite') as store:\n"
    done = python(f"{code}    print([row['run_id'] for row in store.rows()])")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['a', 'b']"

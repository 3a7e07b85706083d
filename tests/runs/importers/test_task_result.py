"""Results of tasks as rows: what the real command wrote, joins to runs, junk."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isoloss.cli import main
from isoloss.errors import DataError, IsolossError
from isoloss.runs import RunStore
from isoloss.runs.importers import import_runs
from isoloss.runs.importers.task_result import looks_like_task_result, read_task_result

RUN_ID = "0123456789abcdef"
RUN = {"run_id": RUN_ID, "params_total": 1e6, "tokens": 2e7, "loss": 3.5, "name": "small"}
FEW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def result(golden: Path) -> Path:
    return golden / "task" / "perplexity.json"


@pytest.fixture
def other(result: Path, tmp_path: Path) -> Path:
    """A result of the same run on another task."""
    path = tmp_path / "other.json"
    document = json.loads(result.read_text("utf-8"))
    score = {"value": 14.5, "low": None, "high": None, "unit": "percent", "higher_is_better": True}
    path.write_text(json.dumps(document | {"task": "t", "metrics": {"bleu": score}}, indent=2))
    return path


def test_what_the_real_command_wrote(result: Path) -> None:
    imported = import_runs(result)
    (row,) = imported.runs.rows()
    written = json.loads(result.read_text("utf-8"))
    assert imported.sources[0].format == "isoloss-task"
    assert (row["run_id"], row["name"]) == (RUN_ID, "small")
    for name, score in written["metrics"].items():
        assert row[f"metric_{name}"] == score["value"]
        assert row[f"metric_{name}_low"] == score["low"]
        assert row[f"metric_{name}_high"] == score["high"]
    assert "metric_bits_per_byte" in row
    assert "loss" not in row, "the loss of a task is not that of the run"
    assert json.loads(row["meta_scores"])["perplexity"]["signature"] == written["signature"]
    assert "join them to its row" in row["reason"]
    assert any(note.startswith("small: perplexity: metric_") for note in imported.notes)


def test_results_of_one_run_are_one_row(result: Path, other: Path) -> None:
    for sources in ([result, other], [other, result]):
        (row,) = import_runs(sources).runs.rows()
        assert row["metric_bleu"] == 14.5
        assert "metric_bits_per_byte" in row
        assert json.loads(row["meta_scores"]).keys() == {"perplexity", "t"}


def test_scores_join_the_row_of_their_run(result: Path, tmp_path: Path) -> None:
    table = tmp_path / "runs.jsonl"
    table.write_text(json.dumps(RUN) + "\n", "utf-8")
    (row,) = import_runs([result, table]).runs.rows()
    assert row["loss"] == 3.5
    assert "reason" not in row
    assert "metric_bits_per_byte" in row


def test_a_model_without_a_run_has_a_row_of_its_own(result: Path, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(result.read_text("utf-8").replace(RUN_ID, ""), "utf-8")
    imported = import_runs([path, result])
    assert [row["run_id"][:4] for row in imported.runs.rows()] == ["row-", "0123"]
    assert any("names no run" in note for note in imported.notes)


def test_the_command_adds_scores_to_rows_that_are_there(
    result: Path, other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "s.sqlite"
    with RunStore.open(store) as opened:
        opened.add_run(RUN)
    words = ["runs", "import", str(result), str(other), "--to", str(store)]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert f"0 runs into {store}; 1 was there already; scores were added to {RUN_ID}" in out
    assert main([*words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["imported"], document["scored"]) == (0, [])
    with RunStore.open(store) as opened:
        (row,) = opened.runs().rows()
    assert (row["loss"], row["metric_bleu"]) == (3.5, 14.5)


def test_a_folder_of_results(result: Path, other: Path, tmp_path: Path) -> None:
    shutil.copy(result, tmp_path / "a.json")
    (tmp_path / "broken.json").write_text('{"format": "isoloss-task-1", "task": 3}', "utf-8")
    imported = import_runs(tmp_path)
    assert len(imported.runs) == 1
    (why,) = imported.skipped.values()
    assert "'task': expected text, found 3" in why


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"format": "isoloss-task-2"}',
            "expected format 'isoloss-task-1', found 'isoloss-task-2'",
        ),
        ('{"format": "isoloss-task-1"}', "'task': expected text, found nothing"),
        ('{"format": "isoloss-task-1", "task"', "not JSON, or cut short"),
    ],
)
def test_junk(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(text, "utf-8")
    with pytest.raises(DataError, match=message):
        import_runs(path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["value", "low", "high", "bleu"]) | st.text(max_size=6),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
SCORE = st.fixed_dictionaries({"value": st.floats()}, optional={"low": VALUES, "high": VALUES})
TEXT = st.text(max_size=6) | VALUES
LIKELY = st.fixed_dictionaries(
    {"task": TEXT, "model": TEXT, "run_id": TEXT, "signature": TEXT},
    optional={
        "metrics": st.dictionaries(st.sampled_from(["bleu", "loss"]) | st.text(), SCORE) | VALUES,
        "n_examples": VALUES,
        "level": VALUES,
    },
)


@FEW
@given(document=LIKELY)
def test_any_json_is_read_or_refused(tmp_path: Path, document: dict[str, Any]) -> None:
    path = tmp_path / "junk.json"
    path.write_text(json.dumps({"format": "isoloss-task-1", **document}), "utf-8")
    assert looks_like_task_result(path)
    with contextlib.suppress(IsolossError):
        read_task_result(path)
        imported = import_runs(path)
        json.dumps(imported.to_dict(), allow_nan=False)

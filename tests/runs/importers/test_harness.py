"""Results of lm-evaluation-harness: a file of the real program, older layouts, folders, junk."""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isoloss.errors import DataError, IsolossError, NotFoundError
from isoloss.runs.importers import FORMATS, import_runs
from isoloss.runs.importers.harness import figures, looks_like_harness, read_harness

NAME = "results_2026-11-26T12-16-30.254549.json"
FEW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def write(path: Path, results: Any, **others: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"results": results, "versions": {}, **others}), "utf-8")
    return path


def test_what_the_real_program_wrote(golden: Path) -> None:
    imported = import_runs(golden / "harness" / "tiny" / NAME)
    (row,) = imported.runs.rows()
    assert imported.sources[0].format == "lm-eval"
    assert row["name"] == "anonymous"
    assert row["params_total"] == 42400
    assert row["metric_tiny_choice_acc"] == 0.125
    assert row["metric_tiny_choice_acc_norm_stderr"] == 0.18298126367784995
    assert row["metric_tiny_texts_exact_match"] == 0.0
    assert row["metric_tiny_rolling_bits_per_byte"] == 6.669689750886717
    assert "metric_tiny_rolling_bits_per_byte_stderr" not in row
    assert not any("group" in name or "sample_len" in name for name in row)
    assert row["meta_lm_eval"] == "0.4.13"
    assert row["meta_lm_eval_limit"] == 8
    assert "tiny_choice version 1.5 0-shot 8 of 10" in row["meta_lm_eval_tasks"]
    assert row["created_at"].startswith("2026-11-26T")
    assert "join them to its row" in row["reason"]
    assert any("first examples only (limit)" in note for note in imported.notes)


def test_a_folder_of_models_is_a_row_each(golden: Path, tmp_path: Path) -> None:
    text = (golden / "harness" / "tiny" / NAME).read_text("utf-8")
    for model in ("a", "b"):
        (tmp_path / model).mkdir()
        (tmp_path / model / NAME).write_text(text.replace('"anonymous"', f'"org/{model}"'))
    imported = import_runs(tmp_path)
    assert [row["name"] for row in imported.runs.rows()] == ["org/a", "org/b"]


def test_files_of_one_model_are_one_row_and_the_latest_counts(tmp_path: Path) -> None:
    model = {"model_args": "pretrained=org/m,revision=step1000,dtype=float"}
    write(tmp_path / "results_2.json", {"x": {"acc,none": 0.2}}, config=model, date=2.0)
    old = {"x": {"acc,none": 0.1, "acc_stderr,none": 0.05}, "y": {"f1,none": 0.7}}
    write(tmp_path / "results_9.json", old, config=model, date=1.0)
    write(tmp_path / "results_other.json", {"x": {"acc,none": 0.5}}, model_name="org/n", date=1.0)
    (tmp_path / "results_broken.json").write_text('{"results": {"versions"', "utf-8")
    runs = read_harness(tmp_path)
    found = {run.name: run for run in runs}
    assert found.keys() == {"org/m@step1000", "org/n"}
    summary = found["org/m@step1000"].summary
    assert summary["metric_x_acc"] == 0.2
    assert "metric_x_acc_stderr" not in summary, "it was of the older score"
    assert summary["metric_y_f1"] == 0.7
    assert any("results_broken.json" in note for note in runs[0].notes)


def test_keys_with_filters_and_without() -> None:
    found = figures(
        {
            "gsm8k": {
                "alias": " - gsm8k",
                "exact_match,strict-match": 0.1,
                "exact_match_stderr,strict-match": 0.01,
                "exact_match,flexible-extract": 0.2,
                "exact_match_stderr,flexible-extract": "N/A",
                "sample_len": 5,
            },
            "old": {"acc": 0.3, "acc_stderr": 0.02, "best": True, "list": [1], "bad": math.nan},
        }
    )
    assert [(one.name, one.value, one.stderr) for one in found] == [
        ("gsm8k_exact_match_strict_match", 0.1, 0.01),
        ("gsm8k_exact_match_flexible_extract", 0.2, None),
        ("old_acc", 0.3, 0.02),
    ]


def test_two_scores_of_one_name(tmp_path: Path) -> None:
    path = write(tmp_path / "results.json", {"a-b": {"acc,none": 0.1}, "a_b": {"acc,none": 0.2}})
    (run,) = read_harness(path)
    assert run.summary["metric_a_b_acc"] == 0.1
    assert run.notes == ("metric_a_b_acc is the name of two scores: the first counts",)


def test_what_holds_no_scores(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no scores of lm-eval"):
        read_harness(write(tmp_path / "results.json", {"group": {"alias": "group"}}))
    with pytest.raises(NotFoundError, match="no results of lm-eval"):
        read_harness(tmp_path)
    (tmp_path / "other.json").write_text('{"results": [1, 2]}', "utf-8")
    assert not looks_like_harness(tmp_path / "other.json")
    assert not looks_like_harness(tmp_path / "nothing.json")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["acc,none", "acc_stderr,none", "x,", ",", "alias", "effective"])
            | st.text(max_size=6),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
KEYS = ("results", "config", "versions", "n-shot", "n-samples", "date", "model_name")


@FEW
@given(document=st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_any_json_is_read_or_refused(tmp_path: Path, document: dict[str, Any]) -> None:
    path = tmp_path / "results_junk.json"
    path.write_text(json.dumps(document), "utf-8")
    looks_like_harness(path)
    with contextlib.suppress(IsolossError):
        (run,) = FORMATS["lm-eval"].read(str(path))
        assert all(
            math.isfinite(value) for name, value in run.summary.items() if name.startswith("metric")
        )
        imported = import_runs(path, format="lm-eval")
        json.dumps(imported.to_dict(), allow_nan=False)

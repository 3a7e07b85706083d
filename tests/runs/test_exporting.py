"""Exported tables read back unchanged, and hold no formula for a spreadsheet."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from isoloss.errors import EnvironmentProblem, UsageError
from isoloss.runs import Runs, example_runs, export_runs
from isoloss.runs._delimited import guarded, unguarded

FORMATS = (".csv", ".tsv", ".jsonl", ".parquet")
DANGER = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1")


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_example_comes_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"runs{suffix}"
    runs = example_runs()
    export_runs(runs, path)
    assert Runs.read(path).hash() == runs.hash()
    assert Runs.read(path).rows() == runs.rows()


_danger = st.sampled_from([*DANGER, *(f"'{text}" for text in DANGER), "'", "''=", "'a", '"=1"'])
_texts = _danger | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)


@given(_texts)
def test_guarding_is_undone_by_reading(text: str) -> None:
    assert unguarded(guarded(text)) == text
    assert not guarded(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example(texts=["=cmd|' /C calc'!A0", "-5", "'=x"], number=-0.1)
@given(
    texts=st.lists(_texts, min_size=3, max_size=3),
    number=st.floats(allow_nan=False, allow_infinity=False),
)
def test_any_table_comes_back(tmp_path: Path, texts: list[str], number: float) -> None:
    rows: list[dict[str, Any]] = [
        {"run_id": f"r{i}", "params_total": 1e6, "tokens": 2e7, "loss": 3.1, "name": text,
         "meta_note": text, "metric_x": number, "seed": -i, "meta_some": None if i else True}
        for i, text in enumerate(texts)
    ]  # fmt: skip
    runs = Runs.from_rows(rows)
    for suffix in FORMATS:
        path = tmp_path / f"runs{suffix}"
        export_runs(runs, path)
        again = Runs.read(path)
        assert again.hash() == runs.hash()
        assert again.rows() == runs.rows()


def test_text_is_guarded_and_numbers_stay_numbers(tmp_path: Path) -> None:
    row = {"run_id": "=a", "params_total": 1e6, "tokens": 2e7, "loss": 3.1, "metric_x": -1.5,
           "=HYPERLINK(1)": "@x"}  # fmt: skip
    export_runs(Runs.from_rows([row]), tmp_path / "runs.csv")
    with (tmp_path / "runs.csv").open(encoding="utf-8", newline="") as file:
        names, cells = list(csv.reader(file))
    line = dict(zip(names, cells, strict=True))
    assert line["run_id"] == "'=a"
    assert line["'=HYPERLINK(1)"] == "'@x"
    assert line["metric_x"] == "-1.5"


def test_names_and_folders_that_do_not_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"ends in \.csv"):
        export_runs(example_runs(), tmp_path / "runs.xlsx")
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentProblem):
        export_runs(example_runs(), tmp_path / "file" / "runs.csv")

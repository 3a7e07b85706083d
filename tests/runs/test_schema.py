"""The published schema, the validator and `Runs` say the same of a row."""

from __future__ import annotations

import json
import math
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from isoloss.runs import Runs, example_runs, export_runs, run_table_schema, validate_rows
from isoloss.runs._column_text import COLUMN_TEXT
from isoloss.runs.columns import COLUMNS
from isoloss.runs.schema import schema_text, validate_file

VALIDATOR = Draft202012Validator(run_table_schema())
GOOD = {"params_total": 1e6, "tokens": 2e7, "loss": 3.1}


def test_the_schema_is_a_schema_and_every_column_is_in_it() -> None:
    Draft202012Validator.check_schema(run_table_schema())
    assert set(run_table_schema()["properties"]) == set(COLUMNS) == set(COLUMN_TEXT)


def test_the_shipped_file_is_the_generated_one() -> None:
    file = resources.files("isoloss.runs") / "run_table.schema.json"
    assert file.read_text("utf-8") == schema_text(), (
        "isoloss runs schema > src/isoloss/runs/run_table.schema.json"
    )


def test_what_isoloss_measured_is_valid() -> None:
    rows = example_runs().rows()
    assert validate_rows(rows) == ()
    assert all(VALIDATOR.is_valid(row) for row in rows)


@pytest.mark.parametrize(
    ("change", "column", "message"),
    [
        ({"loss": None}, "loss", "expected a loss, found nothing"),
        ({"loss": -1}, "loss", "expected a positive finite number, found -1"),
        ({"loss": "3.1"}, "loss", "found '3.1'"),
        ({"tokens": None}, "tokens", "expected tokens or flops"),
        ({"tokens": True}, "tokens", "found True"),
        ({"params_total": 0}, "params_total", "found 0"),
        ({"params_total": None}, "params_total", "any params_*"),
        ({"params_mine": "7B"}, "params_mine", "found '7B'"),
        ({"loss_se": -0.1}, "loss_se", "not negative"),
        ({"dataset": 3}, "dataset", "expected text, found 3"),
        ({"seed": math.inf}, "seed", "a finite number, found inf"),
        ({"tokens": 10**400}, "tokens", "a positive finite number"),
        ({"status": 3}, "status", "expected text"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], column: str, message: str) -> None:
    row = {**GOOD, **change}
    (problem,) = validate_rows([GOOD, row])
    assert (problem.row, problem.column) == (2, column)
    assert message in problem.message
    assert not VALIDATOR.is_valid(row)
    json.dumps(problem.to_dict())


@pytest.mark.parametrize(
    "row",
    [
        {**GOOD, "tokens": None, "flops": 1e15},
        {"params_mine": 5, "tokens": 1, "loss": 1},
        {"status": "diverged", "loss": None},
        {"reason": "a spike", "loss": -3, "tokens": 1},
        {**GOOD, "status": " ok ", "metric_x": [1, {"a": None}], "meta_note": "=1"},
    ],
)
def test_what_is_right(row: dict[str, Any]) -> None:
    assert validate_rows([row]) == ()
    assert VALIDATOR.is_valid(row)
    Runs.from_rows([row])


def test_one_id_for_two_rows() -> None:
    rows = [{**GOOD, "run_id": "a"}, {**GOOD, "run_id": "a"}, {**GOOD, "run_id": "a", "loss": 2}]
    (problem,) = validate_rows(rows)
    assert str(problem) == "row 3, column 'run_id': also the id of row 1, which says something else"
    (problem,) = validate_rows([3])  # type: ignore[list-item]
    assert problem.message == "expected an object"


_texts = st.sampled_from(["", " ", "ok", " ok", "diverged", "x", "1e6", "nan"]) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=4
)
_numbers = st.one_of(
    st.integers(), st.sampled_from([0, -1, 10**400, -(10**400), 1.5, 2**53 + 1]),
    st.floats(allow_nan=False, allow_infinity=False),
)  # fmt: skip
_values = st.one_of(st.none(), _numbers, _texts, st.booleans(), st.lists(_numbers, max_size=2))
_names = st.sampled_from([*COLUMNS, "params_mine", "metric_x", "meta_y", "other"])


@settings(max_examples=400, deadline=None)
@example(row={"params_total": None, "params_mine": 3, "flops": 1, "loss": 2.0})
@example(row={"status": "\x1cok\x1f", "loss": None})
@given(
    row=st.builds(
        lambda base, more: {**base, **more},
        st.sampled_from([{}, GOOD, {**GOOD, "status": "ok"}, {"status": "failed"}]),
        st.dictionaries(_names, _values, max_size=4),
    )
)
def test_schema_validator_and_table_agree(row: dict[str, Any]) -> None:
    problems = validate_rows([row])
    assert VALIDATOR.is_valid(row) == (not problems), problems
    if not problems and row:
        runs = Runs.from_rows([row])
        assert len(runs) == 1


def test_files_are_checked_as_they_read(tmp_path: Path) -> None:
    for suffix in (".csv", ".tsv", ".jsonl", ".parquet"):
        path = tmp_path / f"runs{suffix}"
        export_runs(example_runs(), path)
        assert validate_file(path) == (28, ())
    path = tmp_path / "wrong.csv"
    path.write_text("params_total,tokens,loss,note\n1e6,2B,3,\n1e6,2e7,nan,x\n", "utf-8")
    count, problems = validate_file(path)
    assert count == 2
    assert [str(problem) for problem in problems] == [
        "row 1, column 'tokens': expected a positive finite number, found '2B'",
        "row 2, column 'loss': expected a loss, found nothing",
    ]

"""Factors between a table's units and ours."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoloss.cli._options import columns
from isoloss.errors import DataError, UsageError
from isoloss.runs import Runs
from isoloss.runs.units import factor_of, header_unit, scaled, split_columns, split_factor

TABLE = "Params (B),Tokens (B),eval:loss,x:b,loss\n0.07,1.4,3.5,1,3.5\n7,140,2.1,2,2.1\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "runs.csv"
    path.write_text(TABLE, "utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "factor"),
    [("1e9", 1e9), ("B", 1e9), ("M", 1e6), ("k", 1e3), ("T", 1e12), ("1", 1.0), ("0.5", 0.5)],
)
def test_a_suffix_is_a_factor(text: str, factor: float) -> None:
    assert factor_of(text) == factor
    assert split_factor(f"theirs:{text}") == ("theirs", factor)


@pytest.mark.parametrize("text", ["loss", "", "0", "-1", "inf", "nan", "1_000", "1e999", "B2"])
def test_anything_else_is_part_of_the_name(text: str) -> None:
    assert factor_of(text) is None
    assert split_factor(f"eval:{text}") == (f"eval:{text}", None)


def test_billions_in_python_are_exact(table: Path) -> None:
    mapping = {"Params (B)": "params_total:1e9", "Tokens (B)": "tokens:B"}
    runs = Runs.read(table, columns=mapping)
    assert runs.vector("N").tolist() == [70_000_000, 7_000_000_000]
    assert runs.vector("D").tolist() == [1_400_000_000, 140_000_000_000]
    absolute = Runs.from_rows(
        [
            {"params_total": 7e7, "tokens": 1.4e9, "eval:loss": 3.5, "x:b": 1, "loss": 3.5},
            {"params_total": 7e9, "tokens": 1.4e11, "eval:loss": 2.1, "x:b": 2, "loss": 2.1},
        ]
    )
    assert runs.hash() == absolute.hash()


def test_the_command_line_takes_units_and_names_with_a_colon(table: Path) -> None:
    mapping = columns(
        ["params_total=Params (B):1e9", "tokens=Tokens (B):B", "metric_a=eval:loss", "x=x:b:1"]
    )
    assert mapping == {
        "Params (B)": "params_total:1000000000.0",
        "Tokens (B)": "tokens:1000000000.0",
        "eval:loss": "metric_a",
        "x:b": "x:1.0",
    }
    runs = Runs.read(table, columns=mapping)
    assert runs.vector("metric_a").tolist() == [3.5, 2.1]
    assert runs.vector("x").tolist() == [1, 2]
    assert runs.vector("D").tolist() == [1.4e9, 1.4e11]


def test_one_column_is_not_given_twice_whatever_the_unit() -> None:
    with pytest.raises(UsageError, match="both"):
        columns(["tokens=Tokens:1e9", "unique_tokens=Tokens:1e6"])


def test_a_cell_that_is_no_number_is_named_with_a_unit_too(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("n,d,loss\n1,many,3\n", "utf-8")
    with pytest.raises(DataError, match=r"row 1, column 'tokens' \(there 'd'\).*'many'"):
        Runs.read(path, columns={"n": "params_total:1e9", "d": "tokens:1e9"})


def test_headers() -> None:
    assert header_unit("Tokens (B)") == ("Tokens", 1e9)
    assert header_unit("size [in millions]") == ("size", 1e6)
    assert header_unit("tokens_billions") == ("tokens", 1e9)
    assert header_unit("loss (1e9)") is None
    assert header_unit("(B)") is None


@given(st.floats(1e-6, 1e6), st.sampled_from([1e3, 1e6, 1e9]))
def test_scaling_agrees_with_floating_point(value: float, factor: float) -> None:
    assert scaled(value, factor) == pytest.approx(value * factor, rel=1e-15)
    assert scaled(repr(value), factor) == scaled(value, factor)


@given(st.text(max_size=20))
def test_any_text_scales_or_stays(text: str) -> None:
    result = scaled(text, 1e9)
    assert result == text or isinstance(result, float)
    plain, factors = split_columns({"theirs": text})
    assert set(factors) <= set(plain.values())

"""Files and frames become runs, and what is wrong with them is said precisely."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from isoloss.errors import DataError, EnvironmentProblem, NotFoundError, UsageError
from isoloss.runs import Runs

HEADER = "run_id,params_total,tokens,loss"


def written(folder: Path, text: str | bytes, name: str = "runs.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refusal(folder: Path, text: str | bytes, name: str = "runs.csv") -> DataError:
    path = written(folder, text, name)
    with pytest.raises(DataError) as caught:
        Runs.read(path)
    assert str(path) in caught.value.message
    assert caught.value.hint
    return caught.value


def test_csv_is_read_with_numbers_exact(tmp_path: Path) -> None:
    runs = Runs.read(written(tmp_path, f"{HEADER}\na,1e6,2e7,3.1000000000000001\nb,2e6,4e7,2.9\n"))
    assert runs.vector("L").tolist() == [3.1000000000000001, 2.9]
    assert runs.vector("N").tolist() == [1e6, 2e6]


@pytest.mark.parametrize(
    "text",
    [
        f"\ufeff{HEADER}\na,1e6,2e7,3.1\n",
        f"{HEADER}\r\na,1e6,2e7,3.1\r\n\r\n",
        ' run_id , params_total,"tokens",loss\n a ,1000000, 20000000 ,3.1\n',
    ],
    ids=["byte order mark", "Windows line ends", "spaces"],
)
def test_csv_of_other_programs_is_the_same_table(tmp_path: Path, text: str) -> None:
    plain = Runs.read(written(tmp_path, f"{HEADER}\na,1e6,2e7,3.1\n"))
    assert Runs.read(written(tmp_path, text, "other.csv")).hash() == plain.hash()


def test_every_format_gives_the_same_runs(tmp_path: Path) -> None:
    import pandas as pd
    import pyarrow as pa

    rows = [
        {"run_id": "a", "params_total": 1000000, "tokens": 2e7, "loss": 3.1, "metric_x": None},
        {"run_id": "b", "params_total": 2000000, "tokens": 4e7, "loss": 1 / 3, "metric_x": 0.1},
    ]
    frame = pd.DataFrame(rows)
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_csv(tmp_path / "t.tsv", index=False, sep="\t")
    frame.to_parquet(tmp_path / "t.parquet")
    written(tmp_path, "\n".join(json.dumps(row) for row in rows), "t.jsonl")
    tables = [Runs.read(tmp_path / f"t.{end}") for end in ("csv", "tsv", "parquet", "jsonl")]
    tables += [Runs.from_frame(frame), Runs.from_frame(pa.table(frame)), Runs.from_rows(rows)]
    assert {table.hash() for table in tables} == {tables[0].hash()}


def test_a_frame_that_only_speaks_arrow_is_taken() -> None:
    import pyarrow as pa

    class Polars:
        def __init__(self, table: pa.Table) -> None:
            self.table = table

        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return self.table.__arrow_c_stream__(requested_schema)

    table = pa.table({"params_total": [1e6], "tokens": [2e7], "loss": [3.1]})
    assert Runs.from_frame(Polars(table)).hash() == Runs.from_frame(table).hash()


@pytest.mark.parametrize("thing", [[1], {"loss": [1]}, "runs.csv"])
def test_what_is_no_frame_is_refused(thing: object) -> None:
    with pytest.raises(UsageError, match="expected a"):
        Runs.from_frame(thing)


def test_mapped_columns_get_our_names(tmp_path: Path) -> None:
    path = written(tmp_path, "Model Size,Training FLOP,Loss\n1e6,1e14,3.1\n")
    runs = Runs.read(path, {"Model Size": "params_total", "Training FLOP": "flops", "Loss": "loss"})
    assert runs.vector("C").tolist() == [1e14]


def test_a_mapping_wins_over_a_column_of_that_name() -> None:
    rows = [{"params_total": 1e6, "tokens": 2e7, "loss": 9.0, "loss_c4": 3.1}]
    runs = Runs.from_rows(rows, {"loss_c4": "loss"})
    assert (runs.vector("L")[0], runs.vector("meta_loss")[0]) == (3.1, 9.0)


@pytest.mark.parametrize(
    ("columns", "match", "hint"),
    [
        ({"Tokens": "tokens"}, "no column 'Tokens'", "our name already"),
        ({"los": "bits_per_byte"}, "no column 'los'", "'loss'"),
        ({"loss": "x", "tokens": "x"}, "both mapped to 'x'", "one column"),
    ],
)
def test_a_wrong_mapping_is_refused(columns: dict[str, str], match: str, hint: str) -> None:
    with pytest.raises(DataError, match=match) as caught:
        Runs.from_rows([{"params_total": 1e6, "tokens": 2e7, "loss": 3.1}], columns)
    assert hint in caught.value.hint


def test_a_missing_column_is_named_with_what_may_be_meant(tmp_path: Path) -> None:
    error = refusal(tmp_path, "params_total,tokens,Final Loss\n1e6,2e7,3\n")
    assert "no column 'loss'; did you mean 'Final Loss'?" in error.message
    assert "Found: params_total, tokens, Final Loss." in error.message
    assert '--map "loss=Final Loss"' in error.hint
    error = refusal(tmp_path, "Params (B),tokens,loss\n1e6,2e7,3\n")
    assert "'params_total'" in error.message
    assert "did you mean 'Params (B)'?" in error.message
    error = refusal(tmp_path, "params_total,D,loss\n1e6,2e7,3\n")
    assert "'tokens' (nor 'flops'); did you mean 'D'?" in error.message


@pytest.mark.parametrize(
    ("column", "value", "found"),
    [
        ("loss", "-1", "'-1'"),
        ("loss", "0", "'0'"),
        ("loss", "nan", "'nan'"),
        ("loss", "", "nothing"),
        ("loss", "inf", "'inf'"),
        ("loss", "three", "'three'"),
        ("params_total", "-5", "'-5'"),
        ("params_total", "7B", "'7B'"),
        ("params_total", "1_000", "'1_000'"),
        ("params_total", "", "nothing"),
        ("tokens", "1e999", "'1e999'"),
        ("tokens", "0", "'0'"),
        ("tokens", "", "nothing"),
        ("flops", "-1e9", "'-1e9'"),
        ("unique_tokens", "many", "'many'"),
        ("vocab_size", "0", "'0'"),
        ("loss_se", "-0.1", "'-0.1'"),
        ("learning_rate", "0", "'0'"),
    ],
)
def test_a_wrong_cell_is_named(tmp_path: Path, column: str, value: str, found: str) -> None:
    good = {"run_id": "a", "params_total": "1e6", "tokens": "2e7", "loss": "3.1", column: "1"}
    bad = {**good, "run_id": "b", column: value}
    lines = [",".join(row.values()) for row in (good, bad)]
    error = refusal(tmp_path, "\n".join([",".join(good), *lines]))
    assert f"row 2, column '{column}'" in error.message
    assert f"found {found}" in error.message


def test_a_wrong_cell_of_a_mapped_column_has_their_name_too() -> None:
    with pytest.raises(DataError, match=r"column 'tokens' \(there 'Tokens seen'\): expected"):
        Runs.from_rows(
            [{"params_total": 1e6, "Tokens seen": -1, "loss": 3.1}], {"Tokens seen": "tokens"}
        )


def test_tokens_may_be_absent_where_flops_are_there() -> None:
    runs = Runs.from_rows([{"params_total": 1e6, "flops": 1e14, "loss": 3.1}])
    with pytest.raises(DataError, match=r"no column 'tokens' \(the variable D\)"):
        runs.vector("D")


@pytest.mark.parametrize("left_out", [{"status": "diverged"}, {"reason": "a spike"}])
def test_rows_left_out_may_lack_their_loss(left_out: dict[str, str]) -> None:
    rows = [
        {"params_total": 1e6, "tokens": 2e7, "loss": 3.1},
        {"params_total": 1e6, "tokens": 2e7, "loss": float("inf"), **left_out},
        {"params_total": 2e6, "tokens": 2e7, **left_out},
    ]
    runs = Runs.from_rows(rows)
    assert (len(runs), len(runs.used())) == (3, 1)
    assert Runs.from_rows(runs.rows()).hash() == runs.hash()


def test_a_table_of_failures_only_is_a_table() -> None:
    runs = Runs.from_rows([{"params_total": 1e6, "tokens": 2e7, "status": "diverged"}])
    assert len(runs.used()) == 0
    assert runs.vector("L").size == 0
    assert "diverged" in runs.summary()


@pytest.mark.parametrize(
    ("text", "name", "match"),
    [
        (b"", "runs.csv", "empty"),
        (b" \n\n", "runs.csv", "empty"),
        (b"", "runs.parquet", "empty"),
        (HEADER.encode(), "runs.csv", "no runs"),
        (b"run_id,loss\n\xff\xfe,3", "runs.csv", "not UTF-8 text: byte 0xff at position 12"),
        ("loss,tokens\n3,4\n".encode("utf-16-le"), "runs.csv", "binary"),
        (f"{HEADER}\na,1e6,2e7\n".encode(), "runs.csv", "row 1: expected 4 cells .* found 3"),
        (f"{HEADER}\na,1,2,3,4\n".encode(), "runs.csv", "row 1: expected 4 cells .* found 5"),
        (f'{HEADER}\n"a,1e6,2e7,3\n'.encode(), "runs.csv", "line 2"),
        (HEADER.replace(",", ";").encode(), "runs.csv", "separated by semicolons"),
        (HEADER.encode(), "runs.tsv", "separated by commas"),
        (b"loss,loss\n1,2\n", "runs.csv", "'loss' is there twice"),
        (b"PAR1 this is no parquet PAR1", "runs.parquet", "not a Parquet file"),
        (b"\x00\x01\x02", "runs.parquet", "not a Parquet file"),
        (b'{"loss": 3}\n{"loss": \n', "runs.jsonl", "row 2: not JSON"),
        (b"[1, 2]\n", "runs.jsonl", "row 1: expected a JSON object, found list"),
        (b"[" * 100000, "runs.jsonl", "row 1: not JSON"),
        (b"{}", "runs.xlsx", "found '.xlsx'"),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, text: bytes, name: str, match: str) -> None:
    import re

    assert re.search(match, refusal(tmp_path, text, name).message)


def test_a_parquet_file_cut_short_is_refused(tmp_path: Path) -> None:
    import pandas as pd

    path = tmp_path / "whole.parquet"
    pd.DataFrame({"params_total": [1e6], "tokens": [2e7], "loss": [3.1]}).to_parquet(path)
    assert "not a Parquet" in refusal(tmp_path, path.read_bytes()[:-40], "cut.parquet").message


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    written(tmp_path, HEADER)
    with pytest.raises(NotFoundError) as caught:
        Runs.read(tmp_path / "run.csv")
    assert "runs.csv" in caught.value.hint


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found a folder"):
        Runs.read(tmp_path)


def test_a_file_that_cannot_be_read_is_the_machines_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, HEADER)

    def denied(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(EnvironmentProblem, match="Permission denied"):
        Runs.read(path)


def test_rows_that_are_no_dicts_are_refused() -> None:
    with pytest.raises(DataError, match="row 1: expected a dict, found int"):
        Runs.from_rows([3])  # type: ignore[list-item]
    with pytest.raises(DataError, match="no runs"):
        Runs.from_rows([])


def test_reading_real_tables(shared_data: Path) -> None:
    path = shared_data / "runs" / "chinchilla_epoch" / "runs.csv"
    runs = Runs.read(path, {"params": "params_total"})
    kept = runs.where(lambda r: ~r["epoch_excluded_outlier"], "outlier")
    assert (len(runs), len(kept), len(kept.used())) == (245, 245, 240)
    with pytest.raises(DataError, match="did you mean 'params'"):
        Runs.read(path)


def test_a_polars_frame_is_taken() -> None:
    polars = pytest.importorskip("polars", reason="Polars is not installed")
    rows = [
        {"run_id": "a", "params_total": 1_000_000, "tokens": 2e7, "loss": 3.5, "seed": None},
        {"run_id": "b", "params_total": 2_000_000, "tokens": 2e7, "loss": None, "status": "failed"},
    ]
    frame = polars.DataFrame(rows)
    assert Runs.from_frame(frame).hash() == Runs.from_rows(rows).hash()
    renamed = frame.rename({"tokens": "D (B)"}).with_columns(polars.col("D (B)") / 1e9)
    again = Runs.from_frame(renamed, columns={"D (B)": "tokens:1e9"})
    assert again.vector("D").tolist() == [2e7]

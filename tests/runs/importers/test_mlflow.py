"""MLflow's folder of files and its SQLite database, as MLflow wrote them, and damaged."""

from __future__ import annotations

import contextlib
import math
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoloss.errors import DataError, IsolossError, NotFoundError
from isoloss.runs.importers._mlflow_files import flat_yaml
from isoloss.runs.importers.history import RunHistory
from isoloss.runs.importers.mlflow import looks_like_mlflow, read_mlflow

Damages = Callable[[bytes], st.SearchStrategy[bytes]]
Unpack = Callable[[str], Path]


@pytest.fixture(scope="module")
def database(unpacked: Unpack) -> Path:
    return unpacked("mlflow/mlflow.db.gz")


@pytest.fixture(scope="module")
def folder(golden: Path) -> Path:
    return golden / "mlflow" / "mlruns"


@pytest.fixture(params=["folder", "database"])
def store(request: pytest.FixtureRequest, folder: Path, database: Path) -> Path:
    return {"folder": folder, "database": database}[request.param]


def by_name(runs: list[RunHistory]) -> dict[str, RunHistory]:
    named = {run.name: run for run in runs}
    assert len(named) == len(runs)
    return named


def test_both_stores_give_the_same_runs(store: Path) -> None:
    runs = by_name(read_mlflow(store))
    assert sorted(runs) == ["run alpha", "run beta", "run gamma"]
    alpha, beta, gamma = (runs[f"run {name}"] for name in ("alpha", "beta", "gamma"))
    assert (alpha.status, alpha.reason) == ("ok", "")
    assert (beta.status, beta.reason) == ("failed", "MLflow has it as failed")
    assert gamma.status == "running"
    assert alpha.created_at.startswith("2026-")
    loss = alpha.metrics["train/loss"]
    assert loss.steps == tuple(range(0, 100, 10))
    assert math.isnan(loss.values[6])
    assert loss.values[9] == 2.2
    assert alpha.metrics["overflow"].values == (math.inf,)


def test_parameters_are_typed_and_tags_are_named(store: Path) -> None:
    run = by_name(read_mlflow(store))["run alpha"]
    identity = run.config["mlflow.run_id"]
    assert isinstance(identity, str)
    assert len(identity) == 32
    assert run.config == {
        "lr": 3e-4,
        "model/d": 64,
        "tied": True,
        "act": "gelu",
        "tags.kind": "a: b",
        "mlflow.experiment": "ladder",
        "mlflow.run_id": identity,
    }


def test_deleted_runs_are_left_out_with_a_note(store: Path) -> None:
    runs = read_mlflow(store)
    assert "Left out: 1 deleted run." in runs[0].notes


def test_what_looks_like_it(store: Path, golden: Path, tmp_path: Path) -> None:
    assert looks_like_mlflow(store)
    assert looks_like_mlflow(golden / "mlflow")
    assert not looks_like_mlflow(golden / "wandb")
    assert not looks_like_mlflow(tmp_path)
    assert not looks_like_mlflow(tmp_path / "nowhere")


def test_a_trackio_database_is_another(unpacked: Unpack) -> None:
    path = unpacked("trackio/golden.db.gz")
    assert not looks_like_mlflow(path)
    with pytest.raises(DataError, match="not a database of MLflow"):
        read_mlflow(path)


def test_an_experiment_or_a_run_by_itself(folder: Path) -> None:
    experiment = next(path for path in folder.iterdir() if path.is_dir())
    assert len(read_mlflow(experiment)) == 3
    one = next(path for path in experiment.iterdir() if "run alpha" in read_meta(path))
    (run,) = read_mlflow(one)
    assert run.config["mlflow.experiment"] == "ladder"


def read_meta(folder: Path) -> str:
    return (folder / "meta.yaml").read_text() if folder.is_dir() else ""


def test_a_database_is_found_in_its_folder(database: Path, tmp_path: Path) -> None:
    shutil.copy(database, tmp_path / "mlflow.db")
    assert looks_like_mlflow(tmp_path)
    assert len(read_mlflow(tmp_path)) == 3


def test_reading_changes_nothing(database: Path, tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    shutil.copy(database, path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    before = path.read_bytes()
    path.chmod(0o444)
    assert len(read_mlflow(path)) == 3
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["mlflow.db"]


def test_a_database_that_is_being_written_is_read(database: Path, tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    shutil.copy(database, path)
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("UPDATE runs SET name = 'renamed' WHERE name = 'run alpha'")
    writer.commit()
    try:
        assert "renamed" in by_name(read_mlflow(path))
    finally:
        writer.close()


def test_a_view_in_place_of_a_table_is_not_run(database: Path, tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    shutil.copy(database, path)
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE metrics")
    connection.execute(
        "CREATE VIEW metrics AS WITH RECURSIVE n(run_uuid) AS (SELECT 1 UNION ALL SELECT 1 FROM n) "
        "SELECT run_uuid, 'k' AS key, 1.0 AS value, 0 AS step, 0 AS is_nan FROM n"
    )
    connection.commit()
    connection.close()
    with pytest.raises(DataError, match="no table 'metrics'"):
        read_mlflow(path)


def test_what_is_missing_or_empty_is_said(tmp_path: Path, database: Path) -> None:
    with pytest.raises(NotFoundError):
        read_mlflow(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no runs of MLflow"):
        read_mlflow(tmp_path)
    path = tmp_path / "mlflow.db"
    path.write_text("text")
    with pytest.raises(DataError, match="not an SQLite database"):
        read_mlflow(path)
    shutil.copy(database, path)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE runs SET lifecycle_stage = 'deleted'")
    connection.commit()
    connection.close()
    with pytest.raises(DataError, match="of 4 runs all are deleted"):
        read_mlflow(path)


@pytest.mark.parametrize(
    "name", ["plain", "it's", "a: b", "# no comment", "on", "123", "", "é \t ünï", "x " * 90, "'"]
)
def test_flat_yaml_reads_what_pyyaml_writes(name: str) -> None:
    yaml = pytest.importorskip("yaml")
    meta = {"run_name": name, "end_time": None, "status": 3, "tags": [], "deleted": False}
    text = yaml.safe_dump(meta, default_flow_style=False, allow_unicode=True)
    assert flat_yaml(text) == {
        "deleted": "false",
        "end_time": "",
        "run_name": name,
        "status": "3",
        "tags": "[]",
    }


def test_lines_that_are_no_metric_are_counted(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "mlruns")
    for path in (tmp_path / "mlruns").rglob("metrics/train/loss"):
        path.write_text(path.read_text() + "junk\n1 x 3\n\n1795691349211 2.0 1")
    run = read_mlflow(tmp_path / "mlruns")[1]
    assert "train/loss: left out 2 lines that are no metric." in run.notes
    assert run.metrics["train/loss"].steps[:3] == (0, 1, 10)


@settings(max_examples=60, deadline=4000)
@given(data=st.data())
def test_damage_to_a_database_ends_in_an_error_of_ours(
    data: st.DataObject,
    database: Path,
    damages: Damages,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz-mlflow.db"
    path.write_bytes(data.draw(damages(database.read_bytes())))
    with contextlib.suppress(IsolossError):
        read_mlflow(path)


@settings(max_examples=60, deadline=4000)
@given(data=st.data())
def test_damage_to_files_ends_in_an_error_of_ours(
    data: st.DataObject,
    folder: Path,
    damages: Damages,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    copy = tmp_path_factory.getbasetemp() / "fuzz-mlruns"
    if not copy.exists():
        shutil.copytree(folder, copy)
    files = sorted(path for path in copy.rglob("*") if path.is_file())
    path = data.draw(st.sampled_from(files))
    whole = path.read_bytes()
    path.write_bytes(data.draw(damages(whole or b"\n")))
    with contextlib.suppress(IsolossError):
        read_mlflow(copy)
    path.write_bytes(whole)

"""trackio's databases: as trackio wrote them, of earlier versions, and damaged."""

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
from isoloss.runs.importers.trackio import looks_like_trackio, read_trackio

Damages = Callable[[bytes], st.SearchStrategy[bytes]]
Unpack = Callable[[str], Path]


@pytest.fixture(scope="module")
def database(unpacked: Unpack) -> Path:
    return unpacked("trackio/golden.db.gz")


def early(path: Path, *rows: tuple[str, int, str]) -> Path:
    """A database as trackio before 0.24 made it: runs have no ids."""
    connection = sqlite3.connect(path)
    connection.execute(
        "CREATE TABLE metrics (id INTEGER PRIMARY KEY, timestamp TEXT, run_name TEXT, "
        "step INTEGER, metrics TEXT)"
    )
    connection.executemany(
        "INSERT INTO metrics (timestamp, run_name, step, metrics) VALUES ('2025-01-02', ?, ?, ?)",
        rows,
    )
    connection.commit()
    connection.close()
    return path


def test_runs_of_a_project_are_read(database: Path) -> None:
    alpha, first, second = read_trackio(database)
    assert alpha.name == "alpha"
    assert first.name == f"beta ({first.config['trackio.id']})"
    assert (first.config["lr"], second.config["lr"]) == (1e-3, 2e-3)
    loss = alpha.metrics["train/loss"]
    assert loss.steps == tuple(range(0, 100, 10))
    assert math.isnan(loss.values[6])
    assert loss.values[9] == 2.2
    assert alpha.metrics["gpu.memory"].values == (1.5,) * 10
    assert alpha.created_at.startswith("2026-11-26T")
    assert alpha.created_at.endswith("+00:00")


def test_configuration_is_flat_without_what_trackio_adds(database: Path) -> None:
    run = read_trackio(database)[0]
    identity = run.config["trackio.id"]
    assert run.config == {
        "lr": 3e-4,
        "layers": 2,
        "tied": True,
        "note": None,
        "model.d": 64,
        "model.act": "gelu",
        "trackio.group": "ladder",
        "trackio.project": "golden",
        "trackio.id": identity,
    }


def test_what_is_not_known_or_not_read_is_said(database: Path) -> None:
    run = read_trackio(database)[0]
    assert run.status == "ok"
    assert "trackio does not record whether a run came to its end." in run.notes
    assert "Not numbers and left out: 2 metrics (table, text)." in run.notes


def test_a_folder_holds_projects(database: Path, unpacked: Unpack, tmp_path: Path) -> None:
    shutil.copy(database, tmp_path / "golden.db")
    shutil.copy(unpacked("mlflow/mlflow.db.gz"), tmp_path / "other.db")
    early(tmp_path / "old.db", ("r", 0, '{"loss": 3}'))
    (tmp_path / "inbox" / "writer").mkdir(parents=True)
    (tmp_path / "inbox" / "writer" / "0.jsonl").write_text("{}\n")
    assert looks_like_trackio(tmp_path)
    runs = read_trackio(tmp_path)
    assert [run.config["trackio.project"] for run in runs] == ["golden"] * 3 + ["old"]
    assert any(note.startswith("Not read: metrics in") for note in runs[0].notes)


def test_a_database_of_an_earlier_version(tmp_path: Path) -> None:
    path = early(
        tmp_path / "old.db",
        ("r", 0, '{"loss": 3.0}'),
        ("r", 1, '{"loss": "Infinity"}'),
        ("r", 1, '{"loss": 2.0}'),
        ("s", 0, '{"loss": 1.0}'),
    )
    r, s = read_trackio(path)
    assert (r.name, s.name) == ("r", "s")
    assert r.metrics["loss"].values == (3.0, 2.0)
    assert r.created_at == "2025-01-02T00:00:00+00:00"
    assert "Logged again at the same step: 1 point; the last counts." in r.notes


def test_rows_that_are_no_json_are_counted(tmp_path: Path) -> None:
    path = early(tmp_path / "x.db", ("r", 0, "{"), ("r", 1, "[1]"), ("r", 2, '{"loss": 1}'))
    (run,) = read_trackio(path)
    assert run.metrics["loss"].steps == (2,)
    assert "Left out: 2 rows without a JSON object or a step." in run.notes


def test_what_looks_like_it(database: Path, unpacked: Unpack, tmp_path: Path) -> None:
    assert looks_like_trackio(database)
    assert not looks_like_trackio(unpacked("mlflow/mlflow.db.gz"))
    assert not looks_like_trackio(tmp_path)
    assert not looks_like_trackio(tmp_path / "nowhere.db")


def test_what_is_no_project_is_refused(unpacked: Unpack, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        read_trackio(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no runs of trackio"):
        read_trackio(tmp_path)
    with pytest.raises(DataError, match="not a database of trackio"):
        read_trackio(unpacked("mlflow/mlflow.db.gz"))
    (tmp_path / "x.db").write_bytes(b"junk")
    with pytest.raises(DataError, match="not an SQLite database"):
        read_trackio(tmp_path / "x.db")


@settings(max_examples=80, deadline=2000)
@given(data=st.data())
def test_damage_ends_in_an_error_of_ours(
    data: st.DataObject,
    database: Path,
    damages: Damages,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz-trackio.db"
    path.write_bytes(data.draw(damages(database.read_bytes())))
    with contextlib.suppress(IsolossError):
        read_trackio(path)


@settings(max_examples=50, deadline=2000)
@given(
    rows=st.lists(
        st.tuples(
            st.text(max_size=3),
            st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.binary(max_size=3),
            st.sampled_from(["{}", '{"a": 1e999}', '{"a": {"b": [1]}}', "null", '{"": NaN}'])
            | st.binary(max_size=9)
            | st.none(),
        ),
        max_size=5,
    )
)
def test_rows_of_any_types_are_read_or_left_out(
    rows: list[tuple[str, int, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "types.db"
    path.unlink(missing_ok=True)
    early(path, *rows, ("certain", 7, '{"loss": 1}'))
    runs = {run.config["trackio.id"]: run for run in read_trackio(path)}
    assert runs["certain"].metrics["loss"].steps[-1] >= 7

"""The store keeps runs and events through crashes, junk and other processes."""

from __future__ import annotations

import json
import math
import multiprocessing
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from isoloss.errors import DataError, EnvironmentProblem, NotFoundError, UsageError
from isoloss.runs import RunStore, record

ROW = {"run_id": "a", "params_total": 1e6, "tokens": 20_000_000, "loss": 3.1}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "runs.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[RunStore]:
    with RunStore.open(path) as opened:
        yield opened


def raw(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def test_a_run_is_added_once_and_the_first_wins(store: RunStore) -> None:
    assert store.add_run(ROW) is True
    assert store.add_run({**ROW, "loss": 9.0}) is False
    assert store.add_run({**ROW, "run_id": "0"}) is True
    assert [row["run_id"] for row in store.rows()] == ["a", "0"]
    assert store.get("a") == ROW
    assert (store.has("a"), store.has("b")) == (True, False)
    with pytest.raises(NotFoundError, match="no run 'b'"):
        store.get("b")


def test_values_of_json_only(store: RunStore) -> None:
    store.add_run({**ROW, "loss": math.nan, "seed": np.int64(3), "metric_x": np.float64("inf")})
    assert store.get("a") == {**ROW, "loss": None, "seed": 3, "metric_x": None}
    for wrong in ({"loss": 3}, {"run_id": ""}, {"run_id": 3}):
        with pytest.raises(DataError, match="'run_id'"):
            store.add_run(wrong)
    with pytest.raises(DataError, match="found object"):
        store.add_run({"run_id": "x", "y": object()})


def test_runs_of_a_store_are_a_table(store: RunStore) -> None:
    with pytest.raises(DataError, match="no runs"):
        store.runs()
    store.add_run(ROW)
    store.add_run({"run_id": "b", "params_total": 1e6, "loss": None, "status": "diverged"})
    runs = store.runs()
    assert (len(runs), len(runs.used())) == (2, 1)


def test_reopening_finds_everything(path: Path) -> None:
    with RunStore.open(path) as store:
        store.add_run({**ROW, "name": "雪 ☃"})
        store.add_event("note", {"x": 1.5})
    with RunStore.open(path, create=False) as again:
        assert again.get("a")["name"] == "雪 ☃"
        assert again.add_event("note", {}) == 2
        assert again.add_run(ROW) is False
        again.verify()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert sorted(item.name for item in path.parent.iterdir()) == [path.name]


def test_a_url_of_sqlite_is_a_path(path: Path) -> None:
    with RunStore.open(path) as store:
        store.add_run(ROW)
    with RunStore.open(f"sqlite:///{path}", create=False) as again:
        assert again.has("a")


def test_writes_are_synchronous(store: RunStore) -> None:
    with store._database.writing() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_a_closed_store_says_so(path: Path) -> None:
    store = RunStore.open(path)
    store.close()
    with pytest.raises(UsageError, match="closed"):
        store.rows()


def test_events_are_numbered_stamped_and_chained(store: RunStore) -> None:
    assert [store.add_event("a", {"i": i, "nan": math.nan}) for i in range(3)] == [1, 2, 3]
    store.add_event("b", {})
    events = store.events("a")
    assert [event["payload"] for event in events] == [{"i": i, "nan": None} for i in range(3)]
    assert set(events[0]) == {"id", "kind", "at", "payload", "hash"}
    assert events[0]["at"].endswith("+00:00")
    assert len({event["hash"] for event in store.events()}) == 4
    store.verify()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE isoloss_events SET payload = '{}'",
        "DELETE FROM isoloss_events WHERE id = 2",
        "INSERT OR REPLACE INTO isoloss_events VALUES (1, 'x', '', '{}', '')",
        "INSERT OR REPLACE INTO isoloss_events VALUES (0, 'x', '', '{}', '')",
    ],
)
def test_events_cannot_be_changed(store: RunStore, path: Path, statement: str) -> None:
    store.add_event("a", {"predicted": 3.0})
    store.add_event("a", {"predicted": 2.0})
    before = store.events()
    with pytest.raises(sqlite3.IntegrityError, match="cannot be"):
        raw(path, statement)
    assert store.events() == before
    store.verify()


@pytest.mark.parametrize(
    "statement",
    [
        """UPDATE isoloss_events SET payload = '{"predicted":9.0}' WHERE id = 2""",
        "UPDATE isoloss_events SET at = '2001-01-01' WHERE id = 2",
        "UPDATE isoloss_events SET kind = 'b' WHERE id = 2",
        "UPDATE isoloss_events SET hash = 'f' WHERE id = 2",
        "DELETE FROM isoloss_events WHERE id = 1",
        "DELETE FROM isoloss_events WHERE id = 2",
    ],
)
def test_verify_finds_what_was_changed_without_triggers(
    store: RunStore, path: Path, statement: str
) -> None:
    for i in range(3):
        store.add_event("a", {"predicted": i})
    raw(path, "DROP TRIGGER isoloss_no_update")
    raw(path, "DROP TRIGGER isoloss_no_delete")
    raw(path, statement)
    with pytest.raises(DataError, match=r"chain of events is broken at event [23]"):
        store.verify()


def test_an_event_that_is_no_json_is_told(store: RunStore, path: Path) -> None:
    store.add_event("a", {})
    raw(path, "DROP TRIGGER isoloss_no_update")
    raw(path, "UPDATE isoloss_events SET payload = '{'")
    with pytest.raises(DataError, match="no JSON"):
        store.verify()


def test_no_store_where_none_may_be_made(path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such store"):
        RunStore.open(path, create=False)
    assert not path.parent.exists()


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize("junk", [b"x", b"run_id,loss\n" * 1000])
def test_junk_is_refused_and_left_alone(tmp_path: Path, junk: bytes, create: bool) -> None:
    path = tmp_path / "junk.sqlite"
    path.write_bytes(junk)
    with pytest.raises(DataError, match="not a database"):
        RunStore.open(path, create=create)
    assert path.read_bytes() == junk


def test_a_damaged_database_is_refused(store: RunStore, path: Path) -> None:
    store.add_run(ROW)
    data = path.read_bytes()
    path.write_bytes(data[:100] + b"\xff" * (len(data) - 100))
    with pytest.raises(DataError, match=r"runs\.sqlite: "):
        store.rows()
    path.write_bytes(data[:16] + b"\x07" * 4000)
    with pytest.raises(DataError, match=r"runs\.sqlite: "):
        RunStore.open(path)


@pytest.mark.parametrize("create", [True, False])
def test_the_database_of_another_application_is_left_alone(tmp_path: Path, create: bool) -> None:
    path = tmp_path / "other.sqlite"
    raw(path, "CREATE TABLE songs (title TEXT)")
    before = path.read_bytes()
    with pytest.raises(DataError, match=r"another application \(tables songs\)"):
        RunStore.open(path, create=create)
    assert path.read_bytes() == before


def test_an_empty_file_becomes_a_store_only_on_demand(tmp_path: Path) -> None:
    path = tmp_path / "empty.sqlite"
    path.touch()
    with pytest.raises(DataError, match="not a database"):
        RunStore.open(path, create=False)
    with RunStore.open(path) as store:
        assert store.rows() == []


def test_a_newer_store_is_refused(store: RunStore, path: Path) -> None:
    raw(path, "UPDATE isoloss_store SET value = '99'")
    with pytest.raises(DataError, match="schema '99'"):
        RunStore.open(path)


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found a folder"):
        RunStore.open(tmp_path)


@pytest.mark.parametrize("place", ["file/runs.sqlite", "/proc/nowhere/runs.sqlite"])
def test_a_place_that_cannot_be_written(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentProblem, match="cannot be opened"):
        RunStore.open(tmp_path / place)


def test_a_store_that_became_read_only(store: RunStore) -> None:
    from sqlalchemy import event

    store.add_run(ROW)

    def read_only(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA query_only = ON")

    event.listen(store._database.engine, "connect", read_only)
    with pytest.raises(EnvironmentProblem, match="readonly"):
        store.add_run({**ROW, "run_id": "b"})
    assert not store.has("b")


def test_a_store_that_another_process_holds(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from isoloss.runs import _database

    monkeypatch.setattr(_database, "_BUSY_SECONDS", 0)
    with RunStore.open(path) as store, closing(sqlite3.connect(path)) as other:
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        assert store.rows() == []
        with pytest.raises(EnvironmentProblem, match="locked") as caught:
            store.add_run(ROW)
        assert "Another process" in caught.value.hint


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://", "sqlite:///:memory:", "a b://"])
def test_urls_without_a_store(url: str) -> None:
    with pytest.raises(UsageError):
        RunStore.open(url)


def test_passwords_are_not_shown() -> None:
    pytest.importorskip("psycopg", reason="the extra [postgres] is not installed")
    with pytest.raises(EnvironmentProblem) as caught:
        RunStore.open("postgresql://ann:secret@127.0.0.1:1/x")
    assert "secret" not in caught.value.message


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(EnvironmentProblem, match="'psycopg'") as caught:
        RunStore.open("postgresql://ann@127.0.0.1:1/x")
    assert "isoloss[postgres]" in caught.value.hint


def _add(path: Path, name: int) -> None:
    with RunStore.open(path) as store:
        for i in range(10):
            store.add_event("note", {"by": name, "i": i})
            store.add_run({"run_id": f"{name % 2}-{i}"})


def test_processes_share_one_chain(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_add, args=(path, name)) for name in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    with RunStore.open(path, create=False) as store:
        store.verify()
        assert len(store.events()) == 30
        assert len(store.rows()) == 20


def test_record_checks_and_names_a_row(store: RunStore) -> None:
    row = {"params_total": 1e6, "tokens": 2e7, "loss": 3.1, "metric_x": math.nan}
    run_id = record(store, row)
    assert record(store, row) == run_id
    (kept,) = store.rows()
    assert kept["created_at"]
    assert json.loads(json.dumps(kept)) == kept
    with pytest.raises(DataError, match="row 1, column 'loss'"):
        record(store, {**row, "loss": -1})

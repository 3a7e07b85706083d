"""What every store keeps, in SQLite and in a real PostgreSQL server alike."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isoloss.errors import DataError, EnvironmentProblem, NotFoundError, UsageError
from isoloss.runs import RunStore, append_row, ledger, record, record_all

ROW = {"run_id": "a", "params_total": 1e6, "tokens": 20_000_000, "loss": 3.1}
PATIENCE = 120


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new store may lie: a path, or the URL of an empty schema of a database."""
    if request.param == "sqlite":
        return str(tmp_path / "runs.sqlite")
    make: Callable[[str], str] = request.getfixturevalue("postgresql")
    return make(f"t{uuid.uuid4().hex}")


@pytest.fixture
def store(place: str) -> Iterator[RunStore]:
    with RunStore.open(place) as opened:
        yield opened


def changed(store: RunStore, statement: str) -> None:
    """Change the database behind the store's back."""
    with store._database.engine.connect() as connection, connection.begin():
        connection.exec_driver_sql(statement)


# Runs


def test_rows_come_back_as_they_went_in_and_in_their_order(store: RunStore) -> None:
    rows = [{**ROW, "run_id": name} for name in ("b", "a", "雪 ☃", "'; DROP TABLE x; --")]
    assert store.add_runs(rows) == 4
    assert store.rows() == rows
    assert [store.get(row["run_id"]) for row in rows] == rows
    assert store.has("a")
    assert not store.has("c")
    with pytest.raises(NotFoundError, match="no run 'c'"):
        store.get("c")


def test_the_first_of_an_id_wins_alone_and_among_many(store: RunStore) -> None:
    assert store.add_run(ROW)
    assert not store.add_run({**ROW, "loss": 9.0})
    many = [{**ROW, "loss": 8.0}, {**ROW, "run_id": "b"}, {**ROW, "run_id": "b", "loss": 7.0}]
    assert store.add_runs(many) == 1
    assert store.add_runs(many) == 0
    assert store.add_runs([]) == 0
    assert [(row["run_id"], row["loss"]) for row in store.rows()] == [("a", 3.1), ("b", 3.1)]


def test_many_runs_are_added_together_or_not_at_all(store: RunStore) -> None:
    good = [{**ROW, "run_id": f"r{i}"} for i in range(1500)]
    for bad in ({"loss": 1}, {"run_id": ""}, {"run_id": "x\0"}, {"run_id": "x", "y": object()},
                {"run_id": "x", "name": "\ud800"}):  # fmt: skip
        with pytest.raises(DataError):
            store.add_runs([*good, bad])
        assert store.rows() == []
    assert store.add_runs(good) == 1500
    assert store.rows() == good


def test_numbers_that_json_does_not_know_are_null(store: RunStore) -> None:
    store.add_run({**ROW, "loss": math.nan, "metric_x": -math.inf})
    assert store.get("a") == {**ROW, "loss": None, "metric_x": None}


_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_value = st.one_of(
    _text, st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(),
    st.none(), st.lists(st.integers(), max_size=3), st.dictionaries(_text, _text, max_size=2),
)  # fmt: skip


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(row=st.dictionaries(_text, _value, max_size=6))
def test_any_row_of_json_survives(store: RunStore, row: dict[str, Any]) -> None:
    named = {**row, "run_id": uuid.uuid4().hex}
    store.add_run(named)
    assert store.get(named["run_id"]) == named


def test_another_handle_sees_what_was_written_at_once(store: RunStore, place: str) -> None:
    with RunStore.open(place, create=False) as other:
        store.add_run(ROW)
        assert other.get("a") == ROW
        other.add_event("note", {})
        assert len(store.events()) == 1
    with pytest.raises(UsageError, match="closed"):
        other.rows()


def test_a_place_without_a_store_is_told(place: str) -> None:
    with pytest.raises((NotFoundError, DataError), match=r"no such store|not a store"):
        RunStore.open(place, create=False)


def test_a_store_of_another_version_is_refused(store: RunStore, place: str) -> None:
    changed(store, "UPDATE isoloss_store SET value = '99'")
    with pytest.raises(DataError, match="schema '99'"):
        RunStore.open(place)


# History


def test_what_becomes_known_later_is_appended(store: RunStore) -> None:
    store.add_runs([ROW, {**ROW, "run_id": "b"}])
    number = store.amend("a", {"reason": "a spike", "metric_x": 2}, why="seen in its log")
    store.add_event("outcome", {"run_id": "a", "measured": 3.1})
    assert store.get("a") == {**ROW, "reason": "a spike", "metric_x": 2}
    assert [row.get("reason") for row in store.rows()] == ["a spike", None]
    assert len(store.runs().used()) == 1
    first, amendment, outcome = store.history("a")
    assert first == {"row": ROW}
    assert amendment["id"] == number
    assert amendment["payload"]["why"] == "seen in its log"
    assert outcome["kind"] == "outcome"
    store.amend("a", {"reason": None}, why="it was another run")
    assert len(store.runs().used()) == 2
    assert store.history("b") == [{"row": {**ROW, "run_id": "b"}}]
    store.verify()
    assert len(ledger(store)) == 0


def test_amendments_are_checked(store: RunStore) -> None:
    store.add_run(ROW)
    with pytest.raises(NotFoundError):
        store.amend("x", {"loss": 3}, why="?")
    with pytest.raises(DataError, match="the amended run 'a', row 1, column 'loss'"):
        store.amend("a", {"loss": -1}, why="wrong")
    for changes, why in (({}, "x"), ({"run_id": "b"}, "x"), ({"loss": 3}, " ")):
        with pytest.raises(UsageError):
            store.amend("a", changes, why=why)
    assert store.events() == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE isoloss_runs SET run_id = 'z'",
        "DELETE FROM isoloss_runs",
        "UPDATE isoloss_events SET payload = '{}'",
        "DELETE FROM isoloss_events WHERE id = 2",
    ],
)
def test_nothing_written_can_be_changed(store: RunStore, statement: str) -> None:
    from sqlalchemy.exc import DatabaseError

    store.add_run(ROW)
    for i in range(3):
        store.add_event("a", {"i": i})
    before = store.rows(), store.events()
    with pytest.raises(DatabaseError, match="cannot be"):
        changed(store, statement)
    assert (store.rows(), store.events()) == before


def test_events_are_chained_and_a_change_is_found(store: RunStore) -> None:
    assert [store.add_event("a", {"i": i, "x": math.nan}) for i in range(3)] == [1, 2, 3]
    store.add_event("b", {"text": "雪"})
    assert [event["payload"]["i"] for event in store.events("a")] == [0, 1, 2]
    store.verify()
    trigger = {"sqlite": "DROP TRIGGER isoloss_no_update",
               "postgresql": "DROP TRIGGER isoloss_no_change ON isoloss_events"}  # fmt: skip
    changed(store, trigger[store._database.engine.dialect.name])
    changed(store, """UPDATE isoloss_events SET payload = '{"i":9,"x":null}' WHERE id = 2""")
    with pytest.raises(DataError, match="broken at event 2"):
        store.verify()


# Recording


def test_recording_is_idempotent_and_checked(store: RunStore, tmp_path: Path) -> None:
    row = {"params_total": 1e6, "tokens": 2e7, "loss": 3.1, "metric_x": math.nan}
    run_id = record(store, row)
    assert record(store, row) == run_id
    assert record_all(store, [row, {**row, "loss": 3.2}])[0] == run_id
    assert len(store.rows()) == 2
    with pytest.raises(DataError, match="row 2, column 'loss'"):
        record_all(store, [{**row, "loss": 3.3}, {**row, "loss": -1}])
    assert len(store.rows()) == 2
    file = tmp_path / "new" / "runs.jsonl"
    assert append_row(file, row) == run_id
    append_row(file, {**row, "loss": 3.4})
    assert record_all(store, map(json.loads, file.read_text("utf-8").splitlines()))[0] == run_id
    assert len(store.rows()) == 3


# Processes


def _write(place: str, writer: int, rows: int, pause: float) -> None:
    with RunStore.open(place) as store:
        for start in range(0, rows, 250):
            some = range(start, start + 250)
            store.add_runs({**ROW, "run_id": f"{writer}-{i}", "seed": i} for i in some)
            time.sleep(pause)


def _started(place: str, writer: int, pause: float = 0.0) -> Any:
    context = multiprocessing.get_context("spawn")
    worker = context.Process(target=_write, args=(place, writer, 10_000, pause))
    worker.start()
    return worker


def _all_there(place: str) -> None:
    with RunStore.open(place, create=False) as store:
        rows = store.rows()
    assert len(rows) == 20_000
    for writer in (0, 1):
        own = [row for row in rows if row["run_id"].startswith(f"{writer}-")]
        # Each writer's rows are all there, once, whole, and in the order of its calls.
        assert [row["seed"] for row in own] == list(range(10_000))
        assert all(row["loss"] == 3.1 for row in own)


def test_two_processes_add_ten_thousand_rows_each(place: str) -> None:
    workers = [_started(place, writer) for writer in (0, 1)]
    for worker in workers:
        worker.join(PATIENCE)
    assert [worker.exitcode for worker in workers] == [0, 0]
    _all_there(place)


def test_one_of_two_is_killed_and_started_again(place: str) -> None:
    RunStore.open(place).close()
    killed, other = _started(place, 0, pause=0.02), _started(place, 1)
    with RunStore.open(place) as store:
        deadline = time.monotonic() + PATIENCE
        while not store.has("0-2000"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.join(PATIENCE)
    assert killed.exitcode == -signal.SIGKILL
    with RunStore.open(place) as store:
        own = [row for row in store.rows() if row["run_id"].startswith("0-")]
    assert 2000 < len(own) < 10_000
    assert len(own) % 250 == 0
    again = _started(place, 0)
    for worker in (again, other):
        worker.join(PATIENCE)
    assert (again.exitcode, other.exitcode) == (0, 0)
    _all_there(place)


# PostgreSQL alone


def test_a_server_that_is_not_there_and_a_database_that_is_not(
    postgresql: Callable[[str], str], tmp_path: Path
) -> None:
    with pytest.raises(EnvironmentProblem, match="cannot be opened"):
        RunStore.open(f"postgresql://isoloss@/x?host={tmp_path}")
    there = postgresql("there")
    with pytest.raises(NotFoundError, match="does not exist"):
        RunStore.open(there.replace("/postgres?", "/elsewhere?"))


def test_tables_of_others_are_left_alone(postgresql: Callable[[str], str]) -> None:
    place = postgresql("others")
    import psycopg

    with psycopg.connect(place) as connection:
        connection.execute("CREATE TABLE songs (title text)")
        connection.execute("INSERT INTO songs VALUES ('x')")
    with RunStore.open(place) as store:
        store.add_run(ROW)
    with psycopg.connect(place) as connection:
        assert connection.execute("SELECT title FROM songs").fetchall() == [("x",)]

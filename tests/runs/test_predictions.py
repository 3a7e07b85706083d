"""Registered predictions meet their outcomes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from isoloss.errors import DataError
from isoloss.runs import RunStore, ledger


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    with RunStore.open(tmp_path / "runs.sqlite") as opened:
        yield opened


def prediction(name: str, **more: Any) -> dict[str, Any]:
    said = {"study": "a study", "n": 1e6, "d": 2e7, "flops": 1.2e14, "predicted": 3.0}
    return {
        "prediction_id": name, **said, "low": 2.9, "high": 3.1, "level": 0.9,
        "runs_hash": "ab", **more,
    }  # fmt: skip


def outcome(name: str, measured: float | None, **more: Any) -> dict[str, Any]:
    return {"prediction_id": name, "measured": measured, "trained_at": "2030-01-01", **more}


def test_predictions_are_joined_with_outcomes(store: RunStore) -> None:
    store.add_event("prediction", prediction("hit"))
    store.add_event("prediction", prediction("open"))
    store.add_event("outcome", outcome("hit", 2.95))
    store.add_event("prediction", prediction("miss"))
    store.add_event("outcome", outcome("miss", 4.0))
    store.add_event("prediction", prediction("failed"))
    store.add_event("outcome", outcome("failed", None, reason="diverged"))
    store.add_event("outcome", outcome("nobody", 3.0))
    book = ledger(store)
    found = {entry.prediction_id: entry for entry in book.entries}
    assert {name: entry.standing for name, entry in found.items()} == {
        "hit": "scored", "open": "open", "miss": "scored", "failed": "failed",
    }  # fmt: skip
    assert found["hit"].error_percent == pytest.approx(100 * 0.05 / 2.95)
    assert [found[name].inside for name in found] == [True, None, False, None]
    assert found["failed"].reason == "diverged"
    document = book.to_dict()
    assert (document["n_entries"], document["n_scored"], document["n_inside"]) == (4, 2, 1)
    assert json.loads(json.dumps(document)) == document
    assert book.to_frame()["prediction_id"].tolist() == ["hit", "open", "miss", "failed"]
    assert "4 registered, 2 scored, 1 inside" in book.summary()
    assert max(map(len, book.summary().splitlines())) <= 80
    assert len(book) == 4


def test_a_metric_is_named_in_full_and_the_study_is_the_study(store: RunStore) -> None:
    said = prediction("score", target="metric_answer_bits_per_byte", study="scores")
    store.add_event("prediction", said)
    lines = ledger(store).summary().splitlines()
    assert lines[1] == "answer_bits_per_byte:"
    assert lines[2].split()[2] == "scores"


def test_what_is_said_later_does_not_count(store: RunStore) -> None:
    store.add_event("outcome", outcome("late", 3.0))
    store.add_event("prediction", prediction("late"))
    store.add_event("prediction", prediction("twice", registered_at="1999-01-01"))
    store.add_event("prediction", prediction("twice", predicted=2.0))
    store.add_event("outcome", outcome("twice", 2.0, error_percent=0.0, inside=True))
    store.add_event("outcome", outcome("twice", 3.0))
    late, twice = ledger(store).entries
    assert late.standing == "late"
    assert (twice.predicted, twice.measured, twice.inside) == (3.0, 2.0, False)
    assert twice.error_percent == 50.0
    assert twice.registered_at > "2020"


def test_predictions_without_interval(store: RunStore) -> None:
    store.add_event("prediction", prediction("a", low=None, high=None))
    store.add_event("outcome", outcome("a", 3.0))
    (entry,) = ledger(store).entries
    assert (entry.standing, entry.inside, entry.error_percent) == ("scored", None, 0.0)
    assert ledger(store).summary()


def test_an_empty_ledger(store: RunStore) -> None:
    assert ledger(store).summary() == "No prediction is registered yet."
    assert ledger(store).to_dict()["mean_absolute_error_percent"] is None
    assert len(ledger(store).to_frame()) == 0


def test_a_broken_chain_has_no_ledger(store: RunStore, tmp_path: Path) -> None:
    store.add_event("prediction", prediction("a"))
    with closing(sqlite3.connect(tmp_path / "runs.sqlite")) as connection, connection:
        connection.execute("DROP TRIGGER isoloss_no_update")
        connection.execute("UPDATE isoloss_events SET payload = '{}'")
    with pytest.raises(DataError, match="broken"):
        ledger(store)

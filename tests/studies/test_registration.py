"""A prediction is written down once; its outcome once."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from isoloss.errors import DataError
from isoloss.runs import Runs, RunStore
from isoloss.studies.folder import StudyFolder
from isoloss.studies.registration import (
    append_prediction,
    check_origin,
    register,
    registered,
    settle_outcome,
)

LADDER = [
    {"run_id": f"r{i}", "params_matmul": 10 * i, "tokens": 100 * i, "flops": 6000 * i * i,
     "loss": 5.0 - i / 10}
    for i in range(1, 5)
]  # fmt: skip
TARGET = {
    "run_id": "big", "params_matmul": 100, "tokens": 1000, "flops": 10**6,
    "flops_convention": "palm",
}  # fmt: skip
PLAN: dict[str, Any] = {"plan": {"size": "smoke"}}


def told(loss: float) -> Any:
    """What `register` reads of a forecast."""
    return SimpleNamespace(
        loss=loss, low=loss - 1, high=loss + 1, level=0.9, baseline=float("nan"),
        weights={"chinchilla": 1.0}, uncertainty={"noise": 0.3},
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path) -> StudyFolder:
    return StudyFolder(tmp_path)


@pytest.fixture
def store(folder):
    with RunStore.open(folder.store) as opened:
        yield opened


def test_the_first_prediction_stands(folder, store):
    ladder = Runs.from_rows(LADDER)
    first = register(folder, store, told(3.0), ladder, TARGET, PLAN, "s")
    written = folder.prediction.stat().st_mtime_ns
    again = register(folder, store, told(2.0), ladder, TARGET, PLAN, "s")
    assert again == first
    assert first["predicted"] == 3.0
    assert first["baseline"] is None
    assert first["runs_hash"] == ladder.hash()
    assert len(store.events("prediction")) == 1
    assert folder.prediction.stat().st_mtime_ns == written
    assert registered(store, "big") == first
    assert registered(store, "other") is None


@pytest.mark.parametrize("text", [None, "{", "{}"])
def test_a_lost_file_comes_back_from_the_ledger(folder, store, text):
    first = register(folder, store, told(3.0), Runs.from_rows(LADDER), TARGET, PLAN, "s")
    folder.prediction.unlink()
    if text is not None:
        folder.prediction.write_text(text)
    register(folder, store, told(2.0), Runs.from_rows(LADDER), TARGET, PLAN, "s")
    assert json.loads(folder.prediction.read_text()) == first


def test_it_stands_for_its_runs_and_its_plan(folder, store):
    check_origin(store, "big", Runs.from_rows(LADDER), PLAN)  # nothing is registered
    register(folder, store, told(3.0), Runs.from_rows(LADDER), TARGET, PLAN, "s")
    check_origin(store, "big", Runs.from_rows(LADDER), PLAN)
    with pytest.raises(DataError, match="the run table changed"):
        check_origin(store, "big", Runs.from_rows(LADDER[1:]), PLAN)
    with pytest.raises(DataError, match="the plan changed"):
        check_origin(store, "big", Runs.from_rows(LADDER), {"plan": {"size": "tiny"}})


@pytest.mark.parametrize(("measured", "inside"), [(3.5, True), (4.5, False), (2.0, True)])
def test_the_outcome_is_settled_once(folder, store, measured, inside):
    prediction = register(folder, store, told(3.0), Runs.from_rows(LADDER), TARGET, PLAN, "s")
    row = {"run_id": "big", "created_at": "2030-01-01T00:00:00+00:00", "loss": measured}
    outcome = settle_outcome(store, prediction, row)
    assert outcome["inside"] is inside
    assert outcome["error_percent"] == pytest.approx(100 * (3.0 - measured) / measured)
    assert settle_outcome(store, prediction, {**row, "loss": 9.0}) == outcome
    assert len(store.events("outcome")) == 1
    store.verify()


@pytest.mark.parametrize("loss", [None, float("nan")])
def test_a_run_without_a_loss_gives_no_error(folder, store, loss):
    prediction = register(folder, store, told(3.0), Runs.from_rows(LADDER), TARGET, PLAN, "s")
    row = {"run_id": "big", "created_at": "", "loss": loss, "reason": "diverged: loss nan"}
    outcome = settle_outcome(store, prediction, row)
    assert outcome["measured"] is outcome["error_percent"] is outcome["inside"] is None
    assert outcome["reason"] == "diverged: loss nan"


def test_a_score_is_registered_beside_the_loss(folder, store):
    register(folder, store, told(3.0), Runs.from_rows(LADDER), TARGET, PLAN, "s")
    facts = {"run_id": "big", "target": "metric_bleu", "predicted": 1.5, "low": 0.0, "high": None}
    score = append_prediction(store, facts)
    assert registered(store, "big", "metric_bleu") == score
    assert registered(store, "big")["predicted"] == 3.0
    assert registered(store, "big", "metric_chrf") is None
    row = {"run_id": "big", "created_at": "2030-01-01T00:00:00+00:00", "loss": 3.0}
    outcome = settle_outcome(store, score, row | {"metric_bleu": 0.0})
    assert outcome["measured"] == 0
    assert outcome["error_percent"] is None  # of nothing
    assert outcome["inside"] is None
    assert outcome["target"] == "metric_bleu"

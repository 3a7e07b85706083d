"""The prediction, written down before its run starts, and its outcome, written down after."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from isoloss._clock import now
from isoloss._files import canonical_json, sha256_text, write_json_atomic
from isoloss.errors import DataError, NotFoundError
from isoloss.runs import Runs, RunStore
from isoloss.studies.folder import StudyFolder

if TYPE_CHECKING:
    from isoloss.fitting import Forecast


LOSS = "loss"


def target_of(payload: dict[str, Any]) -> str:
    """The column of the run table that a prediction is of."""
    return str(payload.get("target", LOSS))


def registered(store: RunStore, run_id: str, target: str = LOSS) -> dict[str, Any] | None:
    """The first registered prediction of a run's loss or score, if there is one."""
    for event in store.events("prediction"):
        payload = dict(event["payload"])
        if payload.get("run_id") == run_id and target_of(payload) == target:
            return payload
    return None


def register(
    folder: StudyFolder,
    store: RunStore,
    forecast: Forecast,
    ladder: Runs,
    target: dict[str, Any],
    plan_document: dict[str, Any],
    name: str,
) -> dict[str, Any]:
    """Append the prediction to the ledger and write `prediction.json`; the first one stands."""
    before = registered(store, target["run_id"])
    if before is None:
        facts = {
            "study": name,
            "run_id": target["run_id"],
            "n": target["params_matmul"],
            "n_convention": "params_matmul",
            "d": target["tokens"],
            "flops": target["flops"],
            "flops_convention": target["flops_convention"],
            "predicted": forecast.loss,
            "low": forecast.low,
            "high": forecast.high,
            "level": forecast.level,
            "baseline": _or_none(forecast.baseline),
            "weights": dict(forecast.weights),
            "uncertainty": dict(forecast.uncertainty),
            "runs_hash": ladder.hash(),
            "plan_hash": _plan_hash(plan_document),
        }
        before = append_prediction(store, facts)
    if not _holds(folder, before):
        write_json_atomic(folder.prediction, before)
    return before


def append_prediction(store: RunStore, facts: dict[str, Any]) -> dict[str, Any]:
    """Append a prediction to the ledger; returns it with its id and time."""
    prediction = {
        "prediction_id": sha256_text(canonical_json(facts))[:16],
        **facts,
        "registered_at": now(),
    }
    store.add_event("prediction", prediction)
    return prediction


def _holds(folder: StudyFolder, prediction: dict[str, Any]) -> bool:
    """Whether `prediction.json` is there and whole: it is then left as old as it is."""
    try:
        return bool(folder.read_json(folder.prediction) == prediction)
    except (NotFoundError, DataError):
        return False


def _plan_hash(plan_document: dict[str, Any]) -> str:
    return sha256_text(canonical_json(plan_document["plan"]))


def check_origin(store: RunStore, run_id: str, ladder: Runs, plan_document: dict[str, Any]) -> None:
    """A prediction that is registered for a run stands for the runs and the plan it came from.

    Raises:
        DataError: they are no longer the same.
    """
    prediction = registered(store, run_id)
    if prediction is None:
        return
    changed = [
        name
        for name, found, key in (
            ("the run table", ladder.hash(), "runs_hash"),
            ("the plan", _plan_hash(plan_document), "plan_hash"),
        )
        if found != prediction[key]
    ]
    if changed:
        raise DataError(
            f"{' and '.join(changed)} changed after the prediction was registered at"
            f" {prediction['registered_at']}",
            hint="Restore a copy of the folder, or begin anew with another --out.",
        )


def settle_outcome(
    store: RunStore, prediction: dict[str, Any], row: dict[str, Any]
) -> dict[str, Any]:
    """Append how the prediction turned out, once; returns the outcome."""
    for event in store.events("outcome"):
        if event["payload"].get("prediction_id") == prediction["prediction_id"]:
            return dict(event["payload"])
    target = target_of(prediction)
    measured = row.get(target)
    outcome: dict[str, Any] = {
        "prediction_id": prediction["prediction_id"],
        "run_id": row["run_id"],
        "trained_at": row["created_at"],
        "measured": None,
        "error_percent": None,
        "inside": None,
        "reason": row.get("reason") or "",
    }
    if target != LOSS:
        outcome["target"] = target
    if measured is not None and math.isfinite(measured):
        low, high = prediction["low"], prediction["high"]
        missed = prediction["predicted"] - measured
        outcome |= {
            "measured": measured,
            "error_percent": 100 * missed / measured if measured else None,
            "inside": None if low is None or high is None else low <= measured <= high,
        }
    store.add_event("outcome", outcome)
    return outcome


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None

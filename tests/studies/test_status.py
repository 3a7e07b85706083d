"""How far a study is, and results read back; without PyTorch."""

from __future__ import annotations

import json

import pytest

from isoloss._files import canonical_json, sha256_text
from isoloss.errors import DataError, NotFoundError
from isoloss.runs import RunStore
from isoloss.studies import load_results, load_spec, study_status
from isoloss.studies.folder import StudyFolder, claimed, settle_spec

RUNS = [{"steps": 1}, {"steps": 2}]
LAST = {"steps": 3}


def id_of(run: dict[str, int]) -> str:
    return sha256_text(canonical_json(run))[:16]


def test_status_follows_the_study(tmp_path):
    with pytest.raises(NotFoundError):
        study_status(tmp_path)
    with claimed(tmp_path) as folder:
        settle_spec(folder, load_spec("laptop"))
    assert study_status(tmp_path)["stage"] == "no plan yet"
    plan = {"size": "tiny", "trunks": [RUNS], "verification": LAST}
    folder.plan.write_text(json.dumps({"plan": plan}))
    assert study_status(tmp_path)["stage"] == "the plan is settled"
    with RunStore.open(folder.store) as store:
        store.add_run({"run_id": "of another plan", "name": "x"})
        store.add_run({"run_id": id_of(RUNS[0]), "name": "a", "status": "ok"})
        store.add_run({"run_id": id_of(RUNS[1]), "name": "b", "status": "diverged"})
        told = study_status(tmp_path)
        assert told["stage"] == "the ladder is being trained"
        assert (told["runs_finished"], told["runs_planned"]) == (2, 3)
        assert told["runs_failed"] == ["b"]
        payload = {"run_id": id_of(LAST), "predicted": 2.5, "registered_at": "now"}
        store.add_event("prediction", payload)
        store.add_event("prediction", {**payload, "run_id": "other", "predicted": 9.0})
        assert study_status(tmp_path)["predicted"] == 2.5
        store.add_event("outcome", {"run_id": id_of(LAST), "measured": 2.6})
    folder.results.write_text("{}")
    told = study_status(tmp_path)
    assert (told["stage"], told["measured"]) == ("finished", 2.6)


def test_run_ids_of_a_plan_are_those_of_the_engine():
    from isoloss.ladders import SMOKE, resolve_plan
    from isoloss.studies.loop import _planned
    from isoloss.training import Recipe

    plan = resolve_plan(
        SMOKE, recipe=Recipe(), vocab_size=300, context_length=32, unique_tokens=10**9,
        corpus_fingerprint="f", eval_tokens=128,
    )  # fmt: skip
    document = json.loads(json.dumps({"plan": plan.to_dict()}))
    ids = [run.run_id for run in [*plan.runs(), plan.verification]]
    assert _planned(document) == ("smoke", ids)


@pytest.mark.parametrize("text", ["", "3", "[]", "{}", '{"runs": {}}'])
def test_results_that_are_none(tmp_path, text):
    with pytest.raises(NotFoundError):
        load_results(tmp_path)
    StudyFolder(tmp_path).results.write_text(text)
    with pytest.raises(DataError) as caught:
        load_results(tmp_path)
    assert "Run the study again" in caught.value.hint

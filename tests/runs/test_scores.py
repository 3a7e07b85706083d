"""Scores in the run table: which columns they set, which they empty, and what stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from isoloss.errors import DataError
from isoloss.runs import RunStore
from isoloss.runs.scores import SCORES_ONLY, add_scores, is_scores_only, score_changes, scored_row

RUN = {"run_id": "r1", "params_total": 1e6, "tokens": 2e7, "loss": 3.5, "name": "small"}


def score(value: Any, low: Any = None, high: Any = None) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high, "unit": "share", "higher_is_better": True}


def document(task: str = "translation", run_id: str = "r1", **metrics: Any) -> dict[str, Any]:
    return {
        "task": task, "model": "out/small", "run_id": run_id, "n_examples": 20, "level": 0.9,
        "signature": f"of {task}", "notes": [], "metrics": metrics or {"bleu": score(14.0, 11, 16)},
    }  # fmt: skip


def row_of(*args: Any, **metrics: Any) -> dict[str, Any]:
    return scored_row(document(*args, **metrics), label="the result")


def test_a_row_of_scores() -> None:
    row = row_of(bleu=score(14.0, 11, 16), ter=score(80))
    assert row == {
        "run_id": "r1", "name": "out/small", "reason": SCORES_ONLY,
        "metric_bleu": 14.0, "metric_bleu_low": 11.0, "metric_bleu_high": 16.0, "metric_ter": 80.0,
        "meta_scores": row["meta_scores"],
    }  # fmt: skip
    told = {"signature": "of translation", "examples": 20, "level": 0.9, "metrics": ["bleu", "ter"]}
    assert json.loads(row["meta_scores"]) == {"translation": told}
    assert is_scores_only(row)
    assert not is_scores_only(RUN)
    assert "run_id" not in row_of("translation", "")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metrics": [1]}, r"the result: 'metrics': expected an object, found \[1\]"),
        ({"metrics": {}}, "no metric has a value"),
        ({"metrics": {"a": score(None)}}, "no metric has a value"),
        ({"metrics": {"a": 3}}, "'metrics.a': expected an object, found 3"),
        ({"metrics": {"a": score("3")}}, "'metrics.a.value': expected a number, found '3'"),
        ({"metrics": {"a": score(1, True)}}, "'metrics.a.low': expected a number, found True"),
        ({"metrics": {"a": score(1, 0, 10**400)}}, "'metrics.a.high': expected a finite number"),
        ({"metrics": {"a\nb": score(1)}}, "is no name of a metric"),
        ({"run_id": None}, "'run_id': expected text, found nothing"),
        ({"n_examples": "many"}, "'n_examples': expected a number, found 'many'"),
    ],
)
def test_what_is_no_result(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        scored_row(document() | change, label="the result")
    assert "isoloss evaluate" in caught.value.hint


def test_a_score_without_an_interval_empties_the_old_one() -> None:
    old = RUN | score_changes(RUN, row_of())
    changes = score_changes(old, row_of(bleu=score(15.0)))
    assert changes == {"metric_bleu": 15.0, "metric_bleu_low": None, "metric_bleu_high": None}
    assert score_changes(old, row_of()) == {}


def test_other_tasks_stay_but_for_metrics_of_the_same_name() -> None:
    old = RUN | score_changes(RUN, row_of("a", f1=score(0.1), acc=score(0.2)))
    new = old | score_changes(old, row_of("b", f1=score(0.3)))
    assert (new["metric_f1"], new["metric_acc"]) == (0.3, 0.2)
    told = {task: about["metrics"] for task, about in json.loads(new["meta_scores"]).items()}
    assert told == {"a": ["acc"], "b": ["f1"]}
    last = new | score_changes(new, row_of("c", acc=score(0.4)))
    assert json.loads(last["meta_scores"]).keys() == {"b", "c"}


def test_the_columns_of_a_run_trained_with_scores_follow() -> None:
    trained = RUN | {"meta_task": "translation", "meta_task_signature": "old"}
    changes = score_changes(trained, row_of())
    assert (changes["meta_task_signature"], changes["meta_task_examples"]) == ("of translation", 20)
    assert "meta_task_signature" not in score_changes(trained, row_of("other"))


def test_what_somebody_else_wrote_is_no_hindrance() -> None:
    for junk in ("x", "[1]", '{"a": 1}', '{"a": {"metrics": 3}}', 3):
        changes = score_changes({"meta_scores": junk}, row_of())
        assert json.loads(changes["meta_scores"]).keys() == {"translation"}


def test_scores_go_into_the_row_of_the_run(tmp_path: Path) -> None:
    with RunStore.open(tmp_path / "s.sqlite") as store:
        store.add_run(RUN)
        first = add_scores(store, row_of())
        assert (first.run_id, first.how) == ("r1", "amended")
        assert first.columns == ("metric_bleu", "metric_bleu_low", "metric_bleu_high")
        assert add_scores(store, row_of()).how == "unchanged"
        (row,) = store.runs().rows()
        assert (row["loss"], row.get("reason"), row["metric_bleu_high"]) == (3.5, None, 16)
        history = store.history("r1")
        assert history[0]["row"] == RUN
        assert [event["payload"]["why"] for event in history[1:]] == ["scored on translation"]
        store.verify()


@pytest.mark.parametrize("run", [None, RUN])
def test_a_run_that_the_store_lacks_gets_a_row(tmp_path: Path, run: dict[str, Any] | None) -> None:
    with RunStore.open(tmp_path / "s.sqlite") as store:
        assert add_scores(store, row_of(bleu=score(14.25), ter=score(80)), row=run).how == "added"
        assert add_scores(store, row_of(bleu=score(14.25), ter=score(80)), row=run).how == (
            "unchanged"
        )
        (row,) = store.runs().rows()
        assert (row["run_id"], row["metric_bleu"], row["metric_ter"]) == ("r1", 14.25, 80)
        assert row.get("reason") == (None if run else SCORES_ONLY)
        assert row["name"] == ("small" if run else "out/small")
        assert len(store.history("r1")) == 1

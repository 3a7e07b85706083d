"""The time of scoring counts among the minutes of a study."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from isoloss.ladders import Speed
from isoloss.studies import measurement
from isoloss.studies.folder import StudyFolder
from isoloss.studies.spec import StudySpec
from isoloss.training import Recipe

SPEED = Speed(fixed=1e-6, per_flop=1e-12, two_threads=1.0)
TEXT: Any = SimpleNamespace(train_tokens=10**9, vocab_size=1024, fingerprint="f" * 64)


def test_every_run_is_scored_once_and_the_last_one_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measurement, "probe_speed", lambda *_, **__: SPEED)
    spec = StudySpec().model_copy(update={"ladder": StudySpec().ladder.model_copy(
        update={"size": "tiny", "workers": 2}
    )})  # fmt: skip
    said: list[str] = []
    plain, document = measurement.settle_plan(StudyFolder(tmp_path / "a"), spec, TEXT, said.append)
    folder = StudyFolder(tmp_path / "b")
    folder.root.mkdir()
    folder.task.write_text(json.dumps({"seconds": 60.0}), "utf-8")
    plan, scored = measurement.settle_plan(folder, spec, TEXT, said.append)
    assert plan == plain
    more = scored["expected_seconds"] - document["expected_seconds"]
    assert more == pytest.approx(60 * (len(plan.runs()) / 2 + 1))
    assert said[-1] == f"plan: about {more / 60:.1f} min of the expected time are for the scores"
    assert not any("scores" in line for line in said[:-1])


def test_a_task_that_takes_long_makes_the_ladder_smaller() -> None:
    quick, _ = measurement.choose_size(StudySpec(), TEXT, Recipe(), SPEED)
    slow, warnings = measurement.choose_size(StudySpec(), TEXT, Recipe(), SPEED, scoring=600.0)
    assert slow.cap_flops < quick.cap_flops
    assert "6 were asked for" in warnings[0]

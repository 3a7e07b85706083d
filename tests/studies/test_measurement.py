"""Which plan a study settles on, before anything is trained."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from isoloss.errors import DataError, UsageError
from isoloss.ladders import SIZES, Speed
from isoloss.studies import load_spec, measurement
from isoloss.studies.folder import StudyFolder
from isoloss.studies.rungs import rungs_text
from isoloss.studies.spec import StudySpec, parse_spec
from isoloss.training import Recipe

FAST = Speed(fixed=1e-7, per_flop=1e-13, two_threads=1.5)
SLOW = Speed(fixed=1e-2, per_flop=1e-9, two_threads=1.0)


def text_of(train_tokens: int) -> Any:
    """What the planning reads of a corpus."""
    return SimpleNamespace(
        train_tokens=train_tokens,
        vocab_size=1024,
        fingerprint="f" * 64,
        manifest={
            "documents": 3, "bytes": 10**6, "train_tokens": train_tokens, "vocab_size": 1024,
            "bytes_per_token": 2.5, "split": "files", "duplicates": 1,
        },
    )  # fmt: skip


def spec(**ladder: Any) -> StudySpec:
    return parse_spec({"ladder": ladder}, "the test")


def test_much_time_and_much_text_give_the_largest_size():
    size, warnings = measurement.choose_size(spec(), text_of(10**9), Recipe(), FAST)
    assert size is SIZES[-1]
    assert warnings == []


def test_the_text_bounds_the_size_and_that_is_told():
    largest = SIZES[1].verify_steps() * Recipe().batch_tokens
    size, warnings = measurement.choose_size(spec(), text_of(largest), Recipe(), FAST)
    assert size.verify_steps() <= SIZES[1].verify_steps()
    assert "more text would allow a larger one" in warnings[0]


def test_too_little_time_takes_the_smallest_and_warns():
    size, warnings = measurement.choose_size(spec(), text_of(10**9), Recipe(), SLOW)
    assert size is SIZES[0]
    assert "6 were asked for" in warnings[0]


def test_too_little_text_is_refused_before_the_machine_is_timed(tmp_path, monkeypatch):
    monkeypatch.setattr(measurement, "probe_speed", untimed)
    with pytest.raises(DataError, match="the smallest ladder with its verification run needs"):
        measurement.settle_plan(StudyFolder(tmp_path), spec(), text_of(1000), print)
    assert not list(tmp_path.iterdir())


def test_a_step_of_broken_windows_is_refused_before_the_machine_is_timed(tmp_path, monkeypatch):
    monkeypatch.setattr(measurement, "probe_speed", untimed)
    wrong = parse_spec({"recipe": {"batch_tokens": 250}}, "the test")
    with pytest.raises(UsageError, match="whole windows"):
        measurement.settle_plan(StudyFolder(tmp_path), wrong, text_of(10**9), print)


def untimed(*_: Any, **__: Any) -> Any:
    raise AssertionError("the machine was timed")


def test_a_saved_plan_is_followed_whatever_the_machine_does(tmp_path, monkeypatch):
    folder = StudyFolder(tmp_path)
    monkeypatch.setattr(measurement, "probe_speed", lambda *_, **__: FAST)
    plan, document = measurement.settle_plan(folder, spec(), text_of(10**9), print)
    monkeypatch.setattr(measurement, "probe_speed", untimed)
    again, same = measurement.settle_plan(folder, spec(), text_of(10**9), print)
    assert again == plan
    assert same == document
    assert document["settled_at"]
    assert document["expected_seconds"] > 0


def test_too_few_runs_are_refused_before_training(tmp_path):
    few = spec(size="smoke", noise_seeds=1)
    batch = parse_spec({**few.model_dump(), "recipe": {"batch_tokens": 1024}}, "the test")
    plan, _ = measurement.settle_plan(StudyFolder(tmp_path), batch, text_of(10**9), print)
    assert len(plan.runs()) >= 8
    wide = parse_spec({**few.model_dump(), "recipe": {"batch_tokens": 2**22}}, "the test")
    with pytest.raises(DataError, match=r"are needed for a prediction|no run of the"):
        measurement.settle_plan(StudyFolder(tmp_path / "b"), wide, text_of(10**12), print)


def test_the_table_of_rungs_fits_a_terminal(tmp_path, monkeypatch):
    monkeypatch.setattr(measurement, "probe_speed", lambda *_, **__: FAST)
    corpus = text_of(10**9)
    for name in ("smoke", "large"):
        _, document = measurement.settle_plan(
            StudyFolder(tmp_path / name), spec(size=name), corpus, print
        )
        text = rungs_text({**document, "study": {"size": name}, "corpus": corpus.manifest})
        assert max(map(len, text.splitlines())) <= 80
        assert ("expected: about" in text) == (name == "large")


def test_the_built_in_study_can_be_planned_on_a_megabyte():
    size, _ = measurement.choose_size(load_spec("laptop"), text_of(1_500_000), Recipe(), FAST)
    assert size.verify_steps() * Recipe().batch_tokens <= 1_500_000

"""The local log, and the same lines elsewhere when asked."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from isoloss.corpus import mixture_facts, prepare_corpus
from isoloss.errors import DataError, EnvironmentProblem, UsageError
from isoloss.training import Stop, describe, read_log, train_run
from isoloss.training.log_writers import WRITERS, open_writers, scalars
from isoloss.training.run_log import open_log, step_line
from isoloss.training.state import Step


def test_every_step_and_evaluation_is_there(run_of: Any, tmp_path: Path) -> None:
    run, corpus = run_of("causal")
    seen: list[float] = []
    row = train_run(
        run, corpus, tmp_path, evaluate_every=5, on_step=lambda _, loss: seen.append(loss)
    )
    lines = read_log(tmp_path)
    steps = [line for line in lines if line["kind"] == "step"]
    assert [line["loss"] for line in steps] == seen
    assert [line["step"] for line in steps] == list(range(1, 13))
    assert sum(line["tokens"] for line in steps) == row["tokens"]
    assert steps[0]["rate"] == 0.5
    assert all(line["gradient_norm"] > 0 for line in steps)
    evaluations = [line for line in lines if line["kind"] == "evaluation"]
    assert [line["step"] for line in evaluations] == [5, 10, 12]
    last = evaluations[-1]
    assert (last["loss"], last["loss_se"]) == (row["loss"], row["loss_se"])
    assert last["bits_per_byte"] == row["bits_per_byte"]
    assert [line["step"] for line in lines] == sorted(line["step"] for line in lines)


def test_domains_have_losses_of_their_own(tiny_text: str, run_of: Any, tmp_path: Path) -> None:
    sources: dict[str, list[Path]] = {}
    for name, part in (("plain", tiny_text), ("loud", tiny_text.upper()[::-1])):
        (tmp_path / f"{name}.txt").write_text(part, "utf-8")
        sources[name] = [tmp_path / f"{name}.txt"]
    corpus = prepare_corpus(sources, tmp_path / "corpus", vocab_size=310)
    run, _ = run_of("causal")
    run = replace(
        run,
        corpus_fingerprint=corpus.fingerprint,
        architecture=replace(run.architecture, vocab_size=corpus.vocab_size),
    )
    row = train_run(run, corpus, tmp_path / "model")
    domains = read_log(tmp_path / "model")[-1]["domains"]
    assert set(domains) == {"plain", "loud"}
    assert domains["plain"] != domains["loud"]
    assert row["metric_loss_plain"] == domains["plain"]
    assert min(domains.values()) < row["loss"] < max(domains.values())
    assert row["unique_tokens"] == row["tokens"] == 12 * 256
    long = describe(replace(run, steps=1_000), corpus)  # the weights ask for more of one domain
    facts = mixture_facts(corpus, 256_000)
    assert long["unique_tokens"] == sum(use.unique_tokens for use in facts) < 256_000


def test_what_came_after_the_checkpoint_is_dropped(tmp_path: Path) -> None:
    def step(number: int) -> dict[str, Any]:
        return step_line(
            Step(
                step=number,
                loss=math.nan if number == 2 else 1.0,
                gradient_norm=1.0,
                factor=1.0,
                skipped=number == 2,
                tokens=8,
                predicted=8,
            )
        )

    with open_log(tmp_path, 0) as log:
        for number in (1, 2, 3):
            log.write(step(number))
    assert read_log(tmp_path)[1]["loss"] is None
    assert [line.get("skipped", False) for line in read_log(tmp_path)] == [False, True, False]
    with open_log(tmp_path, 2) as log:
        log.write(step(3))
    assert [line["step"] for line in read_log(tmp_path)] == [1, 2, 3]
    with open_log(tmp_path, 0):
        pass
    assert read_log(tmp_path) == []


def test_a_damaged_log_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"kind": "step", "step": 1}\n{"kind": "st', "utf-8")
    assert [line["step"] for line in read_log(tmp_path)] == [1]
    path.write_text('{"kind": "step"}\n{"kind": "step", "step": 1}\n', "utf-8")
    with pytest.raises(DataError, match=r"log\.jsonl, line 1: damaged"):
        read_log(tmp_path)
    assert read_log(tmp_path / "nowhere") == []


def test_unknown_and_missing_logs_are_refused_before_training(
    run_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, corpus = run_of("causal")
    with pytest.raises(UsageError, match="no such log: 'tensorbord'"):
        train_run(run, corpus, tmp_path / "a", logs=["tensorbord"])
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(EnvironmentProblem, match="'wandb' needs") as caught:
        train_run(run, corpus, tmp_path / "a", logs=["wandb"])
    assert 'pip install "isoloss[wandb]"' in caught.value.hint
    assert not (tmp_path / "a").exists()


def test_scalars_of_a_line() -> None:
    line = {"kind": "step", "step": 3, "loss": 2.0, "gradient_norm": None, "rate": 1.0}
    assert scalars(line) == {"train/loss": 2.0, "train/rate": 1.0}


@pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None,
    reason='tensorboard is not installed: pip install "isoloss[tensorboard]"',
)
def test_tensorboard_gets_the_same_numbers(run_of: Any, tmp_path: Path) -> None:
    accumulators = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")

    run, corpus = run_of("causal")
    row = train_run(run, corpus, tmp_path, logs=["tensorboard"])
    events = accumulators.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    losses = [event.value for event in events.Scalars("train/loss")]
    assert losses == pytest.approx(
        [line["loss"] for line in read_log(tmp_path) if line["kind"] == "step"]
    )
    assert events.Scalars("validation/loss")[-1].value == pytest.approx(row["loss"])


def test_every_writer_has_an_extra_of_its_name() -> None:
    root = Path(__file__).parents[2]
    extras = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"][
        "optional-dependencies"
    ]
    assert set(WRITERS) <= set(extras)
    assert open_writers([], Path(), "id", 0) == []


@pytest.mark.parametrize(("schedule", "status"), [("constant", "ok"), ("wsd", "stopped")])
def test_convergence_ends_a_run(schedule: str, status: str, run_of: Any, tmp_path: Path) -> None:
    run, corpus = run_of("causal", schedule=schedule)
    stop = Stop(patience=2, min_delta=100.0, evaluate_every=2)
    run = replace(run, stop=stop)
    row = train_run(run, corpus, tmp_path)
    # The first evaluation (step 2) is the best; 4 and 6 bring nothing better by 100 nats.
    assert (row["steps"], row["tokens"], row["status"]) == (6, 6 * 256, status)
    assert row["meta_stopped_by"] == "convergence"
    assert ("before its wsd schedule ended" in row["reason"]) == (status == "stopped")
    assert row["own_flops"] == row["flops"]
    assert train_run(run, corpus, tmp_path) == row
    assert json.loads((tmp_path / "run.json").read_text("utf-8"))["run"]["stop"] == stop.to_dict()


def test_wall_time_ends_a_run_where_it_stands(run_of: Any, tmp_path: Path) -> None:
    run, corpus = run_of("causal", schedule="constant")
    run = replace(run, steps=100_000, stop=Stop(seconds=0.2))
    row = train_run(run, corpus, tmp_path)
    assert row["meta_stopped_by"] == "wall time"
    assert 0 < row["steps"] < 100_000
    assert row["steps"] % 10 == 0
    assert row["loss"] is not None


def test_a_diverged_run_with_a_time_limit_is_diverged(run_of: Any, tmp_path: Path) -> None:
    run, corpus = run_of("causal", base_learning_rate=1e6, warmup_steps=1)
    row = train_run(replace(run, stop=Stop(seconds=1e-9)), corpus, tmp_path / "a")
    assert row["status"] == "stopped"
    row = train_run(replace(run, stop=Stop(seconds=1e9)), corpus, tmp_path / "b")
    assert row["status"] == "diverged"
    assert "meta_stopped_by" not in row

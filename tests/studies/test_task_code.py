"""Code as the task of a study: likelihood without running anything, pass@k only where allowed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from isoloss.architecture import config_for_width
from isoloss.corpus import Corpus
from isoloss.errors import EnvironmentProblem, UsageError
from isoloss.ladders import resolve_plan, size_named
from isoloss.models import build_model
from isoloss.studies.folder import StudyFolder
from isoloss.studies.spec import TaskSpec
from isoloss.studies.task_scores import StudyScorer, settle_task
from isoloss.tasks.code_generation import scoring
from isoloss.tasks.isolation import isolation_level
from isoloss.training import Recipe

PROBLEMS = [
    {"task_id": f"t/{i}", "prompt": f"def add_{i}(a, b):\n", "entry_point": f"add_{i}",
     "canonical_solution": f"    return a + b + {i}\n",
     "test": f"def check(f):\n    assert f(1, 2) == 3 + {i}\n"}
    for i in range(3)
]  # fmt: skip


@pytest.fixture
def asked(tmp_path: Path) -> TaskSpec:
    (tmp_path / "code.jsonl").write_text("\n".join(map(json.dumps, PROBLEMS)), "utf-8")
    return TaskSpec(
        name="code", data=[str(tmp_path / "code.jsonl")], options={"max_tokens": 8, "workers": 1}
    )


def shape_of(corpus: Corpus) -> Any:
    return config_for_width(16, vocab_size=corpus.vocab_size, context_length=64)


def settled(folder: Path, asked: TaskSpec, corpus: Corpus) -> dict[str, Any]:
    return settle_task(StudyFolder(folder), asked, shape_of(corpus), corpus, level=0.9)


def run_of(corpus: Corpus) -> Any:
    plan = resolve_plan(
        size_named("smoke"), recipe=Recipe(batch_tokens=256, warmup_steps=6),
        vocab_size=corpus.vocab_size, context_length=64, unique_tokens=corpus.train_tokens,
        corpus_fingerprint=corpus.fingerprint, eval_tokens=1024, max_epochs=100.0,
    )  # fmt: skip
    return plan.verification


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a program was to be run")

    monkeypatch.setattr(scoring, "run_programs", refuse)


def test_without_permission_only_the_likelihood_is_scored(
    tmp_path: Path, asked: TaskSpec, tiny_corpus: Corpus, nothing_runs: None
) -> None:
    document = settled(tmp_path, asked, tiny_corpus)
    assert [metric["name"] for metric in document["metrics"]] == ["solution_bits_per_byte"]
    assert document["metrics"][0]["smooth"]
    assert document["untrained"]["metric_solution_bits_per_byte"] > 1
    assert any("no program was run" in note for note in document["notes"])
    row = StudyScorer(tmp_path / "task.json")(
        build_model(shape_of(tiny_corpus), seed=0), tiny_corpus, run_of(tiny_corpus)
    )
    assert row["metric_solution_bits_per_byte"] == pytest.approx(
        document["untrained"]["metric_solution_bits_per_byte"]
    )
    assert not any("pass_at" in name for name in row)


def test_a_file_cannot_allow_what_the_spec_does_not(
    tmp_path: Path, asked: TaskSpec, tiny_corpus: Corpus, nothing_runs: None
) -> None:
    settled(tmp_path, asked, tiny_corpus)
    path = tmp_path / "task.json"
    document = json.loads(path.read_text("utf-8"))
    document["options"]["allow_code_execution"] = True
    path.write_text(json.dumps(document), "utf-8")
    model = build_model(shape_of(tiny_corpus), seed=0)
    with pytest.raises(UsageError, match="'allow_code_execution' is no option"):
        StudyScorer(path)(model, tiny_corpus, run_of(tiny_corpus))


def test_with_permission_programs_are_run(
    tmp_path: Path, asked: TaskSpec, tiny_corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        isolation_level()
    except EnvironmentProblem as problem:
        pytest.skip(problem.message)
    allowed = asked.model_copy(update={"allow_code_execution": True})
    document = settled(tmp_path, allowed, tiny_corpus)
    names = [metric["name"] for metric in document["metrics"]]
    assert names == ["pass_at_1", "solution_bits_per_byte"]
    assert document["untrained"]["metric_pass_at_1"] == 0
    monkeypatch.setattr(
        scoring.Code, "_complete",
        lambda self, opened, problems: [[problem.solution] for problem in problems],
    )  # fmt: skip
    scorer = StudyScorer(tmp_path / "task.json", allow_code_execution=True)
    model = build_model(shape_of(tiny_corpus), seed=0)
    threads = torch.get_num_threads()
    row = scorer(model, tiny_corpus, run_of(tiny_corpus))
    assert row["metric_pass_at_1"] == 1.0
    assert row["metric_solution_bits_per_byte"] > 1
    assert torch.get_num_threads() == threads

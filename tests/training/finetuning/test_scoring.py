"""Which score is the best, when a run ends, and models from first weights that are scored."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from isoloss.cli import main
from isoloss.errors import UsageError
from isoloss.tasks import open_model
from isoloss.tasks.answers import Answers
from isoloss.tasks.translation import Translation
from isoloss.training import Recipe, RunConfig
from isoloss.training.finetuning import Scoring, TaskRunConfig, TaskScorer, open_start

Row = dict[str, Any]


def lines(*scores: tuple[float, float, float]) -> list[Row]:
    names = ("metric_bleu", "metric_chrf", "metric_ter")
    return [
        {"kind": "score", "step": 10 * i, **dict(zip(names, row, strict=True))}
        for i, row in enumerate(scores, start=1)
    ]


def scoring(**options: Any) -> Scoring:
    return Scoring(task=Translation(), examples=(), every=10, **options)


def test_the_best_by_the_first_metric_then_the_others() -> None:
    found = lines((0, 9, 90), (0, 12, 91), (5, 11, 80), (5, 11, 70), (5, 11, 70))
    assert scoring().best(found) == 40
    assert scoring().best(found[:2]) == 20
    assert scoring(metric="ter").best(found[:2]) == 10
    assert scoring(metric="chrf").best(found) == 20
    assert scoring().best([]) is None
    assert scoring().best([{"step": 10, "metric_bleu": None}, *found[1:2]]) == 20


def test_patience_counts_scores_without_a_better_one() -> None:
    found = lines((1, 9, 90), (3, 9, 90), (2, 9, 90), (3, 9, 90), (1, 9, 90))
    two = scoring(patience=2)
    assert [two.converged(found[:n]) for n in range(6)] == [False, False, False, False, True, True]
    assert not scoring().converged(found)


def test_the_id_covers_start_task_and_examples(
    tiny_run: RunConfig, model_folder: Callable[..., Path]
) -> None:
    plain = TaskRunConfig.of(tiny_run)
    assert plain.run_id == tiny_run.run_id
    assert plain.parent_id == tiny_run.parent_id
    row: Row = {"place": "x", "source": "a", "target": "b"}
    ways = [
        tiny_run,
        TaskRunConfig.of(tiny_run, scoring=scoring()),
        TaskRunConfig.of(tiny_run, scoring=scoring(patience=1)),
        TaskRunConfig.of(tiny_run, scoring=Scoring(task=Translation(), examples=(row,))),
        TaskRunConfig.of(tiny_run, scoring=Scoring(task=Translation(beams=2), examples=(row,))),
        TaskRunConfig.of(tiny_run, begin=open_start(model_folder("isoloss"))),
    ]
    assert len({run.run_id for run in ways}) == len(ways)
    json.dumps([run.identity() for run in ways])


def test_a_run_from_first_weights_is_scored(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch, copies: list[Row]
) -> None:
    """`isoloss train --task`: the score is in the row and is that of the kept model."""
    from isoloss.cli import _training
    from isoloss.training import single

    monkeypatch.setattr(single, "EVAL_TOKENS", 640)
    monkeypatch.setattr(
        _training,
        "Recipe",
        lambda **given: Recipe(**{"warmup_steps": 2, "batch_tokens": 256, **given}),
    )
    many = [
        {"source": f"{row['source']} {n}", "target": f"{row['target']} {n}"}
        for n in range(4)
        for row in copies
    ]
    (tmp_path / "train.tsv").write_text(
        "".join(f"{row['source']}\t{row['target']}\n" for row in many), "utf-8"
    )
    (tmp_path / "dev.jsonl").write_text(
        "\n".join(json.dumps({"en": r["source"], "xx": r["target"]}) for r in copies[:12])
    )
    words = ["train", "--corpus", str(tmp_path / "train.tsv"), "--fields", "1,2", "--vocab", "280"]
    words += ["--d-model", "16", "--layers", "1", "--context", "32", "--out", str(tmp_path / "m")]
    words += ["--tokens", "5200", "--task", "translation", "--dev", str(tmp_path / "dev.jsonl")]
    words += ["--map", "source=en", "--map", "target=xx", "--score-every", "10", "--json"]
    words += ["--task-set", "max_tokens=9", "--task-set", "language=en", "--metric", "chrf"]
    assert main(words) == 0
    answer = capsys.readouterr()
    document = json.loads(answer.out)
    row = document["run"]
    assert (row["meta_task"], row["meta_task_examples"]) == ("translation", 12)
    assert "max_tokens:9" in row["meta_task_signature"]
    assert set(document["baselines"]) == {"copy", "memory"}
    assert document["baselines"]["copy"]["n_examples"] == 12
    assert row["meta_task_examples_seen"] == 0
    assert "warning" not in answer.err
    lines = [json.loads(line) for line in (tmp_path / "m" / "log.jsonl").read_text().splitlines()]
    scores = [line for line in lines if line["kind"] == "score"]
    assert row["meta_best_step"] == max(scores, key=lambda line: line["metric_chrf"])["step"]
    again = Translation(max_tokens=9).evaluate(
        open_model(tmp_path / "m"),
        [{"place": "", "source": r["source"], "target": r["target"]} for r in copies[:12]],
    )
    assert row["metric_chrf"] == pytest.approx(again.metrics["chrf"].value)
    assert row["steps"] == row["meta_best_step"]
    assert main([*words[: words.index("--dev")], "--json"]) == 2
    told = json.loads(capsys.readouterr().out)["error"]
    assert told["message"] == "a score needs a task and held-out examples"
    assert main(["extractive-qa" if word == "translation" else word for word in words]) == 2
    told = json.loads(capsys.readouterr().out)["error"]
    assert "needs a head for spans" in told["message"]


def test_examples_that_are_trained_on_are_warned_of(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch, copies: list[Row]
) -> None:
    from isoloss.cli import _training
    from isoloss.training import single

    monkeypatch.setattr(single, "EVAL_TOKENS", 640)
    monkeypatch.setattr(_training, "Recipe", lambda **given: Recipe(**{"warmup_steps": 1, **given}))
    told = [json.dumps({"source": r["source"], "target": r["target"]}) for r in copies]
    (tmp_path / "train.jsonl").write_text("\n".join(told), "utf-8")
    (tmp_path / "dev.jsonl").write_text("\n".join(told[:40]), "utf-8")
    words = ["train", "--corpus", str(tmp_path / "train.jsonl"), "--fields", "source,target"]
    words += ["--vocab", "280", "--d-model", "16", "--layers", "1", "--context", "32"]
    words += ["--out", str(tmp_path / "m"), "--batch-tokens", "256", "--tokens", "2560"]
    words += ["--task", "translation", "--dev", str(tmp_path / "dev.jsonl")]
    assert main([*words, "--task-set", "max_tokens=4"]) == 0
    said = capsys.readouterr()
    (warning,) = [line for line in said.err.splitlines() if "warning" in line]
    seen = int(warning.split(":")[1].split()[0])
    assert 30 <= seen <= 40  # but for those that the corpus holds out itself
    assert "of 40 held-out examples are among what the model trains on" in warning
    assert f"translation, 40 examples, {seen} of them trained on" in said.out
    assert "baseline memory: bleu" in said.out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--task-set", "beams=4"], "only a task takes --task-set"),
        (["--metric", "bleu", "--dev-limit", "3"], "only a task takes --metric, --dev-limit"),
        (["--score-every", "3", "--score-patience", "2"], "takes --score-every, --score-patience"),
        (["--map", "source=en"], "only a task takes --map"),
        (["TASK", "--task-set", "beams=many"], "--task-set beams expects int, found 'many'"),
        (["TASK", "--task-set", "beam=4"], "the task translation has no option 'beam'"),
        (["TASK", "--task-set", "beams"], "--task-set expects NAME=VALUE"),
        (["TASK", "--task-set", "language=klingon"], "klingon"),
        (["TASK", "--metric", "f1"], "the task translation has no metric 'f1'"),
    ],
)
def test_options_of_the_task_are_checked_before_any_work(
    tmp_path: Path, capsys: Any, flags: list[str], message: str
) -> None:
    (tmp_path / "dev.jsonl").write_text('{"source": "a", "target": "b"}', "utf-8")
    task = ["--task", "translation", "--dev", str(tmp_path / "dev.jsonl")]
    given = [part for flag in flags for part in (task if flag == "TASK" else [flag])]
    assert main(["train", "--out", str(tmp_path / "m"), *given, "--json"]) == 2
    assert message in json.loads(capsys.readouterr().out)["error"]["message"]
    assert not (tmp_path / "m").exists()


def test_a_score_that_is_not_finite_is_none_in_log_and_row(
    tmp_path: Path, model_folder: Any, monkeypatch: pytest.MonkeyPatch, copies: list[Row]
) -> None:
    start, examples = open_start(model_folder("isoloss")), tuple(copies[:3])
    scoring = Scoring(task=Translation(max_tokens=4), examples=examples)
    scorer = TaskScorer(scoring, start.tokenizer_json, tmp_path, "x")
    state: Any = SimpleNamespace(step=1, model=start.model)
    result = scorer._result(state)
    ends = {"value": math.inf, "low": -math.inf, "high": math.nan}
    metrics = {name: replace(one, **ends) for name, one in result.metrics.items()}
    scorer.results[1] = replace(result, metrics=metrics)
    assert scorer.line(state)["metric_bleu"] is None
    row = scorer.finish(state)
    assert [row[f"metric_bleu{end}"] for end in ("", "_low", "_high")] == [None] * 3


def test_mistakes() -> None:
    with pytest.raises(UsageError, match="has no metric 'em'") as caught:
        Scoring(task=Answers(), examples=(), metric="em")
    assert "exact_match, f1" in str(caught.value.hint)
    with pytest.raises(UsageError, match="every of scoring must be positive"):
        Scoring(task=Answers(), examples=(), every=0)

"""Whole trainings of toy tasks: they are learnt, can be killed anywhere, and leave plain models."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from isoloss.errors import DataError, UsageError
from isoloss.tasks import TaskResult, open_model
from isoloss.tasks.answers import Answers
from isoloss.tasks.extractive import Extractive
from isoloss.tasks.perplexity import Perplexity
from isoloss.tasks.translation import Translation
from isoloss.training import load_model, train_run
from isoloss.training.checkpoints import read_checkpoint
from isoloss.training.finetuning import LoRA, Tuned, Tuning, finetune, tuning

WORDS = ["ba", "de", "fi", "go"]
Row = dict[str, Any]
Make = Callable[..., Path]


class Killed(Exception):
    """Stands for a kill between two steps."""


def quick(**changes: Any) -> Tuning:
    return Tuning(**{"learning_rate": 5e-3, "batch_rows": 4, "checkpoint_every": 7, **changes})


def last_words(copies: list[Row]) -> list[Row]:
    """Questions whose answer is their last word."""
    return [
        {
            "place": row["place"],
            "context": "",
            "question": row["source"],
            "asked": row["source"],
            "answers": [row["source"].split()[-1]],
        }
        for row in copies
    ]


def test_a_decoder_learns_to_answer(model_folder: Make, copies: list[Row], tmp_path: Path) -> None:
    rows = last_words(copies)
    start = model_folder("isoloss")
    task = Answers(template="{question}:", max_tokens=6)
    done = finetune(
        *(start,),
        out=tmp_path / "out",
        task=task,
        train=rows[:280],
        dev=rows[280:],
        tuning=quick(steps=220),
    )
    assert done.score is not None
    assert done.score.metrics["exact_match"].value > 0.9
    row = done.row
    assert (row["parent_id"], row["meta_finetuned_from"]) == ("start-0123", str(start))
    assert (row["objective"], row["status"]) == ("completion", "ok")
    assert row["metric_exact_match"] == done.score.metrics["exact_match"].value
    again = task.evaluate(open_model(tmp_path / "out"), rows[280:])
    assert again.metrics == done.score.metrics
    assert TaskResult.load(tmp_path / "out" / "score.json").run_id == row["run_id"]


def test_an_encoder_learns_to_find(
    model_folder: Make, questions: list[Row], tmp_path: Path
) -> None:
    task = Extractive()
    done = finetune(
        model_folder("encoder"),
        out=tmp_path / "out",
        task=task,
        train=questions[:190],
        dev=questions[190:],
        tuning=quick(steps=110, batch_rows=16),
    )
    assert done.score is not None
    assert done.score.metrics["exact_match"].value > 0.9
    baselines = {name: one.metrics["exact_match"].value for name, one in done.baselines.items()}
    assert set(baselines) == {"best-constant", "first-sentence", "nearest-sentence"}
    assert max(baselines.values()) < 0.3
    again = task.evaluate(open_model(tmp_path / "out"), questions[190:])
    assert again.metrics == done.score.metrics
    assert done.row["loss_unit"] == "nats_per_boundary"
    assert f"baseline best-constant: exact_match {baselines['best-constant']:.4g}" in done.summary()


def test_an_encoder_decoder_is_tuned_on_pairs(
    model_folder: Make, copies: list[Row], tmp_path: Path
) -> None:
    done = finetune(
        model_folder("encoder-decoder"),
        out=tmp_path / "out",
        task=Translation(max_tokens=8),
        train=copies[:80],
        dev=copies[80:90],
        tuning=quick(steps=20),
    )
    assert done.row["objective"] == "sequence_to_sequence"
    assert done.row["meta_tokens_encoder"] == done.row["meta_tokens_decoder"]
    assert set(done.baselines) == {"copy", "memory"}
    assert {"metric_bleu", "metric_chrf", "metric_ter"} <= done.row.keys()


WAYS: dict[str, dict[str, Any]] = {
    "completion": {"family": "llama"},
    "spans": {"family": "bert"},
    "adapters": {"family": "llama", "lora": LoRA(rank=2)},
    "spans by adapters": {"family": "encoder", "lora": LoRA(rank=2)},
    "dropout": {"family": "isoloss", "dropout": 0.2},
}


@pytest.mark.parametrize("way", WAYS)
def test_killed_and_gone_on_is_as_never_killed(
    way: str,
    model_folder: Make,
    copies: list[Row],
    questions: list[Row],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At every kind of step: between scores, at one, after the last; equal to the last bit."""
    options = dict(WAYS[way])
    lora = options.pop("lora", None)
    if lora is not None:
        pytest.importorskip("peft", reason="the extra [hf] is not installed")
    spans = options["family"] in ("bert", "encoder")
    start = model_folder(width=16, **options)
    rows = questions if spans else copies
    task = Extractive() if spans else Translation(max_tokens=8)

    def run(out: str, kill: int = 0) -> Tuned:
        def killing(*args: Any, **settings: Any) -> Any:
            def on_step(step: int, loss: float) -> None:
                if step == kill:
                    raise Killed

            return train_run(*args, **{**settings, "on_step": on_step})

        monkeypatch.setattr(tuning, "train_run", killing)
        return finetune(
            start,
            out=tmp_path / out,
            task=task,
            train=rows[:40],
            dev=rows[40:46],
            lora=lora,
            tuning=quick(steps=18, learning_rate=2e-2),
            score_every=4,
        )

    whole = run("whole")
    for kill in (5, 8, 13, 18):
        with pytest.raises(Killed):
            run("killed", kill)
        torch.manual_seed(kill)
    killed = run("killed")
    for name in ("created_at", "meta_seconds"):
        assert dict(whole.row).pop(name) is not None
    times = ("created_at", "meta_seconds")
    assert {k: v for k, v in killed.row.items() if k not in times} == {
        k: v for k, v in whole.row.items() if k not in times
    }
    folders = [tmp_path / name for name in ("whole", "killed")]
    checkpoints = [read_checkpoint(folder / "checkpoint.safetensors")[0] for folder in folders]
    assert checkpoints[0] == checkpoints[1]
    assert (folders[0] / "log.jsonl").read_bytes() == (folders[1] / "log.jsonl").read_bytes()
    assert not (folders[0] / "best.safetensors").exists()
    lines = [json.loads(line) for line in (folders[0] / "log.jsonl").read_text().splitlines()]
    scores = [line for line in lines if line["kind"] == "score"]
    assert [line["step"] for line in scores] == [4, 8, 12, 16, 18]
    assert whole.row["meta_best_step"] in [line["step"] for line in scores]
    again = run("killed")
    assert again.row == killed.row


def test_the_best_state_is_kept_and_patience_ends(
    model_folder: Make, questions: list[Row], tmp_path: Path
) -> None:
    """A rate so high that the score falls again; what is kept is the model of the best line."""
    done = finetune(
        model_folder("encoder", width=16),
        out=tmp_path / "out",
        task=Extractive(),
        train=questions[:60],
        dev=questions[60:90],
        tuning=quick(steps=400, learning_rate=0.3, schedule="constant"),
        score_every=5,
        patience=3,
        metric="f1",
    )
    lines = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    scores = {line["step"]: line["metric_f1"] for line in lines if line["kind"] == "score"}
    best = max(scores, key=lambda step: scores[step])
    assert list(scores)[-1] == best + 15 < 400
    assert (done.row["meta_best_step"], done.row["meta_stopped_by"]) == (best, "task score")
    assert done.row["metric_f1"] == pytest.approx(scores[best])
    assert done.row["steps"] == best
    found = Extractive().evaluate(open_model(tmp_path / "out"), questions[60:90])
    assert found.metrics["f1"].value == pytest.approx(scores[best])


def test_a_run_that_came_to_its_end_says_so(
    model_folder: Make, questions: list[Row], tmp_path: Path
) -> None:
    """A rate that destroys the model: the best state is an early one, and nothing ends the run."""
    done = finetune(
        model_folder("encoder", width=16),
        out=tmp_path / "out",
        task=Extractive(),
        train=questions[:60],
        dev=questions[60:90],
        tuning=quick(steps=40, learning_rate=0.3),
        score_every=5,
    )
    best = done.row["meta_best_step"]
    assert best < done.row["meta_last_score_step"] == 40
    told = f"the state of step {best} of 40 has the best score and is kept, before its linear"
    assert done.row["reason"].startswith(told)
    assert done.row["status"] == "stopped"


def test_a_text_is_learnt_too(model_folder: Make, tmp_path: Path) -> None:
    rng = random.Random(0)
    lines = ["".join(f" {word}" for word in rng.choices(WORDS, k=9)) for _ in range(3000)]
    (tmp_path / "text.txt").write_text("\n".join(lines), "utf-8")
    for family, name in (("isoloss", "causal"), ("encoder", "masked")):
        done = finetune(
            model_folder(family, name=family),
            out=tmp_path / name,
            text=[tmp_path / "text.txt"],
            tuning=quick(steps=12),
        )
        assert (done.row["objective"], done.score) == (name, None)
        assert done.row["loss"] < 4.0 - 0.5  # ln 58 before
    with pytest.raises(DataError, match=r"lacks: <\|sentinel_0\|>"):
        finetune(
            model_folder("encoder-decoder", name="pairs"),
            out=tmp_path / "x",
            text=[tmp_path / "text.txt"],
        )


def test_mistakes(model_folder: Make, copies: list[Row], tmp_path: Path) -> None:
    start = model_folder("isoloss")

    def tune(**changes: Any) -> Tuned:
        settings = {"task": Translation(), "train": copies, "out": tmp_path / "out", **changes}
        return finetune(start, **settings)

    with pytest.raises(UsageError, match="on a task or on a text"):
        tune(task=None)
    with pytest.raises(UsageError, match="on a task or on a text"):
        tune(text=["a.txt"])
    with pytest.raises(DataError, match="no examples to train on"):
        tune(train=[])
    with pytest.raises(DataError, match="is where the model starts from"):
        tune(out=start)
    with pytest.raises(UsageError, match="has no answers to train on"):
        tune(task=Perplexity())
    with pytest.raises(UsageError, match="needs a model of kind encoder"):
        tune(task=Extractive())
    with pytest.raises(UsageError, match="no metric 'blue'"):
        tune(metric="blue")
    with pytest.raises(UsageError, match="none is made while the model trains"):
        tune(patience=2)
    given = {"task": None, "train": [], "text": ["a.txt"], "out": tmp_path / "out"}
    for name, value in (("patience", 2), ("metric", "bleu"), ("skip_mismatched", True)):
        with pytest.raises(UsageError, match=f"only a task takes {name}"):
            tune(**{**given, name: value})
    with pytest.raises(UsageError, match="only a task takes train, dev"):
        tune(**{**given, "train": copies, "dev": copies})
    with pytest.raises(UsageError, match="a task has an objective of its own, found 'causal'"):
        tune(objective="causal")
    with pytest.raises(UsageError, match="learning_rate must be positive"):
        Tuning(learning_rate=-1.0)
    with pytest.raises(UsageError, match="rank of adapters must be positive"):
        LoRA(rank=0)
    assert load_model(start / "checkpoint.safetensors").config.d_model == 32

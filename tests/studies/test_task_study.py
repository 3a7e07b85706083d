"""Ladders whose runs are scored on a task, through the real command line."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from isoloss.ladders import LadderPlan
from isoloss.runs import RunStore, ledger
from isoloss.studies.folder import StudyFolder

PATIENCE = 600.0
SPEC = """
name = "scored"

[corpus]
sources = ["{source}"]
vocab_size = 300
{corpus}

[ladder]
size = "smoke"
context_length = 32
eval_tokens = 1024
noise_seeds = 1
max_epochs = 100.0

[recipe]
batch_tokens = 256
warmup_steps = 6

[task]
name = "{task}"
{data}
"""
LANDED = re.compile(r"^ +\d+/\d+  (\S+): loss", re.MULTILINE)


def started(spec: Path, folder: Path, log: Path, *more: str) -> subprocess.Popen[bytes]:
    """`isoloss study SPEC --out FOLDER --json`, in a process group of its own."""
    words = [sys.executable, "-m", "isoloss", "study", str(spec), "--out", str(folder), "--json"]
    words += more
    with log.open("w") as errors, log.with_suffix(".json").open("w") as told:
        return subprocess.Popen(words, stdout=told, stderr=errors, start_new_session=True)


def killed_when(process: subprocess.Popen[bytes], log: Path, pattern: re.Pattern[str]) -> None:
    """kill -9 to the whole group, as soon as the log holds the pattern."""
    deadline = time.monotonic() + PATIENCE
    while not pattern.search(log.read_text("utf-8")):
        assert process.poll() is None, log.read_text("utf-8")
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=60)


def finished(spec: Path, folder: Path, log: Path, *more: str) -> dict[str, Any]:
    process = started(spec, folder, log, *more)
    assert process.wait(timeout=PATIENCE) == 0, log.read_text("utf-8")
    return json.loads(log.with_suffix(".json").read_text("utf-8"))


def translation(home: Path, letters: str, *more: str, name: str = "study.toml") -> Path:
    """Pairs of made-up words and the same in capitals, and the spec of a study of them."""
    draw = random.Random(0)
    words = ["".join(draw.choices(letters, k=3)) for _ in range(40)]
    lines = ["source\ttarget"]
    for _ in range(900):
        text = " ".join(draw.choices(words, k=draw.randint(2, 4)))
        lines.append(f"{text}\t{text.upper()}")
    (home / "pairs.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    text = SPEC.format(
        source="pairs.tsv",
        corpus='fields = ["source", "target"]',
        task="translation",
        data="\n".join(["limit = 12", "options = {max_tokens = 20}", *more]),
    )
    (home / name).write_text(text, "utf-8")
    return home / name


@pytest.fixture(scope="module")
def translated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Words and the same in capitals; killed among the runs, and then finished."""
    home = tmp_path_factory.mktemp("translated")
    translation(home, "abcdefghij")
    where = home / "study.toml", home / "study"
    killed_when(started(*where, home / "first.log"), home / "first.log", LANDED)
    return home, finished(*where, home / "last.log")


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory, tiny_text: str) -> dict[str, Any]:
    """A text in which each animal eats one thing, among other things, and questions about that."""
    home = tmp_path_factory.mktemp("chosen")
    draw = random.Random(0)
    foods = dict(zip(("cat", "dog", "hen", "cow"), ("fish", "meat", "corn", "hay"), strict=True))
    lines = [f"the {animal} eats {foods[animal]}." for animal in draw.choices(list(foods), k=3000)]
    lines += tiny_text.splitlines()
    draw.shuffle(lines)
    (home / "text.txt").write_text("\n".join(lines), "utf-8")
    asked = [
        {"question": f"the {animal} eats", "choices": list(foods.values()), "answer": food}
        for animal, food in foods.items()
    ]
    (home / "asked.jsonl").write_text("\n".join(map(json.dumps, asked)), "utf-8")
    data = 'options = {template = "{question}"}'
    text = SPEC.format(source="text.txt", corpus="", task="choices", data=data)
    (home / "study.toml").write_text(text, "utf-8")
    more = ("--task", "choices", "--task-data", str(home / "asked.jsonl"))
    return finished(home / "study.toml", home / "study", home / "log", *more)


def test_every_run_of_a_killed_study_is_scored_once(
    translated: tuple[Path, dict[str, Any]],
) -> None:
    home, document = translated
    rows = document["runs"]
    assert len({row["run_id"] for row in rows}) == len(rows)
    for row in rows:
        assert {"metric_bleu", "metric_chrf", "metric_ter"} <= row.keys()
        assert row["metric_answer_bits_per_byte"] > 0
        assert row["meta_task"].startswith("translation:")
    first, last = (LANDED.findall((home / f"{log}.log").read_text()) for log in ("first", "last"))
    assert first
    assert not set(first) & set(last)  # a row that landed is not trained again


def test_a_translation_ladder_predicts_and_checks(
    translated: tuple[Path, dict[str, Any]],
) -> None:
    _, document = translated
    assert document["study"]["objective"] == "sequence_to_sequence"
    for row in document["runs"]:
        assert row["architecture"] == "encoder_decoder"
        assert row["meta_tokens_encoder"] + row["meta_tokens_decoder"] == row["tokens"]
        assert row["tokens"] < row["steps"] * row["batch_tokens"]  # padding is not counted
        assert row["unique_tokens"] <= row["tokens"]
    check = document["verification"]
    verified = next(row for row in document["runs"] if row["role"] == "verification")
    assert (check["d"], check["flops"]) == (verified["tokens"], verified["flops"])
    assert any("see their text up to" in warning for warning in document["warnings"])
    assert document["plans"][0]["architecture"]["kind"] == "encoder_decoder"


def test_scores_are_those_of_the_trained_models(translated: tuple[Path, dict[str, Any]]) -> None:
    """Scored in a worker, killed and resumed: what a trunk trained afresh scores, bit for bit."""
    from isoloss.corpus import open_corpus
    from isoloss.ladders.engine import train_trunk
    from isoloss.studies.task_scores import StudyScorer

    home, document = translated
    folder = StudyFolder(home / "study")
    scorer, corpus = StudyScorer(folder.task), open_corpus(folder.corpus)
    plan = LadderPlan.from_dict(json.loads(folder.plan.read_text("utf-8"))["plan"])
    rows = {row["run_id"]: row for row in document["runs"]}
    run = plan.verification
    again = scorer.of_folder(folder.model, corpus, run)
    assert again == {k: rows[run.run_id][k] for k in again if again[k] is not None} | {
        k: None for k, value in again.items() if value is None
    }
    found: list[dict[str, Any]] = []
    train_trunk(plan.trunks[0], corpus.path, home / "again", set(), found.append, score=scorer)
    for row in found:
        stored = rows[row["run_id"]]
        scored = {k: v for k, v in row.items() if k.startswith("metric_") and v is not None}
        assert scored == {k: v for k, v in stored.items() if k.startswith("metric_")}


def test_the_examples_are_the_corpus_own_held_out_pairs(
    translated: tuple[Path, dict[str, Any]],
) -> None:
    home, document = translated
    task = json.loads((home / "study" / "task.json").read_text("utf-8"))
    assert document["task"]["n_examples"] == len(task["examples"]) == 12
    pairs = set((home / "pairs.tsv").read_text("utf-8").splitlines())
    assert all(f"{one['source']}\t{one['target']}" in pairs for one in task["examples"])


def test_scores_are_registered_before_the_run_and_judged_once(
    translated: tuple[Path, dict[str, Any]],
) -> None:
    home, document = translated
    with RunStore.open(home / "study" / "runs.sqlite") as store:
        events = store.events()
        book = ledger(store)
    said = [e["payload"] for e in events if e["kind"] == "prediction"]
    targets = [payload.get("target", "loss") for payload in said]
    assert len(targets) == len(set(targets))
    outcomes = [e for e in events if e["kind"] == "outcome"]
    assert min(e["id"] for e in outcomes) > max(
        e["id"] for e in events if e["kind"] == "prediction"
    )
    assert [entry.target for entry in book.entries] == targets
    assert all(entry.standing == "scored" for entry in book.entries)
    verification = document["task"]["verification"]
    identified = {name for name, row in verification.items() if row["predicted"] is not None}
    assert {f"metric_{name}" for name in identified} == set(targets) - {"loss"}
    assert "answer_bits_per_byte" in identified
    for name, row in verification.items():
        if name in identified:
            assert row["low"] <= row["predicted"] <= row["high"]
            assert row["error"] == pytest.approx(row["predicted"] - row["measured"])
            assert row["registered_at"] <= row["trained_at"]
        else:
            assert row["reason"]
    assert document["verification"]["predicted"] < 10  # of the loss, as before


def test_both_steps_are_drawn_together(translated: tuple[Path, dict[str, Any]]) -> None:
    _, document = translated
    laws = [law for law in document["task"]["chain"].values() if law["status"] == "identified"]
    assert laws
    assert all(law["paired_draws"] is True for law in laws)


def test_the_law_is_tried_on_another_study(
    translated: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """Its folder may be named once it is finished: no number changes, and nothing is trained.

    The other one is a copy here; tests/studies/test_task_checks.py has those of another tokeniser.
    """
    home, before = translated
    shutil.copytree(home / "study", tmp_path / "study")
    named = f'check_on = ["{os.path.relpath(tmp_path / "study", home)}"]'
    spec = translation(home, "abcdefghij", named, name="checked.toml")
    shutil.copytree(home / "study", home / "checked")
    document = finished(spec, home / "checked", home / "checked.log")
    assert not LANDED.findall((home / "checked.log").read_text("utf-8"))
    for part in ("runs", "verification", "fit", "plans", "provenance"):
        assert document[part] == before[part]
    assert document["study"]["seconds"] == before["study"]["seconds"]
    for part in before["task"].keys() - {"checks"}:
        assert document["task"][part] == before["task"][part]
    assert before["task"]["checks"] == []
    (check,) = document["task"]["checks"]
    assert check["folder"] == str(tmp_path / "study")
    assert check["loss_unit"] == "nats_per_token"
    told = check["metrics"]["answer_bits_per_byte"]
    assert told["n_runs"] == len(before["runs"])
    measured = {row["run_id"]: row["metric_answer_bits_per_byte"] for row in before["runs"]}
    assert {row["run_id"]: row["measured"] for row in told["runs"]} == measured
    errors = [row["error"] for row in told["runs"]]
    assert told["rms"] == pytest.approx((sum(e * e for e in errors) / len(errors)) ** 0.5)
    page = Path(document["paths"]["report"]).read_text("utf-8")
    assert "The law of the score on other studies" in page


def test_encoders_are_tuned_before_spans_are_scored(tmp_path: Path, tiny_text: str) -> None:
    """Masked encoders on questions whose answer is the word after "asked"."""
    draw = random.Random(0)
    (tmp_path / "text.txt").write_text(tiny_text, "utf-8")
    words = [word for word in set(tiny_text.lower().replace(".", "").split()) if len(word) > 3]
    words = sorted(words)[:30]
    rows: list[dict[str, Any]] = []
    for _ in range(120):
        said = draw.choices(words, k=5)
        said.insert(draw.randrange(4), "asked")
        context, answer = " ".join(said), said[said.index("asked") + 1]
        start = context.index("asked ") + len("asked ")
        answers = [{"text": answer, "answer_start": start}]
        rows.append({"question": "what?", "context": context, "answers": answers})
    (tmp_path / "asked.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    data = 'data = ["asked.jsonl"]\nlimit = 20\ntuning_steps = 8'
    text = SPEC.format(source="text.txt", corpus="", task="extractive-qa", data=data)
    text = 'objective = "masked"\n' + text
    (tmp_path / "study.toml").write_text(text, "utf-8")
    document = finished(tmp_path / "study.toml", tmp_path / "study", tmp_path / "log")
    task = document["task"]
    assert {name: metric["smooth"] for name, metric in task["metrics"].items()} == {
        "exact_match": False, "f1": False, "span_nats": True,
    }  # fmt: skip
    assert task["n_examples"] == 20
    assert any("8 steps of 16 windows" in note for note in task["notes"])
    for row in document["runs"]:
        assert row["metric_span_nats_low"] < row["metric_span_nats"] < 5
        assert 0 <= row["metric_f1"] <= 1
    saved = json.loads((tmp_path / "study" / "task.json").read_text("utf-8"))
    scored = {row["context"] for row in saved["examples"]}
    assert not scored & {row["context"] for row in saved["training"]}
    assert len({row["metric_span_nats"] for row in document["runs"]}) == len(document["runs"])


def test_a_second_look_registers_nothing(
    translated: tuple[Path, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    from isoloss.cli import main

    home, document = translated
    words = ["study", str(home / "study.toml"), "--out", str(home / "study"), "--json"]
    assert main(words) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["task"] == document["task"]
    assert "registered: " not in told.err
    assert main(["study", "--status", "--out", str(home / "study"), "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)["scores"]
    found = document["task"]["verification"]["answer_bits_per_byte"]
    assert scores["metric_answer_bits_per_byte"] == {
        name: pytest.approx(found[name]) for name in ("predicted", "measured")
    }


def test_smooth_metrics_stand_beside_those_that_count(chosen: dict[str, Any]) -> None:
    task = chosen["task"]
    assert task["main"] == "acc"
    metrics = task["metrics"]
    assert {name for name, metric in metrics.items() if metric["smooth"]} == {
        "answer_nats", "brier_score",
    }  # fmt: skip
    assert metrics["acc"]["floor"] == 0.25
    assert len(metrics["acc"]["points"]) == len(chosen["runs"]) - 1
    for route in ("chain", "direct"):
        for name, law in task[route].items():
            assert law["status"] in ("identified", "not identified")
            if law["status"] == "not identified":
                assert law["reason"]
                assert "law" not in law
                assert task[route][name]["curve"] == []
    assert task["sentence"]
    page = Path(chosen["paths"]["report"]).read_text("utf-8")
    assert "How the task scales" in page
    assert 'id="chart-task-metrics"' in page

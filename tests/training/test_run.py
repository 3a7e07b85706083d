"""One run: its id, its row, its folder; killed, finished, diverged."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from isoloss.architecture import config_for_width, count_parameters, training_flops
from isoloss.corpus import Corpus
from isoloss.errors import DataError, UsageError
from isoloss.runs import Runs
from isoloss.runs.columns import COLUMNS
from isoloss.training import (
    Recipe,
    RunConfig,
    Stop,
    check_tokenizer,
    describe,
    read_folder,
    train_run,
)
from isoloss.training.checkpoints import read_checkpoint
from isoloss.training.evaluation import Evaluation
from isoloss.training.objectives import OBJECTIVES, objective_from
from isoloss.training.rows import architecture_name, outcome
from isoloss.training.run_config import corpus_batches


class Killed(Exception):
    """Stands for a kill between two steps."""


def kill_at(steps: int):
    def on_step(step: int, loss: float) -> None:
        if step == steps:
            raise Killed

    return on_step


def numbers(row: dict[str, Any]) -> dict[str, Any]:
    """A row without when and how fast."""
    return {k: v for k, v in row.items() if k not in ("created_at", "meta_seconds")}


@pytest.fixture
def row(tiny_run: RunConfig, tiny_corpus: Corpus, tmp_path: Path) -> dict[str, Any]:
    return train_run(tiny_run, tiny_corpus, tmp_path / "model")


def test_the_row_is_a_run_of_the_run_table(
    row: dict[str, Any], tiny_run: RunConfig, tiny_corpus: Corpus
) -> None:
    counts = count_parameters(tiny_run.architecture)
    assert row["tokens"] == 20 * 256
    assert row["flops"] == row["own_flops"] == training_flops(tiny_run.architecture, 5_120)
    assert (row["params_total"], row["params_matmul"]) == (counts.total, counts.matmul)
    assert row["status"] == "ok"
    assert 2 < row["loss"] < math.log(300)
    assert row["loss_se"] > 0
    assert row["meta_eval_tokens"] == 640
    assert row["dataset"] == tiny_corpus.fingerprint
    assert row["run_id"] == tiny_run.run_id
    assert {k for k in row if not k.startswith("meta_")} <= set(COLUMNS)
    runs = Runs.from_rows([row])
    assert len(runs.used()) == 1
    assert runs.vector("L")[0] == row["loss"]


def test_a_finished_run_is_not_trained_twice(
    row: dict[str, Any], tiny_run: RunConfig, tiny_corpus: Corpus, tmp_path: Path
) -> None:
    assert train_run(tiny_run, tiny_corpus, tmp_path / "model", on_step=kill_at(1)) == row


@pytest.mark.parametrize("killed_at", [1, 5, 12, 20])
def test_a_killed_run_goes_on_to_the_same_row(
    row: dict[str, Any], tiny_run: RunConfig, tiny_corpus: Corpus, tmp_path: Path, killed_at: int
) -> None:
    folder = tmp_path / "killed"
    with pytest.raises(Killed):
        train_run(tiny_run, tiny_corpus, folder, checkpoint_every=4, on_step=kill_at(killed_at))
    steps: list[int] = []
    again = train_run(
        tiny_run,
        tiny_corpus,
        folder,
        checkpoint_every=4,
        on_step=lambda step, _: steps.append(step),
    )
    assert numbers(again) == numbers(row)
    assert steps[0] == (killed_at - 1) // 4 * 4 + 1
    whole, resumed = (
        read_checkpoint(tmp_path / name / "checkpoint.safetensors") for name in ("model", "killed")
    )
    assert whole[0] == resumed[0]  # with the hash of all tensors


@pytest.mark.parametrize("finished", [True, False])
def test_the_folder_of_another_run_is_refused(
    tiny_run: RunConfig, tiny_corpus: Corpus, tmp_path: Path, finished: bool
) -> None:
    with contextlib.suppress(Killed):
        train_run(tiny_run, tiny_corpus, tmp_path, on_step=None if finished else kill_at(3))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for other in (replace(tiny_run, seed=1), replace(tiny_run, steps=30)):
        with pytest.raises(UsageError, match=f"holds another run: {tiny_run.run_id}"):
            train_run(other, tiny_corpus, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_what_is_no_number_is_not_known() -> None:
    told = outcome(Evaluation(loss=2.0, loss_se=math.nan, bits_per_byte=math.inf, tokens=7))
    assert (told["loss"], told["loss_se"], told["bits_per_byte"]) == (2.0, None, None)


def test_a_checkpoint_of_no_known_run_is_refused(
    row: dict[str, Any], tiny_run: RunConfig, tiny_corpus: Corpus, tmp_path: Path
) -> None:
    path = tmp_path / "model" / "run.json"
    path.unlink()
    with pytest.raises(UsageError, match=r"without its run\.json"):
        train_run(tiny_run, tiny_corpus, tmp_path / "model")
    path.write_text("{")
    with pytest.raises(DataError, match=r"run\.json: damaged"):
        train_run(tiny_run, tiny_corpus, tmp_path / "model")


def test_a_finished_run_without_its_model_is_trained_again(
    row: dict[str, Any], tiny_run: RunConfig, tiny_corpus: Corpus, tmp_path: Path
) -> None:
    (tmp_path / "model" / "checkpoint.safetensors").unlink()
    assert numbers(train_run(tiny_run, tiny_corpus, tmp_path / "model")) == numbers(row)
    assert (tmp_path / "model" / "checkpoint.safetensors").exists()


def test_a_diverged_run_is_kept_with_its_reason(
    tiny_run: RunConfig, tiny_corpus: Corpus, tmp_path: Path
) -> None:
    wild = replace(
        tiny_run, recipe=Recipe(warmup_steps=1, batch_tokens=256, base_learning_rate=1e6)
    )
    row = train_run(wild, tiny_corpus, tmp_path)
    assert row["status"] == "diverged"
    assert row["loss"] is None
    assert row["reason"].startswith("diverged: loss ")
    assert train_run(wild, tiny_corpus, tmp_path, on_step=kill_at(1)) == row
    runs = Runs.from_rows(
        [row, {**numbers(row), "run_id": "b", "loss": 3.0, "status": "ok", "reason": ""}]
    )
    assert (len(runs), len(runs.used())) == (2, 1)


def test_another_corpus_is_refused_before_training(
    tiny_run: RunConfig, tiny_corpus: Corpus, tmp_path: Path
) -> None:
    cases = {
        "this is corpus": replace(tiny_run, corpus_fingerprint="0" * 64),
        "300 vocabulary entries, the model has 400": replace(
            tiny_run, architecture=config_for_width(16, vocab_size=400, context_length=32)
        ),
        "no text as long as one context": replace(
            tiny_run,
            architecture=config_for_width(16, vocab_size=300, context_length=2_048),
            recipe=Recipe(batch_tokens=2_048),
        ),
    }
    for message, run in cases.items():
        with pytest.raises(DataError, match=message):
            train_run(run, tiny_corpus, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_impossible_runs_are_refused(tiny_run: RunConfig) -> None:
    for change in ({"steps": 0}, {"seed": -1}, {"threads": 0}, {"eval_tokens": 0}):
        with pytest.raises(UsageError, match="must be positive"):
            replace(tiny_run, **change)
    with pytest.raises(UsageError, match="does not hold whole windows of 32"):
        replace(tiny_run, recipe=Recipe(batch_tokens=100))


def test_the_id_covers_what_decides_the_numbers(tiny_run: RunConfig) -> None:
    others = [
        replace(tiny_run, steps=21),
        replace(tiny_run, seed=1),
        replace(tiny_run, threads=2),
        replace(tiny_run, corpus_fingerprint="other"),
        replace(tiny_run, eval_tokens=1),
        replace(tiny_run, recipe=replace(tiny_run.recipe, momentum=0.9)),
        replace(tiny_run, architecture=replace(tiny_run.architecture, d_ff=32)),
    ]
    assert len({tiny_run.run_id, *(run.run_id for run in others)}) == 1 + len(others)
    assert replace(tiny_run).run_id == tiny_run.run_id
    assert others[0].trunk_id == tiny_run.trunk_id
    assert len({run.trunk_id for run in others}) == len(others)


def test_ids_of_the_first_runs_stay(tiny_run: RunConfig) -> None:
    # Of a run of the release before there were objectives, devices and rules to stop.
    first = RunConfig(
        architecture=config_for_width(64, vocab_size=1024, context_length=128),
        recipe=Recipe(base_learning_rate=0.01),
        steps=200,
        seed=1,
        corpus_fingerprint="ab",
        eval_tokens=640,
    )
    assert first.run_id == "93c43352f2fbb631"
    late = replace(tiny_run, stop=Stop(tokens=10))
    assert late.run_id == tiny_run.run_id  # it gave the steps, and ends nothing early


def test_an_identity_gives_the_run_again(run_of: Any) -> None:
    for objective in OBJECTIVES:
        run, _ = run_of(objective, schedule="cosine", micro_batch_tokens=64)
        run = replace(run, stop=Stop(patience=2), device="cuda")
        values = json.loads(json.dumps(run.identity()))
        assert RunConfig.from_identity(values) == run
        assert RunConfig.from_identity(values).run_id == run.run_id


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_row_counts_what_was_processed(objective: str, run_of: Any, tmp_path: Path) -> None:
    run, corpus = run_of(objective)
    row = train_run(run, corpus, tmp_path)
    batches = [corpus_batches(corpus, run)(step) for step in range(run.steps)]
    encoder = sum(b.encoder_tokens for b in batches)
    assert row["tokens"] == sum(b.tokens for b in batches) <= run.tokens
    assert row["meta_tokens_predicted"] == sum(b.predicted for b in batches)
    if run.architecture.kind == "encoder_decoder":
        assert row["meta_tokens_encoder"] == encoder
        assert row["meta_tokens_decoder"] == row["tokens"] - encoder
    assert row["flops"] == training_flops(
        run.architecture,
        row["tokens"],
        encoder_tokens=encoder,
        predicted=row["meta_tokens_predicted"],
    )
    assert row["own_flops"] == row["flops"]
    assert row["objective"] == objective
    assert row["architecture"] == run.architecture.kind
    assert row["status"] == "ok"
    assert (row["bits_per_byte"] is None) == ("meta_bits_per_byte_reason" in row)
    assert len(Runs.from_rows([row]).used()) == 1


def test_names_of_families_schedules_and_optimisers(run_of: Any) -> None:
    for family, expected in (
        ("isoloss", "decoder"),
        ("llama", "decoder/llama"),
        ("gpt2", "decoder/gpt2"),
        ("bert", "encoder/bert"),
        ("bart", "encoder_decoder/bart"),
    ):
        shape = config_for_width(32, vocab_size=64, context_length=8, family=family)
        assert architecture_name(shape) == expected
    own = config_for_width(32, vocab_size=64, context_length=8, activation="gelu")
    assert architecture_name(own) == "decoder/custom"
    run, corpus = run_of("causal", schedule="cosine", optimizer="adamw", precision="bfloat16")
    row = describe(run, corpus)
    assert (row["schedule"], row["optimizer"]) == ("cosine:2", "adamw")
    assert (row["meta_precision"], row["parent_id"]) == ("bfloat16", None)


def test_an_objective_of_another_kind_is_refused(tiny_run: RunConfig) -> None:
    with pytest.raises(UsageError, match="trains a model of kind 'encoder', found 'decoder'"):
        replace(tiny_run, objective=objective_from("masked"))


def test_a_corpus_without_the_special_tokens_is_refused(
    tiny_run: RunConfig, tiny_corpus: Corpus, tmp_path: Path
) -> None:
    shape = config_for_width(16, vocab_size=300, context_length=32, family="encoder")
    run = replace(tiny_run, architecture=shape, objective=objective_from("masked"))
    with pytest.raises(DataError, match="needs special tokens"):
        train_run(run, tiny_corpus, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_skipped_steps_are_in_the_row(row: dict[str, Any]) -> None:
    assert row["meta_skipped_steps"] == 0


def test_threads_are_those_of_the_id_and_are_given_back(
    tiny_run: RunConfig, tiny_corpus: Corpus, tmp_path: Path
) -> None:
    before, seen = torch.get_num_threads(), set[int]()
    torch.set_num_threads(3)
    try:
        train_run(
            replace(tiny_run, steps=2),
            tiny_corpus,
            tmp_path,
            on_step=lambda *_: seen.add(torch.get_num_threads()),
        )
        assert seen == {1}
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_the_folder_says_all_and_can_be_moved(
    row: dict[str, Any], tiny_run: RunConfig, tiny_corpus: Corpus, tmp_path: Path
) -> None:
    moved = shutil.move(tmp_path / "model", tmp_path / "moved")
    values = json.loads((Path(moved) / "run.json").read_text("utf-8"))
    assert values["row"] == row
    assert values["run"] == tiny_run.identity()
    assert values["corpus"] == str(tiny_corpus.path)
    tokenizers = [(Path(p) / "tokenizer.json").read_bytes() for p in (moved, tiny_corpus.path)]
    assert tokenizers[0] == tokenizers[1]
    assert train_run(tiny_run, tiny_corpus, Path(moved), on_step=kill_at(1)) == row


def test_a_tokeniser_of_another_corpus_is_noticed(
    row: dict[str, Any], tmp_path: Path, marked_corpus: Corpus
) -> None:
    folder = tmp_path / "model"
    known = read_folder(folder)
    assert known is not None
    check_tokenizer(folder, known)
    shutil.copy(marked_corpus.path / "tokenizer.json", folder)
    with pytest.raises(DataError, match="not the tokeniser that the model was trained with"):
        check_tokenizer(folder, known)

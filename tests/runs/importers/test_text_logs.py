"""Text logs and `trainer_state.json`: what each reader finds in a log of its program."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest

from isoloss.errors import DataError, NotFoundError
from isoloss.runs.importers import FORMATS, RunHistory, import_runs
from isoloss.runs.importers.formats import detected

GOLDEN = Path(__file__).parent / "golden"
LOGS = {
    "hf/llama-tiny": "hf-trainer",
    "hf/llama-tiny/trainer_state.json": "hf-trainer",
    "nanogpt/finished.txt": "nanogpt",
    "nanogpt/resumed.txt": "nanogpt",
    "nanochat/d4.txt": "nanochat",
    "megatron/gpt.txt": "megatron",
    "megatron/diverged.txt": "megatron",
    "olmo/olmo.txt": "olmo",
    "olmo/olmo_core.txt": "olmo",
    "jsonl/events.jsonl": "isoloss-jsonl",
    "tables/billions.csv": "csv",
}


def read(name: str) -> RunHistory:
    one = FORMATS[LOGS[name]].read(str(GOLDEN / name))
    assert len(one) == 1
    return one[0]


def last(run: RunHistory, name: str) -> tuple[float, float]:
    series = run.metrics[name]
    assert list(series.steps) == sorted(set(series.steps))
    return series.steps[-1], series.values[-1]


@pytest.mark.parametrize(("name", "format"), LOGS.items())
def test_every_log_is_known_by_its_content(name: str, format: str) -> None:
    found = detected(str(GOLDEN / name))
    assert found is not None
    assert found.name == format


def test_the_trainer_of_hugging_face() -> None:
    run = read("hf/llama-tiny")
    assert run.name == "llama-tiny"
    assert run.status == "ok"
    assert last(run, "eval_loss") == (20, 4.818734645843506)
    assert last(run, "loss") == (20, 4.819852828979492)
    assert last(run, "num_input_tokens_seen") == (20, 2560)
    assert run.summary["total_flos"] == 419266560
    assert run.config["hidden_size"] == 32
    # The mean over the run is no loss where training ended.
    assert run.summary["mean_train_loss"] == pytest.approx(4.84813)
    assert "train_loss" not in run.metrics


def test_a_hugging_face_run_becomes_a_row_with_exact_counts() -> None:
    # transformers itself counted 31,392 weights and 27,296 without embeddings (with the head).
    row = import_runs(GOLDEN / "hf").runs.rows()[0]
    assert row["params_total"] == 31392
    assert row["flops"] == 6 * 27296 * row["tokens"]
    assert row["flops_convention"] == "reported"
    assert row["learning_rate"] == pytest.approx(0.0009045, rel=1e-4)
    assert "counted from the config" in row["meta_derived"]


def test_a_checkpoint_of_hugging_face_is_an_unfinished_run() -> None:
    run = FORMATS["hf-trainer"].read(str(GOLDEN / "hf/llama-tiny/checkpoint-10"))[0]
    assert (run.name, run.status) == ("llama-tiny", "running")
    assert "step 10 of 20" in run.reason


def test_without_a_config_the_run_stays_and_says_what_it_lacks(tmp_path: Path) -> None:
    shutil.copy(GOLDEN / "hf/llama-tiny/trainer_state.json", tmp_path)
    imported = import_runs(tmp_path)
    assert imported.runs.rows()[0]["reason"].startswith("no count of parameters")
    assert any("no config.json" in note for note in imported.notes)
    assert len(imported.runs.used()) == 0


def test_nanogpt() -> None:
    run = read("nanogpt/finished.txt")
    assert run.status == "ok"
    assert last(run, "val/loss")[0] == 60
    assert last(run, "loss")[0] == 75
    assert run.config["gradient_accumulation_steps"] == 4
    assert run.config["tokens_per_iter"] == 512
    assert run.config["n_layer"] == 2
    # The program counted 106,176 decayed weights and 320 others.
    row = import_runs(GOLDEN / "nanogpt/finished.txt").runs.rows()[0]
    assert row["params_total"] == 106_496
    assert row["tokens"] == 60 * 512
    assert row["flops_convention"] == "palm"


def test_a_resumed_nanogpt_counts_what_was_said_last() -> None:
    before, after = read("nanogpt/finished.txt"), read("nanogpt/resumed.txt")
    assert last(after, "val/loss") == (100, 2.9016)
    at = dict(zip(after.metrics["loss"].steps, after.metrics["loss"].values, strict=True))
    first = dict(zip(before.metrics["loss"].steps, before.metrics["loss"].values, strict=True))
    assert at[55] == first[55]
    assert at[70] == 2.8642 != first[70]
    assert any("earlier steps" in note for note in after.notes)


def test_a_nanogpt_log_whose_sums_do_not_fit_the_settings_keeps_the_programs_count(
    tmp_path: Path,
) -> None:
    text = (GOLDEN / "nanogpt/finished.txt").read_text("utf-8")
    (tmp_path / "edited.txt").write_text(text.replace("n_layer = 2", "n_layer = 3"), "utf-8")
    row = import_runs(tmp_path).runs.rows()[0]
    assert row["params_total"] == 106_496
    assert "params_matmul" not in row or "12·n_layer" in row["meta_derived"]


def test_nanochat() -> None:
    run = read("nanochat/d4.txt")
    assert run.status == "ok"
    assert last(run, "val/bpb")[0] == 200
    assert last(run, "core_metric") == (200, 0.0123)
    row = import_runs(GOLDEN / "nanochat").runs.rows()[0]
    assert row["params_matmul"] == 12 * 4 * 256**2 + 128 + 4096 * 256
    assert row["bits_per_byte"] == pytest.approx(0.978485, abs=1e-5)
    assert row["tokens"] == 199 * 16384
    assert row["flops_convention"] == "reported"


def test_bits_per_byte_as_the_loss_say_their_unit() -> None:
    imported = import_runs(GOLDEN / "nanochat", loss="val/bpb")
    row = imported.runs.rows()[0]
    assert (row["loss_unit"], row["steps"]) == ("bits_per_byte", 200)
    assert row["tokens"] == 200 * 16384


def test_megatron() -> None:
    run = read("megatron/gpt.txt")
    assert (run.name, run.status) == ("gpt-small", "ok")
    assert last(run, "consumed samples") == (100, 3200)
    assert last(run, "lm loss validation")[0] == 100
    assert last(run, "lm loss test")[1] == pytest.approx(3.36 + 7 * math.exp(-100 / 30), abs=1e-5)
    assert run.config["untie_embeddings_and_output_weights"] is False
    row = import_runs(GOLDEN / "megatron/gpt.txt").runs.rows()[0]
    d = 256
    assert row["params_total"] == 50304 * d + 512 * d + 4 * (12 * d * d + 13 * d) + 2 * d
    assert row["tokens"] == 3200 * 512
    assert row["batch_tokens"] == 32 * 512


def test_megatrons_own_count_and_the_shape_agree() -> None:
    notes = import_runs(GOLDEN / "megatron/gpt.txt").notes
    assert not any("but the shape" in note for note in notes)


def test_a_megatron_run_that_ends_in_no_number_diverged() -> None:
    run = read("megatron/diverged.txt")
    assert list(run.metrics["lm loss"].steps) == [50, 100, 150, 200, 250, 300, 350, 400, 450]
    assert math.isnan(run.metrics["lm loss"].values[-1])
    row = import_runs(GOLDEN / "megatron/diverged.txt").runs.rows()[0]
    assert row["status"] == "diverged"
    assert row["reason"] == "the loss is nan from step 450 on"
    assert "loss" not in row


def test_olmo() -> None:
    run = read("olmo/olmo.txt")
    assert run.status == "ok"
    assert run.config == {"params_total": 190354176.0, "params_non_embedding": 151898880.0}
    assert last(run, "throughput/total_tokens") == (1000, 1000 * 1048576)
    assert last(run, "train/CrossEntropyLoss") == (1000, 3.01)
    assert last(run, "eval/pile-validation/CrossEntropyLoss") == (1000, 2.7)


def test_olmo_core() -> None:
    run = read("olmo/olmo_core.txt")
    assert (run.status, run.reason) == ("running", "the log ends at step 1500 of 2000")
    assert run.config == {"params_total": 190354176.0, "params_non_embedding": 151898880.0}
    assert last(run, "eval/lm/c4_en-validation/CE loss") == (1500, 3.141)
    assert last(run, "throughput/total tokens") == (1500, 1.573e9)


def test_several_losses_are_refused_with_their_names() -> None:
    with pytest.raises(DataError, match="eval/c4_en-validation/CrossEntropyLoss") as caught:
        import_runs(GOLDEN / "olmo/olmo.txt")
    assert "--loss" in caught.value.hint
    name = "eval/c4_en-validation/CrossEntropyLoss"
    row = import_runs(GOLDEN / "olmo/olmo.txt", loss=name).runs.rows()[0]
    assert row["loss"] == 3.22
    assert row["metric_eval_pile_validation_crossentropyloss"] == 2.7


def test_events_of_any_trainer() -> None:
    imported = import_runs(GOLDEN / "jsonl")
    rows = {row["name"]: row for row in imported.runs.rows()}
    assert rows["small"]["tokens"] == 300 * 4096
    assert rows["small"]["n_layer"] == 4
    assert rows["small"]["created_at"] == "2026-11-20T08:00:00+00:00"
    assert (rows["broken"]["status"], rows["broken"]["reason"]) == ("failed", "out of memory")
    assert len(imported.runs.used()) == 2


def test_a_last_event_cut_short_is_left_out(tmp_path: Path) -> None:
    text = (GOLDEN / "jsonl/events.jsonl").read_text("utf-8")
    cut = tmp_path / "cut.jsonl"
    cut.write_text(text[:-25], "utf-8")
    imported = import_runs(cut)
    assert any("cut short" in note for note in imported.notes)
    assert {row["name"]: row["status"] for row in imported.runs.rows()}["broken"] == "running"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"event": "steps", "step": 1}', "Did you mean 'step'?"),
        ('{"event": "step", "loss": 1}', "optimiser step"),
        ("[1]", "One JSON object a line"),
    ],
)
def test_a_wrong_event_is_named(tmp_path: Path, line: str, says: str) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(f'{{"event": "config"}}\n{line}\n{{"event": "end"}}\n', "utf-8")
    with pytest.raises(DataError, match="line 2") as caught:
        import_runs(path)
    assert says in caught.value.hint


def test_noise_between_the_lines_is_passed_over(tmp_path: Path) -> None:
    lines = (GOLDEN / "nanogpt/finished.txt").read_text("utf-8").split("\n")
    noisy = [part for line in lines for part in (line, "\x1b[31m 5%|#   | 1/20\r 9%|## \x1b[0m")]
    (tmp_path / "finished.txt").write_text("\n".join(noisy), "utf-8")
    made = FORMATS["nanogpt"].read(str(tmp_path / "finished.txt"))[0]
    assert made.metrics == read("nanogpt/finished.txt").metrics


def test_a_traceback_at_the_end_is_a_failure(tmp_path: Path) -> None:
    text = (
        (GOLDEN / "nanogpt/finished.txt")
        .read_text("utf-8")
        .replace("max_iters = 75", "max_iters = 900")
    )
    trace = "Traceback (most recent call last):\n  File …\ntorch.OutOfMemoryError: CUDA out\n"
    (tmp_path / "a.txt").write_text(text + trace, "utf-8")
    (tmp_path / "b.txt").write_text(text, "utf-8")
    failed, running = (row for row in import_runs(tmp_path).runs.rows())
    assert failed["status"] == "failed"
    assert "OutOfMemoryError" in failed["reason"]
    assert (running["status"], running["reason"]) == ("running", "the log ends at step 75 of 900")


def test_what_is_no_log_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Nothing here.\n", "utf-8")
    with pytest.raises(DataError, match="format"):
        import_runs(tmp_path / "notes.txt")
    with pytest.raises(DataError, match="no line with a loss"):
        import_runs(tmp_path / "notes.txt", format="olmo")
    with pytest.raises(NotFoundError, match="no such"):
        import_runs(tmp_path / "notes.csv")
    (tmp_path / "trainer_state.json").write_text(json.dumps({"log_history": 3}), "utf-8")
    with pytest.raises(DataError, match="log_history"):
        import_runs(tmp_path / "trainer_state.json")


def test_nanogpt_without_settings_is_its_default_where_the_count_agrees(tmp_path: Path) -> None:
    lines = [
        "tokens per iteration will be: 491,520",
        "defaulting to vocab_size of GPT-2 to 50304 (50257 rounded up for efficiency)",
        "number of parameters: 123.59M",
        "step 2000: train loss 3.9, val loss 3.95",
    ]
    (tmp_path / "owt.log").write_text("\n".join(lines), "utf-8")
    row = import_runs(tmp_path).runs.rows()[0]
    # nanoGPT itself sums 124,354,560 decayed and 19,200 other weights for this shape.
    assert row["params_total"] == 124_354_560 + 19_200
    assert (row["n_layer"], row["tokens"]) == (12, 2000 * 491_520)
    assert row["reason"] == "the log ends at step 2000 of 600000"
    other = "\n".join(lines).replace("123.59M", "99.00M")
    (tmp_path / "owt.log").write_text(other, "utf-8")
    imported = import_runs(tmp_path)
    assert imported.runs.rows()[0]["params_total"] == 99_000_000
    assert any("without position embeddings" in note for note in imported.notes)

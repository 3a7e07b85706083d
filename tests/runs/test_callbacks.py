"""Other people's trainers record their runs."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from isoloss.architecture import config_for_width, count_parameters
from isoloss.errors import EnvironmentProblem, UsageError
from isoloss.runs import Runs, RunStore, huggingface_callback, lightning_callback
from isoloss.runs._trained_model import model_columns

torch = pytest.importorskip("torch", reason="the extra [train] is not installed")
transformers = pytest.importorskip("transformers", reason="the extra [hf] is not installed")


def llama(*, tied: bool = False) -> Any:
    shape = config_for_width(32, vocab_size=64, context_length=16, n_layer=2, family="llama")
    config = transformers.LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=shape.d_ff, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=16, tie_word_embeddings=tied,
        bos_token_id=0, eos_token_id=0, pad_token_id=1,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config)


def gpt2() -> Any:
    config = transformers.GPT2Config(
        vocab_size=64, n_embd=32, n_layer=2, n_head=2, n_positions=16, bos_token_id=0,
        eos_token_id=0,
    )  # fmt: skip
    return transformers.GPT2LMHeadModel(config)


# Counting


@pytest.mark.parametrize(("family", "tied"), [("llama", False), ("llama", True), ("gpt2", True)])
def test_counts_of_a_model_are_those_of_its_shape(family: str, tied: bool) -> None:
    model = gpt2() if family == "gpt2" else llama(tied=tied)
    shape = config_for_width(
        32, vocab_size=64, context_length=16, n_layer=2, family=family, tied_embeddings=tied
    )
    counts = count_parameters(shape)
    columns = model_columns(model)
    assert columns["params_total"] == counts.total == model.num_parameters()
    assert columns["params_non_embedding"] == counts.non_embedding
    assert columns["params_matmul"] == counts.matmul
    assert (columns["n_layer"], columns["d_model"], columns["vocab_size"]) == (2, 32, 64)


def test_the_head_of_a_plain_module_is_found_by_its_width() -> None:
    class Plain(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = torch.nn.Embedding(50, 8)
            self.body = torch.nn.Linear(8, 8)
            self.head = torch.nn.Linear(8, 50)

    assert model_columns(Plain()) == {
        "params_total": 400 + 72 + 450,
        "params_non_embedding": 72,
        "params_matmul": 64 + 400,
    }


def test_of_experts_only_the_total_is_counted() -> None:
    model = llama()
    model.config.num_local_experts = 4
    columns = model_columns(model)
    assert "params_matmul" not in columns
    assert columns["params_total"] > 0


# Hugging Face


class Numbers(torch.utils.data.Dataset):
    """Rows of 16 random token ids."""

    def __init__(self, rows: int, seed: int) -> None:
        made = torch.Generator().manual_seed(seed)
        self.rows = torch.randint(2, 64, (rows, 16), generator=made)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"input_ids": self.rows[index], "labels": self.rows[index]}


@pytest.fixture
def trainer(tmp_path: Path) -> Callable[..., Any]:
    pytest.importorskip("accelerate", reason="transformers.Trainer needs accelerate")

    def make(callback: Any, **more: Any) -> Any:
        arguments = transformers.TrainingArguments(
            output_dir=str(tmp_path / "out"), max_steps=6, per_device_train_batch_size=4,
            gradient_accumulation_steps=2, learning_rate=1e-3, lr_scheduler_type="cosine",
            use_cpu=True, report_to=[], save_strategy="no", disable_tqdm=True, seed=3,
            dataloader_pin_memory=False, logging_strategy="no", **more,
        )  # fmt: skip
        return transformers.Trainer(
            model=llama(), args=arguments, train_dataset=Numbers(64, 0),
            eval_dataset=Numbers(8, 1), callbacks=[callback],
        )  # fmt: skip

    return make


def test_a_trainer_records_its_run_after_the_last_evaluation(
    trainer: Callable[..., Any], tmp_path: Path
) -> None:
    place = tmp_path / "runs.sqlite"
    callback = huggingface_callback(place, dataset="numbers", tokenizer="none")
    made = trainer(
        callback, eval_strategy="steps", eval_steps=3, include_num_input_tokens_seen="all"
    )
    made.train()
    with RunStore.open(place, create=False) as store:
        (row,) = store.rows()
        runs = store.runs()
    loss = [entry["eval_loss"] for entry in made.state.log_history if "eval_loss" in entry][-1]
    assert row["loss"] == loss
    assert (row["steps"], row["tokens"], row["batch_tokens"]) == (6, 6 * 128, 128)
    assert (row["learning_rate"], row["schedule"], row["seed"]) == (1e-3, "cosine", 3)
    assert (row["dataset"], row["source"], row["architecture"]) == (
        "numbers", "transformers", "llama"
    )  # fmt: skip
    assert row["flops"] == 6 * row["params_matmul"] * row["tokens"]
    assert row["flops_convention"] == "matmul"
    assert len(runs.used()) == 1


def test_an_evaluation_after_training_counts_and_none_is_told(
    trainer: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "runs.jsonl"
    made = trainer(huggingface_callback(file, context_length=16))
    with caplog.at_level(logging.WARNING, "isoloss"):
        made.train()
    assert "was not recorded" in caplog.text
    assert not file.exists()
    loss = made.evaluate()["eval_loss"]
    (row,) = Runs.read(file).rows()
    assert (row["loss"], row["tokens"]) == (loss, 6 * 128)


def test_a_trainer_that_cannot_count_tokens_is_refused_at_its_start(
    trainer: Callable[..., Any], tmp_path: Path
) -> None:
    made = trainer(huggingface_callback(tmp_path / "runs.sqlite"))
    with pytest.raises(UsageError, match="cannot be counted") as caught:
        made.train()
    assert "include_num_input_tokens_seen" in caught.value.hint


# Lightning: its hooks in the order in which its loops call them, on a stand-in for its Trainer


@pytest.fixture
def lightning(monkeypatch: pytest.MonkeyPatch) -> None:
    package, inner = ModuleType("lightning"), ModuleType("lightning.pytorch")
    inner.Callback = type("Callback", (), {})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lightning", package)
    monkeypatch.setitem(sys.modules, "lightning.pytorch", inner)


def fitted(callback: Any, batches: list[Any], loss: float | None = 3.0, **more: Any) -> None:
    """What `Trainer.fit` calls of a callback, in its order."""
    model = llama()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    metrics: dict[str, Any] = {}
    trainer = SimpleNamespace(
        is_global_zero=True, world_size=1, global_step=0, callback_metrics=metrics,
        optimizers=[optimizer],
    )  # fmt: skip
    vars(trainer).update(more)

    def call(hook: str, *words: Any) -> None:
        getattr(callback, hook, lambda *_: None)(trainer, model, *words)

    call("on_fit_start")
    call("on_train_start")
    call("on_train_epoch_start")
    for index, batch in enumerate(batches):
        call("on_train_batch_start", batch, index)
        trainer.global_step += 1
        call("on_train_batch_end", {"loss": torch.tensor(4.0)}, batch, index)
    call("on_validation_start")
    if loss is not None:
        metrics["val_loss"] = torch.tensor(loss)
    call("on_validation_end")
    call("on_train_epoch_end")
    call("on_train_end")
    call("on_fit_end")


BATCH = {"input_ids": torch.ones(4, 16, dtype=torch.long)}


@pytest.mark.usefixtures("lightning")
@pytest.mark.parametrize(
    ("batch", "tokens"),
    [
        (BATCH, 64),
        ({**BATCH, "attention_mask": torch.eye(4, 16)}, 4),
        ((torch.ones(4, 8), torch.ones(4, 8)), 32),
        (torch.ones(2, 8), 16),
    ],
)
def test_lightning_counts_tokens_and_records(tmp_path: Path, batch: Any, tokens: int) -> None:
    with RunStore.open(tmp_path / "runs.sqlite") as store:
        fitted(lightning_callback(store, dataset="numbers"), [batch] * 5, world_size=2)
        (row,) = store.rows()
    assert (row["tokens"], row["steps"]) == (2 * 5 * tokens, 5)
    assert (row["loss"], row["learning_rate"], row["optimizer"]) == (3.0, 2e-3, "adamw")
    assert row["params_total"] == llama().num_parameters()
    assert (row["dataset"], row["source"]) == ("numbers", "lightning")


@pytest.mark.usefixtures("lightning")
def test_lightning_resumes_its_count_and_tells_what_went_wrong(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "runs.jsonl"
    callback = lightning_callback(file, tokens_in=lambda batch: 10)
    callback.load_state_dict({"tokens": 1000})
    fitted(callback, [BATCH] * 2, is_global_zero=False)
    with caplog.at_level(logging.WARNING, "isoloss"):
        fitted(callback, [], loss=None)
    assert "was not recorded" in caplog.text
    assert not file.exists()
    assert callback.state_dict() == {"tokens": 1020}
    fitted(callback, [BATCH], loss=math.nan)
    (row,) = Runs.read(file).rows()
    assert (row["tokens"], row["status"]) == (1030, "diverged")
    assert len(Runs.read(file).used()) == 0


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("lightning.pytorch", "pytorch_lightning", "transformers"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(EnvironmentProblem, match="'pytorch_lightning'"):
        lightning_callback(tmp_path / "runs.sqlite")
    with pytest.raises(EnvironmentProblem, match="'transformers'"):
        huggingface_callback(tmp_path / "runs.sqlite")


def test_runs_import_without_pytorch(python: Callable[..., Any]) -> None:
    code = "from isoloss.runs import huggingface_callback, lightning_callback, check_runs\n"
    done = python(code, blocked=("torch", "transformers", "lightning", "pytorch_lightning"))
    assert done.returncode == 0, done.stderr

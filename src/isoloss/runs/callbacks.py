"""Callbacks that record a run when another trainer has finished it.

They are thin: what a trainer knows becomes columns, `record` checks and adds them. Transformers
and Lightning are imported when a callback is made, not before.
"""

from __future__ import annotations

import importlib
import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from isoloss.errors import EnvironmentProblem, UsageError
from isoloss.runs._trained_model import model_columns
from isoloss.runs.recording import append_row, record
from isoloss.runs.store import RunStore

_LOG = logging.getLogger("isoloss")
_NO_LOSS = "the run was not recorded: no evaluation at its last step; evaluate, and it is"

Store = RunStore | str | Path
"""A store, where one lies, or a .jsonl file that rows are appended to."""


def huggingface_callback(store: Store, **columns: Any) -> Any:
    """A `TrainerCallback` for `transformers.Trainer`: records the run at its last evaluation.

    The loss is `eval_loss` of the evaluation at the last step: during training, or by
    `trainer.evaluate()` after it. Tokens are those that the trainer counts
    (`include_num_input_tokens_seen="non_padding"`), else steps times batch times
    `context_length`, which must then be given. FLOP are 6 · params_matmul · tokens.

    Args:
        store: where to.
        columns: columns of the run table, over those that the trainer knows, such as
            `dataset`, `tokenizer`, `context_length` or `params_active`.

    Raises:
        EnvironmentProblem: transformers is not installed.

    ```python
    Trainer(..., callbacks=[huggingface_callback("runs.sqlite", dataset="my text")])
    ```
    """
    base = _imported("transformers", 'pip install "isoloss[hf]" accelerate').TrainerCallback

    class Recorder(base):
        """Records a run."""

        def __init__(self) -> None:
            self.ended = False

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.ended = False
            if args.include_num_input_tokens_seen == "no" and not _context(columns):
                raise UsageError(
                    "the tokens of the run cannot be counted",
                    hint='Set include_num_input_tokens_seen="non_padding" in TrainingArguments,'
                    " or give context_length=... to huggingface_callback.",
                )

        def on_evaluate(
            self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any
        ) -> None:
            last = self.ended or state.global_step >= state.max_steps
            if last and state.is_world_process_zero and "eval_loss" in (metrics or {}):
                row = _huggingface_row(args, state, kwargs.get("model"), metrics, columns)
                _save(store, row)

        def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.ended = True
            logged = [entry.get("step") for entry in state.log_history if "eval_loss" in entry]
            if state.is_world_process_zero and state.global_step not in logged:
                _LOG.warning(_NO_LOSS)

    return Recorder()


def _context(columns: Mapping[str, Any]) -> int:
    return int(columns.get("context_length") or 0)


def _huggingface_row(
    args: Any, state: Any, model: Any, metrics: Mapping[str, Any], columns: Mapping[str, Any]
) -> dict[str, Any]:
    rows = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
    tokens = state.num_input_tokens_seen or state.global_step * rows * _context(columns)
    known = {
        **model_columns(model),
        "name": str(args.run_name or ""),
        "seed": args.seed,
        "tokens": tokens,
        "steps": state.global_step,
        "batch_tokens": round(tokens / max(1, state.global_step)),
        "learning_rate": args.learning_rate,
        "schedule": _word(args.lr_scheduler_type),
        "optimizer": _word(args.optim),
        "source": "transformers",
        **{f"metric_{n}": v for n, v in metrics.items() if n != "epoch" and _is_number(v)},
    }
    return _completed({**known, **columns}, float(metrics["eval_loss"]), columns)


def lightning_callback(
    store: Store,
    *,
    monitor: str = "val_loss",
    tokens_in: Callable[[Any], int] | None = None,
    **columns: Any,
) -> Any:
    """A `Callback` for PyTorch Lightning: records the run when its training ends.

    The loss is `monitor` among the trainer's `callback_metrics` at the end of training, so a
    validation belongs at the last step. Tokens are counted batch by batch, over all processes
    as if each had the same.

    Args:
        store: where to.
        monitor: the name under which the module logs its held-out loss.
        tokens_in: a batch → the tokens in it; when None, the entries of `input_ids` that
            `attention_mask` shows, or of the first tensor in the batch.
        columns: columns of the run table, over those that the trainer knows.

    Raises:
        EnvironmentProblem: neither `lightning` nor `pytorch_lightning` is installed.
    """
    try:
        base = importlib.import_module("lightning.pytorch").Callback
    except ImportError:
        base = _imported("pytorch_lightning", "pip install lightning").Callback
    count = tokens_in or _tokens_of

    class Recorder(base):
        """Counts tokens, and records a run."""

        def __init__(self) -> None:
            self.tokens = 0

        def state_dict(self) -> dict[str, Any]:
            return {"tokens": self.tokens}

        def load_state_dict(self, state_dict: dict[str, Any]) -> None:
            self.tokens = int(state_dict["tokens"])

        def on_train_batch_end(
            self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
        ) -> None:
            self.tokens += count(batch)

        def on_train_end(self, trainer: Any, pl_module: Any) -> None:
            if not trainer.is_global_zero:
                return
            if monitor not in trainer.callback_metrics:
                _LOG.warning(_NO_LOSS)
                return
            row = _lightning_row(trainer, pl_module, self.tokens * trainer.world_size, columns)
            loss = float(trainer.callback_metrics[monitor])
            _save(store, _completed({**row, **columns}, loss, columns))

    return Recorder()


def _lightning_row(
    trainer: Any, module: Any, tokens: int, columns: Mapping[str, Any]
) -> dict[str, Any]:
    row = {
        **model_columns(module),
        "tokens": tokens,
        "steps": trainer.global_step,
        "batch_tokens": round(tokens / max(1, trainer.global_step)),
        "source": "lightning",
    }
    optimizers = list(getattr(trainer, "optimizers", None) or [])
    if optimizers:
        group = optimizers[0].param_groups[0]
        row["optimizer"] = type(optimizers[0]).__name__.lower()
        # A schedule keeps the rate that it started from beside the one that it has moved to.
        row["learning_rate"] = group.get("initial_lr", group["lr"])
    return row


def _tokens_of(batch: Any) -> int:
    """Tokens of a batch: those that its mask shows, else all entries of its first tensor."""
    if isinstance(batch, Mapping):
        fields: dict[str, Any] = dict(batch)  # pyright: ignore[reportUnknownArgumentType]
        if "attention_mask" in fields:
            return int(fields["attention_mask"].sum())
        batch = [fields["input_ids"]] if "input_ids" in fields else list(fields.values())
    first: Any = cast("list[Any]", batch)[0] if isinstance(batch, (list, tuple)) else batch
    return int(first.numel())


def _completed(row: dict[str, Any], loss: float, columns: Mapping[str, Any]) -> dict[str, Any]:
    """A row with its loss, and with FLOP where nobody gave them."""
    tokens, matrices = row.get("tokens"), row.get("params_matmul")
    if "flops" not in columns and tokens and matrices:
        row |= {"flops": 6.0 * matrices * tokens, "flops_convention": "matmul"}
    if not math.isfinite(loss):
        return {**row, "loss": None, "status": "diverged", "reason": f"the loss is {loss}"}
    return {"loss_unit": "nats_per_token", **row, "loss": loss, "status": "ok"}


def _save(store: Store, row: Mapping[str, Any]) -> str:
    if isinstance(store, RunStore):
        return record(store, row)
    if str(store).endswith(".jsonl"):
        return append_row(store, row)
    with RunStore.open(store) as opened:
        return record(opened, row)


def _word(value: object) -> str:
    """The text of a setting that may be an enum."""
    return str(getattr(value, "value", value))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _imported(name: str, install: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise EnvironmentProblem(
            f"this callback needs the package {name!r}, which is not installed",
            hint=f"Install it with: {install}",
        ) from error

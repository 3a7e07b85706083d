"""Tokens per second of isoloss's loop, of Hugging Face's Trainer, and of a plain loop.

    python benchmarks/train_speed.py --widths 64 128 256 --threads 2

Each trains a Llama of the same shape with AdamW in the same precision on the same batches, in
turns of one run; a turn's speed is tokens over wall time, and each ratio the median over turns.
With a GPU (--device cuda) model FLOP utilisation is printed too, of --peak FLOP/s. Trainer needs
`pip install 'isoloss[hf]'`; without it the plain loop (benchmarks/_plain_llama.py) is compared
alone.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch
from _plain_llama import PlainLlama, plain_steps
from torch import Tensor

from isoloss.architecture import TransformerConfig, config_for_width, training_flops
from isoloss.training import Recipe, Schedule, TrainingState
from isoloss.training.objectives import Batch

RATE = 0.003


def main() -> int:
    """Time each loop in turns, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--widths", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--vocab", type=int, default=1024)
    parser.add_argument("--context", type=int, default=128)
    parser.add_argument("--batch-tokens", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=100, help="steps of one turn")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--compiled", action="store_true", help="time isoloss compiled too")
    parser.add_argument("--peak", type=float, default=67e12, help="FLOP/s of the device (cuda)")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    threads = torch.get_num_threads()
    print(
        f"{threads} threads, {chosen.batch_tokens} tokens a step, {chosen.device},"
        f" {chosen.precision}",
        flush=True,
    )
    for width in chosen.widths:
        shape = config_for_width(
            width,
            vocab_size=chosen.vocab,
            context_length=chosen.context,
            n_layer=chosen.layers,
            family="llama",
        )
        compare(shape, chosen)
    return 0


def compare(shape: TransformerConfig, chosen: argparse.Namespace) -> None:
    """One width: the turns of every loop, and the ratios."""
    rows = chosen.batch_tokens // shape.context_length
    generator = torch.Generator().manual_seed(0)
    batches = [
        torch.randint(0, shape.vocab_size, (rows, shape.context_length + 1), generator=generator)
        for _ in range(chosen.steps)
    ]
    loops: dict[str, Callable[[], list[float]]] = {
        "isoloss": ours(shape, batches, chosen),
        "plain": plain(shape, batches, chosen),
    }
    if chosen.compiled:
        loops["isoloss compiled"] = ours(shape, batches, chosen, compiled=True)
    trainer = hugging_face(shape, batches, chosen)
    if trainer is not None:
        loops["Trainer"] = trainer
    speeds: dict[str, list[float]] = {name: [] for name in loops}
    for turn in range(chosen.turns + 1):
        order = list(loops.items())
        for name, loop in order if turn % 2 else order[::-1]:
            began = time.perf_counter()
            losses = loop()
            seconds = time.perf_counter() - began
            assert len(losses) in (0, chosen.steps)
            if turn:  # the first warms up
                speeds[name].append(chosen.steps * chosen.batch_tokens / seconds)
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    told = ", ".join(f"{name} {speed:,.0f}" for name, speed in medians.items())
    print(f"width {shape.d_model}: tokens/s {told}")
    for name in (name for name in loops if name.startswith("isoloss")):
        told = ", ".join(
            f"{side_by_side(speeds[name], speeds[other]):.2f}x {other}"
            for other in loops
            if not other.startswith("isoloss")
        )
        print(f"  {name} is {told}", flush=True)
    if chosen.device != "cpu":
        per_token = training_flops(shape, 1)
        used = ", ".join(
            f"{name} {per_token * speed / chosen.peak:.1%}" for name, speed in medians.items()
        )
        print(f"  model FLOP utilisation: {used}", flush=True)


def side_by_side(ours: list[float], theirs: list[float]) -> float:
    """Median ratio of turns that ran one after the other: what else runs then slows both."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def ours(
    shape: TransformerConfig,
    batches: list[Tensor],
    chosen: argparse.Namespace,
    *,
    compiled: bool = False,
) -> Callable[[], list[float]]:
    """isoloss's loop; it goes on from turn to turn."""
    recipe = Recipe(
        optimizer="adamw",
        parameterization="standard",
        base_learning_rate=RATE,
        compile=compiled,
        precision=chosen.precision,
    )
    state = TrainingState.start(shape, recipe, seed=0, device=chosen.device)

    def batch_at(step: int) -> Batch:
        tokens = batches[step % len(batches)]
        return Batch(
            inputs={"tokens": tokens[:, :-1]},
            targets=tokens[:, 1:].flatten(),
            tokens=tokens[:, 1:].numel(),
        )

    def turn() -> list[float]:
        losses: list[float] = []
        state.advance(
            state.step + len(batches),
            Schedule(warmup=recipe.warmup_steps),
            batch_at,
            lambda _, loss: losses.append(loss),
        )
        return losses

    return turn


def plain(
    shape: TransformerConfig, batches: list[Tensor], chosen: argparse.Namespace
) -> Callable[[], list[float]]:
    """The plain loop, with the batches on the device already."""
    model = PlainLlama(shape).to(chosen.device)
    there = [batch.to(chosen.device) for batch in batches]
    return lambda: plain_steps(model, there, RATE, precision=chosen.precision)


def hugging_face(
    shape: TransformerConfig, batches: list[Tensor], chosen: argparse.Namespace
) -> Callable[[], list[float]] | None:
    """Trainer on a LlamaForCausalLM; a new Trainer each turn, as its users make one."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        import accelerate  # noqa: F401
        import transformers
    except ImportError as error:
        print(f"(without Trainer: {error})", file=sys.stderr)
        return None
    transformers.utils.logging.set_verbosity_error()
    logging.disable(logging.WARNING)
    rows = len(batches[0])
    items = [{"input_ids": row[:-1], "labels": row[:-1]} for batch in batches for row in batch]
    model = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=shape.vocab_size,
            hidden_size=shape.d_model,
            intermediate_size=shape.d_ff,
            num_hidden_layers=shape.n_layer,
            num_attention_heads=shape.n_head,
            max_position_embeddings=shape.context_length,
            attn_implementation="sdpa",
            use_cache=False,
        )
    )
    folder = tempfile.mkdtemp()
    settings: dict[str, Any] = {
        "output_dir": folder,
        "per_device_train_batch_size": rows,
        "num_train_epochs": 1,
        "learning_rate": RATE,
        "warmup_steps": 50,
        "lr_scheduler_type": "constant_with_warmup",
        "adam_beta2": 0.98,
        "max_grad_norm": 1.0,
        "optim": "adamw_torch_fused",
        "report_to": [],
        "logging_strategy": "no",
        "save_strategy": "no",
        "disable_tqdm": True,
        "use_cpu": chosen.device == "cpu",
        "bf16": chosen.precision == "bfloat16",
        "dataloader_pin_memory": chosen.device != "cpu",
    }

    def turn() -> list[float]:
        trainer = transformers.Trainer(
            model=model, args=transformers.TrainingArguments(**settings), train_dataset=items
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
        return []

    return turn


if __name__ == "__main__":
    raise SystemExit(main())

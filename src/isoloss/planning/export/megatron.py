"""A plan as the arguments of Megatron-LM and a script that starts them."""

from __future__ import annotations

import shlex
from typing import Any

from isoloss.architecture import TransformerConfig
from isoloss.planning.export.gpt import (
    epsilon,
    gpt_parameters,
    options_in_the_way,
    refuse_layout,
    refuse_options,
)
from isoloss.planning.export.job import Job, parameters_by_convention
from isoloss.planning.export.names import check_names, known_names

NAME = "Megatron-LM"
GPUS_PER_NODE = 8
_POSITIONS = {"rotary": "rope", "learned": "learned_absolute", "none": "none"}
_ACTIVATIONS = ("swiglu", "relu2", "gelu", "gelu_tanh")
Arguments = dict[str, Any]
"""Argument → value; True for one that takes none."""


def megatron_in_the_way(config: TransformerConfig) -> list[str]:
    """Options that Megatron-LM's arguments have no counterpart for, with their values."""
    found = options_in_the_way(config, tuple(_POSITIONS), _ACTIVATIONS)
    if config.activation == "gelu_tanh" and config.biases != "all":
        # The tanh form is that of the fused bias and GELU, which needs the bias.
        found.append(f"activation='gelu_tanh' with biases={config.biases!r}")
    return found


def megatron_arguments(job: Job) -> Arguments:
    """Every argument that the plan settles, checked against Megatron-LM's own list.

    Raises:
        UsageError: an option of the shape has no argument, or a degree divides nothing.
    """
    config = job.config
    refuse_options(NAME, megatron_in_the_way(config))
    refuse_layout(NAME, config, job.degrees)
    arguments = {**_shape(job), **_training(job), **_parallel(job)}
    known = known_names()["megatron"]["arguments"]
    check_names(NAME, arguments, known)
    theirs = parameters_of_arguments(arguments)
    assert theirs == parameters_by_convention(config), (theirs, config)
    return arguments


def _shape(job: Job) -> Arguments:
    c = job.config
    arguments: Arguments = {
        "--num-layers": c.n_layer,
        "--hidden-size": c.d_model,
        "--ffn-hidden-size": c.d_ff,
        "--num-attention-heads": c.n_head,
        "--kv-channels": c.head_dim,
        "--seq-length": c.context_length,
        "--max-position-embeddings": c.context_length,
        "--position-embedding-type": _POSITIONS[c.positions],
        "--normalization": "RMSNorm" if c.norm == "rmsnorm" else "LayerNorm",
        "--norm-epsilon": epsilon(c),
        "--padded-vocab-size": c.vocab_size,
        "--attention-dropout": c.dropout,
        "--hidden-dropout": c.dropout,
    }
    if c.positions == "rotary":
        arguments["--rotary-base"] = int(c.rotary_base)
    if c.kv_heads != c.n_head:
        arguments |= {"--group-query-attention": True, "--num-query-groups": c.kv_heads}
    if c.window is not None:
        # Theirs counts the positions before the token, ours counts the token too.
        arguments["--window-size"] = f"{c.window - 1},0"
    flags = {
        "--swiglu": c.activation == "swiglu",
        "--squared-relu": c.activation == "relu2",
        "--no-bias-gelu-fusion": c.activation == "gelu",
        "--disable-bias-linear": c.biases != "all",
        "--add-qkv-bias": c.biases == "qkv",
        "--qk-layernorm": c.qk_norm == "weighted",
        "--untie-embeddings-and-output-weights": not c.tied_embeddings,
    }
    arguments |= {name: True for name, wanted in flags.items() if wanted}
    if c.n_expert:
        arguments |= {
            "--num-experts": c.n_expert,
            "--moe-router-topk": c.experts_per_token,
            "--moe-ffn-hidden-size": c.d_ff,
            "--moe-router-load-balancing-type": "aux_loss",
            "--moe-aux-loss-coeff": c.balance_weight,
        }
    return arguments


def _training(job: Job) -> Arguments:
    r = job.recipe
    schedule: Arguments = {"--lr-decay-style": "cosine"}
    if r.schedule == "wsd":
        schedule = {
            "--lr-decay-style": "WSD",
            "--lr-wsd-decay-style": "linear",
            "--lr-wsd-decay-iters": r.decay_steps,
        }
    return {
        "--micro-batch-size": job.rows,
        "--global-batch-size": r.batch_sequences,
        "--train-iters": r.steps,
        "--lr": r.learning_rate,
        "--min-lr": r.final_learning_rate,
        "--lr-warmup-iters": r.warmup_steps,
        "--lr-decay-iters": r.steps,
        **schedule,
        "--optimizer": "adam",
        "--adam-beta1": r.betas[0],
        "--adam-beta2": r.betas[1],
        "--adam-eps": r.eps,
        "--weight-decay": r.weight_decay,
        "--clip-grad": r.clip_norm,
        "--bf16": True,
        "--save-interval": r.save_interval,
        "--log-interval": 10,
    }


def _parallel(job: Job) -> Arguments:
    d = job.degrees
    arguments: Arguments = {
        "--tensor-model-parallel-size": d.tensor,
        "--pipeline-model-parallel-size": d.pipeline,
        "--context-parallel-size": d.context,
    }
    if d.tensor > 1:
        arguments["--sequence-parallel"] = True
    if d.zero >= 1:
        arguments["--use-distributed-optimizer"] = True
    return arguments


def parameters_of_arguments(arguments: Arguments) -> dict[str, int]:
    """N of the model that these arguments make."""
    a, heads = arguments, arguments["--num-attention-heads"]
    biases = "--disable-bias-linear" not in a
    learned = a["--position-embedding-type"] == "learned_absolute"
    experts = a.get("--num-experts", 0)
    return gpt_parameters(
        layers=a["--num-layers"],
        hidden=a["--hidden-size"],
        inner=a["--moe-ffn-hidden-size"] if experts else a["--ffn-hidden-size"],
        heads=heads,
        groups=a["--num-query-groups"] if "--group-query-attention" in a else heads,
        channels=a["--kv-channels"],
        vocabulary=a["--padded-vocab-size"],
        positions=a["--max-position-embeddings"] if learned else 0,
        gated="--swiglu" in a,
        layernorm=a["--normalization"] == "LayerNorm",
        biases=biases,
        qkv_biases="--add-qkv-bias" in a,
        qk_norm="--qk-layernorm" in a,
        untied="--untie-embeddings-and-output-weights" in a,
        experts=experts,
    )


def megatron_notes(job: Job) -> list[str]:
    """What the arguments do not say as the plan does."""
    notes = [
        f"first values are Megatron's, not initialisation={job.config.initialisation!r}",
        "a checkpoint is written every --save-interval steps; recipe.json says which are worth"
        " keeping",
    ]
    if job.degrees.zero >= 2:
        notes.append(
            f"ZeRO stage {job.degrees.zero} becomes stage 1 (--use-distributed-optimizer): more"
            " memory on each device than planned"
        )
    if job.config.n_expert:
        notes.append(
            "experts: Megatron's balancing loss may be scaled otherwise than isoloss's"
            " (arXiv:2101.03961, eq. 4); compare it before a long run"
        )
    return notes


def megatron_script(job: Job) -> str:
    """A script that starts Megatron-LM's `pretrain_gpt.py` with `torchrun`."""
    source = known_names()["megatron"]
    per_node = min(GPUS_PER_NODE, job.degrees.devices)
    lines = [
        f"    {name}" if value is True else f"    {name} {shlex.quote(_text(value))}"
        for name, value in megatron_arguments(job).items()
    ]
    return _SCRIPT.format(
        version=source["version"],
        title=job.title,
        per_node=per_node,
        nodes=-(-job.degrees.devices // per_node),
        arguments="\n".join(lines),
    )


def _text(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)


_SCRIPT = """#!/usr/bin/env bash
# Pretrains with Megatron-LM ({version}): {title}.
# There are no weights here: the run starts from random values.
set -euo pipefail

# TODO, all four are yours to give:
: "${{MEGATRON:?the folder of a Megatron-LM checkout}}"
: "${{DATA_PATH:?what tools/preprocess_data.py wrote, without .bin or .idx}}"
: "${{TOKENIZER:?a Hugging Face tokenizer, the one that the data was made with}}"
: "${{CHECKPOINTS:?the folder for checkpoints}}"

GPUS_PER_NODE=${{GPUS_PER_NODE:-{per_node}}}
NODES=${{NODES:-{nodes}}}
NODE_RANK=${{NODE_RANK:-0}}
MASTER=${{MASTER:-localhost:6000}}
export CUDA_DEVICE_MAX_CONNECTIONS=${{CUDA_DEVICE_MAX_CONNECTIONS:-1}}

ARGUMENTS=(
{arguments}
)

exec torchrun \\
    --nproc-per-node "$GPUS_PER_NODE" --nnodes "$NODES" --node-rank "$NODE_RANK" \\
    --master-addr "${{MASTER%:*}}" --master-port "${{MASTER##*:}}" \\
    "$MEGATRON/pretrain_gpt.py" "${{ARGUMENTS[@]}}" \\
    --tokenizer-type HuggingFaceTokenizer --tokenizer-model "$TOKENIZER" \\
    --data-path "$DATA_PATH" --save "$CHECKPOINTS" --load "$CHECKPOINTS" "$@"
"""

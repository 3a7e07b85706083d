"""A plan as a job of torchtitan: its TOML file and the module that registers the model.

The last release that reads jobs as TOML is 0.2.2; later versions are configured in Python.
"""

from __future__ import annotations

from typing import Any

from isoloss.architecture import TransformerConfig
from isoloss.errors import UsageError
from isoloss.planning.export.gpt import epsilon, refuse_layout, refuse_options
from isoloss.planning.export.job import Job, parameters_by_convention
from isoloss.planning.export.names import check_names, known_names

NAME = "torchtitan"
MODULE = "isoloss_flavor"
FLAVOR = "plan"
_NEEDS: dict[str, tuple[Any, ...]] = {
    "kind": ("decoder",),
    "norm": ("rmsnorm",),
    "norm_position": ("pre",),
    "norm_weights": (True,),
    "embedding_norm": (False,),
    "positions": ("rotary",),
    "activation": ("swiglu",),
    "qk_norm": ("none", "weighted"),
    "window": (None,),
    "biases": ("none",),
    "head_bias": (False,),
    "head_transform": (False,),
    "n_expert": (0,),
    "dropout": (0.0,),
}
_STEPS = (256, 128, 64, 32, 16, 8, 4, 2, 1)


def torchtitan_in_the_way(config: TransformerConfig) -> list[str]:
    """Options that neither Llama 3 nor Qwen3 of torchtitan has, with their values."""
    return [
        f"{name}={getattr(config, name)!r}"
        for name, allowed in _NEEDS.items()
        if getattr(config, name) not in allowed
    ]


def model_kind(config: TransformerConfig) -> str:
    """`llama3`, or `qwen3` where heads have a norm or a width of their own, or embeddings are tied.

    Raises:
        UsageError: torchtitan has no counterpart of an option.
    """
    refuse_options(NAME, torchtitan_in_the_way(config))
    plain = (
        config.qk_norm == "none"
        and not config.tied_embeddings
        and config.head_dim * config.n_head == config.d_model
        and ffn_settings(config.d_model, config.d_ff) is not None
    )
    return "llama3" if plain else "qwen3"


def model_arguments(config: TransformerConfig) -> dict[str, Any]:
    """Arguments of `TransformerModelArgs` (Llama 3) or `Qwen3ModelArgs`, N checked."""
    kind = model_kind(config)
    arguments: dict[str, Any] = {
        "dim": config.d_model,
        "n_layers": config.n_layer,
        "n_heads": config.n_head,
        "n_kv_heads": config.kv_heads,
        "vocab_size": config.vocab_size,
        "norm_eps": epsilon(config),
        "rope_theta": config.rotary_base,
        "max_seq_len": config.context_length,
    }
    if kind == "llama3":
        settings = ffn_settings(config.d_model, config.d_ff)
        assert settings is not None
        arguments |= {"multiple_of": settings[0], "ffn_dim_multiplier": settings[1]}
    else:
        arguments |= {
            "head_dim": config.head_dim,
            "hidden_dim": config.d_ff,
            "qk_norm": config.qk_norm == "weighted",
            "enable_weight_tying": config.tied_embeddings,
        }
    check_names(NAME, arguments, known_names()["torchtitan"]["model_arguments"][kind])
    theirs = parameters_of_model(kind, arguments)
    assert theirs == parameters_by_convention(config), (theirs, config)
    return arguments


def ffn_settings(dim: int, wanted: int) -> tuple[int, float] | None:
    """`multiple_of` and `ffn_dim_multiplier` that give a hidden width, or None.

    Llama 3 takes two thirds of 4·dim, times the multiplier, rounded up to a multiple.

    >>> ffn_settings(4096, 14336)
    (256, 1.3)
    """
    base = int(2 * (4 * dim) / 3)
    step = next(step for step in _STEPS if wanted % step == 0)
    for digits in range(1, 9):
        multiplier = round((wanted - step / 2) / base, digits)
        if multiplier > 0 and _ffn_width(dim, step, multiplier) == wanted:
            return step, multiplier
    exact = (wanted + 0.5) / base
    return (1, exact) if _ffn_width(dim, 1, exact) == wanted else None


def _ffn_width(dim: int, step: int, multiplier: float) -> int:
    inner = int(multiplier * int(2 * (4 * dim) / 3))
    return step * ((inner + step - 1) // step)


def parameters_of_model(kind: str, a: dict[str, Any]) -> dict[str, int]:
    """N of torchtitan's Llama 3 or Qwen3 from its own arguments."""
    dim, layers = a["dim"], a["n_layers"]
    qwen = kind == "qwen3"
    width = a["head_dim"] if qwen else dim // a["n_heads"]
    inner = a["hidden_dim"] if qwen else _ffn_width(dim, a["multiple_of"], a["ffn_dim_multiplier"])
    attention = 2 * dim * width * (a["n_heads"] + a["n_kv_heads"])
    matrices = layers * (attention + 3 * dim * inner)
    norms = (2 * layers + 1) * dim + (2 * layers * width if qwen and a["qk_norm"] else 0)
    table = a["vocab_size"] * dim
    tied = qwen and a["enable_weight_tying"]
    return {
        "params_total": matrices + norms + table * (1 if tied else 2),
        "params_non_embedding": matrices + norms,
        "params_matmul": matrices + table,
    }


def torchtitan_job(job: Job) -> dict[str, Any]:
    """The job file's content, every key checked against torchtitan's own.

    Raises:
        UsageError: an option of the shape has no counterpart, or a degree divides nothing.
    """
    kind = model_kind(job.config)
    refuse_layout(NAME, job.config, job.degrees)
    r, d = job.recipe, job.degrees
    if kind == "qwen3" and d.pipeline > 1:
        raise UsageError(
            f"{NAME}: Qwen3, which this shape needs, has no pipeline parallelism there",
            hint="Plan a layout without it, or --family llama to reshape the plan.",
        )
    document: dict[str, Any] = {
        "job": {"dump_folder": "./outputs", "description": job.title},
        "model": {
            "name": f"isoloss_{kind}",
            "flavor": FLAVOR,
            "hf_assets_path": "./tokenizer",
        },
        "optimizer": {
            "name": "AdamW",
            "lr": r.learning_rate,
            "beta1": r.betas[0],
            "beta2": r.betas[1],
            "eps": r.eps,
            "weight_decay": r.weight_decay,
        },
        "lr_scheduler": {
            "warmup_steps": r.warmup_steps,
            **({"decay_ratio": r.decay_steps / r.steps} if r.schedule == "wsd" else {}),
            "decay_type": "linear" if r.schedule == "wsd" else "cosine",
            "min_lr_factor": r.final_fraction,
        },
        "training": {
            "local_batch_size": job.rows,
            "global_batch_size": r.batch_sequences,
            "seq_len": r.context_length,
            "max_norm": r.clip_norm,
            "steps": r.steps,
            "dataset": "c4",
            "dataset_path": "TODO/your-data",
            "mixed_precision_param": "bfloat16",
            "mixed_precision_reduce": "float32",
        },
        "parallelism": {
            "data_parallel_replicate_degree": 1 if d.zero >= 2 else d.data,
            "data_parallel_shard_degree": d.data if d.zero >= 2 else 1,
            "tensor_parallel_degree": d.tensor,
            "pipeline_parallel_degree": d.pipeline,
            "context_parallel_degree": d.context,
        },
        "checkpoint": {"enable": True, "interval": r.save_interval, "keep_latest_k": 0},
        "experimental": {"custom_import": MODULE},
    }
    known = known_names()["torchtitan"]["sections"]
    for section, values in document.items():
        check_names(f"{NAME} [{section}]", values, known[section])
    return document


def torchtitan_module(job: Job) -> str:
    """The Python module that registers the model under `isoloss_llama3` or `isoloss_qwen3`."""
    kind = model_kind(job.config)
    arguments = model_arguments(job.config)
    total = parameters_of_model(kind, arguments)["params_total"]
    lines = "".join(f"    {name}={value!r},\n" for name, value in arguments.items())
    imported = {"llama3": "TransformerModelArgs", "qwen3": "Qwen3ModelArgs"}[kind]
    extra = ""
    if kind == "llama3":
        # Its positions are those of Llama 3.1, stretched beyond 8,192, unless the factor is 1.
        extra = "from torchtitan.models.llama3.model.args import RoPEScalingArgs\n"
        lines += "    rope_scaling_args=RoPEScalingArgs(scaling_factor=1.0),\n"
    return _MODULE.format(
        kind=kind,
        version=known_names()["torchtitan"]["version"],
        total=f"{total:,}",
        arguments_class=imported,
        extra=extra,
        lines=lines,
        flavor=FLAVOR,
    )


def torchtitan_notes(job: Job) -> list[str]:
    """What the files do not say as the plan does."""
    notes = [
        "the data are yours to name: [training] dataset_path is a folder that torchtitan's c4"
        " loader reads (rows with a column 'text'); for others register a dataset there. [model]"
        " hf_assets_path is the folder of your tokenizer",
        f"first values are torchtitan's, not initialisation={job.config.initialisation!r}",
        "a checkpoint is written every [checkpoint] interval steps; recipe.json says which are"
        " worth keeping",
        "versions after 0.2.2 read no TOML; there the same numbers go into a Python config",
    ]
    if job.degrees.zero == 1:
        notes.append(
            "ZeRO stage 1 has no counterpart: weights and moments are replicated"
            " (data_parallel_replicate_degree); where memory is short take"
            " data_parallel_shard_degree"
        )
    return notes


_MODULE = '''"""Registers a planned model with torchtitan {version}.

{total} parameters, no weights.
"""

from dataclasses import replace

from torchtitan.models.{kind} import {arguments_class}, get_train_spec
{extra}from torchtitan.protocols.train_spec import register_train_spec

PLAN = {arguments_class}(
{lines})

register_train_spec("isoloss_{kind}", replace(get_train_spec(), model_args={{"{flavor}": PLAN}}))
'''

"""A plan as a recipe of NeMo 2, in the YAML that NeMo-Run reads.

NeMo-Run builds the object that `_target_` names from the keys beside it; `_partial_` leaves the
call to the launcher, `_call_: false` names a function or type without calling it.
"""

from __future__ import annotations

from typing import Any, cast

from isoloss.architecture import TransformerConfig
from isoloss.planning.export.gpt import (
    epsilon,
    gpt_parameters,
    options_in_the_way,
    refuse_layout,
    refuse_options,
    vocabulary_step,
)
from isoloss.planning.export.job import Job, parameters_by_convention
from isoloss.planning.export.megatron import GPUS_PER_NODE, megatron_in_the_way
from isoloss.planning.export.names import check_names, known_names

NAME = "NeMo"
_POSITIONS = {"rotary": "rope", "learned": "learned_absolute"}
_GATED = {"swiglu": "torch.nn.functional.silu", "geglu": "torch.nn.functional.gelu"}
_PLAIN = {
    "silu": "torch.nn.functional.silu",
    "relu": "torch.nn.functional.relu",
    "gelu": "torch.nn.functional.gelu",
    "gelu_tanh": "nemo.collections.llm.fn.activation.openai_gelu",
    "relu2": "nemo.collections.llm.fn.activation.squared_relu",
}
_LLM = "nemo.collections.llm.gpt.model"
_ANY = ("_target_", "_partial_", "_call_")


def nemo_recipe(job: Job) -> dict[str, Any]:
    """The recipe as nested data, every field checked against NeMo's own classes.

    Raises:
        UsageError: an option of the shape has no field, or a degree divides nothing.
    """
    config = job.config
    refuse_options(NAME, nemo_in_the_way(config))
    refuse_layout(NAME, config, job.degrees)
    model, model_config = _classes(config)
    fields = gpt_config(job)
    recipe = {
        "_target_": "nemo.collections.llm.api.pretrain",
        "_partial_": True,
        "model": {"_target_": model, "config": {"_target_": model_config, **fields}},
        "data": _data(job),
        "trainer": _trainer(job),
        "optim": _optimiser(job),
    }
    _check(recipe)
    theirs = parameters_of_fields(fields)
    assert theirs == parameters_by_convention(config), (theirs, config)
    return recipe


def nemo_in_the_way(config: TransformerConfig) -> list[str]:
    """Options that a recipe in YAML has no counterpart for, with their values."""
    found = options_in_the_way(config, tuple(_POSITIONS), (*_GATED, *_PLAIN))
    if config.window is not None:  # theirs is a tuple, and YAML has none
        found.append(f"window={config.window!r}")
    return found


def gpt_config(job: Job) -> dict[str, Any]:
    """Fields of NeMo's `GPTConfig`, none of the shape left to a default."""
    c = job.config
    fields: dict[str, Any] = {
        "num_layers": c.n_layer,
        "hidden_size": c.d_model,
        "ffn_hidden_size": c.d_ff,
        "num_attention_heads": c.n_head,
        "num_query_groups": c.kv_heads,
        "kv_channels": c.head_dim,
        "seq_length": c.context_length,
        "vocab_size": c.vocab_size,
        "make_vocab_size_divisible_by": vocabulary_step(c, job.degrees),
        "share_embeddings_and_output_weights": c.tied_embeddings,
        "position_embedding_type": _POSITIONS[c.positions],
        "normalization": "RMSNorm" if c.norm == "rmsnorm" else "LayerNorm",
        "layernorm_epsilon": epsilon(c),
        "gated_linear_unit": c.gated,
        "activation_func": _named({**_GATED, **_PLAIN}[c.activation]),
        # The fused form of GELU is its tanh approximation; only SwiGLU's is exact.
        "bias_activation_fusion": c.activation == "swiglu",
        "add_bias_linear": c.biases == "all",
        "add_qkv_bias": c.biases == "qkv",
        "qk_layernorm": c.qk_norm == "weighted",
        "hidden_dropout": c.dropout,
        "attention_dropout": c.dropout,
    }
    if c.positions == "rotary":
        fields["rotary_base"] = int(c.rotary_base)
    if c.n_expert:
        fields |= {
            "num_moe_experts": c.n_expert,
            "moe_router_topk": c.experts_per_token,
            "moe_ffn_hidden_size": c.d_ff,
            "moe_router_load_balancing_type": "aux_loss",
            "moe_aux_loss_coeff": c.balance_weight,
        }
    return fields


def _classes(config: TransformerConfig) -> tuple[str, str]:
    """Model and config; Llama's own where it is one, so that NeMo can export it later."""
    llama = (
        config.norm == "rmsnorm"
        and config.activation == "swiglu"
        and config.positions == "rotary"
        and (config.qk_norm, config.biases, config.n_expert) == ("none", "none", 0)
    )
    if llama:
        return f"{_LLM}.llama.LlamaModel", f"{_LLM}.llama.LlamaConfig"
    return f"{_LLM}.base.GPTModel", f"{_LLM}.base.GPTConfig"


def _named(target: str) -> dict[str, Any]:
    return {"_target_": target, "_call_": False}


def _data(job: Job) -> dict[str, Any]:
    return {
        "_target_": "nemo.collections.llm.gpt.data.mock.MockDataModule",
        "seq_length": job.recipe.context_length,
        "micro_batch_size": job.rows,
        "global_batch_size": job.recipe.batch_sequences,
    }


def _trainer(job: Job) -> dict[str, Any]:
    d = job.degrees
    per_node = min(GPUS_PER_NODE, d.devices)
    return {
        "_target_": "nemo.lightning.pytorch.trainer.Trainer",
        "accelerator": "gpu",
        "devices": per_node,
        "num_nodes": -(-d.devices // per_node),
        "max_steps": job.recipe.steps,
        "log_every_n_steps": 10,
        "use_distributed_sampler": False,
        "val_check_interval": job.recipe.save_interval,
        "limit_val_batches": 32,
        "plugins": {
            "_target_": "nemo.lightning.pytorch.plugins.mixed_precision.MegatronMixedPrecision",
            "precision": "bf16-mixed",
            "params_dtype": _named("torch.bfloat16"),
            "pipeline_dtype": _named("torch.bfloat16"),
            "autocast_enabled": False,
            "grad_reduce_in_fp32": True,
        },
        "strategy": {
            "_target_": "nemo.lightning.pytorch.strategies.megatron_strategy.MegatronStrategy",
            "tensor_model_parallel_size": d.tensor,
            "pipeline_model_parallel_size": d.pipeline,
            "context_parallel_size": d.context,
            "sequence_parallel": d.tensor > 1,
            "pipeline_dtype": _named("torch.bfloat16"),
        },
    }


def _optimiser(job: Job) -> dict[str, Any]:
    r = job.recipe
    return {
        "_target_": "nemo.lightning.pytorch.optim.megatron.MegatronOptimizerModule",
        "config": {
            "_target_": "megatron.core.optimizer.optimizer_config.OptimizerConfig",
            "optimizer": "adam",
            "lr": r.learning_rate,
            "min_lr": r.final_learning_rate,
            "weight_decay": r.weight_decay,
            "adam_beta1": r.betas[0],
            "adam_beta2": r.betas[1],
            "adam_eps": r.eps,
            "clip_grad": r.clip_norm,
            "bf16": True,
            "use_distributed_optimizer": job.degrees.zero >= 1,
        },
        "lr_scheduler": {
            "_target_": "nemo.lightning.pytorch.optim.lr_scheduler.CosineAnnealingScheduler",
            "max_steps": r.steps,
            "warmup_steps": r.warmup_steps,
            "constant_steps": 0,
            "min_lr": r.final_learning_rate,
        },
    }


def parameters_of_fields(fields: dict[str, Any]) -> dict[str, int]:
    """N of the model that these fields of `GPTConfig` make."""
    f = fields
    return gpt_parameters(
        layers=f["num_layers"],
        hidden=f["hidden_size"],
        inner=f.get("moe_ffn_hidden_size", f["ffn_hidden_size"]),
        heads=f["num_attention_heads"],
        groups=f["num_query_groups"],
        channels=f["kv_channels"],
        vocabulary=f["vocab_size"],
        positions=f["seq_length"] if f["position_embedding_type"] == "learned_absolute" else 0,
        gated=f["gated_linear_unit"],
        layernorm=f["normalization"] == "LayerNorm",
        biases=f["add_bias_linear"],
        qkv_biases=f["add_qkv_bias"],
        qk_norm=f["qk_layernorm"],
        untied=not f["share_embeddings_and_output_weights"],
        experts=f.get("num_moe_experts", 0),
    )


def _check(part: dict[str, Any]) -> None:
    """Every class is known and has every field, all the way down."""
    target = part["_target_"]
    fields = {key: value for key, value in part.items() if key not in _ANY}
    known = known_names()["nemo"]
    if part.get("_call_") is False:
        assert target in known["named"], target
        return
    check_names(target, fields, known["targets"][target])
    for value in fields.values():
        if isinstance(value, dict):
            _check(cast("dict[str, Any]", value))


def nemo_notes(job: Job) -> list[str]:
    """What the recipe does not say as the plan does."""
    notes = [
        "the data are random tokens (MockDataModule): put PreTrainingDataModule with your paths"
        " and tokenizer in their place",
        f"first values are Megatron's, not initialisation={job.config.initialisation!r}",
    ]
    if job.recipe.schedule == "wsd":
        notes.append(
            "NeMo 2 has no warm-up, constant, decay schedule: the rate follows a cosine to the"
            " same end instead. Without a constant trunk no shorter run can branch from it"
        )
    if job.degrees.zero >= 2:
        notes.append(
            f"ZeRO stage {job.degrees.zero} becomes stage 1 (use_distributed_optimizer): more"
            " memory on each device than planned"
        )
    if megatron_in_the_way(job.config):
        notes.append(
            "there is no script for Megatron-LM: it has no argument for"
            f" {', '.join(megatron_in_the_way(job.config))}"
        )
    return notes

"""What Megatron-Core's GPT model can say of a config, for Megatron-LM and for NeMo.

Both build the same model (`megatron.core.models.gpt.GPTModel`), one from arguments, the other
from a dataclass. Norms always have their scales there (and shifts, in LayerNorm), queries and
keys have a norm with one scale a channel or none, heads no temperature.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import gcd
from typing import Any

from isoloss.architecture import TransformerConfig
from isoloss.architecture.hub_configs import LAYERNORM_EPS, RMSNORM_EPS
from isoloss.errors import UsageError
from isoloss.planning.hardware import Degrees

_NEEDS: Mapping[str, tuple[Any, ...]] = {
    "kind": ("decoder",),
    "norm_position": ("pre",),
    "norm_weights": (True,),
    "embedding_norm": (False,),
    "qk_norm": ("none", "weighted"),
    "head_bias": (False,),
    "head_transform": (False,),
}
OTHER_FAMILY = "Reshape the plan into a family that it has: --family llama (or qwen3, gpt2)."


def refuse_options(target: str, found: list[str]) -> None:
    """Raise an error that names options without a counterpart, if there are any.

    Raises:
        UsageError: `found` is not empty.
    """
    if found:
        raise UsageError(f"{target} has no counterpart of {', '.join(found)}", hint=OTHER_FAMILY)


def options_in_the_way(
    config: TransformerConfig, positions: tuple[str, ...], activations: tuple[str, ...]
) -> list[str]:
    """Options that Megatron-Core's GPT has no counterpart for, with their values.

    Args:
        config: the shape.
        positions, activations: what the front end (Megatron-LM, NeMo) can name.
    """
    needs = {**_NEEDS, "positions": positions, "activation": activations}
    found = [
        f"{name}={getattr(config, name)!r}"
        for name, allowed in needs.items()
        if getattr(config, name) not in allowed
    ]
    if config.norm == "layernorm" and not config.norm_bias:
        found.append("norm='layernorm' with norm_bias=False")
    if config.norm == "layernorm" and config.qk_norm == "weighted":
        found.append("qk_norm='weighted' with norm='layernorm'")
    if config.positions == "rotary" and config.rotary_base != int(config.rotary_base):
        found.append(f"rotary_base={config.rotary_base!r} that is no whole number")
    return found


def refuse_layout(target: str, config: TransformerConfig, degrees: Degrees) -> None:
    """Refuse degrees that do not divide what they cut.

    Raises:
        UsageError: one does not.
    """
    t, p, c = degrees.tensor, degrees.pipeline, degrees.context
    cuts = (
        ("tensor", t, "n_head", config.n_head),
        ("tensor", t, "n_kv_head", config.kv_heads),
        ("tensor", t, "d_ff", config.d_ff),
        ("tensor", t, "vocab_size", config.vocab_size),
        ("tensor", t, "d_model", config.d_model),
        ("pipeline", p, "n_layer", config.n_layer),
        ("context", 2 * c if c > 1 else 1, "context_length", config.context_length),
    )
    for degree, parts, name, size in cuts:
        if size % parts:
            raise UsageError(
                f"{target}: {degree} parallelism in {parts} parts does not divide {name}={size}",
                hint="Plan a layout that does, or --family llama to reshape the plan for it.",
            )


def vocabulary_step(config: TransformerConfig, degrees: Degrees) -> int:
    """What Megatron may round the vocabulary to without changing it (128 at most)."""
    return gcd(config.vocab_size // degrees.tensor, 128)


def epsilon(config: TransformerConfig) -> float:
    """What a norm adds."""
    default = RMSNORM_EPS if config.norm == "rmsnorm" else LAYERNORM_EPS
    return default if config.norm_eps is None else config.norm_eps


def gpt_parameters(
    *,
    layers: int,
    hidden: int,
    inner: int,
    heads: int,
    groups: int,
    channels: int,
    vocabulary: int,
    positions: int,
    gated: bool,
    layernorm: bool,
    biases: bool,
    qkv_biases: bool,
    qk_norm: bool,
    untied: bool,
    experts: int,
) -> dict[str, int]:
    """N of Megatron-Core's GPT from its own settings.

    Follows `compute_weight_and_optimizer_memory` in Megatron-LM's
    `megatron/training/theoretical_memory_usage.py`, which leaves out biases, learned positions
    and the norms of queries and keys; they are added here as `GPTModel` has them.

    Args:
        groups: heads for keys and values.
        channels: width of a head.
        positions: learned ones, or 0.
        biases: on every linear map; `qkv_biases` on those of queries, keys and values alone.
    """
    norm = 2 if layernorm else 1
    query, shared = heads * channels, groups * channels
    attention = 2 * hidden * (query + shared)
    feed_forward = (3 if gated else 2) * hidden * inner * max(1, experts)
    router = hidden * experts
    matrices = layers * (attention + feed_forward + router)
    vectors = layers * 2 * norm * hidden + norm * hidden
    vectors += layers * 2 * channels * norm if qk_norm else 0
    if biases or qkv_biases:
        vectors += layers * (query + 2 * shared)
    if biases:
        vectors += layers * (hidden + (2 if gated else 1) * inner + hidden)
    embedding = vocabulary * hidden
    return {
        "params_total": matrices + vectors + embedding * (2 if untied else 1) + positions * hidden,
        "params_non_embedding": matrices + vectors,
        "params_matmul": matrices + embedding,
    }

"""Llama, Mistral (Llama with a window), Qwen2 (with biases on queries, keys and values), Qwen3
(with a norm of queries and keys): decoders with rotary positions, RMSNorm and a gated SiLU.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from isoloss.architecture import TransformerConfig, family_options
from isoloss.architecture.hub_configs import HUB_TABLES, RMSNORM_EPS, llama_values
from isoloss.errors import UsageError
from isoloss.models.huggingface.family import (
    Family,
    Values,
    given,
    head_width,
    norm_eps,
    refuse,
    refuse_rest,
    rotary_base,
    shared_heads,
)
from isoloss.models.huggingface.pieces import Piece, State, inward, names_of, outward, without

_BUFFERS = ("rotary_emb.inv_freq", "lm_head.weight")


def pieces(config: TransformerConfig) -> list[Piece]:
    """Our weights and theirs."""
    d, width = config.d_model, config.head_dim
    found = [
        Piece("embedding.weight", ("model.embed_tokens.weight",)),
        Piece("stack.norm.weight", ("model.norm.weight",), (d,), 1.0),
    ]
    if not config.tied_embeddings:
        found.append(Piece("head.weight", ("lm_head.weight",)))
    heights = (config.n_head * width, config.kv_heads * width, config.kv_heads * width)
    for index in range(config.n_layer):
        ours, theirs = f"stack.blocks.{index}", f"model.layers.{index}"
        qkv = tuple(f"{theirs}.self_attn.{name}_proj" for name in "qkv")
        up = tuple(f"{theirs}.mlp.{name}_proj" for name in ("gate", "up"))
        found += [
            Piece(f"{ours}.attention_norm.weight", (f"{theirs}.input_layernorm.weight",), (d,), 1),
            Piece(
                f"{ours}.feed_forward_norm.weight",
                (f"{theirs}.post_attention_layernorm.weight",),
                (d,),
                1,
            ),
        ]
        for kind in ("weight", "bias"):
            if kind == "weight" or config.biases != "none":
                found.append(_stacked(f"{ours}.attention.qkv", qkv, heights, kind))
            if kind == "weight" or config.biases == "all":
                found += [
                    _stacked(f"{ours}.attention.out", (f"{theirs}.self_attn.o_proj",), (), kind),
                    _stacked(f"{ours}.feed_forward.up", up, (config.d_ff, config.d_ff), kind),
                    _stacked(f"{ours}.feed_forward.down", (f"{theirs}.mlp.down_proj",), (), kind),
                ]
        if config.qk_norm == "weighted":
            found += [
                Piece(f"{ours}.attention.{n}.weight", (f"{theirs}.self_attn.{n}.weight",))
                for n in ("q_norm", "k_norm")
            ]
    return found


def _stacked(ours: str, theirs: tuple[str, ...], rows: tuple[int, ...], kind: str) -> Piece:
    return Piece(f"{ours}.{kind}", tuple(f"{name}.{kind}" for name in theirs), rows)


def to_theirs(config: TransformerConfig, ours: Mapping[str, Tensor]) -> tuple[Values, State]:
    """A config and weights of ours as theirs."""
    return llama_values(config), outward(pieces(config), ours)


def to_ours(values: Values, theirs: Mapping[str, Tensor]) -> tuple[TransformerConfig, State]:
    """A config and weights of theirs as ours.

    Raises:
        UsageError: an option has no counterpart.
        DataError: a weight is missing, or there is one too many.
    """
    config = _config(values)
    table = pieces(config)
    ours = inward(table, theirs)
    refuse_rest(without(theirs, names_of(table), _BUFFERS))
    if config.tied_embeddings:
        ours["head.weight"] = ours["embedding.weight"]
    return config, ours


_UNSAID: dict[str, Values] = {"qwen3": {"head_dim": 128}, "mistral": {"sliding_window": 4096}}
"""What transformers takes where a `config.json` says nothing, of what is not plain."""


def _config(values: Values) -> TransformerConfig:
    refuse(values, hidden_act="silu")
    values = {**_UNSAID.get(values["model_type"], {}), **values}
    kind, d, n = values["model_type"], given(values, "hidden_size"), values["num_attention_heads"]
    return TransformerConfig(
        **{
            **family_options("qwen3" if kind == "qwen3" else "llama"),
            "vocab_size": given(values, "vocab_size"),
            "context_length": given(values, "max_position_embeddings"),
            "d_model": d,
            "n_layer": given(values, "num_hidden_layers"),
            "n_head": n,
            "n_kv_head": shared_heads(values, n),
            "head_width": head_width(values, d, n),
            "d_ff": given(values, "intermediate_size"),
            "norm_eps": norm_eps(values.get("rms_norm_eps", 1e-6), RMSNORM_EPS),
            "rotary_base": rotary_base(values),
            "biases": _biases(values, kind),
            "window": _window(values, kind),
            "tied_embeddings": bool(values.get("tie_word_embeddings", False)),
        }
    )


def _biases(values: Values, kind: str) -> str:
    attention, mlp = bool(values.get("attention_bias")), bool(values.get("mlp_bias"))
    if kind == "qwen2":
        return "qkv"
    if attention != mlp:
        raise UsageError(
            f"attention_bias={attention} with mlp_bias={mlp} has no counterpart in isoloss",
            hint="Biases are on all maps, on none, or (Qwen2) on queries, keys and values.",
        )
    return "all" if attention else "none"


def _window(values: Values, kind: str) -> int | None:
    """The window of all layers; a mixture of windows is refused."""
    if kind == "mistral":
        return values.get("sliding_window")
    if not kind.startswith("qwen") or not values.get("use_sliding_window"):
        return None
    layers, first = values["num_hidden_layers"], values.get("max_window_layers", 28)
    if first >= layers:
        return None
    if first > 0:
        raise UsageError(
            f"max_window_layers={first} of {layers} layers has no counterpart in isoloss",
            hint="All layers must have the sliding window, or none.",
        )
    return values.get("sliding_window")


LLAMA = Family(
    hub=HUB_TABLES["llama"],
    model_types=("llama", "mistral", "qwen2"),
    outward=to_theirs,
    inward=to_ours,
)
QWEN3 = Family(hub=HUB_TABLES["qwen3"], model_types=("qwen3",), outward=to_theirs, inward=to_ours)

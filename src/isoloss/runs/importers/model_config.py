"""Model configs as other programs write them, as a `TransformerConfig` that can be counted.

Nothing is assumed of a model that `TransformerConfig` has no place for: it has no config here,
and the reason says why.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from isoloss.architecture import TransformerConfig, family_options, preset
from isoloss.errors import DataError, IsolossError, NotFoundError, UsageError
from isoloss.runs.importers._flat import flat
from isoloss.runs.importers._points import number as as_number
from isoloss.runs.importers.nanogpt import nanogpt_config

Values = Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A model's shape.

    Attributes:
        config: the shape, or None where it cannot be said.
        origin: where it is from, for `meta_derived`.
        reason: why there is no config, or empty where nothing was to be seen of one.
    """

    config: TransformerConfig | None = None
    origin: str = ""
    reason: str = ""


def given_shape(source: str) -> Shape:
    """The shape that `--config` names: a JSON or TOML file, or a public model's name.

    Raises:
        UsageError: neither a file nor a known model; DataError: the file holds no shape that
            isoloss can count.
    """
    path = Path(source)
    if path.is_dir():
        path = path / "config.json"
    if not path.is_file():
        if path.suffix.lower() in (".json", ".toml"):
            raise NotFoundError(f"{source}: no such file", hint="Check the path.")
        return Shape(config=preset(source).config, origin=f"the public model {source}")
    shape = shape_of(_read(path), origin=path.name)
    if shape.config is None:
        raise DataError(
            f"{path}: {shape.reason or 'no shape of a model'}",
            hint="Give vocab_size, context_length, d_model, n_layer, n_head, d_ff and a family, a "
            "Hugging Face config.json, or a name of `isoloss model list`.",
        )
    return shape


def shape_of(values: Values, *, origin: str) -> Shape:
    """The shape that a flat config says."""
    kind = str(values.get("model_type") or "")
    make = _MAKERS.get(kind)
    if make is None and values.keys() >= _SIZES:
        make, kind = _ours, "own"
    if make is None:
        known = f"isoloss cannot count model_type {kind!r}" if kind else ""
        return Shape(reason=known)
    try:
        config = make(values)
    except IsolossError as error:
        return Shape(reason=f"{origin}: {error.message}")
    except (KeyError, TypeError, ValueError) as error:
        missing = error.args[0] if isinstance(error, KeyError) else error
        return Shape(reason=f"{origin}: the config lacks {missing}, or it is wrong there")
    return Shape(config=config, origin=origin)


def resized(shape: Shape, sizes: Values) -> Shape:
    """A shape at the sizes of a row: depth and width are the row's where it says them.

    Heads keep their width, and the feed-forward part its ratio to the model's width, where the
    row does not say them.
    """
    config = shape.config
    told = {name: as_number(sizes.get(name)) for name in ("n_layer", "d_model", "n_head", "d_ff")}
    told["vocab_size"] = as_number(sizes.get("vocab_size"))
    changed = {n: int(v) for n, v in told.items() if v and v != getattr(config, n, v)}
    if config is None or not changed:
        return shape
    d_model = changed.get("d_model", config.d_model)
    n_head = changed.get("n_head", max(1, d_model // config.head_dim))
    other: dict[str, Any] = {
        "n_head": n_head,
        "n_kv_head": max(1, n_head * config.kv_heads // config.n_head),
        "d_ff": round(config.d_ff * d_model / config.d_model),
    }
    origin = f"{shape.origin} at the row's {', '.join(changed)}"
    try:
        return Shape(config=replace(config, **(other | changed)), origin=origin)
    except UsageError as error:
        return Shape(reason=f"{origin}: {error.message}")


def _read(path: Path) -> dict[str, object]:
    try:
        text = path.read_text("utf-8")
        values = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except (ValueError, RecursionError, OSError) as error:
        raise DataError(f"{path}: cannot be read as JSON or TOML: {error}") from error
    if not isinstance(values, dict):
        raise DataError(f"{path}: expected an object, found {type(values).__name__}")
    table: dict[str, object] = values  # pyright: ignore[reportUnknownVariableType]
    inner = table.get("model")
    return flat(inner if isinstance(inner, dict) else table)  # pyright: ignore[reportUnknownArgumentType]


_SIZES = frozenset({"vocab_size", "context_length", "d_model", "n_layer", "n_head", "d_ff"})
_FIELDS = frozenset(one.name for one in fields(TransformerConfig))


def _ours(values: Values) -> TransformerConfig:
    """A config by our own names; other keys are left out."""
    options: dict[str, Any] = family_options(str(values.get("family") or "isoloss"))
    options |= {name: values[name] for name in _FIELDS & values.keys()}
    return TransformerConfig(**options)


def _whole(values: Values, *names: str) -> int:
    """The first of the keys that is there, as a whole number."""
    for name in names:
        value = values.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
            raise UsageError(f"{name} must be a whole number, found {value!r}")
        return int(value)
    raise KeyError(names[0])


def _sizes(values: Values) -> dict[str, Any]:
    return {
        "vocab_size": _whole(values, "vocab_size"),
        "context_length": _whole(values, "max_position_embeddings"),
        "d_model": _whole(values, "hidden_size"),
        "n_layer": _whole(values, "num_hidden_layers"),
        "n_head": _whole(values, "num_attention_heads"),
    }


def _llama(values: Values) -> TransformerConfig:
    """Llama, Mistral, Qwen2 and Qwen3 of Hugging Face."""
    kind, sizes = str(values["model_type"]), _sizes(values)
    attention, mlp = bool(values.get("attention_bias")), bool(values.get("mlp_bias"))
    if attention != mlp:
        raise UsageError("attention_bias without mlp_bias (or the reverse) cannot be counted")
    biases = "qkv" if kind == "qwen2" else "all" if attention else "none"
    head_dim = values.get("head_dim") or (128 if kind == "qwen3" else None)
    options: dict[str, Any] = {
        **family_options("qwen3" if kind == "qwen3" else "llama"),
        **sizes,
        "d_ff": _whole(values, "intermediate_size"),
        "n_kv_head": _whole(values, "num_key_value_heads", "num_attention_heads"),
        "head_width": head_dim,
        "biases": biases,
        "tied_embeddings": bool(values.get("tie_word_embeddings", False)),
    }
    return TransformerConfig(**options)


def _gpt2(values: Values) -> TransformerConfig:
    """GPT-2 of Hugging Face."""
    d_model = _whole(values, "n_embd")
    options: dict[str, Any] = {
        **family_options("gpt2"),
        "vocab_size": _whole(values, "vocab_size"),
        "context_length": _whole(values, "n_positions", "n_ctx"),
        "d_model": d_model,
        "n_layer": _whole(values, "n_layer"),
        "n_head": _whole(values, "n_head"),
        "d_ff": _whole(values, "n_inner") if values.get("n_inner") else 4 * d_model,
        "tied_embeddings": bool(values.get("tie_word_embeddings", True)),
    }
    return TransformerConfig(**options)


def _nanogpt(values: Values) -> TransformerConfig:
    config = nanogpt_config(dict(values))
    if config is None:
        raise KeyError("n_layer, n_head, n_embd, block_size or vocab_size")
    return config


def _megatron(values: Values) -> TransformerConfig:
    """Megatron-LM's arguments; a vocabulary is padded, as the weights are."""
    if values.get("num_experts"):
        raise UsageError("experts of Megatron-LM are not counted")
    d_model, n_head = _whole(values, "hidden_size"), _whole(values, "num_attention_heads")
    rms = str(values.get("normalization", "LayerNorm")) == "RMSNorm"
    position = str(values.get("position_embedding_type", "learned_absolute"))
    grouped = bool(values.get("group_query_attention"))
    linear = bool(values.get("add_bias_linear", True))
    return TransformerConfig(
        vocab_size=_whole(values, "padded_vocab_size"),
        context_length=_whole(values, "max_position_embeddings", "seq_length"),
        d_model=d_model,
        n_layer=_whole(values, "num_layers"),
        n_head=n_head,
        n_kv_head=_whole(values, "num_query_groups") if grouped else n_head,
        head_width=_whole(values, "kv_channels") if values.get("kv_channels") else None,
        d_ff=_whole(values, "ffn_hidden_size"),
        norm="rmsnorm" if rms else "layernorm",
        norm_weights=True,
        norm_bias=not rms,
        embedding_norm=False,
        positions={"learned_absolute": "learned", "rope": "rotary", "none": "none"}[position],  # type: ignore[arg-type]
        activation="swiglu" if values.get("swiglu") else "gelu",
        qk_norm="weighted" if values.get("qk_layernorm") else "none",
        biases="all" if linear else "qkv" if values.get("add_qkv_bias") else "none",
        tied_embeddings=not values.get("untie_embeddings_and_output_weights", False),
    )


_MAKERS: dict[str, Callable[[Values], TransformerConfig]] = {
    "llama": _llama,
    "mistral": _llama,
    "qwen2": _llama,
    "qwen3": _llama,
    "gpt2": _gpt2,
    "nanogpt": _nanogpt,
    "megatron": _megatron,
}

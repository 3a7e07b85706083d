"""What a PyTorch model says of itself: counts under every convention, and its shape.

Nothing here imports PyTorch: modules and parameters are asked by the names of their methods.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Ours → theirs, the first that a config has: names that Hugging Face's configs use.
_SHAPE = {
    "n_layer": ("num_hidden_layers", "n_layer", "num_layers"),
    "d_model": ("hidden_size", "n_embd", "d_model"),
    "n_head": ("num_attention_heads", "n_head", "num_heads"),
    "d_ff": ("intermediate_size", "n_inner", "ffn_dim", "d_ff"),
    "vocab_size": ("vocab_size",),
    "context_length": ("max_position_embeddings", "n_positions"),
}
_EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts")


def model_columns(model: Any) -> dict[str, Any]:
    """Columns of the run table that a model fills.

    Counts follow docs/run-table.md. Of a mixture of experts only the total is given: which
    weights a token uses cannot be seen from outside.
    """
    config = getattr(model, "config", None)
    columns: dict[str, Any] = dict(_counts(model))
    if any(getattr(config, name, None) for name in _EXPERTS):
        columns = {"params_total": columns["params_total"]}
    for ours, names in _SHAPE.items():
        value = next((v for n in names if (v := getattr(config, n, None)) is not None), None)
        if isinstance(value, int) and not isinstance(value, bool):
            columns[ours] = value
    kind = getattr(config, "model_type", None)
    return {**columns, "architecture": kind} if isinstance(kind, str) and kind else columns


def _counts(model: Any) -> Mapping[str, int]:
    """Total, non-embedding and matrix weights; each parameter once, however often it is used."""
    tables: dict[int, int] = {}
    others: dict[int, tuple[int, bool]] = {}
    for _, module in model.named_modules():
        embeds = any("Embedding" in kind.__name__ for kind in type(module).__mro__)
        for _, weight in module.named_parameters(recurse=False):
            if embeds:
                tables[id(weight)] = _size(weight)
            else:
                others[id(weight)] = (_size(weight), weight.dim() >= 2)
    head = _head(model)
    tied = [_size(weight) for weight in head if id(weight) in tables and weight.dim() >= 2]
    own = {key: value for key, value in others.items() if key not in tables}
    head_own = {id(weight) for weight in head} - set(tables)
    return {
        "params_total": sum(tables.values()) + sum(size for size, _ in own.values()),
        "params_non_embedding": sum(s for key, (s, _) in own.items() if key not in head_own),
        "params_matmul": sum(size for size, matrix in own.values() if matrix) + sum(tied),
    }


def _size(weight: Any) -> int:
    """Entries of a parameter, also where it is spread over devices (DeepSpeed says so)."""
    return int(getattr(weight, "ds_numel", 0) or weight.numel())


def _head(model: Any) -> list[Any]:
    """Weight and bias of the output head: as the model names it, else by its width."""
    asked = getattr(model, "get_output_embeddings", None)
    head: Any = asked() if callable(asked) else None
    if head is None:
        vocabulary = max(
            (int(m.num_embeddings) for _, m in model.named_modules() if _is_table(m)), default=0
        )
        wide = [m for _, m in model.named_modules() if getattr(m, "out_features", 0) == vocabulary]
        head = wide[-1] if vocabulary and wide else None
    return [] if head is None else [weight for _, weight in head.named_parameters(recurse=False)]


def _is_table(module: Any) -> bool:
    return isinstance(getattr(module, "num_embeddings", None), int)

"""What a row lacks and what follows from the rest of it; the row says how each was derived."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from isoloss.architecture import (
    FlopsConvention,
    TransformerConfig,
    count_parameters,
    training_flops,
)
from isoloss.runs._cells import is_empty
from isoloss.runs.importers._points import number as as_number
from isoloss.runs.importers.model_config import Shape

Row = dict[str, Any]
CONVENTIONS: dict[str, FlopsConvention] = {
    # Of a mixture of experts a token uses the active weights only.
    "params_active": "6nd_total",
    "params_matmul": "matmul",
    "params_non_embedding": "6nd_non_embedding",
    "params_total": "6nd_total",
}
"""Under which convention 6·N·D is the FLOP, by what N counts."""

DIFFERENT = 0.01
"""Relative difference between a count of the shape and what the source says that is told."""


def derived(row: Row, shape: Shape) -> tuple[Row, dict[str, str], list[str]]:
    """A row with what follows from it, how each was derived, and what does not agree.

    Args:
        row: a row in our units; `meta_global_batch_size` and `meta_consumed_samples` (in
            sequences) are used where tokens are missing.
            A `meta_derived` that is a dict says what was derived before.
        shape: of the model, as far as it is known.
    """
    full, how = dict(row), dict[str, str]()
    before = full.pop("meta_derived", None)
    if isinstance(before, dict):
        how |= cast("dict[str, str]", before)

    def add(name: str, value: float | int | str | None, text: str) -> None:
        if value is not None and is_empty(full.get(name)):
            full[name], how[name] = value, text

    # Tokens first: a config's longest context need not be the length that was trained on.
    _add_tokens(full, add)
    notes = _add_counts(full, add, shape)
    _add_flops(full, add, shape)
    texts = [before] if isinstance(before, str) and before else []
    texts += [f"{name}: {text}" for name, text in how.items()]
    if texts:
        full["meta_derived"] = "; ".join(texts)
    return full, how, notes


Add = Callable[[str, "float | int | str | None", str], None]


def _add_counts(row: Row, add: Add, shape: Shape) -> list[str]:
    if shape.config is None:
        _add_plain_counts(row, add)
        return []
    config, origin = shape.config, shape.origin
    counts = count_parameters(config)
    notes: list[str] = []
    for name, value in _counted(config).items():
        said = as_number(row.get(name))
        if said is not None and abs(said - value) > DIFFERENT * value:
            notes.append(f"{name} is {said:.6g}, but the shape ({origin}) has {value:.6g}")
        add(name, value, f"counted from {origin}")
    if counts.idle_experts:
        add("params_active", counts.active, f"counted from {origin}")
    for name in ("n_layer", "d_model", "n_head", "d_ff", "vocab_size"):
        add(name, getattr(config, name), f"from {origin}")
    return notes


def _counted(config: TransformerConfig) -> dict[str, int]:
    counts = count_parameters(config)
    return {
        "params_total": counts.total,
        "params_non_embedding": counts.non_embedding,
        "params_matmul": counts.matmul,
    }


def _add_plain_counts(row: Row, add: Add) -> None:
    """Matrices of a block that is not gated: 4 d² of attention and 2 d·d_ff (Kaplan et al.,
    arXiv:2001.08361, Table 1). With another feed-forward width than 4 d, whether it is gated is
    not known, and nothing is derived.
    """
    n_layer, d_model = as_number(row.get("n_layer")), as_number(row.get("d_model"))
    vocab_size, d_ff = as_number(row.get("vocab_size")), as_number(row.get("d_ff"))
    counted = any(name.startswith("params_") and not is_empty(row[name]) for name in row)
    if counted or n_layer is None or d_model is None or d_ff not in (None, 4 * d_model):
        return
    blocks = 12 * n_layer * d_model**2
    add("params_non_embedding", blocks, "12·n_layer·d_model², without norms and biases")
    if vocab_size is not None:
        text = "12·n_layer·d_model² + vocab_size·d_model"
        add("params_matmul", blocks + vocab_size * d_model, text)


def _add_tokens(row: Row, add: Add) -> None:
    length = as_number(row.get("context_length"))
    sequences = as_number(row.get("meta_global_batch_size"))
    samples = as_number(row.get("meta_consumed_samples"))
    if samples and length:
        add("tokens", samples * length, "consumed samples x context_length")
    if sequences and length:
        add("batch_tokens", sequences * length, "global batch size x context_length")
    steps, batch = as_number(row.get("steps")), as_number(row.get("batch_tokens"))
    if steps and batch:
        add("tokens", steps * batch, "steps x batch_tokens")


def _add_flops(row: Row, add: Add, shape: Shape) -> None:
    tokens = as_number(row.get("tokens"))
    if not tokens or not is_empty(row.get("flops")):
        return
    per_token = as_number(row.get("meta_flops_per_token"))
    if per_token:
        add("flops", per_token * tokens, "the source's FLOP per token x tokens")
        row["flops_convention"] = "reported"
        return
    if shape.config is not None:
        length = as_number(row.get("context_length"))
        config = replace(shape.config, context_length=int(length)) if length else shape.config
        # Attention costs what the length of a row says; where that is unknown it is left out.
        convention: FlopsConvention = "palm" if length else "matmul"
        value = training_flops(config, tokens, convention)
        add("flops", float(value), f"counted from {shape.origin} and tokens ({convention})")
        row["flops_convention"] = convention
        return
    for name, named in CONVENTIONS.items():
        count = as_number(row.get(name))
        if count:
            add("flops", 6 * count * tokens, f"6·{name}·tokens")
            row["flops_convention"] = named
            return

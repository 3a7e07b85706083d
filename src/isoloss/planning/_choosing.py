"""Which models a plan may choose from, by what its source knows of shapes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from isoloss.architecture import FLOPS_CONVENTIONS, FlopsConvention
from isoloss.planning.candidates import (
    MIN_TOKENS_PER_PARAMETER,
    Candidates,
    shapes_to_choose,
    sizes_to_choose,
)
from isoloss.planning.shapes import (
    DEFAULT_CONTEXT_LENGTH,
    DEFAULT_VOCAB_SIZE,
    MAX_PARAMETERS,
    ShapeTable,
    fixed_depth_table,
    rule_table,
)
from isoloss.planning.sources import Source
from isoloss.planning.wishes import ShapeWishes

_SIX_ND_BY_N: dict[str, str] = {
    "params_non_embedding": "6nd_non_embedding",
    "params_matmul": "matmul",
}


def six_nd_of(n_convention: str) -> str:
    """What 6 N D counts, where N counts that."""
    return _SIX_ND_BY_N.get(n_convention, "6nd_total")


def law_convention(source: Source) -> FlopsConvention | None:
    """The source's convention of C, if counts exist for it."""
    return next((known for known in FLOPS_CONVENTIONS if known == source.flops_convention), None)


def candidates_of(
    source: Source, wishes: ShapeWishes, flops: float | None, *, palm: bool, shapes: bool
) -> Candidates:
    """Real shapes where the source knows its family and its convention, else N alone.

    A published law has no family: its N* stays comparable with the paper's, unless shapes are
    needed, which are then those of the rule with the default vocabulary and context.

    Args:
        source: what to believe.
        wishes: what is fixed of the shape.
        flops: the budget, or None for a target.
        palm: whether the budget counts FLOP as PaLM does (hardware), not as the source does.
        shapes: whether real shapes are needed.
    """
    vocab_size = wishes.size("vocab_size", source.family)
    context_length = wishes.size("context_length", source.family)
    counted = law_convention(source)
    unknown = source.published or counted is None or None in (vocab_size, context_length)
    n_layer = wishes.size("n_layer", source.family)
    ruled = source.family.get("architecture") and n_layer is None
    if (unknown or ruled) and not (shapes or palm):
        return sizes_to_choose(
            flops,
            vocab_size=vocab_size or DEFAULT_VOCAB_SIZE,
            convention=source.flops_convention or six_nd_of(source.n_convention),
        )
    max_n = MAX_PARAMETERS if flops is None else math.sqrt(flops / (6 * MIN_TOKENS_PER_PARAMETER))

    def table(convention: FlopsConvention) -> ShapeTable:
        sizes = {
            "vocab_size": vocab_size or DEFAULT_VOCAB_SIZE,
            "context_length": context_length or DEFAULT_CONTEXT_LENGTH,
        }
        return _table(source, n_layer, {**sizes, "max_n": max_n, "flops_convention": convention})

    law = table(counted or "matmul")
    if counted is None:
        law = replace(law, flops_per_token=6 * law.n, dense_flops=6 * law.dense_n)
    budget = table("palm") if palm else law
    return shapes_to_choose(budget, law, "palm" if palm else counted or "6nd")


def _table(source: Source, n_layer: int | None, counted: dict[str, Any]) -> ShapeTable:
    counted = {**counted, "n_convention": source.n_convention or "params_total"}
    if n_layer is None:
        return rule_table(**counted)
    shares = {name: source.family.get(name) for name in ("encoder_share", "predicted_share")}
    family = source.family.get("architecture") or "isoloss"
    return fixed_depth_table(n_layer=n_layer, family=family, **shares, **counted)

"""From a source and a budget to a plan."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from isoloss.architecture import (
    FLOPS_CONVENTIONS,
    FlopsConvention,
    TransformerConfig,
    count_parameters,
    training_flops,
)
from isoloss.errors import UsageError
from isoloss.planning import _caveats
from isoloss.planning.allocation import (
    MIN_TOKENS_PER_PARAMETER,
    Optimum,
    optimum_of_6nd,
    optimum_of_shapes,
)
from isoloss.planning.budget import Interval, Plan
from isoloss.planning.shapes import (
    DEFAULT_CONTEXT_LENGTH,
    DEFAULT_VOCAB_SIZE,
    ShapeTable,
    fixed_depth_table,
    rule_table,
    shape_near,
)
from isoloss.planning.sources import PlannableFit, Source, read_source

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_DRAWS = 20
MAX_FLOPS = 1e40
_SIX_ND_BY_N: dict[str, str] = {
    "params_non_embedding": "6nd_non_embedding",
    "params_matmul": "matmul",
}


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the caller fixes of the shape; None leaves it to the source or the default."""

    n_layer: int | None
    vocab_size: int | None
    context_length: int | None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and (value != int(value) or value < 1):
                raise UsageError(f"{name} must be a positive integer, found {value!r}")


def plan(
    source: PlannableFit | str,
    *,
    flops: float,
    n_layer: int | None = None,
    vocab_size: int | None = None,
    context_length: int | None = None,
    level: float = 0.9,
) -> Plan:
    """What to train with a budget: parameters, tokens, loss and a concrete shape.

    Where the source knows its family (vocabulary and context of its runs) and its FLOP
    convention, the optimum is over real shapes with exact counts: the family's depth (or
    `n_layer`) and widths in steps of 16, or `rule_depth` where the runs differ in depth.
    Otherwise `C = 6 N D`, and the shape is the nearest of the rule of `shape_near`.

    Args:
        source: a fit, or `published:NAME` (see `published_names`).
        flops: the budget in training FLOP, in the source's convention.
        n_layer, vocab_size, context_length: fix this part of the shape.
        level: of the intervals.

    Raises:
        UsageError: the budget, the level or a size is no positive number, the budget is below
            the smallest model, or the law depends on what a budget does not settle.
        NotFoundError: no published law of that name.
        UntrustedError: the law gives no finite loss.

    >>> best = plan("published:hoffmann", flops=5.76e23)
    >>> f"{best.n.value:.4g} parameters on {best.d.value:.4g} tokens"
    '3.219e+10 parameters on 2.982e+12 tokens'
    """
    _check_budget(flops, level)
    wishes = Wishes(n_layer=n_layer, vocab_size=vocab_size, context_length=context_length)
    read = read_source(source)
    table = _table(read, wishes, flops)
    if table is None:
        vocabulary = _size("vocab_size", wishes, read.family) or DEFAULT_VOCAB_SIZE
        optimum = optimum_of_6nd(read, flops, vocab_size=vocabulary)
    else:
        optimum = optimum_of_shapes(read, table, flops)
    return _assembled(read, wishes, optimum, float(flops), level)


def _check_budget(flops: float, level: float) -> None:
    if not (math.isfinite(flops) and 0 < flops <= MAX_FLOPS):
        raise UsageError(
            f"the budget must be a positive number of FLOP up to {MAX_FLOPS:g}, found {flops!r}",
            hint="Give training FLOP, such as flops=1e20.",
        )
    if not 0 < level < 1:
        raise UsageError(f"level must lie between 0 and 1, found {level!r}", hint="Try 0.9.")


def _size(name: str, wishes: Wishes, family: Mapping[str, Any]) -> int | None:
    wish: int | None = getattr(wishes, name)
    return wish if wish is not None else family.get(name)


def _convention(source: Source) -> FlopsConvention | None:
    """The source's convention of C, if counts exist for it."""
    return next((known for known in FLOPS_CONVENTIONS if known == source.flops_convention), None)


def _table(source: Source, wishes: Wishes, flops: float) -> ShapeTable | None:
    """The real shapes to search, or none where the source does not know enough.

    A published law has no family: its N* stays comparable with the paper's.
    """
    convention = _convention(source)
    vocab_size = _size("vocab_size", wishes, source.family)
    context_length = _size("context_length", wishes, source.family)
    published = source.label.startswith("published:")
    if published or convention is None or vocab_size is None or context_length is None:
        return None
    n_layer = _size("n_layer", wishes, source.family)
    counted: dict[str, Any] = {
        "vocab_size": vocab_size,
        "context_length": context_length,
        "n_convention": source.n_convention,
        "flops_convention": convention,
        "max_n": math.sqrt(flops / (6 * MIN_TOKENS_PER_PARAMETER)),
    }
    named = source.family.get("architecture")
    if n_layer is None:
        return None if named else rule_table(**counted)
    shares = {name: source.family.get(name) for name in ("encoder_share", "predicted_share")}
    counted |= {"family": named or "isoloss", **shares}
    return fixed_depth_table(n_layer=n_layer, **counted)


def _assembled(
    source: Source, wishes: Wishes, optimum: Optimum, flops: float, level: float
) -> Plan:
    n_convention = source.n_convention or "params_total"
    six_nd = _SIX_ND_BY_N.get(n_convention, "6nd_total")
    shape = optimum.config or shape_near(
        optimum.n,
        vocab_size=_size("vocab_size", wishes, source.family) or DEFAULT_VOCAB_SIZE,
        context_length=_size("context_length", wishes, source.family) or DEFAULT_CONTEXT_LENGTH,
        n_convention=n_convention,
        n_layer=_size("n_layer", wishes, source.family),
    )
    n, d, loss = _intervals(source, optimum, level)
    largest = source.ranges.get("C")
    draft = Plan(
        flops=flops,
        flops_convention=source.flops_convention or six_nd,
        n_convention=n_convention,
        n=n,
        d=d,
        loss=loss,
        level=level,
        architecture=shape,
        parameters=_parameters(shape),
        flops_by_convention=_flops(shape, max(1, round(optimum.d)), source.family),
        extrapolation=flops / largest[1] if largest else math.nan,
        extrapolation_reason="" if largest else "the source does not say what its runs cost",
        beyond=_beyond(source, optimum),
        method=optimum.method,
        source=source.label,
        law=source.law.name,
        caveats=(),
    )
    caveats = _caveats.of_plan(draft, source, optimum, vars(wishes), six_nd=six_nd)
    return replace(draft, caveats=caveats)


def _flops(shape: TransformerConfig, tokens: int, family: Mapping[str, Any]) -> dict[str, float]:
    """The run's FLOP under every convention, with the shares of tokens that the runs had."""
    counted = {
        name: family[share] * tokens
        for name, share in (("encoder_tokens", "encoder_share"), ("predicted", "predicted_share"))
        if share in family
    }
    return {
        name: float(training_flops(shape, tokens, name, **counted)) for name in FLOPS_CONVENTIONS
    }


def _parameters(shape: TransformerConfig) -> dict[str, int]:
    counts = count_parameters(shape)
    return {
        "params_total": counts.total,
        "params_non_embedding": counts.non_embedding,
        "params_matmul": counts.matmul,
    }


def _beyond(source: Source, optimum: Optimum) -> dict[str, float]:
    """Factor outside the runs' range of N and of D; 1 inside."""
    beyond: dict[str, float] = {}
    for name, value in (("N", optimum.n), ("D", optimum.d)):
        if name in source.ranges:
            low, high = source.ranges[name]
            beyond[name] = max(value / high, low / value, 1.0)
    return beyond


def _intervals(
    source: Source, optimum: Optimum, level: float
) -> tuple[Interval, Interval, Interval]:
    """Percentiles over the draws, each at its own optimum, for N, D and loss.

    Draws move width continuously, the plan in real steps: where the steps are coarser than the
    draws, the interval is widened to the plan's own shape (and a caveat says so).
    """
    draws = optimum.draws
    values = (optimum.n, optimum.d, optimum.loss)
    reason = ""
    if draws is None:
        reason = source.no_draws_reason or "the search is too narrow for an interval"
    elif draws.shape[1] < MIN_DRAWS:
        reason = f"only {draws.shape[1]} draws have an optimum, fewer than {MIN_DRAWS}"
    if draws is None or reason:
        n, d, loss = (Interval(value=value, reason=reason) for value in values)
    else:
        n, d, loss = (
            _interval(value, smooth, row, level)
            for value, smooth, row in zip(values, optimum.smooth, draws, strict=True)
        )
    return n, d, loss


def _interval(value: float, smooth: float, draws: NDArray[np.float64], level: float) -> Interval:
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    if not low < high:
        return Interval(value=value, reason="all draws agree on one point or edge of the search")
    if low <= smooth <= high:
        low, high = min(low, value), max(high, value)
    return Interval(value=value, low=float(low), high=float(high))

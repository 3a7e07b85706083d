"""Masks and shapes of the classic encoder-decoder: checked, then merged into one additive mask.

A mask says where attention may not look, as `torch.nn.Transformer` has it: boolean, where True
means *may not attend*, or floating, which is added to the scores (`-inf` forbids).
Shape suffixes: N batch, H heads, L queries, S keys.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from isoloss.errors import UsageError


class Merged(NamedTuple):
    """What one attention needs: an additive mask that broadcasts to (N, H, L, S), or causality."""

    additive: Tensor | None
    causal: bool


@dataclass(frozen=True)
class Scores:
    """The size of the scores of one attention; `batched` is false for (length, width) inputs."""

    batch: int
    heads: int
    queries: int
    keys: int
    batched: bool = True


def generate_square_subsequent_mask(
    sz: int, device: torch.device | None = None, dtype: torch.dtype | None = None
) -> Tensor:
    """The causal mask (sz, sz): 0 where a position may attend (itself and before), else -inf.

    >>> generate_square_subsequent_mask(2)
    tensor([[0., -inf],
            [0., 0.]])
    """
    dtype = torch.get_default_dtype() if dtype is None else dtype
    return torch.full((sz, sz), -math.inf, dtype=dtype, device=device).triu(1)


def merge(
    mask: tuple[str, Tensor | None],
    padding: tuple[str, Tensor | None],
    *,
    causal: bool,
    scores: Scores,
    dtype: torch.dtype,
) -> Merged:
    """Merge the mask of an attention, the padding of its keys and causality into one.

    Args:
        mask: its argument's name, for messages, and (L, S) or (N·H, L, S) or nothing.
        padding: the name, and (N, S), or (S,) without a batch, or nothing.
        causal: forbid the keys after the query too.
        scores: the sizes that the masks must fit.
        dtype: of the result.

    Raises:
        UsageError: a mask of another shape, or neither boolean nor floating.
    """
    parts = []
    for (name, given), fitting in ((mask, _fitting_mask), (padding, _fitting_padding)):
        if given is not None:
            parts.append(_additive(fitting(name, given, scores), dtype))
    if not parts:
        return Merged(None, causal)  # the kernel knows causality by itself and skips half the work
    if causal:
        device = parts[0].device
        parts.append(generate_square_subsequent_mask(scores.keys, device, dtype))
    return Merged(sum(parts[1:], start=parts[0]), False)


def _additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    if mask.dtype == torch.bool:
        zeros = torch.zeros(mask.shape, dtype=dtype, device=mask.device)
        return zeros.masked_fill(mask, -math.inf)
    return mask.to(dtype)


def _fitting_mask(name: str, mask: Tensor, scores: Scores) -> Tensor:
    """The mask as (1, 1, L, S) or (N, H, L, S)."""
    _check_mask_dtype(name, mask)
    plain = (scores.queries, scores.keys)
    per_head = (scores.batch * scores.heads, *plain)
    if mask.shape == plain:
        return mask[None, None]
    if mask.shape == per_head:
        return mask.view(scores.batch, scores.heads, *plain)
    raise UsageError(
        f"{name}: expected the shape (queries, keys) = {plain}, or (batch·heads, queries, keys) "
        f"= {per_head}, found {tuple(mask.shape)}",
        hint="Padding of single sequences goes into the padding masks.",
    )


def _fitting_padding(name: str, padding: Tensor, scores: Scores) -> Tensor:
    """The padding as (N, 1, 1, S)."""
    _check_mask_dtype(name, padding)
    expected = (scores.batch, scores.keys) if scores.batched else (scores.keys,)
    if padding.shape != expected:
        names = "(batch, keys)" if scores.batched else "(keys,)"
        raise UsageError(
            f"{name}: expected the shape {names} = {expected}, found {tuple(padding.shape)}",
            hint="Padding masks put the batch first, whatever batch_first says of the inputs.",
        )
    return padding.view(scores.batch, 1, 1, scores.keys)


def _check_mask_dtype(name: str, mask: Tensor) -> None:
    if mask.dtype != torch.bool and not mask.is_floating_point():
        raise UsageError(
            f"{name}: expected a boolean mask (True: may not attend) or a floating one (added to "
            f"the scores), found {mask.dtype}",
            hint="Use mask.bool() where 1 means 'may not attend', and ~mask.bool() where 1 means "
            "'may attend'.",
        )


def check_input(name: str, x: Tensor, d_model: int, *, batch_first: bool) -> None:
    """Refuse what is not (length, d_model) or a batch of such, of a floating type."""
    layout = "(batch, length, d_model)" if batch_first else "(length, batch, d_model)"
    if not x.is_floating_point():
        raise UsageError(
            f"{name}: expected floating vectors of width {d_model}, found {x.dtype}",
            hint="Tokens go through an embedding first.",
        )
    if x.ndim not in (2, 3):
        raise UsageError(
            f"{name}: expected {layout} or, without a batch, (length, d_model), found the shape "
            f"{tuple(x.shape)}"
        )
    if x.shape[-1] != d_model:
        raise UsageError(
            f"{name}: expected the last dimension to be d_model={d_model}, found the shape "
            f"{tuple(x.shape)}"
        )


def check_pair(source: tuple[str, Tensor], tgt: Tensor, *, batch_first: bool) -> None:
    """Refuse two sequences of unlike batches."""
    name, src = source
    if src.ndim != tgt.ndim:
        raise UsageError(
            f"{name} and tgt: expected both with a batch or both without, found the shapes "
            f"{tuple(src.shape)} and {tuple(tgt.shape)}"
        )
    batch_at = 0 if batch_first else 1
    if src.ndim == 3 and src.shape[batch_at] != tgt.shape[batch_at]:
        raise UsageError(
            f"{name} and tgt: expected equal batches, found {src.shape[batch_at]} and "
            f"{tgt.shape[batch_at]} (shapes {tuple(src.shape)} and {tuple(tgt.shape)}, "
            f"batch_first={batch_first})",
            hint=f"With batch_first={batch_first} the batch is dimension {batch_at}.",
        )


def scores_of(query: Tensor, keys: Tensor, heads: int, *, batch_first: bool) -> Scores:
    """The size of the scores of queries over keys, both in the layout of the inputs."""
    if query.ndim == 2:
        return Scores(1, heads, query.shape[0], keys.shape[0], batched=False)
    batch_at, length_at = (0, 1) if batch_first else (1, 0)
    return Scores(query.shape[batch_at], heads, query.shape[length_at], keys.shape[length_at])

"""Which positions a query may attend to, as one mask for a whole forward pass.

Shape suffixes: B batch, H heads, T queries, S keys.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from isoloss.models.positions import alibi_slopes


@dataclass(frozen=True)
class Mask:
    """What a query may see.

    Attributes:
        causal: nothing but "not the future": no tensor is needed.
        bias: (B or 1, H or 1, T, S), boolean (true: may attend) or a number that is added to
            the score; None where every key is seen, or the mask is `causal`.
    """

    causal: bool = False
    bias: Tensor | None = None


def attention_mask(
    queries: Tensor,
    keys: Tensor,
    *,
    causal: bool,
    window: int | None = None,
    query_segments: Tensor | None = None,
    key_segments: Tensor | None = None,
    prefix: Tensor | None = None,
    alibi_heads: int = 0,
    dtype: torch.dtype = torch.float32,
    last: bool = False,
) -> Mask:
    """The mask that all conditions make together.

    Args:
        queries, keys: places of queries (T,) and keys (S,) in their rows.
        causal: a query sees no later key.
        window: a query sees keys less than this far away.
        query_segments, key_segments: (B, T) and (B, S); a query sees keys of its own segment
            (document, pair; 0 is padding, which sees padding alone).
        prefix: (B,) positions at the start of each row that all queries see, causal or not.
        alibi_heads: number of heads when scores fall with distance (ALiBi), else 0.
        dtype: of the numbers that ALiBi adds.
        last: the queries are the last of the keys, so that one alone sees them all.
    """
    plain = window is None and prefix is None and key_segments is None and not alibi_heads
    if plain and not causal:
        return Mask()
    if plain and len(queries) == len(keys):
        return Mask(causal=True)
    if plain and len(queries) == 1 and last:
        return Mask()
    distance_TS = queries[:, None] - keys[None, :]
    seen = distance_TS >= 0 if causal else torch.ones_like(distance_TS, dtype=torch.bool)
    if window is not None:
        seen = seen & (distance_TS.abs() < window)
    seen = seen[None]
    if prefix is not None:
        seen = seen | (keys[None, None, :] < prefix[:, None, None])
    if query_segments is not None and key_segments is not None:
        seen = seen & (query_segments[:, :, None] == key_segments[:, None, :])
    if not alibi_heads:
        return Mask(bias=seen[:, None])
    slopes = alibi_slopes(alibi_heads).to(device=queries.device, dtype=dtype)
    fall_HTS = -slopes[:, None, None] * distance_TS.abs().to(dtype)
    return Mask(bias=fall_HTS[None].masked_fill(~seen[:, None], -torch.inf))

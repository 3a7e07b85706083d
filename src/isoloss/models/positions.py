"""Where a token stands: rotary, sinusoidal and ALiBi tables.

Shape suffixes: B batch, T positions, D width, H heads, K width of a head.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def rotary_table(positions: int, head_dim: int, base: float = 10_000.0) -> tuple[Tensor, Tensor]:
    """Cosines and sines of RoFormer (arXiv:2104.09864), each (T, K).

    A pair is a channel of a head's first half and the same of its second half, so both halves
    have the same angles; sines of the first half are negative, as `rotate` wants them.
    """
    frequency = base ** (-torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)
    angle = torch.arange(positions, dtype=torch.float64)[:, None] * frequency[None, :]
    cos, sin = angle.cos().float(), angle.sin().float()
    return torch.cat((cos, cos), dim=-1), torch.cat((-sin, sin), dim=-1)


def rotate(x_BTHK: Tensor, cos_TK: Tensor, sin_TK: Tensor) -> Tensor:
    """Turn each pair of channels by the angle of its position; tables as `rotary_table` makes.

    Rolling by half a head puts each channel's partner beside it: four calls, where halves that
    are multiplied one by one take eight.
    """
    partner = x_BTHK.roll(x_BTHK.shape[-1] // 2, dims=-1)
    return x_BTHK * cos_TK[..., None, :] + partner * sin_TK[..., None, :]


def sinusoidal_table(positions: int, d_model: int) -> Tensor:
    """Sines of even, cosines of odd channels (arXiv:1706.03762, §3.5), (T, D)."""
    even = torch.arange(0, d_model, 2, dtype=torch.float64)
    angle = torch.arange(positions, dtype=torch.float64)[:, None] / 10_000.0 ** (even / d_model)
    table = torch.zeros(positions, d_model, dtype=torch.float64)
    table[:, 0::2] = angle.sin()
    table[:, 1::2] = angle.cos()[:, : d_model // 2]
    return table.float()


def alibi_slopes(heads: int) -> Tensor:
    """Slope of each head (arXiv:2108.12409): 2^(-8/n), 2^(-16/n), … for n a power of two.

    Other numbers of heads take those of the power below, and every second one of the power
    above, as the paper's authors do. Returns (H,).
    """
    below = 2 ** math.floor(math.log2(heads))
    slopes = [2 ** (-8 * (i + 1) / below) for i in range(below)]
    between = [2 ** (-8 * (i + 1) / (2 * below)) for i in range(0, 2 * below, 2)]
    return torch.tensor((slopes + between)[:heads], dtype=torch.float32)

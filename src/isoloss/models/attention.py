"""Causal self-attention: rotary positions, QK norm, one fused kernel and its plain reference.

Shape suffixes: B batch, T positions, D width, H heads, K width of a head.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def plain_attention(q_BHTK: Tensor, k_BHTK: Tensor, v_BHTK: Tensor) -> Tensor:
    """`softmax(Q K^T / sqrt(d_k)) V` with a causal mask, written out plainly.

    The formula of "Attention Is All You Need" (arXiv:1706.03762, eq. 1). Tests hold the fused
    kernel equal to it. Returns (B, H, T, K).
    """
    scores_BHTT = q_BHTK @ k_BHTK.transpose(-2, -1) / math.sqrt(q_BHTK.shape[-1])
    positions = scores_BHTT.shape[-1]
    future_TT = torch.ones(positions, positions, dtype=torch.bool, device=q_BHTK.device).triu(1)
    return scores_BHTT.masked_fill(future_TT, -math.inf).softmax(dim=-1) @ v_BHTK


def fused_attention(q_BHTK: Tensor, k_BHTK: Tensor, v_BHTK: Tensor) -> Tensor:
    """The same function by PyTorch's fused kernel."""
    return F.scaled_dot_product_attention(q_BHTK, k_BHTK, v_BHTK, is_causal=True)


def rotary_table(positions: int, head_dim: int, base: float = 10_000.0) -> tuple[Tensor, Tensor]:
    """Cosines and sines of RoFormer (arXiv:2104.09864), each (T, K/2)."""
    frequency = base ** (-torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)
    angle = torch.arange(positions, dtype=torch.float64)[:, None] * frequency[None, :]
    return angle.cos().float(), angle.sin().float()


def rotate(x_BTHK: Tensor, cos_TK: Tensor, sin_TK: Tensor) -> Tensor:
    """Turn each pair (first half, second half) of a head by the angle of its position."""
    first, second = x_BTHK.chunk(2, dim=-1)
    cos, sin = cos_TK[:, None, :], sin_TK[:, None, :]
    return torch.cat((first * cos - second * sin, first * sin + second * cos), dim=-1)


class Attention(nn.Module):
    """Multi-head causal self-attention without biases.

    Queries and keys are normalised per head (QK norm, arXiv:2010.04245), so their product is a
    cosine; a learned scale per head, `q_scale`, restores the temperature. Its start value makes
    scores as large as those of a unit-variance head.
    """

    def __init__(self, d_model: int, n_head: int) -> None:
        super().__init__()
        self.n_head = n_head
        self.head_dim = d_model // n_head
        self.qkv = nn.Linear(d_model, 3 * d_model, bias=False)
        self.out = nn.Linear(d_model, d_model, bias=False)
        self.q_scale = nn.Parameter(torch.ones(n_head))

    def forward(self, x_BTD: Tensor, cos_TK: Tensor, sin_TK: Tensor) -> Tensor:
        batch, positions, width = x_BTD.shape
        qkv = self.qkv(x_BTD).view(batch, positions, 3, self.n_head, self.head_dim)
        # Queries and keys are normalised and turned together: half the kernel launches.
        qk = rotate(F.rms_norm(qkv[:, :, :2], (self.head_dim,)).flatten(2, 3), cos_TK, sin_TK).view(
            batch, positions, 2, self.n_head, self.head_dim
        )
        q_BHTK = (qk[:, :, 0] * self.q_scale[:, None]).transpose(1, 2)
        k_BHTK = qk[:, :, 1].transpose(1, 2)
        v_BHTK = qkv[:, :, 2].transpose(1, 2)
        y_BHTK = fused_attention(q_BHTK, k_BHTK, v_BHTK)
        return self.out(y_BHTK.transpose(1, 2).reshape(batch, positions, width))

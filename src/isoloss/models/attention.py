"""Attention: the plain formula, PyTorch's fused kernel, self- and cross-attention.

Shape suffixes: B batch, T queries, S keys, D width, H heads, K width of a head.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isoloss.architecture import TransformerConfig
from isoloss.models.cache import LayerCache
from isoloss.models.masks import Mask
from isoloss.models.norms import HeadNorm
from isoloss.models.positions import rotate

Rotary = tuple[Tensor, Tensor]
"""Cosines and signed sines of the positions, each (T, K) or (B, T, K)."""


def plain_attention(
    q_BHTK: Tensor, k_BHSK: Tensor, v_BHSK: Tensor, mask: Mask | None = None
) -> Tensor:
    """`softmax(Q K^T / sqrt(d_k)) V`, written out plainly; causal when no mask is given.

    The formula of "Attention Is All You Need" (arXiv:1706.03762, eq. 1). Tests hold the fused
    kernel equal to it. Returns (B, H, T, K).
    """
    mask = Mask(causal=True) if mask is None else mask
    groups = q_BHTK.shape[1] // k_BHSK.shape[1]
    k_BHSK = k_BHSK.repeat_interleave(groups, dim=1)
    v_BHSK = v_BHSK.repeat_interleave(groups, dim=1)
    scores_BHTS = q_BHTK @ k_BHSK.transpose(-2, -1) / math.sqrt(q_BHTK.shape[-1])
    if mask.causal:
        positions = scores_BHTS.shape[-1]
        future_TT = torch.ones(positions, positions, dtype=torch.bool, device=q_BHTK.device).triu(1)
        scores_BHTS = scores_BHTS.masked_fill(future_TT, -math.inf)
    elif mask.bias is not None and mask.bias.dtype == torch.bool:
        scores_BHTS = scores_BHTS.masked_fill(~mask.bias, -math.inf)
    elif mask.bias is not None:
        scores_BHTS = scores_BHTS + mask.bias
    return scores_BHTS.softmax(dim=-1) @ v_BHSK


def fused_attention(
    q_BHTK: Tensor,
    k_BHSK: Tensor,
    v_BHSK: Tensor,
    mask: Mask | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """The same function by PyTorch's fused kernel, with dropout of the weights."""
    mask = Mask(causal=True) if mask is None else mask
    return F.scaled_dot_product_attention(
        q_BHTK,
        k_BHSK,
        v_BHSK,
        attn_mask=mask.bias,
        dropout_p=dropout,
        is_causal=mask.causal,
        enable_gqa=q_BHTK.shape[1] != k_BHSK.shape[1],
    )


class Attention(nn.Module):
    """Multi-head self-attention.

    With QK norm `scaled`, queries and keys are normalised per head, so their product is a
    cosine; a learned scale per head, `q_scale`, restores the temperature. Its start value makes
    scores as large as those of a unit-variance head.
    """

    q_scale: nn.Parameter
    q_norm: HeadNorm
    k_norm: HeadNorm

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.n_head, self.kv_heads, self.head_dim = config.n_head, config.kv_heads, config.head_dim
        self.dropout = config.dropout
        inner, shared = self.n_head * self.head_dim, self.kv_heads * self.head_dim
        self.qkv = nn.Linear(config.d_model, inner + 2 * shared, bias=config.biases != "none")
        self.out = nn.Linear(inner, config.d_model, bias=config.biases == "all")
        self.qk_norm = config.qk_norm
        _add_qk_norm(self, config)

    def forward(
        self,
        x_BTD: Tensor,
        mask: Mask,
        rotary: Rotary | None = None,
        cache: LayerCache | None = None,
    ) -> Tensor:
        batch, positions, _ = x_BTD.shape
        qkv = self.qkv(x_BTD).view(batch, positions, -1, self.head_dim)
        n, m = self.n_head, self.kv_heads
        # Queries and keys are normalised and turned together: half the kernel launches.
        qk, v_BTHK = qkv.split((n + m, m), dim=2)
        if self.qk_norm == "scaled":
            qk = F.rms_norm(qk, (self.head_dim,))
        elif self.qk_norm == "weighted":
            q_BTHK, k_BTHK = qk.split((n, m), dim=2)
            qk = torch.cat((self.q_norm(q_BTHK), self.k_norm(k_BTHK)), dim=2)
        if rotary is not None:
            qk = rotate(qk, *rotary)
        q_BTHK, k_BTHK = qk.split((n, m), dim=2)
        if self.qk_norm == "scaled":
            q_BTHK = q_BTHK * self.q_scale[:, None]
        q_BHTK, k_BHSK, v_BHSK = (x.transpose(1, 2) for x in (q_BTHK, k_BTHK, v_BTHK))
        if cache is not None:
            k_BHSK, v_BHSK = cache.extend(k_BHSK, v_BHSK)
        dropout = self.dropout if self.training else 0.0
        y_BHTK = fused_attention(q_BHTK, k_BHSK, v_BHSK, mask, dropout)
        return self.out(y_BHTK.transpose(1, 2).reshape(batch, positions, -1))


class CrossAttention(nn.Module):
    """Queries of a decoder, keys and values of its encoder; no positions."""

    q_scale: nn.Parameter
    q_norm: HeadNorm
    k_norm: HeadNorm

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.n_head, self.kv_heads, self.head_dim = config.n_head, config.kv_heads, config.head_dim
        self.dropout = config.dropout
        inner, shared = self.n_head * self.head_dim, self.kv_heads * self.head_dim
        self.q = nn.Linear(config.d_model, inner, bias=config.biases != "none")
        self.kv = nn.Linear(config.d_model, 2 * shared, bias=config.biases != "none")
        self.out = nn.Linear(inner, config.d_model, bias=config.biases == "all")
        self.qk_norm = config.qk_norm
        _add_qk_norm(self, config)

    def keys_values(self, memory_BSD: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of the encoder's output, each (B, H, S, K)."""
        batch, positions, _ = memory_BSD.shape
        kv = self.kv(memory_BSD).view(batch, positions, 2, self.kv_heads, self.head_dim)
        k_BSHK, v_BSHK = kv.unbind(dim=2)
        if self.qk_norm == "scaled":
            k_BSHK = F.rms_norm(k_BSHK, (self.head_dim,))
        elif self.qk_norm == "weighted":
            k_BSHK = self.k_norm(k_BSHK)
        return k_BSHK.transpose(1, 2), v_BSHK.transpose(1, 2)

    def forward(self, x_BTD: Tensor, keys_values: tuple[Tensor, Tensor], mask: Mask) -> Tensor:
        batch, positions, _ = x_BTD.shape
        q_BTHK = self.q(x_BTD).view(batch, positions, self.n_head, self.head_dim)
        if self.qk_norm == "scaled":
            q_BTHK = F.rms_norm(q_BTHK, (self.head_dim,)) * self.q_scale[:, None]
        elif self.qk_norm == "weighted":
            q_BTHK = self.q_norm(q_BTHK)
        dropout = self.dropout if self.training else 0.0
        y_BHTK = fused_attention(q_BTHK.transpose(1, 2), *keys_values, mask, dropout)
        return self.out(y_BHTK.transpose(1, 2).reshape(batch, positions, -1))


def _add_qk_norm(module: Attention | CrossAttention, config: TransformerConfig) -> None:
    if config.qk_norm == "scaled":
        module.q_scale = nn.Parameter(torch.ones(config.n_head))
    elif config.qk_norm == "weighted":
        module.q_norm = HeadNorm(config.head_dim, config.norm_eps)
        module.k_norm = HeadNorm(config.head_dim, config.norm_eps)

"""Norms of the residual stream and of queries and keys."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isoloss.architecture import TransformerConfig

LAYERNORM_EPS = 1e-5


class Norm(nn.Module):
    """RMSNorm or LayerNorm over the last axis, with the weights that the config asks for."""

    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def __init__(self, config: TransformerConfig, width: int | None = None) -> None:
        super().__init__()
        self.shape = (width or config.d_model,)
        self.centred = config.norm == "layernorm"
        self.eps = config.norm_eps
        self.weight = nn.Parameter(torch.ones(self.shape)) if config.norm_weights else None
        self.bias = nn.Parameter(torch.zeros(self.shape)) if config.norm_bias else None

    def forward(self, x_BTD: Tensor) -> Tensor:
        if self.centred:
            eps = LAYERNORM_EPS if self.eps is None else self.eps
            return F.layer_norm(x_BTD, self.shape, self.weight, self.bias, eps)
        return F.rms_norm(x_BTD, self.shape, self.weight, self.eps)


class HeadNorm(nn.Module):
    """RMSNorm of one head with a learned scale for each channel, shared by all heads."""

    def __init__(self, head_dim: int, eps: float | None) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(head_dim))

    def forward(self, x_BTHK: Tensor) -> Tensor:
        return F.rms_norm(x_BTHK, self.weight.shape, self.weight, self.eps)

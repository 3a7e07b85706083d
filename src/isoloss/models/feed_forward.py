"""The feed-forward part of a block: two matrices, or three with a gate.

Shape suffixes: B batch, T positions, D width, F hidden width.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isoloss.architecture import TransformerConfig

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu2": lambda x: F.relu(x).square(),
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "swiglu": F.silu,
    "geglu": F.gelu,
}
"""The function of each activation; of a gated one that of its gate."""


def activate(hidden_BTF: Tensor, activation: str, *, gated: bool) -> Tensor:
    """Apply an activation; a gated one halves the width: `act(first half) * second half`."""
    act = ACTIVATIONS[activation]
    if not gated:
        return act(hidden_BTF)
    gate, value = hidden_BTF.chunk(2, dim=-1)
    return act(gate) * value


class FeedForward(nn.Module):
    """`down(act(up(x)))`; with a gate `up` holds the gate's matrix, then the value's."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        bias = config.biases == "all"
        self.activation, self.gated = config.activation, config.gated
        self.up = nn.Linear(config.d_model, (2 if self.gated else 1) * config.d_ff, bias=bias)
        self.down = nn.Linear(config.d_ff, config.d_model, bias=bias)

    def forward(self, x_BTD: Tensor) -> Tensor:
        if not self.gated:
            return self.down(ACTIVATIONS[self.activation](self.up(x_BTD)))
        if not torch.is_grad_enabled():
            return self.down(activate(self.up(x_BTD), self.activation, gated=True))
        # Two products with halves of the matrix: a gradient of activations is never put together.
        gate, value = self.up.weight.chunk(2)
        biases = (None, None) if self.up.bias is None else self.up.bias.chunk(2)
        gate_BTF = ACTIVATIONS[self.activation](F.linear(x_BTD, gate, biases[0]))
        return self.down(gate_BTF * F.linear(x_BTD, value, biases[1]))

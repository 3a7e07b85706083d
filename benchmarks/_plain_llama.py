"""A Llama and its training loop, written as plainly as a tutorial would: the loop to beat.

One file, no options: separate query, key and value maps, rotary positions, SwiGLU, RMSNorm,
PyTorch's fused attention, fused AdamW, clipped gradients. Equal in shape and numbers to
`family="llama"` of isoloss.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isoloss.architecture import TransformerConfig


class Layer(nn.Module):
    """Attention and feed-forward, each behind a norm."""

    def __init__(self, c: TransformerConfig) -> None:
        super().__init__()
        d = c.d_model
        self.heads = c.n_head
        self.attention_norm = nn.RMSNorm(d, eps=1e-5)
        self.q, self.k, self.v, self.o = (nn.Linear(d, d, bias=False) for _ in range(4))
        self.mlp_norm = nn.RMSNorm(d, eps=1e-5)
        self.gate, self.up = (nn.Linear(d, c.d_ff, bias=False) for _ in range(2))
        self.down = nn.Linear(c.d_ff, d, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        b, t, d = x.shape
        y = self.attention_norm(x)
        maps = (self.q, self.k, self.v)
        q, k, v = (m(y).view(b, t, self.heads, -1).transpose(1, 2) for m in maps)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(y.transpose(1, 2).reshape(b, t, d))
        y = self.mlp_norm(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions, first half against second half."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


class PlainLlama(nn.Module):
    """Embedding, layers, norm, head."""

    def __init__(self, c: TransformerConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(c.vocab_size, c.d_model)
        self.layers = nn.ModuleList(Layer(c) for _ in range(c.n_layer))
        self.norm = nn.RMSNorm(c.d_model, eps=1e-5)
        self.head = nn.Linear(c.d_model, c.vocab_size, bias=False)
        angle = torch.outer(
            torch.arange(c.context_length),
            10_000.0 ** (-torch.arange(0, c.head_dim, 2) / c.head_dim),
        ).repeat(1, 2)
        self.register_buffer("cos", angle.cos())
        self.register_buffer("sin", angle.sin())
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Mean loss."""
        t = tokens.shape[1]
        x = self.embedding(tokens)
        for layer in self.layers:
            x = layer(x, self.cos[:t], self.sin[:t])
        logits = self.head(self.norm(x))
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def plain_steps(
    model: PlainLlama, batches: list[Tensor], rate: float, *, precision: str = "float32"
) -> list[float]:
    """Train on each batch (B, T + 1) once; returns the losses."""
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True
    )
    losses: list[float] = []
    device = batches[0].device.type
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 50)
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16"):
            loss = model(batch[:, :-1], batch[:, 1:])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return losses

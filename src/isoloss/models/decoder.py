"""The decoder-only Transformer that the ladder trains; reads top to bottom.

tokens → embedding → RMSNorm → n × (x + attention(norm x); x + feed-forward(norm x)) → RMSNorm
→ head → logits. No biases, norms without weights, squared ReLU (Primer, arXiv:2109.08668).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isoloss.architecture import TransformerConfig
from isoloss.models.attention import Attention, rotary_table

EMBEDDING_STD = 0.02


class FeedForward(nn.Module):
    """Two matrices with a squared ReLU between them."""

    def __init__(self, d_model: int, d_ff: int) -> None:
        super().__init__()
        self.up = nn.Linear(d_model, d_ff, bias=False)
        self.down = nn.Linear(d_ff, d_model, bias=False)

    def forward(self, x_BTD: Tensor) -> Tensor:
        return self.down(F.relu(self.up(x_BTD)).square())


class Block(nn.Module):
    """One pre-norm layer: attention, then feed-forward, each added to the residual stream."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.attention = Attention(config.d_model, config.n_head)
        self.feed_forward = FeedForward(config.d_model, config.d_ff)

    def forward(self, x_BTD: Tensor, cos_TK: Tensor, sin_TK: Tensor) -> Tensor:
        width = (x_BTD.shape[-1],)
        x_BTD = x_BTD + self.attention(F.rms_norm(x_BTD, width), cos_TK, sin_TK)
        return x_BTD + self.feed_forward(F.rms_norm(x_BTD, width))


class Decoder(nn.Module):
    """A causal language model.

    Args:
        config: the shape.
        seed: seeds the initial weights, independently of PyTorch's global state.

    `forward` takes tokens (B, T) of an integer type, T up to the context length, and returns
    logits (B, T, V).
    """

    cos_TK: Tensor
    sin_TK: Tensor

    def __init__(self, config: TransformerConfig, *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        with torch.random.fork_rng(devices=[]):  # PyTorch's own start values come from there
            self.embedding = nn.Embedding(config.vocab_size, config.d_model)
            self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layer))
            self.head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        cos_TK, sin_TK = rotary_table(config.context_length, config.head_dim)
        self.register_buffer("cos_TK", cos_TK, persistent=False)
        self.register_buffer("sin_TK", sin_TK, persistent=False)
        self._initialise(seed)

    def _initialise(self, seed: int) -> None:
        """Embeddings small (then normalised), inputs 1/sqrt(fan in), residual outputs and head 0.

        A zero start of every residual branch makes each block the identity at first, so depth
        does not change the loss at step 0 (exactly ln V).
        """
        if self.embedding.weight.is_meta:
            return
        generator = torch.Generator(device="cpu").manual_seed(seed)
        with torch.no_grad():
            self.embedding.weight.normal_(0.0, EMBEDDING_STD, generator=generator)
            self.head.weight.zero_()
            for module in self.modules():
                if isinstance(module, Attention):
                    weight = module.qkv.weight
                    weight.normal_(0.0, weight.shape[1] ** -0.5, generator=generator)
                    module.out.weight.zero_()
                elif isinstance(module, FeedForward):
                    weight = module.up.weight
                    weight.normal_(0.0, weight.shape[1] ** -0.5, generator=generator)
                    module.down.weight.zero_()

    def layers(self) -> list[Block]:
        """The blocks in their order."""
        return [block for block in self.blocks if isinstance(block, Block)]

    def hidden(self, tokens_BT: Tensor) -> Tensor:
        """The normalised residual stream after the last block, (B, T, D)."""
        positions = tokens_BT.shape[1]
        if positions > self.config.context_length:
            raise ValueError(
                f"{positions} positions exceed the context length {self.config.context_length}"
            )
        cos_TK, sin_TK = self.cos_TK[:positions], self.sin_TK[:positions]
        width = (self.config.d_model,)
        x_BTD = F.rms_norm(self.embedding(tokens_BT), width)
        for block in self.blocks:
            x_BTD = block(x_BTD, cos_TK, sin_TK)
        return F.rms_norm(x_BTD, width)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        return self.head(self.hidden(tokens_BT))

"""One layer of a Transformer: attention, attention to an encoder where there is one, and
feed-forward, each added to the residual stream.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from isoloss.architecture import TransformerConfig
from isoloss.models.attention import Attention, CrossAttention, Rotary
from isoloss.models.cache import LayerCache
from isoloss.models.experts import Experts
from isoloss.models.feed_forward import FeedForward
from isoloss.models.masks import Mask
from isoloss.models.norms import Norm


class Block(nn.Module):
    """`x + f(norm(x))` for each sublayer f; with norms after, `norm(x + f(x))`."""

    def __init__(self, config: TransformerConfig, *, crossed: bool = False) -> None:
        super().__init__()
        self.pre = config.norm_position == "pre"
        self.dropout = config.dropout
        self.attention = Attention(config)
        self.attention_norm = Norm(config)
        self.cross_attention = CrossAttention(config) if crossed else None
        self.cross_norm = Norm(config) if crossed else None
        self.feed_forward = Experts(config) if config.n_expert else FeedForward(config)
        self.feed_forward_norm = Norm(config)

    def forward(
        self,
        x_BTD: Tensor,
        mask: Mask,
        rotary: Rotary | None = None,
        cache: LayerCache | None = None,
        crossed: tuple[Tensor, Tensor] | None = None,
        cross_mask: Mask | None = None,
    ) -> Tensor:
        """(B, T, D) → (B, T, D); `crossed` are the keys and values of the encoder."""
        pre = self.pre
        x = x_BTD
        y = self.attention(self.attention_norm(x) if pre else x, mask, rotary, cache)
        x = x + self._drop(y) if pre else self.attention_norm(x + self._drop(y))
        if self.cross_attention is not None and self.cross_norm is not None:
            assert crossed is not None
            assert cross_mask is not None
            y = self.cross_attention(self.cross_norm(x) if pre else x, crossed, cross_mask)
            x = x + self._drop(y) if pre else self.cross_norm(x + self._drop(y))
        y = self.feed_forward(self.feed_forward_norm(x) if pre else x)
        return x + self._drop(y) if pre else self.feed_forward_norm(x + self._drop(y))

    def _drop(self, y_BTD: Tensor) -> Tensor:
        if not (self.training and self.dropout):
            return y_BTD
        return F.dropout(y_BTD, self.dropout)

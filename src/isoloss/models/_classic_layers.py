"""The parts of the classic Transformer: attention of many heads, feed-forward, the two layers.

"Attention Is All You Need" (arXiv:1706.03762), section 3; pre-norm as in arXiv:2002.04745.
Tensors of sequences are (N, T, D) or (T, N, D), as `batch_first` says: only attention looks at
the layout. Shape suffixes: N batch, H heads, T positions, K width of a head, D width.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from isoloss.models._classic_masks import Merged
from isoloss.models._classic_settings import ClassicSettings


class MultiHeadAttention(nn.Module):
    """`softmax(Q K^T / sqrt(d_k)) V` in every head (eq. 1), then one output matrix.

    Queries, keys and values are the three thirds of one matrix. A query that may attend to no
    key at all gets the zero vector from every head, and so the bias of `out`.
    """

    def __init__(self, settings: ClassicSettings) -> None:
        super().__init__()
        width = settings.d_model
        self.heads, self.head_dim = settings.nhead, settings.head_dim
        self.batch_first = settings.batch_first
        self.dropout = settings.dropout
        self.qkv = nn.Linear(width, 3 * width, bias=settings.bias)
        self.out = nn.Linear(width, width, bias=settings.bias)

    def forward(self, x: Tensor, memory: Tensor | None, mask: Merged) -> Tensor:
        """Attend from `x` to `memory`, or to `x` itself where there is none; shaped like `x`."""
        if memory is None:
            q, k, v = self.qkv(x).chunk(3, dim=-1)
        else:
            q, k, v = self._cross_projections(x, memory)
        additive = None if mask.additive is None else mask.additive.to(q.dtype)
        y_NHTK = F.scaled_dot_product_attention(
            self._split(q),
            self._split(k),
            self._split(v),
            attn_mask=additive,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=mask.causal,
        )
        return self.out(self._join(y_NHTK))

    def _cross_projections(self, x: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        width = x.shape[-1]
        weight, bias = self.qkv.weight, self.qkv.bias
        q = F.linear(x, weight[:width], None if bias is None else bias[:width])
        kv = F.linear(memory, weight[width:], None if bias is None else bias[width:])
        k, v = kv.chunk(2, dim=-1)
        return q, k, v

    def _split(self, x: Tensor) -> Tensor:
        """To (N, H, T, K)."""
        x = x.unflatten(-1, (self.heads, self.head_dim))
        return x.transpose(1, 2) if self.batch_first else x.permute(1, 2, 0, 3)

    def _join(self, y_NHTK: Tensor) -> Tensor:
        """Back to the layout of the inputs, heads side by side."""
        y = y_NHTK.transpose(1, 2) if self.batch_first else y_NHTK.permute(2, 0, 1, 3)
        return y.flatten(-2)


class FeedForward(nn.Module):
    """Two matrices with an activation between them (eq. 2), applied to each position."""

    def __init__(self, settings: ClassicSettings) -> None:
        super().__init__()
        self.up = nn.Linear(settings.d_model, settings.dim_feedforward, bias=settings.bias)
        self.down = nn.Linear(settings.dim_feedforward, settings.d_model, bias=settings.bias)
        self.activation = {"relu": F.relu, "gelu": F.gelu}[settings.activation]
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.dropout(self.activation(self.up(x))))


class Residual(nn.Module):
    """A branch beside the stream: `norm(x + dropout(branch(x)))`, or pre-norm
    `x + dropout(branch(norm(x)))`."""

    def __init__(self, branch: nn.Module, settings: ClassicSettings) -> None:
        super().__init__()
        self.branch = branch
        self.norm = layer_norm(settings)
        self.dropout = nn.Dropout(settings.dropout)
        self.norm_first = settings.norm_first

    def forward(self, x: Tensor, *context: object) -> Tensor:
        if self.norm_first:
            return x + self.dropout(self.branch(self.norm(x), *context))
        return self.norm(x + self.dropout(self.branch(x, *context)))


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward."""

    def __init__(self, settings: ClassicSettings) -> None:
        super().__init__()
        self.self_attention = Residual(MultiHeadAttention(settings), settings)
        self.feed_forward = Residual(FeedForward(settings), settings)

    def forward(self, x: Tensor, mask: Merged) -> Tensor:
        return self.feed_forward(self.self_attention(x, None, mask))


class DecoderLayer(nn.Module):
    """Self-attention, attention to the memory of the encoder, then feed-forward."""

    def __init__(self, settings: ClassicSettings) -> None:
        super().__init__()
        self.self_attention = Residual(MultiHeadAttention(settings), settings)
        self.cross_attention = Residual(MultiHeadAttention(settings), settings)
        self.feed_forward = Residual(FeedForward(settings), settings)

    def forward(self, x: Tensor, memory: Tensor, mask: Merged, memory_mask: Merged) -> Tensor:
        x = self.self_attention(x, None, mask)
        return self.feed_forward(self.cross_attention(x, memory, memory_mask))


class Stack(nn.Module):
    """Layers one after the other, and a norm after the last."""

    def __init__(self, layers: Sequence[nn.Module], settings: ClassicSettings) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.norm = layer_norm(settings)

    def forward(self, x: Tensor, *context: object) -> Tensor:
        for layer in self.layers:
            x = layer(x, *context)
        return self.norm(x)


def layer_norm(settings: ClassicSettings) -> nn.LayerNorm:
    """A LayerNorm over the width, with or without a bias as all other parts."""
    return nn.LayerNorm(settings.d_model, eps=settings.layer_norm_eps, bias=settings.bias)

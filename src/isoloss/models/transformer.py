"""The classic encoder-decoder of "Attention Is All You Need" (arXiv:1706.03762).

src → encoder layers → norm → memory; tgt, memory → decoder layers → norm → output. Embeddings,
positions and the output head stand outside. Arguments, masks and layouts are those of
`torch.nn.Transformer`, and so are the numbers in training mode; docstrings name the differences.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isoloss.models._classic_layers import (
    DecoderLayer,
    EncoderLayer,
    FeedForward,
    MultiHeadAttention,
    Stack,
)
from isoloss.models._classic_masks import (
    Merged,
    check_input,
    check_pair,
    generate_square_subsequent_mask,
    merge,
    scores_of,
)
from isoloss.models._classic_settings import ClassicSettings
from isoloss.models._classic_torch import torch_module, weights_from_torch


class Transformer(nn.Module):
    """An encoder and a decoder with attention between them.

    Args:
        d_model: width E of the vectors that enter and leave.
        nhead: attention heads; they divide the width.
        num_encoder_layers: layers of the encoder.
        num_decoder_layers: layers of the decoder.
        dim_feedforward: inner width of the feed-forward parts.
        dropout: share of the attention weights, of the inner feed-forward values and of each
            branch's output that training sets to zero.
        activation: of the feed-forward parts, `"relu"` or `"gelu"` (the exact one).
        batch_first: inputs and outputs are (N, T, E) instead of (T, N, E).
        norm_first: LayerNorm before each part (pre-norm) instead of after its residual sum.
        layer_norm_eps: added to the variance in every LayerNorm.
        bias: whether matrices and norms have biases.
        seed: seeds the initial weights, independently of PyTorch's global state.

    Raises:
        UsageError: sizes that are not positive or don't divide, an unknown activation.

    >>> model = Transformer(8, 2, 1, 1, 16, batch_first=True)
    >>> src, tgt = torch.randn(3, 5, 8), torch.randn(3, 4, 8)
    >>> causal = Transformer.generate_square_subsequent_mask(4)
    >>> model(src, tgt, tgt_mask=causal).shape
    torch.Size([3, 4, 8])
    """

    generate_square_subsequent_mask = staticmethod(generate_square_subsequent_mask)

    def __init__(
        self,
        d_model: int,
        nhead: int,
        num_encoder_layers: int,
        num_decoder_layers: int,
        dim_feedforward: int,
        dropout: float = 0.1,
        *,
        activation: str = "relu",
        batch_first: bool = False,
        norm_first: bool = False,
        layer_norm_eps: float = 1e-5,
        bias: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.settings = settings = ClassicSettings(
            d_model=d_model,
            nhead=nhead,
            num_encoder_layers=num_encoder_layers,
            num_decoder_layers=num_decoder_layers,
            dim_feedforward=dim_feedforward,
            dropout=dropout,
            activation=activation,
            batch_first=batch_first,
            norm_first=norm_first,
            layer_norm_eps=layer_norm_eps,
            bias=bias,
        )
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first
        with torch.random.fork_rng(devices=[]):  # PyTorch's own start values come from there
            encoder = [EncoderLayer(settings) for _ in range(num_encoder_layers)]
            decoder = [DecoderLayer(settings) for _ in range(num_decoder_layers)]
            self.encoder = Stack(encoder, settings)
            self.decoder = Stack(decoder, settings)
        self._initialise(seed)

    def _initialise(self, seed: int) -> None:
        """Xavier-uniform matrices, as `torch.nn.Transformer` draws them.

        Queries, keys and values count as one matrix (fan out 3E). Biases of attention start at
        0, those of the feed-forward parts uniform within 1/sqrt(fan in), norms at 1 and 0.
        """
        generator = torch.Generator(device="cpu").manual_seed(seed)
        for module in self.modules():
            if isinstance(module, MultiHeadAttention):
                for linear in (module.qkv, module.out):
                    _start(linear, generator, bias_within=0.0)
            elif isinstance(module, FeedForward):
                for linear in (module.up, module.down):
                    _start(linear, generator, bias_within=linear.in_features**-0.5)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        src_padding_mask: Tensor | None = None,
        tgt_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        *,
        memory_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
    ) -> Tensor:
        """Encode `src`, decode `tgt` against it.

        A boolean mask says True where attention *may not* look; a floating one is added to the
        scores. The two kinds may be mixed. No mask is implied: a decoder that must not see the
        future needs `tgt_mask` or `tgt_is_causal`, and padding of the source that the decoder
        must not see needs `memory_key_padding_mask` besides `src_padding_mask`.

        A query that may attend to no key at all gets the zero vector from each head, so that
        its attention gives the bias of the output matrix alone (nothing without biases) and no
        gradient to queries, keys and values. That is what `torch.nn.Transformer` does in
        training mode; its fast path in evaluation gives not-a-number there, this one does not.

        Args:
            src: (S, N, E), or (N, S, E) with `batch_first`, or (S, E) without a batch.
            tgt: (T, N, E), or (N, T, E) with `batch_first`, or (T, E) without a batch.
            src_mask: (S, S), or (N·nhead, S, S), rows are queries.
            tgt_mask: (T, T), or (N·nhead, T, T).
            src_padding_mask: (N, S), or (S,) without a batch: keys of the encoder to ignore.
            tgt_padding_mask: (N, T), or (T,) without a batch.
            memory_key_padding_mask: (N, S), or (S,) without a batch: positions of the memory
                that the decoder ignores.
            memory_mask: (T, S), or (N·nhead, T, S).
            src_is_causal: forbid what comes after a position, besides what the masks forbid.
                A mask is always obeyed: this is no hint that may replace it.
            tgt_is_causal: the same for the decoder.

        Returns:
            The output, shaped like `tgt`.

        Raises:
            UsageError: a shape or a type that does not fit.
        """
        check_input("src", src, self.d_model, batch_first=self.batch_first)
        check_input("tgt", tgt, self.d_model, batch_first=self.batch_first)
        check_pair(("src", src), tgt, batch_first=self.batch_first)
        memory = self.encode(src, src_mask, src_padding_mask, src_is_causal=src_is_causal)
        return self.decode(
            tgt,
            memory,
            tgt_mask,
            tgt_padding_mask,
            memory_key_padding_mask,
            memory_mask=memory_mask,
            tgt_is_causal=tgt_is_causal,
        )

    def encode(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_padding_mask: Tensor | None = None,
        *,
        src_is_causal: bool | None = None,
    ) -> Tensor:
        """The memory of `src`, shaped like it; arguments as in `forward`."""
        check_input("src", src, self.d_model, batch_first=self.batch_first)
        mask = self._merged(
            (src, src),
            ("src_mask", src_mask),
            ("src_padding_mask", src_padding_mask),
            causal=bool(src_is_causal),
        )
        return self._through(self.encoder, src, mask)

    def decode(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        tgt_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        *,
        memory_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
    ) -> Tensor:
        """The output for `tgt` against the memory that `encode` gave; arguments as in `forward`.

        Generation encodes once and decodes many times.
        """
        check_input("tgt", tgt, self.d_model, batch_first=self.batch_first)
        check_input("memory", memory, self.d_model, batch_first=self.batch_first)
        check_pair(("memory", memory), tgt, batch_first=self.batch_first)
        mask = self._merged(
            (tgt, tgt),
            ("tgt_mask", tgt_mask),
            ("tgt_padding_mask", tgt_padding_mask),
            causal=bool(tgt_is_causal),
        )
        memory_merged = self._merged(
            (tgt, memory),
            ("memory_mask", memory_mask),
            ("memory_key_padding_mask", memory_key_padding_mask),
        )
        if memory.ndim == 2:
            memory = memory.unsqueeze(self._batch_at)
        return self._through(self.decoder, tgt, memory, mask, memory_merged)

    @property
    def _batch_at(self) -> int:
        return 0 if self.batch_first else 1

    def _through(self, stack: nn.Module, x: Tensor, *context: object) -> Tensor:
        """Run a stack; a sequence without a batch is a batch of one on the way."""
        if x.ndim == 3:
            return stack(x, *context)
        return stack(x.unsqueeze(self._batch_at), *context).squeeze(self._batch_at)

    def _merged(
        self,
        query_and_keys: tuple[Tensor, Tensor],
        mask: tuple[str, Tensor | None],
        padding: tuple[str, Tensor | None],
        *,
        causal: bool = False,
    ) -> Merged:
        query, keys = query_and_keys
        scores = scores_of(query, keys, self.nhead, batch_first=self.batch_first)
        return merge(mask, padding, causal=causal, scores=scores, dtype=query.dtype)

    def load_torch(self, module: nn.Transformer) -> None:
        """Copy the weights of a `torch.nn.Transformer` into this model, cast to its type.

        Raises:
            UsageError: the module has other settings (dropout and batch_first apart, which
                concern no weight), or custom parts.
        """
        self.load_state_dict(weights_from_torch(module, self.settings, list(self.state_dict())))

    def to_torch(self) -> nn.Transformer:
        """A `torch.nn.Transformer` with a copy of the weights, in the same mode."""
        return torch_module(self.settings, self.state_dict()).train(self.training)


def _start(linear: nn.Linear, generator: torch.Generator, *, bias_within: float) -> None:
    """Draw the start values on the CPU, so that they are the same wherever the model lies."""
    weight, bias = linear.weight, linear.bias
    if weight.is_meta:
        return
    with torch.no_grad():
        drawn = torch.empty(weight.shape, dtype=weight.dtype, device="cpu")
        weight.copy_(nn.init.xavier_uniform_(drawn, generator=generator))
        if bias is not None:
            drawn = torch.empty(bias.shape, dtype=bias.dtype, device="cpu")
            bias.copy_(drawn.uniform_(-bias_within, bias_within, generator=generator))

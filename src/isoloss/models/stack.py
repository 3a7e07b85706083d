"""Blocks on top of each other, with positions, masks and the outer norms.

Shape suffixes: B batch, T positions, S positions of the encoder, D width, K width of a head.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from isoloss.architecture import TransformerConfig
from isoloss.errors import UsageError
from isoloss.models.attention import Rotary
from isoloss.models.blocks import Block
from isoloss.models.cache import Cache
from isoloss.models.masks import Mask, attention_mask
from isoloss.models.norms import Norm
from isoloss.models.positions import rotary_table, sinusoidal_table


class Stack(nn.Module):
    """Embedded tokens → the residual stream after the last block and its norm.

    Args:
        config: the shape.
        n_layer: blocks.
        length: longest row.
        causal: a position sees no later one.
        crossed: blocks attend to an encoder too.

    `checkpointing` trades time for memory: activations of a block are computed again on the way
    back instead of kept.
    """

    cos_TK: Tensor
    sin_TK: Tensor
    table_TD: Tensor

    def __init__(
        self,
        config: TransformerConfig,
        *,
        n_layer: int,
        length: int,
        causal: bool,
        crossed: bool = False,
    ) -> None:
        super().__init__()
        self.config, self.length, self.causal = config, length, causal
        self.checkpointing = False
        self.embedding_norm = Norm(config) if config.embedding_norm else None
        self.blocks = nn.ModuleList(Block(config, crossed=crossed) for _ in range(n_layer))
        self.norm = Norm(config) if config.norm_position == "pre" else None
        if config.positions == "learned":
            self.positions = nn.Parameter(torch.zeros(length, config.d_model))
        elif config.positions == "sinusoidal":
            table_TD = sinusoidal_table(length, config.d_model)
            self.register_buffer("table_TD", table_TD, persistent=False)
        elif config.positions == "rotary":
            cos_TK, sin_TK = rotary_table(length, config.head_dim, config.rotary_base)
            self.register_buffer("cos_TK", cos_TK, persistent=False)
            self.register_buffer("sin_TK", sin_TK, persistent=False)

    def layers(self) -> list[Block]:
        """The blocks in their order."""
        return [block for block in self.blocks if isinstance(block, Block)]

    def forward(
        self,
        x_BTD: Tensor,
        *,
        segments: Tensor | None = None,
        prefix: Tensor | None = None,
        cache: Cache | None = None,
        memory: Tensor | None = None,
        memory_segments: Tensor | None = None,
    ) -> Tensor:
        """(B, T, D) → (B, T, D).

        Args:
            x_BTD: embedded tokens.
            segments: (B, T) document or pair of each token, 0 for padding; attention stays
                within a segment.
            prefix: (B,) positions that every position sees, whatever is causal.
            cache: of the tokens before; extended by these.
            memory: (B, S, D) output of the encoder.
            memory_segments: (B, S) segments of the encoder's tokens.

        Raises:
            UsageError: the row is longer than `length`.
        """
        before = cache.length if cache is not None else 0
        new, places, known = self._places(x_BTD, segments, before, cache)
        x_BTD = self._positioned(x_BTD, new, known)
        if self.embedding_norm is not None:
            x_BTD = self.embedding_norm(x_BTD)
        if self.config.dropout and self.training:
            x_BTD = F.dropout(x_BTD, self.config.dropout)
        mask = self._mask(new, places, segments, known, prefix, x_BTD.dtype)
        rotary = self._rotary(before, x_BTD.shape[1])
        crossed, cross_mask = self._crossing(memory, memory_segments, segments, new, cache)
        for index, block in enumerate(self.layers()):
            layer = cache.layers[index] if cache is not None else None
            given = (x_BTD, mask, rotary, layer, crossed[index], cross_mask)
            if self.checkpointing and self.training and cache is None:
                x_BTD = checkpoint(block, *given, use_reentrant=False)  # pyright: ignore
            else:
                x_BTD = block(*given)
        return x_BTD if self.norm is None else self.norm(x_BTD)

    def _places(
        self, x_BTD: Tensor, segments: Tensor | None, before: int, cache: Cache | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Places of the new tokens and of all so far, and the segments of all so far."""
        end = before + x_BTD.shape[1]
        if end > self.length:
            raise UsageError(
                f"{end:,} positions exceed the {self.length:,} that the model was made for",
                hint="Shorten the text, or train a model with a longer context.",
            )
        places = torch.arange(end, device=x_BTD.device)
        known = cache.extend_segments(segments) if cache is not None else segments
        return places[before:], places, known

    def _positioned(self, x_BTD: Tensor, new: Tensor, known: Tensor | None) -> Tensor:
        """Add what absolute positions add; each segment counts from its own start."""
        kind = self.config.positions
        if kind not in ("learned", "sinusoidal"):
            return x_BTD
        at = new if known is None else segment_positions(known)[:, -len(new) :]
        if kind == "learned":
            return x_BTD + self.positions[at]
        # arXiv:1706.03762, §3.4: embeddings are scaled so that positions do not drown them.
        return x_BTD * self.config.d_model**0.5 + self.table_TD[at]

    def _mask(
        self,
        new: Tensor,
        places: Tensor,
        segments: Tensor | None,
        known: Tensor | None,
        prefix: Tensor | None,
        dtype: torch.dtype,
    ) -> Mask:
        config = self.config
        return attention_mask(
            new,
            places,
            causal=self.causal,
            window=config.window,
            query_segments=segments,
            key_segments=known,
            prefix=prefix,
            alibi_heads=config.n_head if config.positions == "alibi" else 0,
            dtype=dtype,
            last=True,
        )

    def _rotary(self, before: int, count: int) -> Rotary | None:
        if self.config.positions != "rotary":
            return None
        end = before + count
        return self.cos_TK[before:end], self.sin_TK[before:end]

    def _crossing(
        self,
        memory: Tensor | None,
        memory_segments: Tensor | None,
        segments: Tensor | None,
        new: Tensor,
        cache: Cache | None,
    ) -> tuple[list[tuple[Tensor, Tensor] | None], Mask | None]:
        """Keys and values of the encoder for each block, and what of them may be seen."""
        if memory is None:
            return [None] * len(self.blocks), None
        pairs: list[tuple[Tensor, Tensor] | None] = []
        if cache is not None and cache.crossed:
            pairs.extend(cache.crossed)
        else:
            made = [
                b.cross_attention.keys_values(memory)
                for b in self.layers()
                if b.cross_attention is not None
            ]
            pairs.extend(made)
            if cache is not None:
                cache.crossed = made
        keys = torch.arange(memory.shape[1], device=memory.device)
        if memory_segments is not None and segments is None:
            segments = torch.ones(len(memory), len(new), dtype=torch.long, device=memory.device)
        mask = attention_mask(
            new,
            keys,
            causal=False,
            query_segments=segments,
            key_segments=memory_segments,
        )
        return pairs, mask


def segment_positions(segments_BT: Tensor) -> Tensor:
    """Position of each token within its segment, (B, T).

    >>> segment_positions(torch.tensor([[0, 0, 1, 1, 1, 2]])).tolist()
    [[0, 1, 0, 1, 2, 0]]
    """
    places = torch.arange(segments_BT.shape[1], device=segments_BT.device).expand_as(segments_BT)
    begins = torch.ones_like(segments_BT, dtype=torch.bool)
    begins[:, 1:] = segments_BT[:, 1:] != segments_BT[:, :-1]
    return places - torch.where(begins, places, 0).cummax(dim=1).values

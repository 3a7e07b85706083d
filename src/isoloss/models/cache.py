"""Keys and values of the tokens so far, so that the next token costs one position."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class LayerCache:
    """Keys and values of one attention, (B, H, S, K) with room for `capacity` positions."""

    capacity: int
    keys: Tensor | None = None
    values: Tensor | None = None
    length: int = 0

    def extend(self, k_BHTK: Tensor, v_BHTK: Tensor) -> tuple[Tensor, Tensor]:
        """Take in new positions; returns all keys and values so far."""
        count = k_BHTK.shape[2]
        end = self.length + count
        assert end <= self.capacity, "more positions than the cache has room for"
        if self.keys is None or self.values is None:
            batch, heads, _, width = k_BHTK.shape
            shape = (batch, heads, self.capacity, width)
            self.keys = k_BHTK.new_empty(shape)
            self.values = v_BHTK.new_empty((*shape[:3], v_BHTK.shape[-1]))
        # `narrow` is one call where a slice of three axes is three: it shows at small widths.
        self.keys.narrow(2, self.length, count).copy_(k_BHTK)
        self.values.narrow(2, self.length, count).copy_(v_BHTK)
        self.length = end
        return self.keys.narrow(2, 0, end), self.values.narrow(2, 0, end)

    def reorder(self, rows: Tensor) -> None:
        """Row i becomes what row `rows[i]` was (beams)."""
        if self.keys is not None and self.values is not None:
            self.keys, self.values = self.keys[rows], self.values[rows]


@dataclass
class Cache:
    """The state of generation: one `LayerCache` a layer, and what the masks need.

    Attributes:
        capacity: most positions of a row.
        layers: of self-attention.
        crossed: keys and values of the encoder for each decoder layer, made once.
        segments: (B, S) segment of each position so far; None where all are of one.
    """

    capacity: int
    layers: list[LayerCache] = field(default_factory=list)
    crossed: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    segments: Tensor | None = None

    @staticmethod
    def empty(n_layer: int, capacity: int) -> Cache:
        """A cache before the first token."""
        return Cache(capacity=capacity, layers=[LayerCache(capacity) for _ in range(n_layer)])

    @property
    def length(self) -> int:
        """Positions so far."""
        return self.layers[0].length

    def extend_segments(self, segments_BT: Tensor | None) -> Tensor | None:
        """Take in the segments of new positions; returns those of all so far, (B, S)."""
        if segments_BT is not None:
            parts = [segments_BT] if self.segments is None else [self.segments, segments_BT]
            self.segments = torch.cat(parts, dim=1)
        return self.segments

    def reorder(self, rows: Tensor) -> None:
        """Row i becomes what row `rows[i]` was (beams)."""
        for layer in self.layers:
            layer.reorder(rows)
        self.crossed = [(k[rows], v[rows]) for k, v in self.crossed]
        if self.segments is not None:
            self.segments = self.segments[rows]

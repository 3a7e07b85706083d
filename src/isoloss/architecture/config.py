"""The shape of a Transformer language model, as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from isoloss.errors import UsageError

HEAD_DIM = 16
"""Width of an attention head at the sizes a laptop trains."""


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """A decoder-only Transformer: rotary positions, QK norm, squared ReLU, RMSNorm, no biases.

    Args:
        vocab_size: entries of the vocabulary.
        context_length: tokens that a position can look back on, itself included.
        d_model: width of the residual stream.
        n_layer: number of blocks.
        n_head: attention heads; must divide `d_model` into an even head width (rotary pairs).
        d_ff: hidden width of the feed-forward part.

    Raises:
        UsageError: a size is not positive or the heads do not divide the width.

    >>> TransformerConfig(
    ...     vocab_size=1024, context_length=128, d_model=64, n_layer=3, n_head=4, d_ff=256
    ... ).head_dim
    16
    """

    vocab_size: int
    context_length: int
    d_model: int
    n_layer: int
    n_head: int
    d_ff: int

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value < 1:
                raise UsageError(f"{name} must be a positive integer, found {value!r}")
        if self.d_model % self.n_head or (self.d_model // self.n_head) % 2:
            raise UsageError(
                f"n_head={self.n_head} does not divide d_model={self.d_model} into an even width",
                hint="Rotary positions turn pairs: take d_model a multiple of 2 * n_head.",
            )

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.d_model // self.n_head

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON."""
        return asdict(self)


def config_for_width(
    d_model: int, *, vocab_size: int, context_length: int, n_layer: int = 3
) -> TransformerConfig:
    """The member of the ladder's family that has this width.

    Heads are `HEAD_DIM` wide and the feed-forward part four times the width, so width (and
    depth, where asked) is the only thing that changes from rung to rung.
    """
    return TransformerConfig(
        vocab_size=vocab_size,
        context_length=context_length,
        d_model=d_model,
        n_layer=n_layer,
        n_head=max(1, d_model // HEAD_DIM),
        d_ff=4 * d_model,
    )

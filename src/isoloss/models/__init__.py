"""The Transformer itself: attention, blocks, the decoder-only language model."""

from isoloss.models.attention import Attention, fused_attention, plain_attention
from isoloss.models.decoder import Block, Decoder, FeedForward

__all__ = [
    "Attention",
    "Block",
    "Decoder",
    "FeedForward",
    "fused_attention",
    "plain_attention",
]

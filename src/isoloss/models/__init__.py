"""The Transformer itself: attention, blocks, and language models of three kinds.

`build_model(config)` makes a `Decoder`, an `Encoder` or an `EncoderDecoder`.
"""

from isoloss.models.attention import (
    Attention,
    CrossAttention,
    fused_attention,
    plain_attention,
)
from isoloss.models.blocks import Block
from isoloss.models.cache import Cache
from isoloss.models.experts import Experts
from isoloss.models.feed_forward import FeedForward
from isoloss.models.language_model import (
    Decoder,
    Encoder,
    EncoderDecoder,
    LanguageModel,
    build_model,
)
from isoloss.models.masks import Mask, attention_mask
from isoloss.models.roles import Role, parameter_roles
from isoloss.models.transformer import Transformer

__all__ = [
    "Attention",
    "Block",
    "Cache",
    "CrossAttention",
    "Decoder",
    "Encoder",
    "EncoderDecoder",
    "Experts",
    "FeedForward",
    "LanguageModel",
    "Mask",
    "Role",
    "Transformer",
    "attention_mask",
    "build_model",
    "fused_attention",
    "parameter_roles",
    "plain_attention",
]

"""Bytes that the forward pass keeps for the backward pass, counted tensor by tensor.

The count is that of Korthikanti et al. (arXiv:2205.05198, §4.1) with other shapes let in. For
each token and layer they keep, in a GPT of width h with 16-bit numbers: inputs of two norms (4 h
bytes), of the maps to queries, keys and values (2 h), the queries, keys and values themselves
(6 h), input of the output map (2 h), inputs of the two feed-forward maps (2 h + 8 h) and of the
activation (8 h), two dropout masks (2 h): 34 h, and attention's scores. Here widths of heads and
feed-forward parts, gates, experts, QK norm and numbers of other sizes vary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from isoloss.architecture import TransformerConfig

if TYPE_CHECKING:
    from isoloss.planning.hardware.memory import TrainingSettings

LOGITS_KEPT = 4
"""Bytes of a logit that the loss keeps: its log-softmax in float32."""


def number_bytes(settings: TrainingSettings) -> int:
    """Bytes of a number that enters a matrix product."""
    return 4 if settings.precision == "float32" else 2


def residual_bytes(settings: TrainingSettings) -> int:
    """Bytes of a number of the residual stream; autocast leaves it in float32."""
    return 2 if settings.precision == "mixed" else 4


def layer_bytes(
    config: TransformerConfig, settings: TrainingSettings, *, length: int, tensor: int = 1
) -> float:
    """Bytes that one layer of self-attention and feed-forward keeps for a token, on one device.

    Args:
        config: the shape.
        settings: precision, kernels; with checkpointing `full`, what it recomputes at a time.
        length: positions of a row that attention sees.
        tensor: parts that every tensor is cut into (sequence parallelism included).
    """
    c, size, residual = config, number_bytes(settings), residual_bytes(settings)
    inner = c.n_head * c.head_dim / tensor
    shared = max(c.kv_heads / tensor, 1) * c.head_dim
    d = c.d_model / tensor
    masks = 2 * d if c.dropout else 0
    numbers = d + (inner + 2 * shared) + inner + _qk_norm(c, inner, shared)
    if not settings.fused_kernels:
        numbers += _unfused(c, d, inner + shared)
    scores = 0.0
    if not settings.fused_attention and settings.checkpointing == "none":
        each = size + ((size + 1) if c.dropout else 0)
        scores = each * c.n_head * length / tensor
    return 2 * residual * d + size * (numbers + _feed_forward(c, settings, tensor)) + masks + scores


def _qk_norm(c: TransformerConfig, inner: float, shared: float) -> float:
    """Inputs of the norms of queries and keys, and of the temperature."""
    if c.qk_norm == "none":
        return 0.0
    return inner + shared + (inner if c.qk_norm == "scaled" else 0)


def _unfused(c: TransformerConfig, d: float, queries_keys: float) -> float:
    """What plain PyTorch keeps beside: normalised inputs of weighted RMSNorms, and queries and
    keys before they are normalised or turned (one buffer with the values)."""
    norms = 2 * d if c.norm == "rmsnorm" and c.norm_weights else 0
    turned = c.positions == "rotary" and c.qk_norm == "none"
    return norms + (queries_keys if turned or c.qk_norm == "weighted" else 0)


def _feed_forward(c: TransformerConfig, settings: TrainingSettings, tensor: int) -> float:
    """Input of the first map, of the activation and of the last map.

    A gate keeps itself, its value and their product, and unfused also the activated gate. Each
    chosen expert gathers its own input and keeps its output to be weighted (unfused twice).
    """
    fused = settings.fused_kernels
    hidden = (3 if fused else 4) if c.gated else 2
    d, f = c.d_model / tensor, c.d_ff / tensor
    if not c.n_expert:
        return d + hidden * f
    return d + c.experts_per_token * ((2 if fused else 3) * d + hidden * f) + 2 * c.n_expert


def cross_bytes(
    config: TransformerConfig, settings: TrainingSettings, *, tensor: int = 1
) -> tuple[float, float]:
    """Bytes that one layer's attention to an encoder keeps: of a target token, of a source token.

    The encoder's output itself is shared by all layers and not counted.
    """
    c, size = config, number_bytes(settings)
    inner = c.n_head * c.head_dim / tensor
    shared = max(c.kv_heads / tensor, 1) * c.head_dim
    d = c.d_model / tensor
    norms = 0.0 if c.qk_norm == "none" else inner + (inner if c.qk_norm == "scaled" else 0)
    target = residual_bytes(settings) * d + size * (d + 2 * inner + norms)
    extra = 0.0 if c.qk_norm == "none" else shared
    return target + (d if c.dropout else 0), size * (2 * shared + extra)


def outer_bytes(config: TransformerConfig, settings: TrainingSettings, *, tensor: int = 1) -> float:
    """Bytes kept for a token outside the layers: norms of the embedding and before the head."""
    norms = int(config.embedding_norm) + int(config.norm_position == "pre")
    d = config.d_model / tensor
    return residual_bytes(settings) * norms * d + number_bytes(settings) * d

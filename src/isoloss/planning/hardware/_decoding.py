"""The roofline of serving: FLOP, bytes and exchange of reading a prompt and writing a token.

A step takes as long as the slower of computing and reading memory, and exchange between devices
comes on top (Pope et al., arXiv:2211.05102, §3; one device: Williams et al. 2009).
"""

from __future__ import annotations

from dataclasses import dataclass

from isoloss.architecture import TransformerConfig, count_parameters, forward_flops
from isoloss.architecture.counts import feed_forward_matrices
from isoloss.planning.hardware.choice import HardwareChoice
from isoloss.planning.hardware.memory import cache_bytes_per_token, weight_bytes
from isoloss.planning.hardware.ranges import Range

COMPUTE = Range(value=0.5, low=0.3, high=0.7, basis="assumed: share of the dense peak")
MEMORY = Range(value=0.7, low=0.5, high=0.85, basis="assumed: share of the memory bandwidth")
LINK = Range(value=0.7, low=0.5, high=0.9, basis="assumed: share of a link's rate")
LATENCY = Range(value=10e-6, low=5e-6, high=25e-6, basis="assumed: seconds of one all-reduce")


@dataclass(frozen=True, kw_only=True)
class Roofline:
    """Seconds of one pass over all devices of a replica.

    Attributes:
        compute, memory, exchange: seconds of each.
    """

    compute: Range
    memory: Range
    exchange: Range

    @property
    def seconds(self) -> Range:
        """The slower of computing and memory, and exchange."""
        return self.compute.largest(self.memory) + self.exchange

    @property
    def bound(self) -> str:
        """What takes longest."""
        parts = {
            "compute": self.compute.value,
            "memory": self.memory.value,
            "exchange": self.exchange.value,
        }
        return max(parts, key=parts.__getitem__)


def prefill(
    config: TransformerConfig,
    choice: HardwareChoice,
    *,
    prompt: int,
    devices: int,
    weight_bits: int,
) -> Roofline:
    """Reading one row's prompt, up to the first token."""
    two_sided = config.kind == "encoder_decoder"
    length = 1 if two_sided else prompt
    parts = forward_flops(config, length=length, source_length=prompt, predicted=1)
    return _roofline(
        config,
        choice,
        flops=sum(parts.values()),
        read=weight_bytes(config, weight_bits),
        tokens=prompt,
        devices=devices,
    )


def decode(
    config: TransformerConfig,
    choice: HardwareChoice,
    *,
    batch: int,
    prompt: int,
    written: float,
    devices: int,
    weight_bits: int,
    cache_bits: int,
) -> Roofline:
    """Writing one token for every row, when `written` tokens are there already."""
    kept = cached_tokens(config, prompt, written)
    counts = count_parameters(config)
    seen = 4 * config.n_layer * config.n_head * config.head_dim * kept
    flops = batch * (2 * _decoder_matmul(config) + seen)
    copies = max(1.0, devices / config.kv_heads)
    cache = batch * kept * cache_bytes_per_token(config, cache_bits) * copies
    embedding = 0 if counts.tied else 2 * counts.embedding
    weights = weight_bytes(config, weight_bits) - embedding
    weights -= _untouched(config, batch) * weight_bits / 8
    return _roofline(
        config, choice, flops=flops, read=weights + cache, tokens=batch, devices=devices
    )


def cached_tokens(config: TransformerConfig, prompt: int, written: float) -> float:
    """Positions of a row whose keys and values are kept: with a window only the last ones."""
    if config.kind == "encoder_decoder":
        return prompt + min(written, config.window or written)
    return min(prompt + written, config.window or prompt + written)


def _decoder_matmul(config: TransformerConfig) -> float:
    """Weights that one written token is multiplied with."""
    counts = count_parameters(config)
    idle = counts.idle_experts * config.n_layer / (config.n_layer + config.n_encoder_layer)
    return counts.matmul - _encoder_side(config) - idle


def _encoder_side(config: TransformerConfig) -> float:
    """Matrices that see the source alone: the encoder, and cross-attention's keys and values."""
    counts = count_parameters(config)
    blocks = counts.attention + counts.feed_forward + counts.router
    share = config.n_encoder_layer / (config.n_layer + config.n_encoder_layer)
    keys_values = config.kv_heads / (config.n_head + config.kv_heads)
    return blocks * share + counts.cross_attention * keys_values


def _untouched(config: TransformerConfig, batch: int) -> float:
    """Weights of the blocks that writing a token for each row does not read.

    Those that see the source alone, and experts that no row is sent to if all are equally likely.
    """
    chosen = config.experts_per_token / config.n_expert if config.n_expert else 1.0
    missed = config.n_layer * config.n_expert * (1 - chosen) ** batch
    return _encoder_side(config) + missed * feed_forward_matrices(config)


def _roofline(
    config: TransformerConfig,
    choice: HardwareChoice,
    *,
    flops: float,
    read: float,
    tokens: int,
    devices: int,
) -> Roofline:
    peak = choice.device.peak(choice.dtype) * devices
    bandwidth = choice.device.memory_bandwidth * devices
    return Roofline(
        compute=Range.exactly(flops / peak) / COMPUTE,
        memory=Range.exactly(read / bandwidth) / MEMORY,
        exchange=_exchange(config, choice, tokens, devices),
    )


def _exchange(
    config: TransformerConfig, choice: HardwareChoice, tokens: int, devices: int
) -> Range:
    """Two all-reduces a layer of the residual stream in 16 bits."""
    if devices == 1:
        return Range.exactly(0.0)
    times = 2 * (config.n_layer + config.n_encoder_layer)
    moved = 2 * (devices - 1) / devices * tokens * config.d_model * 2
    each = Range.exactly(moved / choice.device.node_bandwidth) / LINK + LATENCY
    return each * times

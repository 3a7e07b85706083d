"""Seconds of one training step under a layout, by a roofline: an estimate.

Computing runs at `KERNEL_EFFICIENCY` of the peak. Exchange between tensor and context parts
stands in the way of computing; that of gradients and weights between replicas hides behind it as
far as it can. Rings of n ranks move (n - 1)/n of what they gather or scatter. Neighbouring devices
hold tensor parts, then context parts, replicas, and pipeline stages farthest apart, as in
Megatron-LM.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from isoloss.architecture import TransformerConfig, count_parameters, training_flops
from isoloss.planning.hardware.choice import HardwareChoice
from isoloss.planning.hardware.degrees import Degrees
from isoloss.planning.hardware.memory import TrainingSettings, number_bytes

KERNEL_EFFICIENCY = 0.62
"""Share of the dense peak that a layer's kernels reach between them, set once by hand so that the
runs of arXiv:2205.05198 (Table 5) and Llama 3 (arXiv:2407.21783, Table 4) come out about right."""
LINK_EFFICIENCY = 0.8
"""Share of a link's rated bandwidth that collectives reach."""
HIDDEN = 0.8
"""Share of computing behind which exchange between replicas can hide."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A way to cut a step: degrees, and the shape of micro-batches.

    Attributes:
        degrees: parallel degrees and ZeRO stage.
        rows: sequences of a micro-batch.
        micro_batches: of a step, on each replica.
        chunks: parts of a pipeline stage's layers that take turns.
        settings: precision, optimiser, checkpointing.
        layers: of the fullest pipeline stage.
    """

    degrees: Degrees
    rows: int
    micro_batches: int
    chunks: int
    settings: TrainingSettings
    layers: int


@dataclass(frozen=True, kw_only=True)
class StepTime:
    """Seconds of one step, and of its parts.

    Attributes:
        compute: kernels, recomputing included.
        exchange: exchange that computing waits for.
        bubble: waiting of pipeline stages.
        model_flops: the model's own FLOP of the step, convention `palm`.
    """

    compute: float
    exchange: float
    bubble: float
    model_flops: float

    @property
    def total(self) -> float:
        """Seconds of the step."""
        return self.compute + self.exchange + self.bubble


def step_time(config: TransformerConfig, choice: HardwareChoice, cut: Cut) -> StepTime:
    """Seconds of one step, and where they go."""
    degrees, m = cut.degrees, cut.micro_batches
    tokens = cut.rows * _row(config)
    flops = training_flops(config, tokens) / (degrees.tensor * degrees.pipeline * degrees.context)
    again = 4 / 3 if cut.settings.checkpointing == "full" else 1.0
    layers = config.n_layer + config.n_encoder_layer
    uneven = cut.layers * degrees.pipeline / layers
    peak = choice.device.peak(choice.dtype) * KERNEL_EFFICIENCY
    compute = flops * again * uneven / peak
    inner = _tensor_seconds(config, choice, cut) + _context_seconds(config, choice, cut)
    handed = _pipeline_seconds(config, choice, cut)
    outer = _replica_seconds(config, choice, cut, compute)
    bubble = (compute + inner) * (degrees.pipeline - 1) / cut.chunks
    return StepTime(
        compute=m * compute,
        exchange=m * (inner + handed) + outer,
        bubble=bubble,
        model_flops=training_flops(config, tokens * m * degrees.data),
    )


def _row(config: TransformerConfig) -> int:
    """Tokens of one full row, both sides of an encoder-decoder."""
    two_sided = config.kind == "encoder_decoder"
    return config.context_length + (config.longest_source if two_sided else 0)


def _bandwidth(choice: HardwareChoice, ranks: int, apart: int = 1) -> float:
    """Bytes/s at which a rank of a group sends around a ring.

    Within a node that is the node's. Beyond it, data enter a node once over the network links of
    all devices there that belong to the group, and are handed on inside.

    Args:
        choice: devices.
        ranks: of the group.
        apart: neighbouring ranks are so many devices apart.
    """
    device = choice.device
    within = min(ranks, max(1, device.node_size // apart))
    if ranks * apart <= device.node_size:
        return LINK_EFFICIENCY * device.node_bandwidth
    outside = within * device.network_bandwidth
    return LINK_EFFICIENCY * (min(device.node_bandwidth, outside) if within > 1 else outside)


def _stream_bytes(config: TransformerConfig, cut: Cut) -> float:
    """Bytes of a micro-batch's residual stream on one context rank."""
    tokens = cut.rows * _row(config) / cut.degrees.context
    return tokens * config.d_model * number_bytes(cut.settings)


def _tensor_seconds(config: TransformerConfig, choice: HardwareChoice, cut: Cut) -> float:
    """Two gathers and two scatters a layer each way (arXiv:2205.05198, §4.2.2)."""
    t = cut.degrees.tensor
    if t == 1:
        return 0.0
    times = 12 if cut.settings.checkpointing == "full" else 8
    moved = times * cut.layers * _stream_bytes(config, cut) * (t - 1) / t
    return moved / _bandwidth(choice, t)


def _context_seconds(config: TransformerConfig, choice: HardwareChoice, cut: Cut) -> float:
    """Keys and values gathered on the way in, and their gradients scattered on the way back."""
    c, t = cut.degrees.context, cut.degrees.tensor
    if c == 1:
        return 0.0
    pairs = 2 * max(config.kv_heads / t, 1) * config.head_dim * number_bytes(cut.settings)
    moved = 3 * cut.layers * cut.rows * _row(config) * pairs * (c - 1) / c
    return moved / _bandwidth(choice, c, apart=t)


def _pipeline_seconds(config: TransformerConfig, choice: HardwareChoice, cut: Cut) -> float:
    """The residual stream handed on and its gradient handed back, once for each chunk."""
    degrees = cut.degrees
    if degrees.pipeline == 1:
        return 0.0
    moved = 2 * cut.chunks * _stream_bytes(config, cut) / degrees.tensor
    return moved / _bandwidth(choice, 2, apart=degrees.devices // degrees.pipeline)


def _replica_seconds(
    config: TransformerConfig, choice: HardwareChoice, cut: Cut, compute: float
) -> float:
    """Gradients and weights between replicas, less what hides behind computing.

    Stages 0 and 1 reduce gradients and gather weights once a step, behind one micro-batch; stage
    2 reduces them after every round of as many micro-batches as pipeline stages (as Llama 3);
    stage 3 also gathers weights twice for each micro-batch.
    """
    degrees, m = cut.degrees, cut.micro_batches
    n = degrees.shards
    if n == 1:
        return 0.0
    mixed = cut.settings.precision == "mixed"
    weights = count_parameters(config).total / (degrees.tensor * degrees.pipeline)
    gradient = (cut.settings.gradient_bytes if mixed else 4) * weights * (n - 1) / n
    weight = (2 if mixed else 4) * weights * (n - 1) / n
    rounds = math.ceil(m / degrees.pipeline)
    times = {0: (1, 1), 1: (1, 1), 2: (rounds, 1), 3: (m, 2 * m)}[degrees.zero]
    moved = times[0] * gradient + times[1] * weight
    seconds = moved / _bandwidth(choice, n, apart=degrees.tensor)
    behind = compute * (m if degrees.zero >= 2 else 1)
    return max(0.0, seconds - HIDDEN * behind)

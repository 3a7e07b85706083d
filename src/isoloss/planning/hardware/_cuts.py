"""The ways to cut a model over devices that are worth a look."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from isoloss.architecture import TransformerConfig
from isoloss.planning.hardware._step_time import Cut
from isoloss.planning.hardware.choice import HardwareChoice
from isoloss.planning.hardware.degrees import Degrees, stage_layers
from isoloss.planning.hardware.memory import TrainingSettings

MAX_TENSOR, MAX_PIPELINE, MAX_CHUNKS = 64, 128, 8
MAX_ROWS = 16
SHORTEST_PART = 2048
"""Rows are not cut into parts of fewer tokens."""


def cuts(
    config: TransformerConfig,
    choice: HardwareChoice,
    rows: int,
    settings: tuple[TrainingSettings, ...],
) -> Iterator[Cut]:
    """Every combination of degrees that divides the shape and uses the devices.

    Args:
        config: the shape.
        choice: devices.
        rows: sequences of a step, all replicas together.
        settings: those to choose among.
    """
    for tensor in _tensors(config, choice):
        for pipeline in _pipelines(config, choice.count // tensor):
            counts = stage_layers(config, pipeline)
            assert counts is not None
            for context in _contexts(config, choice.count // (tensor * pipeline)):
                data = min(rows, choice.count // (tensor * pipeline * context))
                base = Degrees(data=data, tensor=tensor, pipeline=pipeline, context=context)
                for degrees in _stages_of_zero(base):
                    for one in settings:
                        yield from _batches(degrees, rows, one, max(counts))


def _tensors(config: TransformerConfig, choice: HardwareChoice) -> list[int]:
    """Powers of two within a node that divide the heads."""
    most = min(choice.device.node_size, choice.count, MAX_TENSOR)
    powers = (2**i for i in range(int(math.log2(most)) + 1))
    return [t for t in powers if config.n_head % t == 0]


def _pipelines(config: TransformerConfig, devices: int) -> list[int]:
    most = min(devices, MAX_PIPELINE)
    return [p for p in range(1, most + 1) if stage_layers(config, p) is not None]


def _contexts(config: TransformerConfig, devices: int) -> list[int]:
    most = min(devices, max(1, config.context_length // SHORTEST_PART))
    powers = (2**i for i in range(int(math.log2(most)) + 1))
    return [c for c in powers if config.context_length % c == 0]


def _stages_of_zero(degrees: Degrees) -> list[Degrees]:
    """Stage 3 gathers weights for every micro-batch, so not together with a pipeline."""
    if degrees.shards == 1:
        return [degrees]
    chosen = (1, 2, 3) if degrees.pipeline == 1 else (1, 2)
    return [replace(degrees, zero=zero) for zero in chosen]


def _batches(degrees: Degrees, rows: int, settings: TrainingSettings, layers: int) -> Iterator[Cut]:
    each = math.ceil(rows / degrees.data)
    for size in (2**i for i in range(int(math.log2(MAX_ROWS)) + 1)):
        if size > each:
            return
        micro_batches = math.ceil(each / size)
        for chunks in _chunks(degrees.pipeline, layers):
            # an interleaved schedule runs micro-batches in rounds of as many as stages
            if chunks == 1 or micro_batches % degrees.pipeline == 0:
                yield Cut(
                    degrees=degrees,
                    rows=size,
                    micro_batches=micro_batches,
                    chunks=chunks,
                    settings=settings,
                    layers=layers,
                )


def _chunks(pipeline: int, layers: int) -> list[int]:
    if pipeline == 1:
        return [1]
    return [n for n in (1, 2, 4, 8) if n <= min(layers, MAX_CHUNKS) and layers % n == 0]

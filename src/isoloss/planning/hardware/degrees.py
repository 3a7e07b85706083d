"""How a model and its batch are cut over devices."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from isoloss.architecture import TransformerConfig
from isoloss.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Degrees:
    """Parallel degrees; their product is the number of devices.

    Attributes:
        data: replicas that see different rows.
        tensor: parts of every matrix, with sequence parallelism (arXiv:2205.05198).
        pipeline: groups of layers.
        context: parts of every row.
        zero: ZeRO stage (arXiv:1910.02054) over data and context ranks: 0 keeps all, 1 cuts
            optimiser states, 2 also gradients, 3 also weights (FSDP).

    Raises:
        UsageError: a degree is no positive integer, or the stage is not 0 to 3.

    >>> Degrees(data=64, tensor=8, pipeline=16).devices
    8192
    """

    data: int = 1
    tensor: int = 1
    pipeline: int = 1
    context: int = 1
    zero: int = 0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value != int(value) or value < (0 if name == "zero" else 1):
                raise UsageError(f"{name} must be a positive integer, found {value!r}")
        if self.zero > 3:
            raise UsageError(f"the ZeRO stage must be 0 to 3, found {self.zero}")

    @property
    def devices(self) -> int:
        """Devices in use."""
        return self.data * self.tensor * self.pipeline * self.context

    @property
    def shards(self) -> int:
        """Ranks that ZeRO cuts over."""
        return self.data * self.context

    def to_dict(self) -> dict[str, int]:
        """Plain dictionary, for JSON."""
        return {**asdict(self), "devices": self.devices}


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One pipeline stage.

    Attributes:
        layers: blocks that it holds.
        first, last: whether it holds the embedding, and the head.
        place, of: its number from 0, and the number of stages.
    """

    layers: int
    first: bool
    last: bool
    place: int
    of: int

    def under_way(self, micro_batches: int | None, chunks: int = 1) -> float:
        """Micro-batches whose activations it holds at once, at most.

        With 1F1B (arXiv:2104.04473) as many as stages from it to the end. Where its layers take
        turns in `chunks`, it starts 2 (stages after it) + (chunks - 1) stages + 1 chunks before
        the first comes back.

        Args:
            micro_batches: of one step, which is the limit; none when None.
            chunks: parts of its layers that take turns (interleaved schedule).

        >>> Stage(layers=8, first=True, last=False, place=0, of=16).under_way(None)
        16.0
        """
        if chunks == 1:
            held = float(self.of - self.place)
        else:
            held = (2 * (self.of - self.place - 1) + (chunks - 1) * self.of + 1) / chunks
        return min(held, micro_batches or held)


def stages(config: TransformerConfig, pipeline: int) -> tuple[Stage, ...]:
    """The stages of a model cut by layers.

    Stages hold equally many layers. Where only that divides, embedding and head count as a layer
    each, so the first and the last stage hold one layer less, as in Llama 3 (arXiv:2407.21783,
    §3.3.2).

    Raises:
        UsageError: the layers cannot be cut so.

    >>> from isoloss.architecture import preset
    >>> [stage.layers for stage in stages(preset("llama-3.1-405b").config, 16)][:3]
    [7, 8, 8]
    """
    layers = config.n_layer + config.n_encoder_layer
    counts = stage_layers(config, pipeline)
    if counts is None:
        raise UsageError(
            f"{pipeline} pipeline stages do not divide {layers} layers"
            if config.kind != "encoder_decoder"
            else "an encoder-decoder is not cut into pipeline stages here",
            hint="Take a divisor of the number of layers, or of it plus two.",
        )
    return tuple(
        Stage(layers=count, first=i == 0, last=i == pipeline - 1, place=i, of=pipeline)
        for i, count in enumerate(counts)
    )


def stage_layers(config: TransformerConfig, pipeline: int) -> tuple[int, ...] | None:
    """Layers of each stage; None where the model cannot be cut so."""
    layers = config.n_layer + config.n_encoder_layer
    if pipeline == 1:
        return (layers,)
    if config.kind == "encoder_decoder" or pipeline > layers:
        return None
    if layers % pipeline == 0:
        return (layers // pipeline,) * pipeline
    if (layers + 2) % pipeline == 0 and (layers + 2) // pipeline > 1:
        each = (layers + 2) // pipeline
        return (each - 1, *(each,) * (pipeline - 2), each - 1)
    return None

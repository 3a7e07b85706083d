"""Bytes that training and serving keep on a device, by component."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from isoloss.architecture import TransformerConfig, count_parameters
from isoloss.architecture.counts import attention_matrices, feed_forward_matrices
from isoloss.errors import UsageError
from isoloss.planning.hardware import _activations as kept
from isoloss.planning.hardware._activations import number_bytes as number_bytes
from isoloss.planning.hardware.degrees import Degrees, Stage, stages

Optimizer = Literal["adamw", "muon"]
Precision = Literal["mixed", "autocast", "float32"]
Checkpointing = Literal["none", "selective", "full"]

_COMPONENTS = ("parameters", "gradients", "optimizer", "master", "activations", "logits")
_GROUP = 128
"""Weights of 4 bits share a 16-bit scale with this many (GPTQ, AWQ)."""


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """What decides the bytes of training beside the shape.

    Attributes:
        optimizer: `adamw` (two float32 moments for each weight) or `muon` (one momentum for
            matrices of the blocks, AdamW for the rest), as isoloss trains.
        precision: `mixed`: 16-bit weights with a float32 master copy; `autocast`: float32 weights
            cast for each product (isoloss's bfloat16); `float32`.
        gradient_bytes: of one gradient under `mixed`: 4 accumulates in float32, as Megatron-LM
            and Llama 3 do; 2 as in the ZeRO paper.
        checkpointing: activations kept: all (`none`), without attention's scores (`selective`),
            or only each layer's input (`full`).
        fused_attention: FlashAttention (arXiv:2205.14135): scores are never kept.
        fused_kernels: norms, rotary positions and gates are one kernel each, as in Megatron-LM or
            under `torch.compile`; plain PyTorch keeps more (False).
        fused_loss: the head and loss are computed in pieces, so logits are never kept.

    Raises:
        UsageError: an option is none of these.
    """

    optimizer: Optimizer = "adamw"
    precision: Precision = "mixed"
    gradient_bytes: int = 4
    checkpointing: Checkpointing = "none"
    fused_attention: bool = True
    fused_kernels: bool = True
    fused_loss: bool = False

    def __post_init__(self) -> None:
        for name, choices in (
            ("optimizer", get_args(Optimizer)),
            ("precision", get_args(Precision)),
            ("gradient_bytes", (2, 4)),
            ("checkpointing", get_args(Checkpointing)),
        ):
            if getattr(self, name) not in choices:
                raise UsageError(
                    f"{name} must be one of {', '.join(map(str, choices))}; found "
                    f"{getattr(self, name)!r}"
                )

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class TrainingMemory:
    """Bytes on the fullest device of a training run.

    Attributes:
        parameters: weights as they multiply, cast copies and gathered layers included.
        gradients, optimizer, master: gradients; moments; float32 copies of the weights.
        activations: kept for the way back.
        logits: of the head and its loss.
        assumptions: what the figures take for granted, one sentence each.
    """

    parameters: float
    gradients: float
    optimizer: float
    master: float
    activations: float
    logits: float
    assumptions: tuple[str, ...] = ()

    @property
    def components(self) -> dict[str, float]:
        """Bytes by component."""
        return {name: getattr(self, name) for name in _COMPONENTS}

    @property
    def total(self) -> float:
        """Bytes of everything."""
        return sum(self.components.values())

    @property
    def largest(self) -> str:
        """Name of the largest component."""
        return max(self.components, key=self.components.__getitem__)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON."""
        return {**self.components, "total": self.total, "assumptions": list(self.assumptions)}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> TrainingMemory:
        """The memory that `to_dict` wrote."""
        return cls(
            **{name: float(document[name]) for name in _COMPONENTS},
            assumptions=tuple(str(text) for text in document["assumptions"]),
        )

    def __repr__(self) -> str:
        return f"TrainingMemory({self.total / 1e9:.4g} GB, most of it {self.largest})"


def training_memory(
    config: TransformerConfig,
    *,
    rows: int = 1,
    settings: TrainingSettings | None = None,
    degrees: Degrees | None = None,
    micro_batches: int | None = None,
    chunks: int = 1,
) -> TrainingMemory:
    """Bytes on the fullest device while it trains on `rows` full rows at a time.

    Args:
        config: the shape; rows have its `context_length`.
        rows: sequences of one micro-batch (before `context` cuts them).
        settings: optimiser, precision, checkpointing; the defaults when None.
        degrees: parallel degrees and ZeRO stage; one device when None.
        micro_batches: of one step; as many as the pipeline can hold when None.
        chunks: parts of a stage's layers that take turns (interleaved schedule).

    Raises:
        UsageError: rows is no positive integer, or a degree does not divide the shape.

    >>> from isoloss.architecture import preset
    >>> small = training_memory(preset("gpt2-124m").config, rows=8)
    >>> small.optimizer == 8 * preset("gpt2-124m").counted
    True
    """
    settings, degrees = settings or TrainingSettings(), degrees or Degrees()
    if rows != int(rows) or rows < 1:
        raise UsageError(f"rows of a micro-batch must be a positive integer, found {rows!r}")
    _check_cuts(config, degrees)
    found: list[TrainingMemory] = []
    for stage in _distinct(stages(config, degrees.pipeline)):
        activations = _activations(config, settings, degrees, stage, rows)
        activations *= stage.under_way(micro_batches, chunks)
        found.append(
            TrainingMemory(
                **_states(config, settings, degrees, stage, chunks),
                activations=activations + _recomputed(config, settings, degrees, rows),
                logits=_logits(config, settings, degrees, stage, rows),
                assumptions=_assumptions(settings, degrees),
            )
        )
    return max(found, key=lambda memory: memory.total)


def _check_cuts(config: TransformerConfig, degrees: Degrees) -> None:
    if config.n_head % degrees.tensor:
        raise UsageError(f"{degrees.tensor} tensor parts do not divide {config.n_head} heads")
    if config.context_length % degrees.context:
        raise UsageError(
            f"{degrees.context} context parts do not divide rows of {config.context_length:,}"
        )


def _distinct(cut: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """The stages that can be the fullest: the first two and the last."""
    return tuple(dict.fromkeys((cut[0], cut[min(1, len(cut) - 1)], cut[-1])))


def _weights(config: TransformerConfig, degrees: Degrees, stage: Stage) -> tuple[float, float]:
    """Weights on one device of a stage: matrices of blocks, and all others.

    Vectors are not cut by tensor parallelism; matrices are, evenly, also where there are fewer key
    heads than parts (the copies of those are small). A tied head is one with the embedding where
    both are on one device, and a copy of it on the last stage.
    """
    counts, layers = count_parameters(config), config.n_layer + config.n_encoder_layer
    share = stage.layers / layers
    transform = counts.head_matmul - config.vocab_size * config.d_model
    matrices = counts.block_matrices * share + (transform if stage.last else 0)
    vectors = (counts.norms + counts.biases) * share
    if stage.first:
        matrices_outside = counts.embedding + counts.positions
    else:
        matrices_outside = 0
    if stage.last:
        vectors += counts.head - counts.head_matmul
        matrices_outside += 0 if counts.tied and stage.first else counts.head_matmul - transform
    return matrices / degrees.tensor, matrices_outside / degrees.tensor + vectors


def _states(
    config: TransformerConfig,
    settings: TrainingSettings,
    degrees: Degrees,
    stage: Stage,
    chunks: int,
) -> dict[str, float]:
    """Weights, gradients, moments and master copies of one device."""
    blocks, others = _weights(config, degrees, stage)
    weights = blocks + others
    mixed = settings.precision == "mixed"
    size = 2 if mixed else 4
    moments = (4 if settings.optimizer == "muon" else 8) * blocks + 8 * others
    cut = {stage_of: degrees.shards if degrees.zero >= stage_of else 1 for stage_of in (1, 2, 3)}
    parameters = size * weights / cut[3]
    gradients = (settings.gradient_bytes if mixed else 4) * weights / cut[2]
    layer = _layer_matrices(config) / degrees.tensor
    if degrees.zero == 3 and degrees.shards > 1:
        # two gathered layers at a time: the one at work and the next, fetched ahead
        parameters += min(2, stage.layers) * size * layer
    if degrees.zero >= 2 and degrees.shards > 1:
        # whole gradients of the layers at work, until they are reduced and cut
        at_work = stage.layers / chunks if degrees.pipeline > 1 else 1
        gradients += (settings.gradient_bytes if mixed else 4) * at_work * layer
    if settings.precision == "autocast":
        counts = count_parameters(config)
        head = (counts.head_matmul if stage.last else 0) / degrees.tensor
        parameters += 2 * (counts.block_matrices / degrees.tensor * _share(config, stage) + head)
    return {
        "parameters": parameters,
        "gradients": gradients,
        "optimizer": moments / cut[1],
        "master": (4 if mixed else 0) * weights / cut[1],
    }


def _share(config: TransformerConfig, stage: Stage) -> float:
    return stage.layers / (config.n_layer + config.n_encoder_layer)


def _layer_matrices(config: TransformerConfig) -> int:
    return attention_matrices(config) + max(1, config.n_expert) * feed_forward_matrices(config)


def _activations(
    config: TransformerConfig,
    settings: TrainingSettings,
    degrees: Degrees,
    stage: Stage,
    rows: int,
) -> float:
    """Bytes kept for one micro-batch on one device of a stage."""
    c, t = config, degrees.tensor
    tokens = rows * c.context_length / degrees.context
    sources = rows * c.longest_source / degrees.context if c.n_encoder_layer else 0.0
    outer = (tokens + sources) * kept.outer_bytes(c, settings, tensor=t) if stage.last else 0.0
    if settings.checkpointing == "full":
        each = kept.residual_bytes(settings) * c.d_model / t
        encoder = c.n_encoder_layer * sources
        return outer + each * ((stage.layers - c.n_encoder_layer) * tokens + encoder)
    target = kept.layer_bytes(c, settings, length=c.context_length, tensor=t)
    if not c.n_encoder_layer:
        return outer + stage.layers * tokens * target
    source = kept.layer_bytes(c, settings, length=c.longest_source, tensor=t)
    to_target, to_source = kept.cross_bytes(c, settings, tensor=t)
    decoder = tokens * (target + to_target) + sources * to_source
    return outer + c.n_layer * decoder + c.n_encoder_layer * sources * source


def _recomputed(
    config: TransformerConfig, settings: TrainingSettings, degrees: Degrees, rows: int
) -> float:
    """With full checkpointing, the one layer that is computed again."""
    if settings.checkpointing != "full":
        return 0.0
    tokens = rows * config.context_length / degrees.context
    return tokens * kept.layer_bytes(
        config, settings, length=config.context_length, tensor=degrees.tensor
    )


def _logits(
    config: TransformerConfig,
    settings: TrainingSettings,
    degrees: Degrees,
    stage: Stage,
    rows: int,
) -> float:
    """The loss's log-softmax and, when the way back begins, the logits' gradient."""
    if settings.fused_loss or not stage.last:
        return 0.0
    gradient = 4 if settings.precision == "float32" else 6
    tokens = rows * config.context_length / degrees.context
    return tokens * config.vocab_size / degrees.tensor * (kept.LOGITS_KEPT + gradient)


def _assumptions(settings: TrainingSettings, degrees: Degrees) -> tuple[str, ...]:
    texts = [
        "Activations by the count of arXiv:2205.05198, §4.1, for this shape; buffers of the "
        "allocator, kernels and network are not in it.",
    ]
    if not settings.fused_loss:
        texts.append("Logits and their gradient are held whole; a loss in pieces saves them.")
    if degrees.pipeline > 1:
        texts.append(
            "Pipeline stages take turns by 1F1B, interleaved where there are chunks; the fullest "
            "stage is shown."
        )
    return tuple(texts)


def cache_bytes_per_token(config: TransformerConfig, bits: int = 16) -> float:
    """Bytes of keys and values that generation keeps for one token of one row, all layers.

    Shared key and value heads (grouped-query attention) are counted as they are kept. An
    encoder-decoder keeps as much again for each source token.

    Raises:
        UsageError: an encoder generates nothing.

    >>> from isoloss.architecture import preset
    >>> cache_bytes_per_token(preset("llama-3-8b").config)
    131072.0
    """
    if config.kind == "encoder":
        raise UsageError("an encoder generates no text, so it keeps no keys and values")
    return 2 * config.n_layer * config.kv_heads * config.head_dim * bits / 8


def weight_bytes(config: TransformerConfig, bits: int = 16) -> float:
    """Bytes of the weights as they are served.

    With 8 or 4 bits, the matrices of the blocks; embedding, head and vectors stay in 16. Weights
    of 4 bits share a 16-bit scale with 127 others, as in GPTQ and AWQ.

    Raises:
        UsageError: bits are not 16, 8 or 4.

    >>> from isoloss.architecture import preset
    >>> weight_bytes(preset("llama-3-8b").config) == 2 * preset("llama-3-8b").counted
    True
    """
    if bits not in (16, 8, 4):
        raise UsageError(f"weights are served in 16, 8 or 4 bits, not {bits!r}")
    counts = count_parameters(config)
    each = bits + (16 / _GROUP if bits == 4 else 0)
    return counts.block_matrices * each / 8 + 2 * (counts.total - counts.block_matrices)

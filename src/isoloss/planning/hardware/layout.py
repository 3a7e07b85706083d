"""A parallel layout that fits the devices, and why."""

from __future__ import annotations

import html
from dataclasses import dataclass, replace
from typing import Any

from isoloss.architecture import TransformerConfig
from isoloss.errors import UsageError
from isoloss.planning.hardware._cuts import cuts
from isoloss.planning.hardware._page import page
from isoloss.planning.hardware._search import Search, memory_of, reasons
from isoloss.planning.hardware._step_time import (
    KERNEL_EFFICIENCY,
    LINK_EFFICIENCY,
    Cut,
    StepTime,
    step_time,
)
from isoloss.planning.hardware.choice import HardwareChoice
from isoloss.planning.hardware.degrees import Degrees, stages
from isoloss.planning.hardware.memory import (
    TrainingMemory,
    TrainingSettings,
)

RESERVED = 0.05
"""Share of the memory (by the vendor's decimal gigabytes) kept for drivers, buffers and gaps."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How training is cut over devices.

    Attributes:
        fits: whether every device holds its part; if not, `reasons` say what is missing, and the
            rest describes the layout that comes nearest.
        degrees: data, tensor, pipeline, context, ZeRO stage.
        rows: sequences of one micro-batch.
        micro_batches: micro-batches of one step on each replica.
        chunks: parts of a pipeline stage's layers that take turns (interleaved schedule).
        settings: optimiser, precision and the checkpointing that was chosen.
        memory: bytes on the fullest device.
        memory_bytes: bytes that it may use.
        step_seconds: estimated seconds of one step.
        bubble_share: estimated share of a step that pipeline stages wait.
        communication_share: estimated share of a step that exchange holds computing up.
        utilisation: estimated model FLOP utilisation over all devices, idle ones included; beside
            the choice's own, which costs are counted with.
        reasons: a sentence for each degree.
        assumptions: what the estimate takes for granted.
    """

    fits: bool
    degrees: Degrees
    rows: int
    micro_batches: int
    chunks: int
    settings: TrainingSettings
    memory: TrainingMemory
    memory_bytes: float
    step_seconds: float
    bubble_share: float
    communication_share: float
    utilisation: float
    reasons: tuple[str, ...]
    assumptions: tuple[str, ...]

    def summary(self) -> str:
        """The layout in text, at most 80 columns wide."""
        d, memory = self.degrees, self.memory
        parts = ", ".join(f"{name} {value / 1e9:.3g}" for name, value in memory.components.items())
        rows = [
            (
                "Degrees",
                f"data {d.data:,} (ZeRO {d.zero}), tensor {d.tensor}, pipeline {d.pipeline}"
                f"{f' in {self.chunks} chunks' if self.chunks > 1 else ''}, context {d.context}: "
                f"{_counted(d.devices, 'device')}",
            ),
            (
                "Step",
                f"{_counted(self.micro_batches, 'micro-batch', 'es')} of "
                f"{_counted(self.rows, 'row')} on each replica, checkpointing "
                f"{self.settings.checkpointing}",
            ),
            (
                "Memory",
                f"{memory.total / 1e9:.3g} of {self.memory_bytes / 1e9:.3g} GB ({parts})",
            ),
            (
                "Estimate",
                f"{self.step_seconds:.3g} s a step, bubble {self.bubble_share:.1%}, exchange "
                f"{self.communication_share:.1%}, utilisation {self.utilisation:.0%}",
            ),
        ]
        title = f"Layout that {'fits' if self.fits else 'comes nearest but does not fit'}"
        return page(title, rows, self.reasons)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON; `from_dict` reads it."""
        values: dict[str, Any] = dict(vars(self))
        return values | {
            "degrees": self.degrees.to_dict(),
            "settings": self.settings.to_dict(),
            "memory": self.memory.to_dict(),
            "reasons": list(self.reasons),
            "assumptions": list(self.assumptions),
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Layout:
        """The layout that `to_dict` wrote."""
        degrees = {key: value for key, value in document["degrees"].items() if key != "devices"}
        values: dict[str, Any] = document | {
            "degrees": Degrees(**degrees),
            "settings": TrainingSettings(**document["settings"]),
            "memory": TrainingMemory.from_dict(document["memory"]),
            "reasons": tuple(document["reasons"]),
            "assumptions": tuple(document["assumptions"]),
        }
        return cls(**values)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.summary())}</pre>"

    def __repr__(self) -> str:
        d = self.degrees
        return (
            f"Layout(fits={self.fits}, data={d.data}, tensor={d.tensor}, pipeline={d.pipeline}, "
            f"context={d.context}, zero={d.zero}, {self.memory.total / 1e9:.3g} GB a device)"
        )


def layout_for(
    config: TransformerConfig,
    choice: HardwareChoice,
    batch_tokens: float,
    *,
    settings: TrainingSettings | None = None,
) -> Layout:
    """The fastest layout, by a roofline estimate, that fits the memory of the devices.

    Tensor parallelism stays within a node and divides the heads; pipeline stages hold equally
    many layers (embedding and head may count as one each, as in Llama 3); micro-batch, ZeRO stage
    and interleaving are chosen along. Of layouts within 5% of the fastest, closer than such an
    estimate can tell, the plainest is taken.

    Args:
        config: the shape; rows have its `context_length`.
        choice: devices.
        batch_tokens: tokens of one step, all replicas together; rounded down to whole rows.
        settings: optimiser, precision and checkpointing; AdamW in the choice's dtype, with or
            without full checkpointing, when None.

    Returns:
        The layout; where none fits, the one that needs least memory, with `fits` False.

    Raises:
        UsageError: batch_tokens is smaller than one row.

    >>> from isoloss.architecture import preset
    >>> from isoloss.planning.hardware.choice import hardware_choice
    >>> layout_for(preset("gpt2-124m").config, hardware_choice("h100"), 2**19).fits
    True
    """
    rows = _rows(config, batch_tokens)
    options = _options(choice) if settings is None else (settings,)
    search = Search(config, choice, cuts(config, choice, rows, options), _usable(choice))
    best = search.first(lambda cut: True)
    if best is None:
        return _unfitting(config, choice, search)
    seconds, cut = best
    return _layout(config, choice, cut, seconds, reasons=reasons(config, choice, search, best))


def layout_of(
    config: TransformerConfig,
    choice: HardwareChoice,
    batch_tokens: float,
    degrees: Degrees,
    *,
    rows: int = 1,
    chunks: int = 1,
    settings: TrainingSettings | None = None,
) -> Layout:
    """The memory and the estimated time of a layout that is given.

    Args:
        config, choice, batch_tokens: as for `layout_for`.
        degrees: data, tensor, pipeline, context, ZeRO stage.
        rows: sequences of one micro-batch.
        chunks: parts of a pipeline stage's layers that take turns.
        settings: optimiser, precision, checkpointing; the defaults when None.

    Raises:
        UsageError: a degree does not divide the shape, or there are fewer devices.
    """
    if degrees.devices > choice.count:
        raise UsageError(f"the degrees need {degrees.devices:,} devices, not {choice.count:,}")
    each = _rows(config, batch_tokens) / degrees.data
    cut = Cut(
        degrees=degrees,
        rows=rows,
        micro_batches=max(1, -int(-each // rows)),
        chunks=chunks,
        settings=settings or _options(choice)[0],
        layers=max(stage.layers for stage in stages(config, degrees.pipeline)),
    )
    return _layout(config, choice, cut, step_time(config, choice, cut), reasons=())


def _rows(config: TransformerConfig, batch_tokens: float) -> int:
    row = config.context_length
    row += config.longest_source if config.kind == "encoder_decoder" else 0
    if not batch_tokens >= row:
        raise UsageError(
            f"a batch of {batch_tokens:,.0f} tokens is smaller than one row of {row:,}",
            hint="Take a larger batch, or a shorter context_length.",
        )
    return int(batch_tokens // row)


def _options(choice: HardwareChoice) -> tuple[TrainingSettings, ...]:
    precision = "float32" if choice.dtype in ("fp32", "tf32") else "mixed"
    base = TrainingSettings(precision=precision)
    return (base, replace(base, checkpointing="full"))


def _usable(choice: HardwareChoice) -> float:
    return (1 - RESERVED) * choice.device.memory_bytes


def _layout(
    config: TransformerConfig,
    choice: HardwareChoice,
    cut: Cut,
    seconds: StepTime,
    *,
    reasons: tuple[str, ...],
) -> Layout:
    memory, usable = memory_of(config, cut), _usable(choice)
    return Layout(
        fits=memory.total <= usable,
        degrees=cut.degrees,
        rows=cut.rows,
        micro_batches=cut.micro_batches,
        chunks=cut.chunks,
        settings=cut.settings,
        memory=memory,
        memory_bytes=usable,
        step_seconds=seconds.total,
        bubble_share=seconds.bubble / seconds.total,
        communication_share=seconds.exchange / seconds.total,
        utilisation=seconds.model_flops / (seconds.total * choice.peak_flops),
        reasons=reasons or _missing(memory, usable),
        assumptions=(
            *memory.assumptions,
            f"{RESERVED:.0%} of {choice.device.memory_bytes / 1e9:g} GB is kept for drivers, "
            "buffers and gaps.",
            f"Kernels reach {KERNEL_EFFICIENCY:.0%} of the peak, links {LINK_EFFICIENCY:.0%} of "
            "their rate, and nothing else waits (input, updates, slow ranks, failures): times, "
            "bubble and exchange are estimates, and runs measured elsewhere are somewhat slower.",
        ),
    )


def _missing(memory: TrainingMemory, usable: float) -> tuple[str, ...]:
    if memory.total <= usable:
        return ()
    return (
        f"The fullest device needs {memory.total / 1e9:,.3g} GB of {usable / 1e9:,.3g}; the "
        f"largest part is {memory.largest} with {memory.components[memory.largest] / 1e9:,.3g} GB.",
    )


def _unfitting(config: TransformerConfig, choice: HardwareChoice, search: Search) -> Layout:
    seconds, cut = search.nearest()
    layout = _layout(config, choice, cut, seconds, reasons=())
    short = layout.memory.total / layout.memory_bytes
    advice = f"About {short:.2g} times the memory is needed: take more or larger devices"
    if choice.count > cut.degrees.devices:
        advice += f" (or a larger batch: {choice.count - cut.degrees.devices:,} stand idle)"
    return replace(layout, reasons=(*layout.reasons, f"{advice}, or a smaller model."))


def _counted(number: int, word: str, ending: str = "s") -> str:
    return f"{number:,} {word}{ending if number != 1 else ''}"

"""The plainest of the fastest cuts that fit, and what others would cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from isoloss.architecture import TransformerConfig
from isoloss.planning.hardware._step_time import Cut, StepTime, step_time
from isoloss.planning.hardware.choice import HardwareChoice
from isoloss.planning.hardware.memory import TrainingMemory, training_memory

ALIKE = 0.05
"""Layouts within this share of each other's time are taken to be equally fast."""

Timed = tuple[StepTime, Cut]


def memory_of(config: TransformerConfig, cut: Cut) -> TrainingMemory:
    """Bytes on the fullest device of a cut."""
    return training_memory(
        config,
        rows=cut.rows,
        settings=cut.settings,
        degrees=cut.degrees,
        micro_batches=cut.micro_batches,
        chunks=cut.chunks,
    )


class Search:
    """Cuts from fast to slow; memory, which takes longer to count, is counted when asked.

    Args:
        config, choice: the shape and the devices.
        found: the cuts to look at.
        usable: bytes that a device may use.
    """

    def __init__(
        self, config: TransformerConfig, choice: HardwareChoice, found: Iterable[Cut], usable: float
    ) -> None:
        self.config, self.usable = config, usable
        timed = ((step_time(config, choice, cut), cut) for cut in found)
        self.timed = sorted(timed, key=lambda one: one[0].total)
        self._fits: dict[Cut, bool] = {}

    def fits(self, cut: Cut) -> bool:
        """Whether every device holds its part."""
        if cut not in self._fits:
            self._fits[cut] = memory_of(self.config, cut).total <= self.usable
        return self._fits[cut]

    def first(self, wanted: Callable[[Cut], bool]) -> Timed | None:
        """The plainest among the fastest that fit and are wanted; None where there is none."""
        able = (one for one in self.timed if wanted(one[1]) and self.fits(one[1]))
        fastest = next(able, None)
        if fastest is None:
            return None
        limit = (1 + ALIKE) * fastest[0].total
        alike = (one for one in self.timed if one[0].total <= limit and wanted(one[1]))
        return min((one for one in alike if self.fits(one[1])), key=_plainness)

    def nearest(self) -> Timed:
        """The one that needs least memory; the fastest of those."""
        return min(self.timed, key=lambda one: memory_of(self.config, one[1]).total)


def _plainness(timed: Timed) -> tuple[float, ...]:
    """Few ways of cutting the model, then few parts, then no recomputing."""
    seconds, cut = timed
    d = cut.degrees
    ways = (d.tensor > 1) + (d.pipeline > 1) + (d.context > 1)
    parts = d.tensor * d.pipeline * d.context
    kept = cut.settings.checkpointing != "none"
    return (ways, parts, d.context, d.pipeline, kept, cut.chunks, d.zero, seconds.total)


def reasons(
    config: TransformerConfig, choice: HardwareChoice, search: Search, best: Timed
) -> tuple[str, ...]:
    """A sentence for each degree of the best cut: what another degree would cost."""
    cut, d = best[1], best[1].degrees
    layers = config.n_layer + config.n_encoder_layer
    node, idle = choice.device.node_size, choice.count - d.devices
    kept = cut.settings.checkpointing
    zero = _compared(search, best, lambda c: c.degrees.zero != d.zero)
    other = _compared(search, best, lambda c: c.settings.checkpointing != kept)
    recomputing = f"Checkpointing {kept}: {'with' if kept == 'none' else 'without'} it {other}."
    if choice.count == 1:
        return ("One device: nothing is cut.", recomputing)
    held = f"at most {cut.layers} of {layers} layers a stage"
    row = f"rows of {config.context_length:,} tokens"
    return (
        _degree(search, best, "tensor", f"within a node of {node:,}, {config.n_head} heads"),
        _degree(search, best, "pipeline", held),
        _degree(search, best, "context", row),
        f"Data {d.data:,} (as many replicas as devices and batch allow"
        + (f"; {idle:,} devices stand idle" if idle else "")
        + f"), ZeRO {d.zero}: with another stage {zero}.",
        recomputing,
    )


_CUTTING = {"tensor": "matrices", "pipeline": "layers", "context": "rows"}


def _degree(search: Search, best: Timed, name: str, what: str) -> str:
    """Against the best with a lower degree, or with a higher one where it is 1."""
    value: int = getattr(best[1].degrees, name)
    if value > 1:
        words = "with fewer parts"
        other = _compared(search, best, lambda c: getattr(c.degrees, name) < value)
    else:
        words = f"with {_CUTTING[name]} cut"
        other = _compared(search, best, lambda c: getattr(c.degrees, name) > 1)
    return f"{name.capitalize()} {value} ({what}): {words} {other}."


def _compared(search: Search, best: Timed, wanted: Callable[[Cut], bool]) -> str:
    """What the best of the cuts that are wanted would cost."""
    if not any(wanted(cut) for _, cut in search.timed):
        return "there is no layout here"
    other = search.first(wanted)
    if other is None:
        return "nothing fits the memory"
    longer = other[0].total / best[0].total - 1
    if abs(longer) <= ALIKE:
        return f"a step takes about as long ({longer:+.1%})"
    return f"a step takes {longer:.0%} longer"

"""Which way of computing is fastest here: bfloat16 or not, compiled or not.

Asked once for a whole ladder, and the answer is part of its recipe: losses of one ladder are
never from two precisions.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch

from isoloss.architecture import TransformerConfig
from isoloss.errors import EnvironmentProblem
from isoloss.training.objectives.batch import Batch
from isoloss.training.recipe import Recipe
from isoloss.training.schedules import Schedule
from isoloss.training.state import TrainingState

PAYS = 1.1
"""How much faster another way must be than the plain one, beyond the scatter of timings."""
WARMING = 3
MODES: dict[str, dict[str, object]] = {
    "float32": {"precision": "float32", "compile": False},
    "bfloat16": {"precision": "bfloat16", "compile": False},
    "float32 compiled": {"precision": "float32", "compile": True},
    "bfloat16 compiled": {"precision": "bfloat16", "compile": True},
}


@dataclass(frozen=True, kw_only=True)
class ModeTimings:
    """Seconds of a training step in each mode, and the one to take.

    Attributes:
        seconds: median of a step, by the name of a mode.
        compile_seconds: what the first step of a compiled mode took beyond that, for each shape
            of model anew.
        failed: modes that do not run here, with the reason.
        choice: the mode to take: plain float32 unless another is 1.1 times as fast.
        recipe: the recipe in that mode.
    """

    seconds: Mapping[str, float]
    compile_seconds: Mapping[str, float] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    choice: str
    recipe: Recipe

    def summary(self) -> str:
        """One line a mode.

        >>> times = {"float32": 0.02, "bfloat16": 0.05}
        >>> print(ModeTimings(seconds=times, choice="float32", recipe=Recipe()).summary())
        float32               20.0 ms a step  <- taken
        bfloat16              50.0 ms a step
        """
        lines = []
        for mode, seconds in self.seconds.items():
            first = self.compile_seconds.get(mode)
            more = f", {first:.0f} s to compile" if first is not None else ""
            taken = "  <- taken" if mode == self.choice else ""
            lines.append(f"{mode:<18}{1e3 * seconds:>8.1f} ms a step{more}{taken}")
        return "\n".join([*lines, *(f"{mode:<18} {why}" for mode, why in self.failed.items())])


def probe_modes(
    config: TransformerConfig,
    recipe: Recipe,
    *,
    compiling: bool = False,
    seconds: float = 1.0,
    device: str = "cpu",
) -> ModeTimings:
    """Time training steps on random tokens in each mode, about a second each.

    Args:
        config: the model; take the ladder's largest.
        recipe: its recipe; precision and compile of it are left aside.
        compiling: try compiled modes too, which takes up to a minute each.
        seconds: for each mode, after three steps to warm up.
        device: see `resolve_device`.

    >>> config = TransformerConfig(
    ...     vocab_size=64, context_length=8, d_model=16, n_layer=1, n_head=1, d_ff=32
    ... )
    >>> sorted(probe_modes(config, Recipe(batch_tokens=64), seconds=0.01).seconds)
    ['bfloat16', 'float32']
    """
    batch = random_batch(config, recipe)
    timed: dict[str, float] = {}
    first: dict[str, float] = {}
    failed: dict[str, str] = {}
    for mode, changes in MODES.items():
        if changes["compile"] and not compiling:
            continue
        chosen = replace(recipe, **changes)  # pyright: ignore[reportArgumentType]
        try:
            start, timed[mode] = _time_steps(config, chosen, batch, seconds, device)
        except EnvironmentProblem as error:
            failed[mode] = error.message
            continue
        if changes["compile"]:
            first[mode] = start - WARMING * timed[mode]
    choice = "float32"
    if timed:
        fastest = min(timed, key=lambda mode: timed[mode])
        choice = fastest if timed["float32"] > PAYS * timed[fastest] else "float32"
    taken = replace(recipe, **MODES[choice])  # pyright: ignore[reportArgumentType]
    return ModeTimings(
        seconds=timed, compile_seconds=first, failed=failed, choice=choice, recipe=taken
    )


def random_batch(config: TransformerConfig, recipe: Recipe) -> Batch:
    """A step's worth of random tokens, full rows, all of them predicted."""
    generator = torch.Generator().manual_seed(0)
    two_sided = config.kind == "encoder_decoder"
    source = config.longest_source if two_sided else 0
    rows = max(1, recipe.batch_tokens // (config.context_length + source))

    def draw(length: int) -> torch.Tensor:
        return torch.randint(0, config.vocab_size, (rows, length), generator=generator)

    target = draw(config.context_length)
    inputs = {"source": draw(source), "target": target} if two_sided else {"tokens": target}
    return Batch(
        inputs=inputs,
        targets=draw(config.context_length).flatten(),
        tokens=rows * (config.context_length + source),
        encoder_tokens=rows * source,
    )


def _time_steps(
    config: TransformerConfig, recipe: Recipe, batch: Batch, seconds: float, device: str
) -> tuple[float, float]:
    """Seconds of the first steps together, and the median of a later one."""
    state = TrainingState.start(config, recipe, seed=0, device=device)
    schedule = Schedule(warmup=recipe.warmup_steps)
    began = time.perf_counter()
    state.advance(WARMING, schedule, lambda _: batch)
    first = time.perf_counter() - began
    stamps: list[float] = []
    deadline = time.perf_counter() + seconds
    while len(stamps) < 5 or time.perf_counter() < deadline:
        began = time.perf_counter()
        state.advance(state.step + 1, schedule, lambda _: batch)
        stamps.append(time.perf_counter() - began)
    return first, statistics.median(stamps)

"""Points of metrics in the order in which they were logged, and the curves that they make."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from itertools import pairwise

from isoloss.runs.importers._finding import counted
from isoloss.runs.importers.history import Series

_NOT_FINITE = {"nan": math.nan, "infinity": math.inf, "-infinity": -math.inf}


class Points:
    """Points by metric, 16 bytes each while they are read."""

    def __init__(self) -> None:
        self._points: dict[str, tuple[array[float], array[float]]] = {}
        self.repeated = 0

    def __len__(self) -> int:
        return len(self._points)

    def __iter__(self) -> Iterator[str]:
        return iter(self._points)

    def add(self, name: str, step: float, value: float) -> None:
        """A point; steps need not rise. A step that is no finite number is left out."""
        if not math.isfinite(step):
            return
        steps, values = self._points.setdefault(name, (array("d"), array("d")))
        steps.append(step)
        values.append(value)

    def drop_from(self, step: float) -> None:
        """Forget all points at or after a step: a run went on from a checkpoint before them."""
        for name, (steps, values) in list(self._points.items()):
            kept = [i for i, at in enumerate(steps) if at < step]
            if len(kept) == len(steps):
                continue
            self._points[name] = (
                array("d", (steps[i] for i in kept)),
                array("d", (values[i] for i in kept)),
            )

    def series(self) -> dict[str, Series]:
        """The curves, steps rising; of points at one step the last that was logged.

        `repeated` then counts the points that gave way to a later one.
        """
        self.repeated = 0
        made: dict[str, Series] = {}
        for name, (steps, values) in self._points.items():
            made[name] = _rising(steps, values)
            self.repeated += len(steps) - len(made[name].steps)
        return {name: one for name, one in made.items() if one.steps}

    def notes(self) -> tuple[str, ...]:
        """What `series` had to leave out."""
        if not self.repeated:
            return ()
        return (
            f"Logged again at the same step: {counted(self.repeated, 'point')}; the last counts.",
        )


def number(value: object) -> float | None:
    """A number out of JSON; `NaN` and the infinities also as text; None for anything else."""
    if isinstance(value, str):
        return _NOT_FINITE.get(value.lower()) if len(value) <= 9 else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _rising(steps: array[float], values: array[float]) -> Series:
    if all(a < b for a, b in pairwise(steps)):
        return Series(steps=tuple(steps), values=tuple(values))
    last = dict(zip(steps, values, strict=True))
    rising = sorted(last)
    return Series(steps=tuple(rising), values=tuple(last[step] for step in rising))

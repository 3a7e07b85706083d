"""W&B's `define_metric`: which metrics are drawn over another metric instead of over steps."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import cast

from isoloss.runs.importers._finding import counted, listed
from isoloss.runs.importers._flat import mapping
from isoloss.runs.importers._points import Points
from isoloss.runs.importers.history import Series


@dataclass
class Axes:
    """The step metric of each metric, by name or by what the name begins with (`train/*`)."""

    names: dict[str, str] = field(default_factory=dict[str, str])
    prefixes: dict[str, str] = field(default_factory=dict[str, str])

    def define(self, name: str, glob: str, step_metric: str) -> None:
        """Take a definition; one without a step metric leaves an earlier one in place."""
        if step_metric and name:
            self.names[_unescaped(name)] = step_metric
        elif step_metric and glob:
            # A star stands at the end only (wandb refuses others).
            self.prefixes[glob.removesuffix("*")] = step_metric

    def of(self, metric: str) -> str:
        """The step metric of a metric, empty for W&B's own step."""
        if metric in self.names:
            return self.names[metric]
        if metric.startswith("_"):
            return ""
        fitting = [prefix for prefix in self.prefixes if metric.startswith(prefix)]
        return self.prefixes[max(fitting, key=len)] if fitting else ""

    def applied(self, points: Points) -> tuple[dict[str, Series], tuple[str, ...]]:
        """The curves over the one step metric that is defined for them, and notes.

        What a run logs is told together by where it was logged, so all its curves have one axis.
        With one step metric, that is it, for metrics without a definition too: each point takes
        the value that the step metric had last, as `step_sync` does, and 0 before it had any. A
        run with several step metrics stays over W&B's own steps, and so does one whose step
        metric was never logged; the notes say what was defined.
        """
        plain = points.series()
        defined = {name: self.of(name) for name in plain}
        wanted = {name: axis for name, axis in defined.items() if axis not in ("", name, "_step")}
        there = {axis for axis in wanted.values() if axis in plain}
        notes = points.notes()
        if len(there) == 1 and there == set(wanted.values()):
            (axis,) = there
            made = {name: _over(series, plain[axis]) for name, series in plain.items()}
            gone = sum(len(plain[name].steps) - len(made[name].steps) for name in plain)
            notes = (*notes, f"All curves are over their step metric {axis!r}.")
            if gone:
                notes = (*notes, f"At one value of it, the last counts: {counted(gone, 'point')}.")
            return {name: series for name, series in made.items() if series.steps}, notes
        if wanted:
            pairs = [f"{name} over {axis}" for name, axis in sorted(wanted.items())]
            why = "have several step metrics" if there else "have a step metric without values"
            notes = (*notes, f"Curves {why}, and are over W&B's own steps: {listed(pairs)}.")
        return plain, notes


def axes_of_config(entries: object) -> Axes:
    """The definitions as a run's configuration on the server has them (`_wandb.m`).

    Each is a mapping by field numbers of MetricRecord: name 1, glob 2, step metric 4, or its
    place in the list, from 1, in 5.
    """
    axes = Axes()
    given = cast("list[object]", entries) if isinstance(entries, list) else []
    listing = [mapping(entry) or {} for entry in given]
    for entry in listing:
        step_metric, place = entry.get("4"), entry.get("5")
        if not step_metric and isinstance(place, int) and 1 <= place <= len(listing):
            step_metric = listing[place - 1].get("1")
        axes.define(str(entry.get("1") or ""), str(entry.get("2") or ""), str(step_metric or ""))
    return axes


def _over(series: Series, axis: Series) -> Series:
    """A curve over the values of another; that other one over its own."""
    again = Points()
    before = min(0.0, axis.values[0])
    for step, value in zip(series.steps, series.values, strict=True):
        place = bisect_right(axis.steps, step) - 1
        again.add("", axis.values[place] if place >= 0 else before, value)
    return again.series().get("", Series(steps=(), values=()))


def _unescaped(name: str) -> str:
    """A dot that belongs to the name is written with a backslash in a definition."""
    return name.replace("\\.", ".")

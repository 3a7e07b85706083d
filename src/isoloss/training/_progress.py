"""Progress of one run on stderr: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

QUIET_SECONDS = 2.0
"""What is done within this time needs no progress."""
LINES = 10
"""Plain lines in all, about."""


@contextmanager
def shown_progress(steps: int, label: str) -> Iterator[Callable[[int, float], None]]:
    """Yields what `train_run` calls after each step with the steps done and the training loss."""
    if sys.stderr.isatty():
        with _bar(steps, label) as on_step:
            yield on_step
    else:
        yield _lines(steps, label)


def _lines(steps: int, label: str) -> Callable[[int, float], None]:
    """A line after each tenth of the steps, none in the first two seconds."""
    began = time.monotonic()
    told = -1

    def on_step(step: int, loss: float) -> None:
        nonlocal told
        tenth = step * LINES // steps
        if told < 0:
            told = (step - 1) * LINES // steps  # a resumed run tells only what is new
        if tenth > told and time.monotonic() - began > QUIET_SECONDS:
            told = tenth
            share = 100 * step // steps
            print(
                f"{label}: {share}% of {steps:,} steps, training loss {loss:.3f}",
                file=sys.stderr,
                flush=True,
            )

    return on_step


@contextmanager
def _bar(steps: int, label: str) -> Iterator[Callable[[int, float], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]}"),
        TimeRemainingColumn(),
    )
    began = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=steps, loss="…", visible=False)

        def on_step(step: int, loss: float) -> None:
            late = time.monotonic() - began > QUIET_SECONDS
            bar.update(task, completed=step, loss=f"{loss:.3f}", visible=late)

        yield on_step

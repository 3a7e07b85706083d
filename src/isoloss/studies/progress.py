"""What a study says while it works: a bar on a terminal, plain lines elsewhere; all on stderr."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

LINE_SECONDS = 20.0


class Progress:
    """One bar from 0 to 1, with lines above it. Use as a context manager.

    `say` prints a line; `at` moves the bar.
    """

    def __init__(self, label: str) -> None:
        self.label = label
        self._began = time.monotonic()
        self._last_line = self._began
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as RichProgress

            self._bar = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=30),
                TextColumn("{task.percentage:>3.0f}%"),
                TimeElapsedColumn(),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task(self.label, total=1.0)
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, line: str) -> None:
        """Print one line."""
        if self._bar is not None:
            self._bar.console.print(line, highlight=False, markup=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def at(self, share: float) -> None:
        """Move to a share of the work; without a terminal a line every few seconds."""
        if self._bar is not None:
            self._bar.update(self._task, completed=share)
        elif time.monotonic() - self._last_line > LINE_SECONDS:
            self._last_line = time.monotonic()
            elapsed = self._last_line - self._began
            self.say(f"{self.label}: {share:.0%} after {elapsed:.0f} s")

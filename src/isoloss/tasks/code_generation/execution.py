"""Many programs → how each ended, some at a time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from isoloss.tasks.isolation import Limits, Outcome, run_isolated

QUIET_SECONDS = 2.0
_LINES = 10


class Progress:
    """Tells stderr how much is done, each tenth, once it takes over two seconds."""

    def __init__(self, label: str, total: int) -> None:
        self._label, self._total = label, total
        self._began = time.monotonic()
        self._told = self._done = 0

    def one_more(self) -> None:
        """One more is done."""
        self._done += 1
        tenth = self._done * _LINES // self._total
        if tenth > self._told and time.monotonic() - self._began > QUIET_SECONDS:
            self._told = tenth
            print(f"{self._label}: {self._done:,} of {self._total:,}", file=sys.stderr, flush=True)

    def hearing(self) -> Callable[[int, str], None]:
        """What `generate` tells pieces of text: counts each text when it begins."""
        begun: set[int] = set()

        def heard(index: int, _: str) -> None:
            if index not in begun:
                begun.add(index)
                self.one_more()

        return heard


def run_programs(programs: Sequence[str], limits: Limits, *, workers: int) -> list[Outcome]:
    """How each program ended, in their order; the same program is run once.

    Raises:
        EnvironmentProblem: this machine cannot isolate them.
    """
    distinct = list(dict.fromkeys(programs))
    found: dict[str, Outcome] = {}
    progress = Progress("programs run", len(distinct))
    pool = ThreadPoolExecutor(workers)
    try:
        ended = pool.map(partial(run_isolated, limits=limits), distinct)
        for program, outcome in zip(distinct, ended, strict=True):
            found[program] = outcome
            progress.one_more()
    finally:
        pool.shutdown(cancel_futures=True)
    return [found[program] for program in programs]

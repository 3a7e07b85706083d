"""Ctrl-C at a moment of our choice: what must not be cut in two is finished first."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Generator


@contextlib.contextmanager
def interrupts_held() -> Generator[None]:
    """Ctrl-C inside takes effect at the end; for short work, such as one transaction.

    A signal mask would not do: another thread of the process could still receive the signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is ever interrupted
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before if before is not None else signal.default_int_handler)
        if came:
            signal.raise_signal(signal.SIGINT)

"""Ctrl-C is held while something must not be cut in two."""

from __future__ import annotations

import signal
import threading

import pytest

from isoloss._interrupts import interrupts_held


def test_an_interrupt_takes_effect_at_the_end():
    done: list[str] = []

    def work() -> None:
        with interrupts_held():
            signal.raise_signal(signal.SIGINT)
            done.append("the work")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["the work"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_one_nothing_happens():
    before = signal.getsignal(signal.SIGINT)
    with interrupts_held(), interrupts_held():
        pass
    assert signal.getsignal(signal.SIGINT) is before


def test_in_another_thread_it_does_nothing():
    done: list[str] = []

    def work() -> None:
        with interrupts_held():
            done.append("the work")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == ["the work"]

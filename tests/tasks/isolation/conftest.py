"""The isolation of this machine, or the reason why there is none."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from isoloss.errors import EnvironmentProblem
from isoloss.tasks.isolation import Limits, Outcome, isolation_level, run_isolated

NAME = """
import ctypes
ctypes.CDLL(None).prctl(15, {name!r}.encode(), 0, 0, 0)  # PR_SET_NAME: children have it too
"""


@pytest.fixture
def run() -> Callable[..., Outcome]:
    """Runs a program in isolation with tight limits, which options change."""
    try:
        isolation_level()
    except EnvironmentProblem as error:
        if "isolation" in os.environ.get("ISOLOSS_REQUIRE", "").split(","):
            pytest.fail(error.message)
        pytest.skip(error.message)

    def run(code: str, **options: float) -> Outcome:
        return run_isolated(code, limits=Limits(**{"seconds": 5, "cpu_seconds": 4, **options}))

    return run


def processes_named(name: str) -> list[int]:
    """Processes of the host with a name (`NAME` gives it to a program)."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            if path.read_text("utf-8").strip() == name:
                found.append(int(path.parent.name))
        except OSError:  # it has just ended
            continue
    return found


def until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether a condition comes true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def named() -> Callable[[str], str]:
    """Gives what a program must begin with to have a name."""
    return lambda name: NAME.format(name=name)


@pytest.fixture
def seen() -> Callable[[str], bool]:
    """Says whether a program of a name comes to run on the host, within a few seconds."""
    return lambda name: until(lambda: bool(processes_named(name)))


@pytest.fixture
def gone() -> Callable[[str], bool]:
    """Says whether all programs of a name end, within a few seconds."""
    return lambda name: until(lambda: not processes_named(name))

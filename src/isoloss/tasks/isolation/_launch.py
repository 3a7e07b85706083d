"""Starts a command line, feeds it, reads what it says up to a limit, and ends it in time."""

from __future__ import annotations

import os
import selectors
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from isoloss.tasks.isolation._memory import holds_more

TIMEOUT = "timeout"
OUTPUT = "output"
MEMORY = "memory"
_CHUNK = 65536
_TAIL = 4096
_REPORT = 1024
_EXIT_SECONDS = 2.0
_LOOK_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Launched:
    """What became of a command: its report, the ends of its output, and why it was ended."""

    report: bytes
    stdout: bytes
    stderr: bytes
    exit_code: int
    seconds: float
    stopped: str


def launch(
    command: Callable[[int], list[str]],
    given: bytes,
    *,
    path: str,
    seconds: float,
    output_bytes: int,
    memory_bytes: int,
) -> Launched:
    """Run a command to its end.

    Args:
        command: number of the pipe to report to → command line.
        given: its stdin.
        path: the whole of its environment.
        seconds: until it is killed (`stopped` is `timeout`).
        output_bytes: of stdout or stderr until it is killed (`stopped` is `output`).
        memory_bytes: held by all its processes together until it is killed (`memory`).
    """
    began = time.monotonic()
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as stdin, os.fdopen(reading, "rb", buffering=0) as report:
        stdin.write(given)
        stdin.seek(0)
        try:
            process = subprocess.Popen(
                command(writing),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env={"PATH": path},
                cwd="/",
                pass_fds=(writing,),
                start_new_session=True,
            )
        finally:
            os.close(writing)
        with process:
            try:
                pipes: dict[Any, int] = {
                    report: _REPORT,
                    process.stdout: _TAIL,
                    process.stderr: _TAIL,
                }
                watch = _Watch(process.pid, memory_bytes)
                ends, stopped = _read(pipes, began + seconds, output_bytes, watch)
                if not stopped:
                    stopped = _wait(process, watch)
            finally:
                process.kill()  # what it started goes with it
    return Launched(
        report=ends[0],
        stdout=ends[1],
        stderr=ends[2],
        exit_code=_as_shells_say(process.returncode),
        seconds=time.monotonic() - began,
        stopped=stopped,
    )


class _Watch:
    """Looks now and then whether processes hold too much."""

    def __init__(self, process: int, memory_bytes: int) -> None:
        self._process, self._memory_bytes = process, memory_bytes
        self._next = time.monotonic() + _LOOK_SECONDS

    def sees_too_much(self) -> bool:
        if time.monotonic() < self._next:
            return False
        too_much = holds_more(self._process, self._memory_bytes)
        self._next = time.monotonic() + _LOOK_SECONDS
        return too_much


def _read(
    pipes: dict[Any, int], deadline: float, output_bytes: int, watch: _Watch
) -> tuple[list[bytes], str]:
    """What pipes say until all are closed: of each the end, of the report the beginning."""
    ends = dict.fromkeys(pipes, b"")
    sizes = dict.fromkeys(pipes, 0)
    first = next(iter(pipes))
    stopped = ""
    with selectors.DefaultSelector() as waiting:
        for pipe in pipes:
            waiting.register(pipe, selectors.EVENT_READ)
        while waiting.get_map() and not stopped:
            left = deadline - time.monotonic()
            for key, _ in waiting.select(max(0.0, min(left, _LOOK_SECONDS))):
                pipe: Any = key.fileobj
                chunk = pipe.read(_CHUNK)
                if not chunk:
                    waiting.unregister(pipe)
                    continue
                whole, room = ends[pipe] + chunk, pipes[pipe]
                ends[pipe] = whole[:room] if pipe is first else whole[-room:]
                sizes[pipe] += len(chunk)
            if max(sizes.values()) > output_bytes:
                stopped = OUTPUT
            elif left <= 0:
                stopped = TIMEOUT
            elif watch.sees_too_much():
                stopped = MEMORY
    return list(ends.values()), stopped


def _wait(process: subprocess.Popen[bytes], watch: _Watch) -> str:
    """Give a command whose pipes are closed a moment to end; why it must be ended."""
    end = time.monotonic() + _EXIT_SECONDS
    while time.monotonic() < end:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_LOOK_SECONDS)
            return ""
        if watch.sees_too_much():
            return MEMORY
    return ""


def _as_shells_say(code: int) -> int:
    return code if code >= 0 else 128 - code

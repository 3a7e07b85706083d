"""Killed at any moment, a study goes on and ends with the same numbers, bit for bit."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 600.0
LANDED = re.compile(r"^ +\d+/\d+  (\S+): loss", re.MULTILINE)


class Session:
    """One process of a study, in a process group of its own."""

    def __init__(self, spec: Path, folder: Path, log: Path) -> None:
        self.log = log
        with log.open("w") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "isoloss", "study", str(spec), "--out", str(folder)],
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,
            )

    def text(self) -> str:
        return self.log.read_text("utf-8", errors="replace")

    def landed(self) -> list[str]:
        """Names of the runs that this process trained."""
        return LANDED.findall(self.text())

    def wait_for(self, there: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not there():
            assert self.process.poll() is None, f"ended before its moment:\n{self.text()}"
            assert time.monotonic() < deadline, self.text()
            time.sleep(0.02)

    def members(self) -> list[int]:
        """Living processes of the group."""
        found: list[int] = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                if int(fields[2]) == self.process.pid and fields[0] != "Z":
                    found.append(int(entry.name))
        return found

    def wait_for_silence(self) -> None:
        """Until no process of the group lives."""
        deadline = time.monotonic() + 60
        while self.members():
            assert time.monotonic() < deadline, f"still alive: {self.members()}"
            time.sleep(0.1)

    def end(self) -> None:
        """Whatever a failed test left."""
        if self.members():
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=60)


@pytest.fixture
def sessions(finished, tmp_path):
    """Start a process on a copy of the study that has its plan and corpus, and no run."""
    folder = finished.copy(tmp_path / "study", "spec.json", "plan.json", "corpus")
    started: list[Session] = []

    def start() -> Session:
        started.append(Session(finished.spec, folder, tmp_path / f"{len(started)}.log"))
        return started[-1]

    start.folder = folder  # type: ignore[attr-defined]
    start.all = started  # type: ignore[attr-defined]
    yield start
    for session in started:
        session.end()


def test_interrupted_and_killed_it_ends_with_the_same_numbers(finished, sessions):
    folder = sessions.folder

    first = sessions()
    first.wait_for(lambda: len(first.landed()) >= 1)
    os.killpg(first.process.pid, signal.SIGINT)  # Ctrl-C reaches every process of a terminal
    assert first.process.wait(timeout=PATIENCE) == 130
    assert "go on with: isoloss study" in first.text()
    assert "Traceback" not in first.text()
    first.wait_for_silence()

    second = sessions()
    second.wait_for(lambda: len(second.landed()) >= 2)
    assert len(second.members()) >= 3
    os.kill(second.process.pid, signal.SIGKILL)  # the parent alone: its workers must notice
    second.process.wait(timeout=PATIENCE)
    second.wait_for_silence()

    third = sessions()
    third.wait_for(lambda: len(third.landed()) >= 3)
    os.killpg(third.process.pid, signal.SIGKILL)
    third.process.wait(timeout=PATIENCE)

    fourth = sessions()
    fourth.wait_for(lambda: "registered: predicted" in fourth.text())
    os.killpg(fourth.process.pid, signal.SIGKILL)
    fourth.process.wait(timeout=PATIENCE)
    registered = (folder / "prediction.json").read_bytes()

    fifth = sessions()
    fifth.wait_for((folder / "model" / "checkpoint.safetensors").exists)
    os.killpg(fifth.process.pid, signal.SIGKILL)
    fifth.process.wait(timeout=PATIENCE)
    assert not (folder / "study.json").exists()

    last = sessions()
    assert last.process.wait(timeout=PATIENCE) == 0, last.text()
    last.wait_for_silence()

    names = [name for session in sessions.all for name in session.landed()]
    assert len(names) == len(set(names)), "a finished run was trained again"
    assert (folder / "prediction.json").read_bytes() == registered
    results = json.loads((folder / "study.json").read_text("utf-8"))
    assert numbers(results) == numbers(finished.document)


def numbers(results: dict[str, Any]) -> dict[str, Any]:
    """All of the results but times, places and the machine."""
    times = ("created_at", "meta_seconds")
    check = results["verification"]
    return {
        "runs": [{k: v for k, v in run.items() if k not in times} for run in results["runs"]],
        "verification": {k: v for k, v in check.items() if not k.endswith("_at")},
        **{
            key: results[key]
            for key in ("fit", "forms", "backtest", "noise", "curves", "residuals", "plans")
        },
    }

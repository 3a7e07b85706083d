"""One tiny study through the real command line, shared by the tests that look at it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 600.0
"""Seconds a process may take before a test gives up: the machine may be busy."""

SPEC = """
name = "smoke"
minutes = 1.0

[corpus]
sources = ["text.txt"]
vocab_size = 300

[ladder]
size = "smoke"
context_length = 32
eval_tokens = 2048
noise_seeds = 2
verify_threads = 1

[recipe]
batch_tokens = 256
warmup_steps = 6
"""


def environment() -> dict[str, str]:
    """That of a user: no Rich colours, nothing of pytest."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "ISOLOSS"))}


def run_isoloss(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`isoloss WORDS` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "isoloss", *map(str, words)],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.fixture(scope="session")
def isoloss() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line in a process of its own."""
    return run_isoloss


@pytest.fixture(scope="session")
def real_text() -> str:
    """400 kB of the standard library's source: real text on every machine."""
    parts: list[str] = []
    total = 0
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        parts.append(path.read_text("utf-8", errors="ignore"))
        total += len(parts[-1])
        if total > 400_000:
            break
    return "".join(parts)[:400_000]


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """One worker at a time."""
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def spec_file(real_text: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The spec of a study that takes seconds, with its text beside it, for all workers."""
    base = tmp_path_factory.getbasetemp()
    home = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "smoke"
    home.mkdir(exist_ok=True)
    with alone(home):
        if not (home / "smoke.toml").exists():
            (home / "text.txt").write_text(real_text, "utf-8")
            (home / "smoke.toml").write_text(SPEC, "utf-8")
    return home / "smoke.toml"


@dataclass(frozen=True)
class Finished:
    """A study that went through: never change its folder, take `copy`."""

    spec: Path
    folder: Path
    done: subprocess.CompletedProcess[str]
    document: dict[str, Any]

    def copy(self, to: Path, *names: str) -> Path:
        """A copy of the whole folder, or of some names in it."""
        if not names:
            shutil.copytree(self.folder, to)
        for name in names:
            here = self.folder / name
            to.mkdir(exist_ok=True)
            (shutil.copytree if here.is_dir() else shutil.copy2)(here, to / name)
        return to


@pytest.fixture(scope="session")
def finished(spec_file: Path) -> Finished:
    """The study, run once, by the worker that wants it first."""
    folder, said = spec_file.parent / "study", spec_file.parent / "said.json"
    with alone(spec_file.parent):
        if not said.exists():
            ran = run_isoloss("study", spec_file, "--out", folder, "--json")
            assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr
            said.write_text(json.dumps([ran.args, ran.stdout, ran.stderr]), "utf-8")
    args, stdout, stderr = json.loads(said.read_text("utf-8"))
    done = subprocess.CompletedProcess(args, 0, stdout, stderr)
    return Finished(spec=spec_file, folder=folder, done=done, document=json.loads(stdout))

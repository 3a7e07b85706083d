"""On what a study was made: versions, machine, revision of the source. Needs PyTorch."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path


def machine() -> dict[str, str]:
    """Versions and machine, for the provenance of the results."""
    import numpy as np
    import torch

    import isoloss

    return {
        "isoloss": isoloss.__version__,
        "git": _git_revision(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": str(os.cpu_count()),
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _git_revision() -> str:
    """The revision of the source tree that runs, if it is one; marked where it was changed."""
    root = Path(__file__).resolve().parents[1]

    def ask(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(root), *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        if ask("ls-files", "--error-unmatch", "errors.py", "studies/spec.py") == "":
            return "not a git checkout"
        revision = ask("rev-parse", "HEAD")
        return revision + (" with changes" if ask("status", "--porcelain", str(root)) else "")
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"

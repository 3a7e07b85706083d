"""Write constraints.txt from one resolution of every extra, as `pip install` would do it.

Run `make constraints`. The result names no build of a package (`torch==2.13.0`, not
`2.13.0+cpu`) and no address, so that it holds for any index.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TORCH = "torch==2.13.0"
HEADER = """\
# One set of versions in which every extra of isoloss was resolved together.
# Made by `make constraints`; used by `make setup`, `make study` and the checks.
"""


def main() -> int:
    """Resolve, then write constraints.txt beside pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = ",".join(sorted(project["optional-dependencies"]))
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet",
             "--report", str(report), f"{ROOT}[{extras}]", TORCH],
            check=True,
        )  # fmt: skip
        installed = json.loads(report.read_text("utf-8"))["install"]
    pins = {
        item["metadata"]["name"].lower().replace("_", "-"): item["metadata"]["version"]
        for item in installed
    }
    pins.pop("isoloss", None)
    lines = [f"{name}=={version.partition('+')[0]}" for name, version in sorted(pins.items())]
    (ROOT / "constraints.txt").write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"constraints.txt: {len(lines)} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())

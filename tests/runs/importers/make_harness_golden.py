"""Write the golden file of lm-evaluation-harness with the real program, on any small model.

    pip install -c constraints.txt lm-eval accelerate
    python tests/runs/importers/make_harness_golden.py MODEL TASKS

MODEL is a folder of Hugging Face and TASKS one of task files; `tests/tasks/harness/conftest.py`
makes both. What says something of the machine is left out, and folders are named `anonymous`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

GOLDEN = Path(__file__).resolve().parent / "golden" / "harness"
OF_THE_MACHINE = ("pretty_env_info", "git_hash", "upper_git_hash", "model_name_sanitized")
NAMES = ["tiny_group", "tiny_rolling"]


def main(model: str, tasks: str) -> None:
    """Run the program and keep what it writes."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [
                *(sys.executable, "-m", "lm_eval", "run", "--model", "hf", "--model_args"),
                f"pretrained={model},dtype=float32",
                *("--tasks", *NAMES, "--include_path", tasks, "--device", "cpu"),
                *("--batch_size", "4", "--limit", "8", "--output_path", folder),
            ],
            check=True,
            env=os.environ | {"HF_HUB_OFFLINE": "1"},
        )
        (written,) = Path(folder).rglob("results_*.json")
        text = written.read_text("utf-8")
    for place in (model, tasks, str(Path(tasks).resolve().parent)):
        text = text.replace(place, "anonymous")
    document = {k: v for k, v in json.loads(text).items() if k not in OF_THE_MACHINE}
    out = GOLDEN / "tiny" / written.name
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    print(out)


if __name__ == "__main__":
    main(*sys.argv[1:])

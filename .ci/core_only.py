"""Check an installation of the core alone: fit, predict, plan and report without PyTorch."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def ask(*words: str) -> dict[str, Any]:
    """Run isoloss with `--json`; its document. Exit code 4 (not to be trusted) is an answer."""
    done = subprocess.run([*words, "--json"], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 4):
        sys.exit(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def main(isoloss: str) -> int:
    """Run the example through every command of the reasoning half."""
    for name in ("torch", "tokenizers", "safetensors", "pytest"):
        if importlib.util.find_spec(name) is not None:
            sys.exit(f"{name} is installed: this is no core-only environment")
    fit = ask(isoloss, "fit", "example", "-o", "fit.json")
    assert fit["n_rows"] > 0, fit
    loss = ask(isoloss, "predict", "fit.json", "--n", "1e6", "--d", "1e7")
    assert loss["low"] < loss["loss"] < loss["high"], loss
    plan = ask(isoloss, "plan", "fit.json", "--flops", "1e15")
    assert plan["n"]["low"] <= plan["n"]["value"] <= plan["n"]["high"], plan
    ask(isoloss, "plan", "published:hoffmann", "--flops", "1e20")
    assert ask(isoloss, "runs", "show", "example")["runs"]
    counted = ask(isoloss, "model", "count", "llama-2-7b")
    assert counted["params_total"] == 6_738_415_616, counted
    ask(isoloss, "report", "example", "-o", "page.html")
    assert "<html" in Path("page.html").read_text("utf-8")[:2000].lower()
    print("core only: fit, predict, plan, runs, model count and report work without PyTorch")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

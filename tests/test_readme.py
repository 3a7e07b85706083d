"""Every `isoloss` command of the README, run in its order in one folder, as a reader would."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pandas as pd
import pytest

HERE = Path(__file__).resolve().parent
GOLDEN = HERE / "runs" / "importers" / "golden"
TABLES = HERE.parent.parent / "shared" / "data" / "runs"
README = (HERE.parent / "README.md").read_text("utf-8")


def commands() -> list[str]:
    """The lines of its shell blocks that call isoloss."""
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line.partition("#")[0].strip() for line in lines if line.startswith("isoloss ")]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the README speaks of: a run table, texts, pairs."""
    import isoloss as il

    folder = tmp_path_factory.mktemp("reader")
    names = {"params_total": "Model Size", "tokens": "Tokens", "loss": "Loss"}
    frame = il.example_runs().to_frame()
    frame.to_csv(folder / "runs.csv", index=False)
    frame[list(names)].rename(columns=names).to_csv(folder / "theirs.csv", index=False)
    billions = {
        "Size (M)": frame["params_total"] / 1e6,
        "Tokens (B)": frame["tokens"] / 1e9,
        "loss": frame["loss"],
    }
    pd.DataFrame(billions).to_csv(folder / "billions.csv", index=False)
    shutil.copytree(GOLDEN / "nanogpt", folder / "logs")
    texts = [{"text": f"A text of {i} words, " * 20} for i in range(8)]
    (folder / "texts.jsonl").write_text("\n".join(map(json.dumps, texts)), "utf-8")
    (folder / "my-texts").mkdir()
    total = 0
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        text = path.read_text("utf-8", errors="ignore")
        (folder / "my-texts" / path.name).write_text(text, "utf-8")
        total += len(text)
        if total > 2_000_000:
            break
    draw = random.Random(0)
    lines = ["en\tzh"]
    for _ in range(3000):
        numbers = [draw.randrange(1000) for _ in range(draw.randint(2, 4))]
        lines.append(" plus ".join(map(str, numbers)) + "\t" + "加".join(map(str, numbers)))
    (folder / "pairs.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    return folder


def test_there_are_commands_to_run() -> None:
    assert len(commands()) > 15


def test_every_command_does_what_the_readme_says(home: Path) -> None:
    env = dict(os.environ)
    if TABLES.is_dir():
        env["ISOLOSS_PUBLISHED_DIR"] = str(TABLES)
    for command in commands():
        if "reproduce" in command and "ISOLOSS_PUBLISHED_DIR" not in env:
            continue  # fetches a table; a copy is not here
        words = shlex.split(command)[1:]
        done = subprocess.run(
            [sys.executable, "-m", "isoloss", *words],
            cwd=home,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
            env=env,
        )
        # 4: the answer is there, and the reader is told not to trust it
        assert done.returncode in (0, 4), f"{command}\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}"
        assert done.stdout.strip(), command
    for name in (
        "fit.json",
        "scaled.svg",
        "model",
        "encoder",
        "translator",
        "llama-hf/config.json",
        "plan-hf/config.json",
        "runs.sqlite",
    ):
        assert (home / name).exists(), name


def test_its_python_runs_as_it_stands(home: Path) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block],
        cwd=home,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_its_spec_is_a_spec(home: Path) -> None:
    from isoloss.studies import load_spec

    (block,) = re.findall(r"```toml\n(.*?)```", README, flags=re.DOTALL)
    (home / "translation.toml").write_text(block, "utf-8")
    assert load_spec(home / "translation.toml").corpus.fields == ["en", "zh"]

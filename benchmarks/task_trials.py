"""What small models reach on real tasks in twenty minutes of two cores, beside baselines.

    python benchmarks/task_trials.py --data ../shared/data/corpora --out /tmp/trials

Four trials, each a few commands of `isoloss`, printed with their seconds: a translator from first
weights, a reader that cuts answers from texts, a summariser and a writer of code. Training and
held-out examples are told apart by a hash, so that every run splits alike; equal sources and equal
articles stay together. `--only` names trials. A command whose result is there is not repeated.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from isoloss.tasks.examples import Row
from isoloss.tasks.extractive import Extractive
from isoloss.tasks.summarisation import Summarisation
from isoloss.tasks.task import Task
from isoloss.tasks.translation import Translation
from isoloss.training.finetuning.tuning import baseline_scores

SEED = 0
SETTINGS = f"--threads 2 --seed {SEED}"


def main() -> int:
    """Run the trials; print every command with its seconds, and every score."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the corpora")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=list(TRIALS), choices=list(TRIALS))
    chosen = parser.parse_args()
    for name in chosen.only:
        out = chosen.out / name
        out.mkdir(parents=True, exist_ok=True)
        print(f"\n## {name}\n", flush=True)
        TRIALS[name](chosen.data, out)
    return 0


def translation(data: Path, out: Path) -> None:
    """English to Chinese by an encoder-decoder from first weights."""
    lines = (data / "mt_tatoeba_enzh/tatoeba_en_zh.dev.tsv").read_text("utf-8").splitlines()
    pairs = [line.split("\t")[:2] for line in lines]
    write(
        out / "train.tsv",
        ("\t".join(pair) for pair in pairs if not held_out(pair[0], share=0.04)),
    )
    targets: dict[str, list[str]] = {}
    for source, target in pairs:
        if held_out(source, share=0.04):
            targets.setdefault(source, []).append(target)
    write(out / "dev.jsonl", (as_json({"source": s, "target": t}) for s, t in targets.items()))
    task = Translation(language="zh")
    train = task.read([f"{out}/train.tsv"], {"source": "1", "target": "2"})
    baselines(task, train, task.read([f"{out}/dev.jsonl"]))
    isoloss(
        f"train --corpus {out}/train.tsv --fields 1,2 --vocab 4096 --d-model 128 --layers 3"
        f" --context 48 --batch-tokens 1536 --set dropout=0.1 --stop-epochs 10 {SETTINGS}",
        out / "model",
    )
    evaluate(out, f"--task translation --data {out}/dev.jsonl --set language=zh --set beams=4")


def reading(data: Path, out: Path) -> None:
    """Answers cut from texts, by an encoder that was trained on masked text before."""
    rows = [
        json.loads(line)
        for name in ("qa_xquad/xquad.en.dev.jsonl", "qa_qed/qed_dev.jsonl")
        for line in (data / name).read_text("utf-8").splitlines()
    ]
    for name, wanted in (("train", False), ("dev", True)):
        chosen = (row for row in rows if held_out(row["title"], share=0.15) == wanted)
        write(out / f"{name}.jsonl", map(as_json, chosen))
    task = Extractive()
    baselines(task, [], task.read([f"{out}/dev.jsonl"]))
    isoloss(
        f"train --corpus {data}/eltec_eng --corpus {data}/openstax --family encoder"
        f" --objective masked --context 256 --d-model 96 --vocab 4096 --tokens 4M {SETTINGS}",
        out / "encoder",
    )
    isoloss(
        f"finetune {out}/encoder --task extractive-qa --data {out}/train.jsonl"
        f" --dev {out}/dev.jsonl --epochs 6 --rows 8 --learning-rate 1e-3 {SETTINGS}",
        out / "model",
    )
    evaluate(out, f"--task extractive-qa --data {out}/dev.jsonl")


def summarisation(data: Path, out: Path) -> None:
    """One sentence for a paper, by a decoder that was trained on textbooks before."""
    train, dev = (data / "sum_scitldr" / f"{part}.jsonl" for part in ("train", "dev"))
    task = Summarisation()
    baselines(task, [], task.read([str(dev)]))
    isoloss(
        f"train --corpus {data}/openstax --context 512 --d-model 128 --vocab 4096"
        f" --batch-tokens 2048 --tokens 2.5M {SETTINGS}",
        out / "decoder",
    )
    isoloss(
        f"finetune {out}/decoder --task summarisation --data {train} --dev {dev}"
        f" --epochs 2 --rows 8 --learning-rate 1e-3 {SETTINGS}",
        out / "model",
    )
    evaluate(out, f"--task summarisation --data {dev}")


def code(data: Path, out: Path) -> None:
    """Python, by a decoder that has seen the standard library of the running Python."""
    isoloss(
        "train --d-model 128 --context 512 --vocab 2048 --batch-tokens 2048 --tokens 3M"
        f" {SETTINGS}",
        out / "model",
    )
    sampled = "--set samples=5 --set temperature=0.6 --set max_tokens=96"
    for name in ("humaneval/HumanEval", "mbpp/mbpp"):
        evaluate(
            out,
            f"--task code --data {data}/code_{name}.jsonl --limit 100 --allow-code-execution"
            f" {sampled}",
            result=name.split("/")[0],
        )


TRIALS = {
    "translation": translation,
    "reading": reading,
    "summarisation": summarisation,
    "code": code,
}


def held_out(key: str, *, share: float) -> bool:
    """Whether the examples of a key are held out."""
    number = int(hashlib.sha256(f"{SEED} {key}".encode()).hexdigest(), 16)
    return number % 1000 < share * 1000


def as_json(row: object) -> str:
    """One line of JSON."""
    return json.dumps(row, ensure_ascii=False)


def write(path: Path, lines: Iterable[str]) -> None:
    """The lines as a file."""
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")


def baselines(task: Task, train: Sequence[Row], dev: Sequence[Row]) -> None:
    """Print what needs no model."""
    for name, result in baseline_scores(task, train, dev).items():
        print(f"baseline {name}\n{result.summary()}\n", flush=True)


def isoloss(command: str, out: Path) -> None:
    """Run a command that makes a model, unless it has."""
    if (out / "checkpoint.safetensors").exists():
        print(f"{out} is there already", flush=True)
        return
    run(f"{command} --out {out}")


def evaluate(out: Path, command: str, *, result: str = "score") -> None:
    """Score the model of a trial, examples kept."""
    run(f"evaluate {out}/model {command} -o {out}/{result}.json")


def run(command: str) -> None:
    """Run `isoloss` and print its seconds."""
    print(f"$ isoloss {command}", flush=True)
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "isoloss", *shlex.split(command)], check=True)
    print(f"({time.perf_counter() - began:,.0f} s)\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())

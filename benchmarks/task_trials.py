"""What small models reach on real tasks in twenty minutes of two cores, beside baselines.

    python benchmarks/task_trials.py --data ../shared/data/corpora --out /tmp/trials

Each trial is a few commands of `isoloss`, printed with their seconds: a translator from first
weights, a reader that cuts answers from texts, summaries cut and written, and code. Training and
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
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rouge_score.rouge_scorer import RougeScorer

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
    train = ("\t".join(pair) for pair in pairs if not held_out(pair[0], share=0.04))
    write(out / "train.tsv", ("source\ttarget", *train))
    targets: dict[str, list[str]] = {}
    for source, target in pairs:
        if held_out(source, share=0.04):
            targets.setdefault(source, []).append(target)
    write(out / "dev.jsonl", (as_json({"source": s, "target": t}) for s, t in targets.items()))
    isoloss(
        f"train --corpus {out}/train.tsv --fields source,target --vocab 4096 --d-model 128"
        " --layers 3 --context 48 --batch-tokens 1536 --set dropout=0.1 --stop-epochs 12"
        f" {SETTINGS}",
        out / "model",
    )
    task = f"--task translation --data {out}/dev.jsonl --set language=zh"
    run(f"evaluate {task} --baseline copy")
    run(f"evaluate {task} --baseline memory --train {out}/train.tsv -o {out}/memory.json")
    evaluate(out, f"{task} --set beams=4 --against {out}/memory.json")


def reading(data: Path, out: Path) -> None:
    """Answers cut from texts, by an encoder that was trained on masked text before."""
    rows = [
        row
        for name in ("qa_xquad/xquad.en.dev.jsonl", "qa_qed/qed_dev.jsonl")
        for row in read(data / name)
    ]
    for name, wanted in (("train", False), ("dev", True)):
        chosen = (row for row in rows if held_out(row["title"], share=0.15) == wanted)
        write(out / f"{name}.jsonl", map(as_json, chosen))
    masked_encoder(data, out)
    isoloss(
        f"finetune {out}/encoder --task extractive-qa --data {out}/train.jsonl"
        f" --dev {out}/dev.jsonl --epochs 6 --rows 8 --learning-rate 1e-3 {SETTINGS}",
        out / "model",
    )
    evaluate(out, f"--task extractive-qa --data {out}/dev.jsonl")


def summarisation(data: Path, out: Path) -> None:
    """One sentence of a paper's abstract for the paper, by an encoder that points at it.

    It learns to point at the sentence whose words are most like the summary's: the usual oracle of
    extractive summarisation. What it points at is scored as any summary.
    """
    for part in ("train", "dev"):
        rows = read(data / f"sum_scitldr/{part}.jsonl")
        write(out / f"{part}.jsonl", (as_json(best_sentence(row)) for row in rows))
    masked_encoder(data, out)
    spans = "--task extractive-qa --set max_answer_tokens=80"
    isoloss(
        f"finetune {out}/encoder {spans} --data {out}/train.jsonl --dev {out}/dev.jsonl"
        f" --epochs 3 --rows 8 --learning-rate 1e-3 {SETTINGS}",
        out / "model",
    )
    evaluate(out, f"{spans} --data {out}/dev.jsonl", result="pointed")
    pointed = json.loads((out / "pointed.json").read_text("utf-8"))["outputs"]
    write(out / "summaries.jsonl", (as_json(one["output"]) for one in pointed))
    task = f"evaluate --task summarisation --data {data}/sum_scitldr/dev.jsonl"
    run(f"{task} --baseline lead-1 -o {out}/lead.json")
    run(f"{task} --predictions {out}/summaries.jsonl --against {out}/lead.json")


def best_sentence(row: dict[str, Any]) -> dict[str, Any]:
    """An abstract as a text, and the sentence of it that shares most with the summaries."""
    scorer = RougeScorer(["rouge1", "rouge2"])
    sentences, summaries = row["source"], row["target"]
    scores = [scorer.score_multi(summaries, sentence) for sentence in sentences]
    best = max(range(len(scores)), key=lambda i: sum(s.fmeasure for s in scores[i].values()))
    answer = {
        "text": sentences[best],
        "answer_start": sum(len(sentence) + 1 for sentence in sentences[:best]),
    }
    return {"question": "What is new?", "context": " ".join(sentences), "answers": [answer]}


def written_summaries(data: Path, out: Path) -> None:
    """One sentence for a paper in a decoder's own words, after textbooks and abstracts."""
    train, dev = (data / "sum_scitldr" / f"{part}.jsonl" for part in ("train", "dev"))
    abstracts = ({"text": " ".join(row["source"])} for row in read(train))
    write(out / "abstracts.jsonl", map(as_json, abstracts))
    isoloss(
        f"train --corpus {data}/openstax --corpus {out}/abstracts.jsonl --context 384"
        f" --d-model 128 --vocab 4096 --batch-tokens 2304 --stop-epochs 2 {SETTINGS}",
        out / "decoder",
    )
    isoloss(
        f"finetune {out}/decoder --task summarisation --data {train} --dev {dev}"
        f" --set max_tokens=64 --epochs 2 --rows 8 --learning-rate 1e-3 {SETTINGS}",
        out / "model",
    )
    evaluate(out, f"--task summarisation --data {dev} --set max_tokens=64")


def code(data: Path, out: Path) -> None:
    """Python, by a decoder that has seen the standard library of the running Python."""
    isoloss(f"train --d-model 64 --context 256 --vocab 2048 --tokens 2M {SETTINGS}", out / "model")
    for name in ("humaneval/HumanEval", "mbpp/mbpp"):
        evaluate(
            out,
            f"--task code --data {data}/code_{name}.jsonl --limit 164 --allow-code-execution"
            " --set samples=5 --set temperature=0.6 --set max_tokens=64",
            result=name.split("/")[0],
        )


def masked_encoder(data: Path, out: Path) -> None:
    """An encoder that has read novels and textbooks, 4 M tokens."""
    isoloss(
        f"train --corpus {data}/eltec_eng --corpus {data}/openstax --family encoder"
        f" --objective masked --context 256 --d-model 96 --vocab 4096 --tokens 4M {SETTINGS}",
        out / "encoder",
    )


TRIALS = {
    "translation": translation,
    "reading": reading,
    "summarisation": summarisation,
    "written-summaries": written_summaries,
    "code": code,
}


def held_out(key: str, *, share: float) -> bool:
    """Whether the examples of a key are held out."""
    number = int(hashlib.sha256(f"{SEED} {key}".encode()).hexdigest(), 16)
    return number % 1000 < share * 1000


def as_json(row: object) -> str:
    """One line of JSON."""
    return json.dumps(row, ensure_ascii=False)


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def write(path: Path, lines: Iterable[str]) -> None:
    """The lines as a file."""
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")


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

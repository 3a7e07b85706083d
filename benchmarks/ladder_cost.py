"""Does a trunk with branches save tokens, and does it cost loss?

    python benchmarks/ladder_cost.py --width 32 --steps 500 --doublings 2

Trains the same points (one width, rising token counts) three times: as branches of one trunk, as
separate runs with the same warm-up-stable-decay schedule, and as separate runs with a cosine to
zero, the usual way. Prints tokens trained and held-out loss of each, beside the difference that
another seed makes. The corpus is the running interpreter's standard library, prepared in --corpus
on the first call.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from isoloss.architecture import config_for_width
from isoloss.corpus import Corpus, prepare_corpus
from isoloss.ladders import Trunk
from isoloss.ladders.engine import train_trunk
from isoloss.training import Recipe, RunConfig, train_run

EVAL_TOKENS = 65_536
SEEDS = 3


def main() -> int:
    """Train, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--steps", type=int, default=500, help="steps of the shortest run")
    parser.add_argument("--doublings", type=float, default=2.0)
    parser.add_argument("--per-doubling", type=int, default=2, help="2 means factors of √2")
    parser.add_argument("--corpus", type=Path, default=Path("benchmark-corpus"))
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    corpus = prepare_corpus(["stdlib"], chosen.corpus)
    count = round(chosen.doublings * chosen.per_doubling) + 1
    steps = [round(chosen.steps * 2 ** (i / chosen.per_doubling)) for i in range(count)]
    recipes = {"wsd": Recipe(), "cosine": Recipe(schedule="cosine")}
    configs = {
        (name, seed): [
            RunConfig(
                architecture=config_for_width(
                    chosen.width, vocab_size=corpus.vocab_size, context_length=128
                ),
                recipe=recipe,
                steps=n,
                seed=seed,
                corpus_fingerprint=corpus.fingerprint,
                eval_tokens=EVAL_TOKENS,
            )
            for n in steps
        ]
        for name, recipe in recipes.items()
        for seed in range(SEEDS)
    }
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        branches = {seed: trunk(configs["wsd", seed], corpus, home) for seed in range(SEEDS)}
        separate = [alone(run, corpus, home) for run in configs["wsd", 0]]
        cosine = [alone(run, corpus, home) for run in configs["cosine", 0]]
    report(steps, branches, separate, cosine, Trunk(runs=tuple(configs["wsd", 0])))
    return 0


def trunk(runs: list[RunConfig], corpus: Corpus, folder: Path) -> list[dict[str, Any]]:
    """Rows of the branches of one trunk."""
    rows: list[dict[str, Any]] = []
    train_trunk(Trunk(runs=tuple(runs)), corpus.path, folder, set(), rows.append)
    print(f"trunk of seed {runs[0].seed}: {len(rows)} branches", file=sys.stderr, flush=True)
    return rows


def alone(run: RunConfig, corpus: Corpus, folder: Path) -> dict[str, Any]:
    """The row of a run trained by itself."""
    row = train_run(run, corpus, folder / run.run_id)
    told = f"{run.recipe.schedule}, {run.steps:,} steps: {row['loss']:.4f}"
    print(told, file=sys.stderr, flush=True)
    return row


def report(
    steps: list[int],
    branches: dict[int, list[dict[str, Any]]],
    separate: list[dict[str, Any]],
    cosine: list[dict[str, Any]],
    shape: Trunk,
) -> None:
    """Tokens and losses side by side."""
    batch = shape.runs[0].recipe.batch_tokens
    apart, together = sum(steps) * batch, shape.own_steps() * batch
    print(f"tokens: separate {apart:,}, trunk and branches {together:,}: {together / apart:.2f}x")
    names = ("branch", "alone", "cosine", "cosine-branch", "seed SD")
    print(f"{'tokens':>10} " + " ".join(f"{name:>{max(8, len(name))}}" for name in names))
    for i, n in enumerate(steps):
        losses = [branches[seed][i]["loss"] for seed in branches]
        branch, wsd, cos = losses[0], separate[i]["loss"], cosine[i]["loss"]
        print(
            f"{n * batch:>10,} {branch:8.4f} {wsd:8.4f} {cos:8.4f} {cos - branch:+13.4f}"
            f" {statistics.stdev(losses):8.4f}"
        )
    same = all(b["loss"] == a["loss"] for b, a in zip(branches[0], separate, strict=True))
    print(f"a branch equals the run alone bit for bit: {same}")


if __name__ == "__main__":
    raise SystemExit(main())

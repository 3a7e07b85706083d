"""Is Muon worth its time? The same model, tokens and steps, by Muon and by AdamW alone.

    python benchmarks/optimizer.py --width 64 --steps 700

Prints held-out loss and seconds per step of both, and the ratios. The corpus is the running
interpreter's standard library, prepared in --corpus on the first call.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch

from isoloss.architecture import config_for_width
from isoloss.corpus import Corpus, prepare_corpus
from isoloss.training import Recipe, RunConfig, TrainingState, branch_schedule
from isoloss.training.run import corpus_batches, evaluate_on

EVAL_TOKENS = 65_536
ADAMW_RATES = (0.003, 0.006, 0.012)
"""Peak rates at width 64 that AdamW alone is tried with; its best one counts."""


def main() -> int:
    """Train, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--corpus", type=Path, default=Path("benchmark-corpus"))
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    corpus = prepare_corpus(["stdlib"], chosen.corpus)
    muon = measure(corpus, chosen.width, chosen.steps, Recipe())
    print(f"Muon and AdamW     loss {muon[0]:.4f}  {1000 * muon[1]:.1f} ms/step")
    alone = []
    for rate in ADAMW_RATES:
        recipe = Recipe(optimizer="adamw", base_learning_rate=rate)
        alone.append(measure(corpus, chosen.width, chosen.steps, recipe))
        print(f"AdamW alone {rate:<6} loss {alone[-1][0]:.4f}  {1000 * alone[-1][1]:.1f} ms/step")
    best = min(alone)
    print(
        f"against the best AdamW: {best[0] - muon[0]:+.4f} nats better,"
        f" {muon[1] / best[1]:.2f}x the time per step"
    )
    return 0


def measure(corpus: Corpus, width: int, steps: int, recipe: Recipe) -> tuple[float, float]:
    """Held-out loss and seconds per step."""
    shape = config_for_width(width, vocab_size=corpus.vocab_size, context_length=128)
    run = RunConfig(
        architecture=shape, recipe=recipe, steps=steps, seed=0,
        corpus_fingerprint=corpus.fingerprint, eval_tokens=EVAL_TOKENS,
    )  # fmt: skip
    state = TrainingState.start(shape, recipe, seed=0)
    began = time.perf_counter()
    state.advance(steps, branch_schedule(recipe, steps), corpus_batches(corpus, run))
    seconds = (time.perf_counter() - began) / steps
    return evaluate_on(corpus, state, run).loss, seconds


if __name__ == "__main__":
    sys.exit(main())

"""Does the best learning rate stay where it is when the model grows, under µP and without?

    python benchmarks/mup_transfer.py --out mup-transfer.jsonl

Trains small decoders of the llama family by AdamW at widths over 8x, under the standard
parameterisation (one rate for all weights, first values as the family has them) and under µP
(arXiv:2203.03466). First values under µP are by default the family's at the narrowest width,
scaled from there as the paper wants, so that at the narrowest width both are the same model and
differ with the width alone; `--mup-start` and `--standard-start` take others.

The best rate of a width is the vertex of a parabola in log2 of the rate through the losses within
one octave of the lowest. Prints it with its standard error over seeds, and how far it moves over
the whole range of widths.

Every run is one line of --out, so an interrupted benchmark goes on where it was. The corpus is
the running interpreter's standard library, prepared in --corpus on the first call.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isoloss.architecture import TransformerConfig, config_for_width
from isoloss.corpus import Corpus, prepare_corpus
from isoloss.models import LanguageModel, parameter_roles
from isoloss.models.initialisation import EMBEDDING_STD
from isoloss.training import Diverged, Recipe, RunConfig, TrainingState, branch_schedule
from isoloss.training.run import corpus_batches, evaluate_on

CONTEXT = 64
BATCH_TOKENS = 512
VOCABULARY = 512
EVAL_TOKENS = 16_384
COARSE, FINE = 1.0, 0.5
"""Steps of the grid in octaves: until the lowest loss has a neighbour on each side, then around."""
FARTHEST = 12.0
"""Octaves from the first rate at which the search gives up."""


def main() -> int:
    """Train what is missing, then print."""
    chosen = _arguments()
    torch.set_num_threads(1)
    corpus = prepare_corpus(["stdlib"], chosen.corpus, vocab_size=VOCABULARY)
    runs = Runs(chosen.out)
    found: dict[str, list[tuple[int, list[float]]]] = {}
    for name in ("standard", "mup"):
        guess = math.log2(chosen.first_rate)
        found[name] = []
        for width in chosen.widths:
            loss = _losses(runs, corpus, chosen, name, width)
            vertices, lowest = best_rates(loss, guess)
            guess = round(statistics.fmean(vertices))
            found[name].append((width, vertices))
            print(
                f"{name:<9} width {width:>4}  best log2 rate {_with_error(vertices)}"
                f"  loss {_with_error(lowest)}",
                flush=True,
            )
    print(moves(found, math.log2(chosen.widths[-1] / chosen.widths[0])))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64, 128])
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-rate", type=float, default=2.0**-6, help="where the search begins")
    parser.add_argument(
        "--standard-start",
        default="gpt2",
        help="first values under the standard parameterisation; gpt2 is the family's own",
    )
    parser.add_argument(
        "--mup-start", default="scaled", choices=("scaled", "fan_in", "zero_residual")
    )
    parser.add_argument("--corpus", type=Path, default=Path("benchmark-corpus-512"))
    parser.add_argument("--out", type=Path, default=Path("mup-transfer.jsonl"))
    chosen = parser.parse_args()
    if len(set(chosen.widths)) < 2 or chosen.seeds < 2:
        parser.error("at least two widths and two seeds are needed")
    chosen.widths = sorted(set(chosen.widths))
    return chosen


class Runs:
    """The losses trained so far, one JSON document a line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.losses: dict[str, float] = {}
        text = path.read_text("utf-8") if path.exists() else ""
        for line in text.splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue  # cut short by an interruption: trained again
            loss = row.pop("loss")
            row.pop("seconds")
            self.losses[json.dumps(row, sort_keys=True)] = math.inf if loss is None else loss
        if text and not text.endswith("\n"):
            path.write_text(text + "\n", "utf-8")

    def loss(self, settings: dict[str, Any], train: Callable[[], float]) -> float:
        """The loss of these settings, trained unless it is there."""
        key = json.dumps(settings, sort_keys=True)
        if key not in self.losses:
            began = time.perf_counter()
            loss = train()
            row = {
                **settings,
                "loss": loss if math.isfinite(loss) else None,
                "seconds": round(time.perf_counter() - began, 2),
            }
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(row) + "\n")
            self.losses[key] = loss
        return self.losses[key]


def _losses(
    runs: Runs, corpus: Corpus, chosen: argparse.Namespace, name: str, width: int
) -> Callable[[float], list[float]]:
    """log2 of a base rate → held-out loss of every seed."""
    start = chosen.mup_start if name == "mup" else chosen.standard_start
    shape = config_for_width(
        width,
        vocab_size=corpus.vocab_size,
        context_length=CONTEXT,
        n_layer=chosen.layers,
        family="llama",
        initialisation="fan_in" if start == "scaled" else start,
    )
    narrow = chosen.widths[0] if start == "scaled" else None

    def one(rate: float, seed: int) -> float:
        settings = {
            "parameterization": name,
            "start": start,
            "width": width,
            "base_width": chosen.widths[0],
            "layers": chosen.layers,
            "steps": chosen.steps,
            "log2_rate": rate,
            "seed": seed,
            "corpus": corpus.fingerprint[:12],
        }
        recipe = Recipe(
            optimizer="adamw",
            parameterization="mup" if name == "mup" else "standard",
            base_learning_rate=2.0**rate,
            base_width=chosen.widths[0],
            batch_tokens=BATCH_TOKENS,
            warmup_steps=max(1, chosen.steps // 10),
        )
        return runs.loss(
            settings,
            lambda: trained_loss(corpus, shape, recipe, chosen.steps, seed, narrow=narrow),
        )

    return lambda rate: [one(rate, seed) for seed in range(chosen.seeds)]


def trained_loss(
    corpus: Corpus,
    shape: TransformerConfig,
    recipe: Recipe,
    steps: int,
    seed: int,
    *,
    narrow: int | None = None,
) -> float:
    """Held-out loss in nats per token; infinite where the run diverged.

    With `narrow`, first values are those of GPT-2 at that width, scaled to the model's.
    """
    run = RunConfig(
        architecture=shape, recipe=recipe, steps=steps, seed=seed,
        corpus_fingerprint=corpus.fingerprint, eval_tokens=EVAL_TOKENS,
    )  # fmt: skip
    state = TrainingState.start(shape, recipe, seed=seed)
    if narrow is not None:
        scale_from(state.model, narrow)
    try:
        state.advance(steps, branch_schedule(recipe, steps), corpus_batches(corpus, run))
    except Diverged:
        return math.inf
    return evaluate_on(corpus, state, run).loss


@torch.no_grad()
def scale_from(model: LanguageModel, narrow: int) -> None:
    """Turn `fan_in` first values into those of GPT-2 at a narrow width, scaled as µP wants.

    Deviations of .02 at the narrow width (of what is added to the residual stream .02 over the
    square root of twice the layers) fall as 1/sqrt(fan in) in the blocks and as 1/fan in in the
    head.
    """
    weights = dict(model.named_parameters())
    for role in parameter_roles(model):
        fan_in = role.fan_in * narrow / model.config.d_model  # at the narrow width
        residual = (2 * model.config.n_layer) ** -0.5 if role.residual else 1.0
        if role.role == "hidden":
            weights[role.name].mul_(EMBEDDING_STD * residual * fan_in**0.5)
        elif role.role == "output":
            weights[role.name].mul_(EMBEDDING_STD * fan_in)


def best_rates(
    loss: Callable[[float], list[float]], guess: float
) -> tuple[list[float], list[float]]:
    """Vertex of every seed's parabola around the rate of lowest mean loss, and its loss there.

    The loss is a measured one: a steep side pulls the parabola below all that was measured.
    """
    seen: dict[float, list[float]] = {}

    def mean(rate: float) -> float:
        if rate not in seen:
            seen[rate] = loss(rate)
        return statistics.fmean(seen[rate])

    best = guess
    for step in (COARSE, FINE):
        while True:
            nearby = min((best - step, best, best + step), key=mean)
            if nearby == best:
                break
            best = nearby
            if abs(best - guess) > FARTHEST:
                raise SystemExit(f"no lowest loss within {FARTHEST:g} octaves of 2^{guess:g}")
    near = [best + k * FINE for k in range(-2, 3)]
    losses = [(mean(rate), seen[rate])[1] for rate in near]
    found = [vertex(near, [row[seed] for row in losses]) for seed in range(len(losses[0]))]
    return found, seen[best]


def vertex(x: Sequence[float], y: Sequence[float]) -> float:
    """Where the least-squares parabola is lowest, within the points.

    Diverged runs are left out; where what is left has no lowest point inside, the lowest point
    itself counts.

    >>> round(vertex([-1, 0, 1, 2], [5, 2, 1, 2]), 6)
    1.0
    """
    points = [(a, b) for a, b in zip(x, y, strict=True) if math.isfinite(b)]
    centre = min(points, key=lambda point: point[1])[0]
    if len(points) < 3:
        return centre
    xs, ys = np.array([a - centre for a, _ in points]), np.array([b for _, b in points])
    _, b, a = (float(v) for v in np.polynomial.polynomial.polyfit(xs, ys, 2))
    if a <= 0 or not xs[0] <= -b / (2 * a) <= xs[-1]:
        return centre
    return centre - b / (2 * a)


def moves(found: dict[str, list[tuple[int, list[float]]]], octaves: float) -> str:
    """How far the best rate moves over the widths, from a line through each seed's vertices."""
    lines, moved = [], {}
    for name, rows in found.items():
        x = np.log2([width for width, _ in rows])
        slopes = [
            float(np.polynomial.polynomial.polyfit(x, [v[seed] for _, v in rows], 1)[1])
            for seed in range(len(rows[0][1]))
        ]
        moved[name] = [slope * octaves for slope in slopes]
        lines.append(
            f"{name}: over {2**octaves:g}x width the best rate moves by"
            f" {_with_error(moved[name])} octaves"
        )
    less = [abs(a) - abs(b) for a, b in zip(moved["standard"], moved["mup"], strict=True)]
    lines.append(f"µP moves {_with_error(less)} octaves less")
    return "\n".join(lines)


def _with_error(values: Sequence[float]) -> str:
    error = statistics.stdev(values) / len(values) ** 0.5
    return f"{statistics.fmean(values):+.3f} ± {error:.3f}"


if __name__ == "__main__":
    sys.exit(main())

"""Do intervals cover? Synthetic ladders with a known truth, fitted again and again.

    python benchmarks/coverage.py --replicates 1000 --processes 2

For each cell (a law, a shape of ladder, a kind of noise) it prints how often the 50, 80, 90 and
95% intervals of parameters, of the law's loss at 4, 10 and 100 times the largest compute, and of
the planned N* at 10 times it hold the truth, with the mean width of the 90% interval and its
interval score (Gneiting and Raftery 2007, eq. 43) relative to the truth. Every replicate is the
solver and the bootstrap behind `il.fit`, with fewer starts and resamples (`STARTS`, `DRAWS`).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # one thread a process: processes are the parallelism

import numpy as np

from isoloss.fitting import Objective, Problem, solve
from isoloss.fitting.bootstrap import Resampling, bootstrap_draws
from isoloss.laws import get_law

STARTS, DRAWS = 12, 300
LEVELS = (0.5, 0.8, 0.9, 0.95)
MULTIPLES = (4.0, 10.0, 100.0)
TRUTH = {
    "chinchilla": {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28},
    "skaling": {"E": 1.5, "A": 60.0, "B": 90.0, "alpha": 0.33, "beta": 0.30, "k": 0.8},
}


@dataclass(frozen=True)
class Cell:
    """One kind of ladder: `noise` is the standard deviation of log loss of a run."""

    law: str
    shape: str
    noise: float
    tails: str = "normal"
    shared: float = 0.0
    resample: Resampling = "auto"

    @property
    def name(self) -> str:
        """For the table."""
        said = f"{self.law}, {self.shape}, noise {self.noise:.1%}"
        if self.tails != "normal":
            said += f", {self.tails}"
        said += f", {self.shared:.0%} of its variance shared" if self.shared else ""
        return said + (f", {self.resample} bootstrap" if self.resample != "auto" else "")


CELLS = (
    Cell("chinchilla", "grid 8x6", 0.003),
    Cell("chinchilla", "grid 8x6", 0.01),
    Cell("chinchilla", "isoflop 8x7", 0.003),
    Cell("chinchilla", "grid 8x6", 0.003, tails="Student t3"),
    Cell("chinchilla", "trunks 9", 0.003, shared=0.5, resample="wild"),
    Cell("chinchilla", "trunks 9", 0.003, shared=0.5, resample="cluster"),
    Cell("chinchilla", "trunks 20", 0.003, shared=0.5, resample="wild"),
    Cell("chinchilla", "trunks 20", 0.003, shared=0.5, resample="cluster"),
    Cell("chinchilla", "grid 5x4", 0.003),
    Cell("skaling", "grid 8x6", 0.003),
)


def ladder(shape: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """N, D and cluster of every run of a shape."""
    if shape.startswith("grid"):
        rows, columns = (int(x) for x in shape.removeprefix("grid ").split("x"))
        n, m = np.meshgrid(np.geomspace(1e7, 3e9, rows), np.geomspace(4, 200, columns))
        return n.ravel(), (n * m).ravel(), np.arange(n.size)
    if shape.startswith("isoflop"):
        rows, columns = (int(x) for x in shape.removeprefix("isoflop ").split("x"))
        c, t = np.meshgrid(np.geomspace(1e18, 3e21, rows), np.geomspace(0.2, 5, columns))
        n = np.sqrt(c / 120) * t
        return n.ravel(), (c / (6 * n)).ravel(), np.arange(n.size)
    count = int(shape.removeprefix("trunks "))
    sizes = np.geomspace(1e7, 3e9, count)
    n, share = np.meshgrid(sizes, np.geomspace(0.1, 1, 5), indexing="ij")
    d = share * np.sqrt(3e21 / 6 / sizes)[:, None] * 3e4
    cluster = np.repeat(np.arange(count), 5)
    return n.ravel(), d.ravel(), cluster


def errors(cell: Cell, cluster: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Log errors of the runs with standard deviation `noise`."""
    n = len(cluster)
    own = rng.standard_t(3, n) / np.sqrt(3) if cell.tails != "normal" else rng.standard_normal(n)
    common = rng.standard_normal(int(cluster.max()) + 1)[cluster]
    return cell.noise * (np.sqrt(1 - cell.shared) * own + np.sqrt(cell.shared) * common)


def replicate(job: tuple[Cell, int]) -> list[dict[str, Any]]:
    """One synthetic ladder: each quantity's truth and its interval at every level."""
    cell, seed = job
    law = get_law(cell.law)
    truth = np.array([TRUTH[cell.law][name] for name in law.names])
    n, d, cluster = ladder(cell.shape)
    data = {"N": n, "D": d}
    rng = np.random.default_rng([seed, CELLS.index(cell) if cell in CELLS else 99])
    loss = law.value(truth, data) * np.exp(errors(cell, cluster, rng))
    problem = Problem(law=law, data=data, loss=loss, objective=Objective())
    found = solve(problem, starts=STARTS, seed=seed)
    draws = bootstrap_draws(problem, found.theta, cluster, DRAWS, seed, cell.resample)
    rows: list[dict[str, Any]] = []
    for name, of in quantities(cell.law, float((6 * n * d).max())):
        sample = of(draws)
        ends = np.nanquantile(sample, [x for p in LEVELS for x in ((1 - p) / 2, (1 + p) / 2)])
        rows.append({"quantity": name, "truth": float(of(truth[None])[0]), "ends": ends.tolist()})
    return rows


def quantities(name: str, largest: float) -> list[tuple[str, Callable[[np.ndarray], np.ndarray]]]:
    """Parameters, losses beyond the ladder, and the planned N*, as functions of theta (R, P)."""
    law = get_law(name)
    found: list[tuple[str, Callable[[np.ndarray], np.ndarray]]] = [
        (name, lambda theta, i=i: theta[:, i])
        for i, name in enumerate(law.names)
        if name in ("E", "alpha", "beta")
    ]

    def loss_at(theta: np.ndarray, multiple: float) -> np.ndarray:
        n = np.sqrt(multiple * largest / 120)
        point = {"N": np.array([n]), "D": np.array([20 * n])}
        return law.value(theta, point)[:, 0]

    def best_n(theta: np.ndarray) -> np.ndarray:
        c = 10 * largest
        n = np.geomspace(np.sqrt(c / 6e4), np.sqrt(c / 6e-1), 600)
        return n[law.value(theta, {"N": n, "D": c / (6 * n)}).argmin(axis=1)]

    found += [(f"loss at {m:g}x", lambda theta, m=m: loss_at(theta, m)) for m in MULTIPLES]
    return [*found, ("N* at 10x", best_n)]


def score(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Coverage at each level, and width and interval score at 90%, relative to the truth."""
    truth = np.array([row["truth"] for row in rows])
    ends = np.array([row["ends"] for row in rows])
    result: dict[str, float] = {}
    for i, level in enumerate(LEVELS):
        low, high = ends[:, 2 * i], ends[:, 2 * i + 1]
        result[f"{level:.0%}"] = 100 * float(((low <= truth) & (truth <= high)).mean())
        if level == 0.9:
            outside = np.maximum(low - truth, 0) + np.maximum(truth - high, 0)
            result["width %"] = 100 * float(np.median((high - low) / truth))
            result["score %"] = 100 * float(
                np.mean((high - low + 2 / (1 - level) * outside) / truth)
            )
    return result


def main() -> None:
    """Run the cells and print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--cells", type=int, nargs="*", default=range(len(CELLS)))
    parser.add_argument("-o", "--out", type=Path, help="the figures as JSON")
    chosen = parser.parse_args()
    columns = [f"{level:.0%}" for level in LEVELS] + ["width %", "score %"]
    told: list[dict[str, Any]] = []
    context = multiprocessing.get_context("spawn")
    with context.Pool(chosen.processes) as pool:
        for index in chosen.cells:
            cell, began = CELLS[index], time.perf_counter()
            jobs = [(cell, seed) for seed in range(chosen.replicates)]
            done = pool.map(replicate, jobs, chunksize=10)
            seconds = time.perf_counter() - began
            runs = len(ladder(cell.shape)[0])
            print(f"\n{cell.name}: {runs} runs, {chosen.replicates} replicates, {seconds:.0f} s\n")
            print("| quantity | " + " | ".join(columns) + " |\n|" + "---|" * (len(columns) + 1))
            for i, row in enumerate(done[0]):
                found = score([rows[i] for rows in done])
                cells = " | ".join(f"{found[c]:.1f}" for c in columns)
                print(f"| {row['quantity']} | {cells} |", flush=True)
                told.append({"cell": cell.name, "quantity": row["quantity"], **found})
    if chosen.out is not None:
        chosen.out.write_text(json.dumps(told, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()

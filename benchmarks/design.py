"""Which runs teach most? Choosing runs one batch after another, scored on held-out larger ones.

    python benchmarks/design.py --data ../shared/data/runs/scalebench --workers 16 --out FILE

The four tables of ScaleBench (arXiv:2604.22753) whose laws isoloss has. Each has training runs
with costs and test runs in a more expensive region. A strategy may spend a share of what all
training runs cost; it begins with a few cheap runs, drawn by the seed, and then fits, chooses a
batch, sees its losses, and fits again. What it gathered is fitted once more, and the law is scored
by R² on the test runs of all groups together, clipped to [-1, 1] as in the paper; -1 where the
share pays for no run at all.

Every strategy has the same first runs, the same batches and the same fits: only the choice
differs. The fits are those of `isoloss.planning.experiments`: a weak prior makes them possible
with fewer runs than parameters, which is what 1% of a budget buys. Row `all` fits all training
runs the same way. Costs are the paper's: N (parallel), N times characters (vocab), N times experts
(moe), 6 N D (data_constrained). Nothing here is asserted.

`--out` keeps every score as a JSON line and goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # the workers are what runs in parallel

import numpy as np
import pandas as pd

from isoloss.fitting.solver.objective import ResidualName
from isoloss.laws import Law, get_law
from isoloss.planning.experiments.beliefs import belief_of
from isoloss.planning.experiments.posterior import Posterior, posterior_of
from isoloss.planning.experiments.strategies import STRATEGIES
from isoloss.planning.experiments.table import Table
from isoloss.planning.experiments.targets import Target, target_at

Columns = dict[str, np.ndarray]

SHARES = (0.01, 0.05, 0.10)
COMPARED = ("targeted", "V-optimal", "D-optimal", "cost-weighted", "random", "cheapest")
INFORMED = ("targeted", "V-optimal", "D-optimal")
"""Strategies that look at the fit, and so are worth fitting for between batches."""
FIRST_SEED = 100
"""Seeds below were used while the method was made."""
FIRST_SHARE = 0.2
"""Of the budget for the first runs: as many as the law has parameters, drawn from the cheapest
`FIRST_POOL` times as many."""
FIRST_POOL = 3
BATCH_GROWTH, BATCH_SHARE = 0.25, 0.2
"""A batch is at most this share of the runs so far, and of the budget; one run at least."""
STARTS, FEWER_STARTS, LAST_STARTS = 16, 6, 48


@dataclass(frozen=True, kw_only=True)
class Task:
    """A table of ScaleBench: which columns are the variables, the value, and the cost."""

    variables: dict[str, str]
    value: str
    cost: tuple[str, ...]
    factor: float
    residual: ResidualName
    laws: tuple[str, ...]


TASKS = {
    "vocab": Task(
        variables={
            "N": "non_vocab_parameters", "V": "vocab_size", "D": "num_characters",
        },
        value="unigram_normalized_loss",
        cost=("non_vocab_parameters", "num_characters"),
        factor=1.0,
        residual="raw",
        laws=(
            "A/N**alpha + F/V**phi + B/D**beta - G",
            "A/N**alpha + B*V**phi/D**beta - G",
            "A*V**phi/N**alpha + B/D**beta - G",
        ),
    ),
    "parallel": Task(
        variables={"N": "num_params", "meta_streams": "parallel_size"},
        value="loss",
        cost=("num_params",),
        factor=1.0,
        residual="log",
        laws=(
            "parallel",
            "E + A/N**alpha + B/meta_streams**beta",
            "E + A/(N**alpha*meta_streams**beta)",
        ),
    ),
    "moe": Task(
        variables={"N": "dense_parameter_count", "meta_experts": "num_experts"},
        value="loss_validation",
        cost=("dense_parameter_count", "num_experts"),
        factor=1.0,
        residual="log",
        laws=(
            "routed",
            "E + A/(N**alpha*meta_experts**beta)",
            "E + A/N**(alpha + gamma*log(meta_experts))",
        ),
    ),
    "data_constrained": Task(
        variables={"N": "params", "D": "tokens", "U": "unique_tokens"},
        value="loss",
        cost=("params", "tokens"),
        factor=6.0,
        residual="log",
        laws=(
            "data_constrained",
            "E + A/N**alpha + B/D**beta + F/U**gamma",
            "E + A/N**alpha + B/(D**(1 - s)*U**s)**beta",
        ),
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Group:
    """Training runs with their costs, and test runs."""

    train: Columns
    values: np.ndarray
    costs: np.ndarray
    test: Columns
    test_values: np.ndarray


@dataclass(frozen=True, kw_only=True, order=True)
class Job:
    """One score: what is chosen from, how much of it, how, and for which law."""

    task: str
    law: str
    share: float
    strategy: str
    seed: int


def main() -> None:
    """Score, and print."""
    chosen = _arguments()
    jobs = _jobs(chosen)
    done = _read(chosen.out)
    left = [job for job in jobs if job not in done]
    print(f"{len(jobs)} scores, {len(left)} to make", flush=True)
    began = time.monotonic()
    for count, (job, row) in enumerate(_scores(left, chosen.data, chosen.workers), 1):
        done[job] = row
        if chosen.out is not None:
            _append(chosen.out, job, row)
        if count % 100 == 0:
            print(f"  {count}/{len(left)} after {time.monotonic() - began:.0f} s", flush=True)
    print(f"{time.monotonic() - began:.0f} s\n")
    report({job: done[job] for job in jobs})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the four tables")
    parser.add_argument("--seeds", type=int, default=10, help="first runs drawn so many times")
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--strategies", nargs="+", choices=list(STRATEGIES), default=list(COMPARED))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, help="JSON lines of scores, also to go on from")
    return parser.parse_args()


def _jobs(chosen: argparse.Namespace) -> list[Job]:
    """Every score; the longest ones first, so that no worker is left with one at the end."""
    jobs = [
        Job(task=task, law=law, share=share, strategy=strategy, seed=seed)
        for task in TASKS
        if task in chosen.tasks
        for share in SHARES
        for strategy in chosen.strategies
        for law in TASKS[task].laws
        for seed in range(FIRST_SEED, FIRST_SEED + chosen.seeds)
    ]
    jobs += [
        Job(task=task, law=law, share=1.0, strategy="all", seed=0)
        for task in TASKS
        if task in chosen.tasks
        for law in TASKS[task].laws
    ]
    return jobs


def _scores(jobs: list[Job], data: Path, workers: int) -> Iterator[tuple[Job, dict[str, Any]]]:
    jobs = sorted(jobs, key=lambda j: (j.task != "vocab", j.strategy not in INFORMED, -j.share))
    if workers < 2:
        yield from (_score((job, data)) for job in jobs)
        return
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield from pool.imap_unordered(_score, [(job, data) for job in jobs])


def _score(pair: tuple[Job, Path]) -> tuple[Job, dict[str, Any]]:
    job, data = pair
    task, law = TASKS[job.task], law_of(job.law)
    began = time.monotonic()
    told: list[np.ndarray] = []
    measured: list[np.ndarray] = []
    runs, spent = 0, 0.0
    for group in groups(data, job.task):
        found = gathered(task, law, group, job)
        if found is None:
            return job, {"r2": -1.0, "runs": 0, "spent": 0.0, "seconds": 0.0}
        rows, posterior = found
        told.append(law.value(posterior.best.theta, group.test))
        measured.append(group.test_values)
        runs, spent = runs + len(rows), spent + float(group.costs[rows].sum())
    total = sum(float(group.costs.sum()) for group in groups(data, job.task))
    return job, {
        "r2": r_squared(np.concatenate(measured), np.concatenate(told)),
        "runs": runs,
        "spent": spent / total,
        "seconds": round(time.monotonic() - began, 2),
    }


@cache
def law_of(text: str) -> Law:
    """A law by name or formula; a formula is worked out once a process (by SymPy)."""
    return get_law(text)


def r_squared(measured: np.ndarray, told: np.ndarray) -> float:
    """R² on held-out runs, clipped to [-1, 1]."""
    if not np.isfinite(told).all():
        return -1.0
    left = ((measured - told) ** 2).sum() / ((measured - measured.mean()) ** 2).sum()
    return float(np.clip(1 - left, -1, 1))


@cache
def groups(data: Path, name: str) -> tuple[Group, ...]:
    """The groups of a table, each a law of its own."""
    task = TASKS[name]
    train, test = (_frame(data / name / part) for part in ("train", "test"))

    def columns(frame: pd.DataFrame) -> Columns:
        return {ours: frame[theirs].to_numpy(float) for ours, theirs in task.variables.items()}

    found: list[Group] = []
    for label in sorted(set(train["group"])):
        ours, theirs = train[train["group"] == label], test[test["group"] == label]
        costs = np.prod([ours[name].to_numpy(float) for name in task.cost], axis=0)
        found.append(
            Group(
                train=columns(ours),
                values=ours[task.value].to_numpy(float),
                costs=task.factor * costs,
                test=columns(theirs),
                test_values=theirs[task.value].to_numpy(float),
            )
        )
    return tuple(found)


def _frame(path: Path) -> pd.DataFrame:
    """A table in Parquet, or in CSV for a machine without pyarrow."""
    if path.with_suffix(".parquet").exists():
        return pd.read_parquet(path.with_suffix(".parquet"))
    return pd.read_csv(path.with_suffix(".csv"))


def gathered(task: Task, law: Law, group: Group, job: Job) -> tuple[list[int], Posterior] | None:
    """The runs that a strategy gathers for its share, and the last fit to them."""
    target = target_at(group.test, law, task.residual)
    budget = job.share * float(group.costs.sum())
    if job.strategy == "all":
        rows = list(range(len(group.values)))
    else:
        rows = first_runs(group.costs, budget, len(law.names), job.seed)
        if not rows:
            return None
    near: np.ndarray | None = None
    while job.strategy != "all":
        left = budget - float(group.costs[rows].sum())
        informed = job.strategy in INFORMED
        chosen, near = next_runs(task, law, group, target, rows, left, near, job)
        if informed:
            chosen = batch(chosen, group.costs, len(rows), budget)
        rows += chosen
        if not chosen or not informed:
            break
    table = table_of(law, group, target, rows)
    return rows, posterior_of(
        law, table.seen, residual=task.residual, starts=LAST_STARTS, seed=job.seed, near=near
    )


def first_runs(costs: np.ndarray, budget: float, count: int, seed: int) -> list[int]:
    """A few cheap runs; the very cheapest if the share for them pays for no other."""
    order = np.argsort(costs, kind="stable")
    pool = np.random.default_rng(seed).permutation(order[: FIRST_POOL * count])
    rows: list[int] = []
    for row in pool.tolist():
        if len(rows) < count and costs[[*rows, row]].sum() <= FIRST_SHARE * budget:
            rows.append(row)
    cheapest = int(order[0])
    return rows or ([cheapest] if costs[cheapest] <= budget else [])


def table_of(law: Law, group: Group, target: Target, rows: list[int]) -> Table:
    """The runs so far, and all others as candidates."""
    others = np.setdiff1d(np.arange(len(group.values)), rows)
    return Table.of(
        law.variables,
        {name: column[rows] for name, column in group.train.items()},
        group.values[rows],
        {name: column[others] for name, column in group.train.items()},
        group.costs[others],
        target=target,
    )


def next_runs(
    task: Task, law: Law, group: Group, target: Target, rows: list[int], left: float,
    near: np.ndarray | None, job: Job,
) -> tuple[list[int], np.ndarray | None]:  # fmt: skip
    """What the strategy would make with the rest of the budget, in order; and where fits ended."""
    others = np.setdiff1d(np.arange(len(group.values)), rows)
    if not len(others) or group.costs[others].min() > left:
        return [], near
    table = table_of(law, group, target, rows)
    posterior = posterior_of(
        law, table.seen, residual=task.residual, seed=job.seed, near=near,
        starts=STARTS if near is None else FEWER_STARTS,
    )  # fmt: skip
    choice = table.choice(belief_of([posterior], [1.0]), target, left, seed=job.seed)
    order = STRATEGIES[job.strategy](choice)
    ends = np.array([mode.theta for mode in posterior.modes])
    return others[np.array(order, dtype=int) - table.closed].tolist(), ends


def batch(order: list[int], costs: np.ndarray, made: int, budget: float) -> list[int]:
    """The first runs of an order, as many as are made before the next look."""
    taken: list[int] = []
    most = max(1, int(np.ceil(BATCH_GROWTH * made)))
    for row in order:
        if len(taken) == most:
            break
        if taken and costs[[*taken, row]].sum() > BATCH_SHARE * budget:
            break
        taken.append(row)
    return taken


def report(scores: dict[Job, dict[str, Any]]) -> None:
    """Mean R² over laws and seeds by table and share, then every law."""
    frame = pd.DataFrame(
        [{**vars(job), **row, "share": f"{job.share:.0%}"} for job, row in scores.items()]
    )
    names = [name for name in STRATEGIES if name in set(frame["strategy"])]
    print("R² on held-out runs: mean over laws and seeds ± standard error over seeds")
    print(f"{'table':<17} {'share':>5} " + "".join(f"{name:>16}" for name in names))
    for (task, share), rows in _by(frame, ["task", "share"]):
        cells = "".join(f"{_cell(rows[rows['strategy'] == name]):>16}" for name in names)
        print(f"{task:<17} {share:>5} {cells}")
    print("\nall training runs, law by law:")
    for (task, law), rows in _by(frame[frame["strategy"] == "all"], ["task", "law"], every=True):
        print(f"  {task:<17} {law:<45} {rows['r2'].mean():7.3f}")
    print("\nlaw by law: mean R² over seeds (lowest), runs")
    for (task, law, share), rows in _by(frame, ["task", "law", "share"]):
        print(f"  {task}, {law}, {share}")
        for name in names:
            own = rows[rows["strategy"] == name]
            print(
                f"    {name:<14} {own['r2'].mean():7.3f} ({own['r2'].min():6.3f})"
                f" {own['runs'].mean():6.1f} runs, {own['spent'].mean():.2%} spent"
            )


def _by(frame: pd.DataFrame, names: list[str], *, every: bool = False) -> Any:
    kept = frame if every else frame[frame["strategy"] != "all"]
    return kept.groupby(names, sort=False)


def _cell(rows: pd.DataFrame) -> str:
    by_seed = rows.groupby("seed")["r2"].mean()
    error = by_seed.std(ddof=1) / np.sqrt(len(by_seed)) if len(by_seed) > 1 else np.nan
    return f"{by_seed.mean():.3f} ±{error:.3f}"


def _read(path: Path | None) -> dict[Job, dict[str, Any]]:
    """Scores of an earlier run; a line that was cut off is made again."""
    found: dict[Job, dict[str, Any]] = {}
    if path is None or not path.exists():
        return found
    for line in path.read_text("utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        found[Job(**row.pop("job"))] = row
    return found


def _append(path: Path, job: Job, row: dict[str, Any]) -> None:
    """One whole line in one write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = not path.exists() or path.read_bytes()[-1:] in (b"", b"\n")
    line = json.dumps({"job": vars(job), **row}) + "\n"
    with path.open("ab", buffering=0) as file:
        file.write((line if whole else "\n" + line).encode())


if __name__ == "__main__":
    main()

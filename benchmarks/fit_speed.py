"""How fast is a fit? The default fit, and the field's protocol answered start by start.

    python benchmarks/fit_speed.py --runs ../shared/data/runs/chinchilla_epoch/runs.csv

On the 240 runs of Chinchilla's Figure 4 (without a table: 240 runs drawn from the law itself):

* the default fit: global optimum, 1,000 bootstrap draws, checks;
* the well-known protocol: 4,500 grid starts of L-BFGS-B with numeric gradients, then 4,000
  bootstrap refits by BFGS, written plainly with SciPy. SciPy runs every `--every`-th start and
  resample and its time is scaled up (`--every 1` runs them all, about a quarter of an hour);
  isoloss answers all of them, and each sampled objective is compared;
* two strong rivals for a resample: BFGS with analytic gradients from 16 least-squares starts,
  and variable projection on a grid of exponents;
* growth with rows and resamples.

Process CPU time (one thread) and wall time; ratios are of CPU time. Nothing here is asserted.
"""

from __future__ import annotations

import argparse
import itertools
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # the same single thread for everybody

import numpy as np
from scipy.optimize import minimize, nnls
from scipy.special import huber, logsumexp

import isoloss as il
from isoloss.fitting import Objective, Problem
from isoloss.fitting.solver.coordinates import Coordinates
from isoloss.fitting.solver.descent import descend
from isoloss.laws import get_law

DELTA = 1e-3
GRID = {
    "alpha": np.arange(0, 2.5, 0.5), "beta": np.arange(0, 2.5, 0.5), "e": np.arange(-1, 1.5, 0.5),
    "a": np.arange(0, 30, 5), "b": np.arange(0, 30, 5),
}  # fmt: skip
"""4,500 starts of the protocol of arXiv:2203.15556, appendix D.3 (e, a, b are logarithms)."""
STARTS, RESAMPLES = 4500, 4000
SAME = 1e-6
"""An objective counts as worse beyond this relative difference."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=Path, help="the Chinchilla table; drawn when left out")
    parser.add_argument("--every", type=int, default=50, help="SciPy runs every n-th fit")
    chosen = parser.parse_args()
    runs = read(chosen.runs)
    used = runs.used()
    n, d, loss = used.vector("N"), used.vector("D"), used.vector("loss")
    il.fit(runs, "chinchilla", bootstrap=10)  # imports and caches
    fit, cpu, wall = timed(lambda: il.fit(runs, "chinchilla"))
    print(f"default fit, {len(loss)} runs, 1,000 draws, checks: {cpu:.2f} s CPU, {wall:.2f} s wall")
    print(f"  objective {fit.objective.value:.10g}; {fit.status}")
    protocol(n, d, loss, chosen.every)
    rivals(n, d, loss)
    growth(n, d, loss)


def read(path: Path | None) -> Any:
    """The 240 runs, or 240 drawn ones."""
    if path is not None:
        runs = il.Runs.read(path, columns={"params": "params_total"})
        return runs.where(lambda r: ~r["epoch_excluded_outlier"].astype(bool))
    rng = np.random.default_rng(0)
    n, c = 10 ** rng.uniform(7.5, 10, 240), 10 ** rng.uniform(18, 22, 240)
    d = c / (6 * n)
    loss = (1.82 + 478 / n**0.347 + 2143 / d**0.367) * np.exp(0.01 * rng.standard_t(3, 240))
    rows = zip(n.tolist(), d.tolist(), loss.tolist(), strict=True)
    return il.Runs.from_rows({"params_total": a, "tokens": b, "loss": x} for a, b, x in rows)


def timed(function: Callable[[], Any]) -> tuple[Any, float, float]:
    """Result, CPU and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = function()
    return result, time.process_time() - cpu, time.perf_counter() - wall


def plain_objective(
    x: np.ndarray, log_n: np.ndarray, log_d: np.ndarray, log_loss: np.ndarray
) -> float:
    """The protocol's objective as papers write it: log-sum-exp and Huber, summed."""
    a, b, e, alpha, beta = x
    terms = np.stack([a - alpha * log_n, b - beta * log_d, np.full_like(log_n, e)])
    return float(huber(DELTA, logsumexp(terms, axis=0) - log_loss).sum())


def protocol(n: np.ndarray, d: np.ndarray, loss: np.ndarray, every: int) -> None:
    """The well-known protocol by SciPy (sampled) and by isoloss (in full)."""
    log_n, log_d, log_loss = np.log(n), np.log(d), np.log(loss)
    grid = np.array(list(itertools.product(*GRID.values())))  # alpha, beta, e, a, b
    assert len(grid) == STARTS
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(loss), size=(RESAMPLES, len(loss)))
    theirs, cpu = scipy_protocol(grid[::every], drawn[::every], log_n, log_d, log_loss)
    scaled = cpu * every
    ours, own_cpu, own_wall = timed(lambda: own_protocol(grid, drawn, n, d, loss))
    sampled = tuple(values[::every] for values in ours)
    worse = [int((o > t * (1 + SAME)).sum()) for o, t in zip(sampled, theirs, strict=True)]
    print(
        f"protocol ({STARTS:,} starts + {RESAMPLES:,} resamples):"
        f" SciPy {scaled:.0f} s CPU (every {every}th run, scaled);"
        f" isoloss {own_cpu:.2f} s CPU, {own_wall:.2f} s wall, all of them: {scaled / own_cpu:.0f}x"
    )
    for what, bad, o, t in zip(("starts", "resamples"), worse, sampled, theirs, strict=True):
        better = int((o < t * (1 - SAME)).sum())
        print(f"  {what}: of {len(t)} compared, isoloss lower in {better}, higher in {bad}")


def scipy_protocol(
    starts: np.ndarray,
    drawn: np.ndarray,
    log_n: np.ndarray,
    log_d: np.ndarray,
    log_loss: np.ndarray,
) -> tuple[tuple[np.ndarray, np.ndarray], float]:
    """Objectives of the starts and of the resamples, and CPU seconds."""
    began = time.process_time()
    reached = [
        minimize(
            plain_objective, (a, b, e, alpha, beta), (log_n, log_d, log_loss), method="L-BFGS-B"
        )
        for alpha, beta, e, a, b in starts
    ]
    best = min(reached, key=lambda r: r.fun)
    refits = [
        minimize(plain_objective, best.x, (log_n[i], log_d[i], log_loss[i]), method="BFGS")
        for i in drawn
    ]
    values = tuple(np.array([r.fun for r in results]) for results in (reached, refits))
    return values, time.process_time() - began  # type: ignore[return-value]


def own_protocol(
    grid: np.ndarray, drawn: np.ndarray, n: np.ndarray, d: np.ndarray, loss: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The same answers by the solver behind `il.fit`: all starts at once, then all resamples.

    With the exponents of a start fixed, E, A and B follow from least squares (variable
    projection), so the grid over their logarithms is not needed: starts that differ in these
    alone are one. An exponent of 0 makes a term a constant, like E; it begins at .05.
    """
    problem = problem_of(n, d, loss)
    coordinates = Coordinates.of(problem.law)
    exponents, which = np.unique(grid[:, :2], axis=0, return_inverse=True)
    begun = np.maximum(exponents, 0.05)
    theta = np.stack([[*projected(x, y, n, d, loss)[0], x, y] for x, y in begun])
    u, value = descend(problem, coordinates.nearest_u(theta), iterations=300, tolerance=1e-10)
    start = Coordinates.of(problem.law).theta(u[value.argmin()])
    counts = np.stack([np.bincount(i, minlength=len(loss)) for i in drawn]).astype(float)
    begin = np.repeat(coordinates.u(start)[None], len(drawn), axis=0)
    resampled = replace(problem, weights=counts)
    refits = descend(resampled, begin, iterations=150, tolerance=1e-7, near=True)[1]
    return value[which.ravel()], refits


def problem_of(n: np.ndarray, d: np.ndarray, loss: np.ndarray) -> Problem:
    """The Chinchilla law by Huber on log loss."""
    return Problem(
        law=get_law("chinchilla"), data={"N": n, "D": d}, loss=loss, objective=Objective()
    )


def rivals(n: np.ndarray, d: np.ndarray, loss: np.ndarray, resamples: int = 20) -> None:
    """Seconds a resample, and objectives, against two strong ways to fit one."""
    rng = np.random.default_rng(1)
    drawn = [rng.integers(0, len(loss), len(loss)) for _ in range(1000)]
    problem = problem_of(n, d, loss)
    counts = np.stack([np.bincount(i, minlength=len(loss)) for i in drawn]).astype(float)

    def ours() -> np.ndarray:
        best = il.fitting.solve(problem)
        start = np.repeat(Coordinates.of(problem.law).u(best.theta)[None], len(counts), axis=0)
        resampled = replace(problem, weights=counts)
        return descend(resampled, start, iterations=150, tolerance=1e-7, near=True)[1]

    values, cpu, _ = timed(ours)
    each = cpu / len(counts)
    print(f"a resample: isoloss {1e3 * each:.2f} ms CPU (1,000 at once, with the optimum before)")
    for name, rival in (("BFGS, analytic, 16 starts", bfgs), ("variable projection grid", varpro)):
        results, cpu, _ = timed(
            lambda rival=rival: [rival(n[i], d[i], loss[i]) for i in drawn[:resamples]]
        )
        theirs = np.array(results)
        worse = int((values[:resamples] > theirs * (1 + SAME)).sum())
        per = cpu / resamples
        print(
            f"  {name}: {1e3 * per:.0f} ms, {per / each:.0f}x;"
            f" isoloss higher in {worse} of {resamples}"
        )


def with_gradient(
    x: np.ndarray, log_n: np.ndarray, log_d: np.ndarray, log_loss: np.ndarray
) -> tuple[float, np.ndarray]:
    """The objective and its exact gradient."""
    a, b, e, alpha, beta = x
    parts = np.exp(np.stack([a - alpha * log_n, b - beta * log_d, np.full_like(log_n, e)]))
    total = parts.sum(axis=0)
    r = np.log(total) - log_loss
    size = np.abs(r)
    value = np.where(size <= DELTA, r**2 / 2, DELTA * (size - DELTA / 2)).sum()
    slope = np.clip(r, -DELTA, DELTA) * parts / total
    gradient = slope.sum(axis=1)
    by_exponents = -(slope[0] * log_n).sum(), -(slope[1] * log_d).sum()
    return float(value), np.array([*gradient, *by_exponents])


def projected(alpha: float, beta: float, n: np.ndarray, d: np.ndarray, loss: np.ndarray) -> Any:
    """E, A, B by non-negative least squares of relative residuals, with fixed exponents."""
    columns = np.stack([np.ones_like(n), n**-alpha, d**-beta], axis=1)
    scale = np.linalg.norm(columns, axis=0)
    found, rest = nnls(columns / scale / loss[:, None], np.ones_like(loss))
    return found / scale, rest


def bfgs(n: np.ndarray, d: np.ndarray, loss: np.ndarray) -> float:
    """BFGS with analytic gradients from 16 least-squares starts."""
    logs = np.log(n), np.log(d), np.log(loss)
    best = np.inf
    for alpha, beta in itertools.product((0.2, 0.35, 0.5, 0.7), repeat=2):
        (e, a, b), _ = projected(alpha, beta, n, d, loss)
        start = np.array([*np.log(np.maximum((a, b, e), 1e-6)), alpha, beta])
        found = minimize(with_gradient, start, logs, jac=True, method="BFGS")
        best = min(best, float(found.fun))
    return best


def varpro(n: np.ndarray, d: np.ndarray, loss: np.ndarray) -> float:
    """Variable projection on a grid of exponents, then one BFGS from its best point."""
    exponents = np.linspace(0.05, 1.0, 40)
    rests: Iterable[Any] = (
        (projected(x, y, n, d, loss), x, y) for x, y in itertools.product(exponents, repeat=2)
    )
    ((e, a, b), _), alpha, beta = min(rests, key=lambda item: item[0][1])
    start = np.array([*np.log(np.maximum((a, b, e), 1e-6)), alpha, beta])
    logs = np.log(n), np.log(d), np.log(loss)
    return float(minimize(with_gradient, start, logs, jac=True, method="BFGS").fun)


def growth(n: np.ndarray, d: np.ndarray, loss: np.ndarray) -> None:
    """CPU seconds of a fit against rows and against resamples."""
    rng = np.random.default_rng(2)
    for rows, bootstrap in ((1000, 200), (10_000, 200), (100_000, 20), (1000, 1000), (1000, 4000)):
        i = rng.integers(0, len(loss), rows)
        noisy = loss[i] * np.exp(0.003 * rng.standard_normal(rows))
        columns = zip((n[i]).tolist(), (d[i]).tolist(), noisy.tolist(), strict=True)
        runs = il.Runs.from_rows(
            {"params_total": a, "tokens": b, "loss": x, "run_id": f"r{k}"}
            for k, (a, b, x) in enumerate(columns)
        )
        _, cpu, _ = timed(lambda runs=runs, b=bootstrap: il.fit(runs, "chinchilla", bootstrap=b))
        print(f"{rows:>7,} rows, {bootstrap:>5,} resamples: {cpu:.2f} s CPU")


if __name__ == "__main__":
    main()

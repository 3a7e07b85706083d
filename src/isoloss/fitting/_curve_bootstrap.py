"""Parameters that other runs might have given a law of loss curves.

Neighbouring losses of one curve are nearly copies of each other. With many curves whole curves
are drawn. With few, the residuals along a curve are taken as an autoregression in steps, whose
memory is estimated, and made anew from its own shocks (Buhlmann 1997, doi:10.2307/3318584). Blocks
of residuals or of points hold too little: with an autocorrelation of .7 between 60 points a curve,
90% intervals from blocks held the truth in 69 to 80% of 80 tables of three curves, from shocks in
89 to 91% (docs/log.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from isoloss.fitting.solver.coordinates import Coordinates
from isoloss.fitting.solver.descent import Problem, descend
from isoloss.laws.curves import Curves
from isoloss.laws.law import Array, Counts

ENOUGH_CURVES = 20
"""Curves, from which whole ones are drawn. With 10 of them, 90% intervals held 80 to 89% so, and
92 to 98% with residuals made anew (100 tables, half the variance shared by a whole curve)."""
LEAST_SPARE = 2.0
"""Independent losses beyond the parameters that intervals need, as many as `fit` wants."""
LONGEST_MEMORY = 0.97
"""Largest correlation of neighbours: with more, a curve is one loss."""
AT_ONCE = 20_000
"""Residuals in one batch of resamples."""


def curve_draws(
    problem: Problem, theta: Array, curves: Curves, count: int, seed: int
) -> tuple[Array | None, str, str]:
    """Parameters (R, P) of refits, or None; how they were made; and why there are none.

    Args:
        problem: the fit, its rows the points of `curves` in order.
        theta: the optimum (P,).
    """
    rng = np.random.default_rng(seed)
    if len(curves) >= ENOUGH_CURVES:
        made = f"{len(curves)} whole curves drawn with replacement"
        return _refits(_drawn(problem, curves, count, rng), theta), made, ""
    residual = problem.residual(Coordinates.of(problem.law).u(theta)[None])[0]
    fitted = problem.law.value(theta, problem.data)
    steps = [curve.steps for curve in curves]
    memory = _memory(residual, steps, len(theta))
    independent = independent_points(steps, memory)
    if independent < len(theta) + LEAST_SPARE:
        return (
            None,
            "",
            f"the losses of these curves are worth about {independent:.0f} independent ones, too"
            f" few for {len(theta)} parameters",
        )
    made = f"residuals made anew along each curve, with a memory of about {memory:.0f} steps"
    # A fit bends towards its losses as if there were no more than the independent ones.
    larger = residual * math.sqrt(independent / (independent - len(theta)))
    resampled = _made_anew(problem, larger, steps, memory, fitted, count, rng)
    return _refits(resampled, theta), made, ""


def independent_points(steps: list[Counts], memory: float) -> float:
    """How many independent losses would say as much of a constant as those of the curves.

    >>> round(independent_points([np.arange(0, 1000, 10)], 1e-9))
    100
    """
    total = 0.0
    for own in steps:
        gaps = np.diff(own)
        kept = np.exp(-gaps / memory)
        total += 1 + float(((1 - kept) / (1 + kept)).sum())
    return total


def _memory(residual: Array, steps: list[Counts], parameters: int) -> float:
    """Steps after which the correlation of residuals (n,) is 1/e, by likelihood on a grid.

    A fit of P parameters takes P/n of the correlation of neighbours away, and its estimate from n
    points a curve falls short by (1 + 3 rho)/n (Kendall 1954): both are put back.
    """
    gaps = np.concatenate([np.diff(own) for own in steps]).astype(np.float64)
    usual = float(np.median(gaps)) if len(gaps) else 1.0
    grid = usual / -np.log(np.linspace(0.01, LONGEST_MEMORY, 97))
    likelihood = [_log_likelihood(residual, steps, memory) for memory in grid]
    correlation = math.exp(-usual / float(grid[int(np.argmax(likelihood))]))
    a_curve = len(residual) / len(steps)
    correlation += (1 + 3 * correlation) / a_curve + parameters / len(residual)
    return usual / -math.log(min(correlation, LONGEST_MEMORY))


def _log_likelihood(residual: Array, steps: list[Counts], memory: float) -> float:
    """Of a stationary autoregression with this memory, but for a constant."""
    shock, kept = _shocks(residual, steps, memory)
    size = max(float((shock**2).mean()), 1e-300)
    return -0.5 * (len(residual) * math.log(size) + float(np.log1p(-(kept**2)).sum()))


def _shocks(residual: Array, steps: list[Counts], memory: float) -> tuple[Array, Array]:
    """Shocks (n,) as large as residuals, and what each residual keeps of the one before (n,)."""
    kept = np.concatenate([[0.0, *np.exp(-np.diff(own) / memory)] for own in steps])
    before = np.concatenate([[0.0], residual[:-1]])
    return (residual - kept * before) / np.sqrt(1 - kept**2), kept


def _batches(count: int, rows: int) -> Iterator[int]:
    most = max(1, AT_ONCE // rows)
    yield from (min(most, count - done) for done in range(0, count, most))


def _drawn(
    problem: Problem, curves: Curves, count: int, rng: np.random.Generator
) -> Iterator[Problem]:
    """Whole curves drawn with replacement, as weights of their points.

    One fewer than there are, which puts right that a sample varies less around its own mean than
    around the truth (Rao and Wu 1988, doi:10.1080/01621459.1988.10478591).
    """
    lengths = [len(curve) for curve in curves]
    even = np.full(len(lengths), 1 / len(lengths))
    for size in _batches(count, len(problem.loss)):
        times = rng.multinomial(len(lengths) - 1, even, size=size)
        yield replace(problem, weights=np.repeat(times.astype(np.float64), lengths, axis=1))


def _made_anew(
    problem: Problem,
    larger: Array,
    steps: list[Counts],
    memory: float,
    fitted: Array,
    count: int,
    rng: np.random.Generator,
) -> Iterator[Problem]:
    """The law plus residuals from shocks of the `larger` ones, drawn with replacement."""
    n = len(fitted)
    shocks, kept = _shocks(larger, steps, memory)
    for size in _batches(count, n):
        fresh = rng.choice(shocks, size=(size, n))
        made = np.empty((size, n))
        last = np.zeros(size)
        for i in range(n):
            last = kept[i] * last + math.sqrt(1 - kept[i] ** 2) * fresh[:, i]
            made[:, i] = last
        if problem.objective.residual == "log":
            yield replace(problem, loss=fitted * np.exp(-made))
        else:
            yield replace(problem, loss=fitted - made)


def _refits(problems: Iterator[Problem], theta: Array) -> Array:
    """Parameters (R, P) of the refits; those without a value are left out."""
    found: list[Array] = []
    for problem in problems:
        coordinates = Coordinates.of(problem.law)
        size = len(problem.loss) if problem.loss.ndim == 2 else len(problem.weights)  # pyright: ignore
        start = np.repeat(coordinates.u(theta)[None], size, axis=0)
        u, value = descend(problem, start, iterations=150, tolerance=1e-6, accelerated=True)
        found.append(coordinates.theta(u[np.isfinite(value)]))
    return np.concatenate(found)

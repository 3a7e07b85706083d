"""Approach 1: which size has the lowest loss at each compute, from loss curves over compute.

Hoffmann et al. 2022, arXiv:2203.15556, §3.1. One curve a model size: log loss, interpolated
linearly in log C between its runs or checkpoints, as far as they reach. A size is the best from
the compute where it crosses the next smaller one on the envelope to where the next larger one
crosses it; N is a power of the middle of that stretch. For a law E + A/N^α + B/D^β with sizes in
equal steps the crossings obey N ∝ C^(β/(α+β)) exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from isoloss.errors import DataError
from isoloss.fitting._compute import compute_of
from isoloss.fitting.frontier._allocating import (
    WEIGHT_FLOOR,
    Found,
    Setting,
    allocation_of,
    check_arguments,
    loss_noise,
)
from isoloss.fitting.frontier.compute_optimum import Allocation, FrontierPoint
from isoloss.laws.law import Array

if TYPE_CHECKING:
    from isoloss.runs import Runs

LEAST_SIZES = 5
"""The smallest and largest say nothing, and a line needs three points."""
GRID = 1500
"""Budgets at which the lowest curve is looked up, as in the paper."""
BIASES = (
    "A checkpoint before its schedule ended has a higher loss than a run of that length: with"
    " such rows the envelope prefers smaller models and more tokens (Hoffmann et al. 2022,"
    " arXiv:2203.15556, §3.1 uses several schedule lengths for that reason).",
    "The envelope takes the lowest of noisy losses at each compute: lucky runs win, and one"
    " lucky curve holds its place too long.",
    "N moves in steps, and the ends of the envelope are cut off by the sizes there are: the"
    " smallest and largest size are left out. The exponent depends on how N and C are counted"
    " (Porian et al. 2024, arXiv:2406.19146).",
)


@dataclass(frozen=True, kw_only=True)
class _Curve:
    """Runs of one size: log C rising, log loss, log D, each (n,), and the mean noise sd."""

    log_n: float
    log_c: Array
    y: Array
    log_d: Array
    sd: float


def envelope(
    runs: Runs,
    *,
    noise: float | None = None,
    bootstrap: int = 1000,
    level: float = 0.9,
    seed: int = 0,
    n: str | None = None,
) -> Allocation:
    """N* = k_n·C^a and D* = k_d·C^b from the lower envelope of loss over compute (approach 1).

    Args:
        runs: the table: loss curves, or several finished runs a size. Rows of one size and one
            C count as one, with their mean log loss. C is `flops`, or 6·N·D where it is absent.
        noise: standard deviation of the loss between seeds, in its unit: a whole curve moves
            by it; left out, from repeated rows, else .3% of the loss. 0 for exact losses.
        bootstrap: perturbed copies of the curves.
        level: of the intervals.
        seed: the same seed gives the same result.
        n: which count is N.

    Raises:
        DataError: too few sizes with several runs each, or too few of them on the envelope.
        UsageError: an argument out of its range.

    >>> from isoloss.runs import Runs
    >>> rows = [{"params_total": n, "tokens": d, "loss": 1.7 + 406 / n**0.34 + 411 / d**0.34}
    ...         for n in 1e7 * 2.0 ** np.arange(8) for d in np.geomspace(1e7, 1e12, 200)]
    >>> round(envelope(Runs.from_rows(rows), noise=0).a.value, 3)
    0.5
    """
    check_arguments(noise=noise, bootstrap=bootstrap, level=level, seed=seed)
    used = runs.used()
    if not len(used):
        raise DataError("no usable runs", hint="Every row has a status or a reason against it.")
    c, note = compute_of(used, n)
    n_column, d, loss = used.vector("N", n=n), used.vector("D"), used.vector("loss")
    sd, noise_text = loss_noise(n_column, d, loss, noise)
    curves = _curves(n_column, d, c, loss, sd)
    draws = bootstrap if noise != 0 else 1
    found = _points(curves, draws, seed)
    setting = Setting(
        method="envelope",
        detail="sizes with the lowest loss over compute, at the middle of their stretch",
        biases=BIASES,
        notes=(note,) if note else (),
        noise=noise_text,
        bootstrap=bootstrap,
        level=level,
        seed=seed,
        n=n,
    )
    return allocation_of(found, runs, setting)


def _curves(n: Array, d: Array, c: Array, loss: Array, sd: Array) -> list[_Curve]:
    """One curve a size that has two budgets or more, rising in size."""
    curves: list[_Curve] = []
    for size in np.unique(n).tolist():
        own = n == size
        log_c, index, counts = np.unique(
            _rounded_log(c[own]), return_inverse=True, return_counts=True
        )
        if len(log_c) < 2:
            continue
        y, log_d = (
            np.bincount(index, weights=np.log(column[own])) / counts for column in (loss, d)
        )
        curves.append(
            _Curve(log_n=math.log(size), log_c=log_c, y=y, log_d=log_d, sd=float(sd[own].mean()))
        )
    if len(curves) < LEAST_SIZES:
        raise DataError(
            f"{len(curves)} sizes have runs at two budgets or more, {LEAST_SIZES} are needed"
            " for an envelope",
            hint="Add checkpoints or budgets a size; isoflop compares finished runs of one budget.",
        )
    return curves


def _rounded_log(values: Array) -> Array:
    """Logarithms to six places: budgets nearer than that are one."""
    return np.asarray(np.round(np.log(values), 6), dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class _Stretch:
    """Where one size is the best: log C from low to high, its centre, and why it may mislead."""

    low: float
    high: float
    centre: float
    flag: str


def _stretches(table: Array, grid: Array) -> dict[int, _Stretch]:
    """The stretch of every size on the envelope of curves (sizes, G) over log C (G,)."""
    best = table.argmin(axis=0)
    ends = [*np.flatnonzero(np.diff(best)).tolist(), len(grid) - 1]
    pieces: dict[int, list[tuple[float, float, str]]] = {}
    start, opened = float(grid[0]), "it is the best from the first compute on: it may be so before"
    for end in ends:
        size = int(best[end])
        if end == len(grid) - 1:
            stop, closed = float(grid[-1]), "it is the best to the last compute: it may be beyond"
        else:
            stop, closed = _crossing(table, grid, end)
        pieces.setdefault(size, []).append((start, stop, opened or closed))
        start, opened = stop, closed
    return {size: _joined(found) for size, found in pieces.items()}


def _crossing(table: Array, grid: Array, end: int) -> tuple[float, str]:
    """Where the best curve changes after grid point `end`; a flag where nothing crosses there."""
    old, new = int(table[:, end].argmin()), int(table[:, end + 1].argmin())
    before = table[new, end] - table[old, end]
    after = table[old, end + 1] - table[new, end + 1]
    if not (np.isfinite(before) and np.isfinite(after)):
        middle = float(grid[end] + grid[end + 1]) / 2
        return middle, "a curve ends or begins where another takes over: they do not cross"
    share = before / (before + after) if before + after > 0 else 0.5
    return float(grid[end] + share * (grid[end + 1] - grid[end])), ""


def _joined(pieces: list[tuple[float, float, str]]) -> _Stretch:
    """One stretch of the pieces of a size, centred where most of them lies."""
    lengths = np.array([stop - start for start, stop, _ in pieces])
    middles = np.array([(start + stop) / 2 for start, stop, _ in pieces])
    total = float(lengths.sum())
    centre = float((lengths * middles).sum()) / total if total > 0 else float(middles.mean())
    return _Stretch(
        low=pieces[0][0],
        high=pieces[-1][1],
        centre=centre,
        flag=next((flag for _, _, flag in pieces if flag), ""),
    )


def _points(curves: list[_Curve], draws: int, seed: int) -> list[Found]:
    """A point for every size on the envelope, flagged where its stretch is cut off."""
    ends = [(float(curve.log_c[0]), float(curve.log_c[-1])) for curve in curves]
    grid = np.linspace(min(low for low, _ in ends), max(high for _, high in ends), GRID)
    table = np.stack(
        [np.interp(grid, curve.log_c, curve.y, left=np.inf, right=np.inf) for curve in curves]
    )
    stretches = _stretches(table, grid)
    rng = np.random.default_rng(seed)
    sd = np.array([curve.sd for curve in curves])
    centres = np.full((draws, len(curves)), np.nan)
    for draw in range(draws):
        moved = table + (sd * rng.standard_normal(len(curves)))[:, None]
        for size, stretch in _stretches(moved, grid).items():
            if not stretch.flag:
                centres[draw, size] = stretch.centre
    return _with_draws(curves, stretches, centres)


def _with_draws(
    curves: list[_Curve], stretches: dict[int, _Stretch], centres: Array
) -> list[Found]:
    """The points; where noise moves a centre in log C, N and D move against it along the line."""
    good = [(curves[k], stretches[k].centre) for k, item in stretches.items() if not item.flag]
    slopes = (0.5, 0.5)
    if len(good) > 1:
        x = np.array([centre for _, centre in good])
        n = np.array([curve.log_n for curve, _ in good])
        d = np.array([np.interp(centre, curve.log_c, curve.log_d) for curve, centre in good])
        n_slope, d_slope = np.polyfit(x, np.stack([n, d], axis=1), 1)[0].tolist()
        slopes = (float(n_slope), float(d_slope))
    found: list[Found] = []
    for k in sorted(stretches):
        centre = stretches[k].centre
        sizes = sum(bool(c.log_c[0] <= centre <= c.log_c[-1]) for c in curves)
        found.append(_found(curves[k], stretches[k], centres[:, k], slopes, sizes))
    return found


def _found(
    curve: _Curve, stretch: _Stretch, centres: Array, slopes: tuple[float, float], sizes: int
) -> Found:
    """The point of one size; `slopes` of log N and log D over log C, `sizes` compared there."""
    n_slope, d_slope = slopes
    log_d = float(np.interp(stretch.centre, curve.log_c, curve.log_d))
    shift = centres - stretch.centre
    share = float(np.isfinite(centres).mean())
    flag = stretch.flag
    if not flag and share < 0.5:
        flag = f"noise takes it off the envelope, or to its end, in {1 - share:.0%} of draws"
    sd = abs(n_slope) * float(np.nanstd(centres)) if share else math.nan
    step = abs(n_slope) * (stretch.high - stretch.low)
    point = FrontierPoint(
        flops=math.exp(stretch.centre),
        n=math.exp(curve.log_n),
        d=math.exp(log_d),
        loss=math.exp(float(np.interp(stretch.centre, curve.log_c, curve.y))),
        flops_range=(math.exp(stretch.low), math.exp(stretch.high)),
        n_sd=math.nan if flag else sd,
        sizes=sizes,
        flag=flag,
    )
    return Found(
        point=point,
        n_draws=curve.log_n - n_slope * shift,
        d_draws=np.interp(centres, curve.log_c, curve.log_d) - d_slope * shift,
        weight_sd=max(sd, WEIGHT_FLOOR * step, 1e-6) / max(share, 0.5),
    )

"""Approach 2: the best size at each budget, from runs that share it (isoFLOP curves).

Hoffmann et al. 2022, arXiv:2203.15556, §3.2, in the form of Porian et al. 2024,
arXiv:2406.19146, §3: interpolate log loss over log N at every budget, perturb the losses by
their noise, take the median minimum, and weigh the power law by how far it moved.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from isoloss.errors import DataError, UsageError
from isoloss.fitting._compute import compute_of
from isoloss.fitting.frontier._allocating import (
    WEIGHT_FLOOR,
    Found,
    Setting,
    allocation_of,
    check_arguments,
    loss_noise,
)
from isoloss.fitting.frontier._minima import akima_minima, near_lowest, parabola_minima
from isoloss.fitting.frontier.compute_optimum import Allocation, FrontierPoint
from isoloss.laws.law import Array, Mask

if TYPE_CHECKING:
    from isoloss.runs import Runs

LEAST_SIZES = 4
"""An interpolant through fewer has no shape of its own."""
Minimum = Literal["akima", "parabola"]
BIASES = (
    "A parabola in log N is exact only near the minimum and for equal exponents of N and D: wide,"
    " off-centre or asymmetric curves shift N*, and a shift that grows with C tilts a (Czech et"
    " al. 2026, arXiv:2603.22339). Compare n_by of the two ways.",
    "The exponent depends on how N and C are counted, on warm-up and on tuning at small scale"
    " (Porian et al. 2024, arXiv:2406.19146): .50 to .84 on the same models.",
    "Losses of checkpoints before their schedule ended are too high, those of large models with"
    " few tokens most: N* comes out too small (Hoffmann et al. 2022, arXiv:2203.15556, App. B).",
)


@dataclass(frozen=True, kw_only=True)
class _Curve:
    """Runs of one budget: log N rising, log D, log loss and its noise sd, each (n,)."""

    flops: float
    flops_range: tuple[float, float]
    x: Array
    log_d: Array
    y: Array
    sd: Array


def isoflop(
    runs: Runs,
    *,
    budgets: Sequence[float] | None = None,
    tolerance: float = 0.1,
    minimum: Minimum = "akima",
    noise: float | None = None,
    bootstrap: int = 1000,
    level: float = 0.9,
    seed: int = 0,
    n: str | None = None,
) -> Allocation:
    """N* = k_n·C^a and D* = k_d·C^b from the minima of isoFLOP curves (approach 2).

    Args:
        runs: the table; rows of one budget, with several sizes. Rows with one N and one budget
            count as one, with their mean log loss. C is `flops`, or 6·N·D where it is absent.
        budgets: in FLOP; left out, rows whose C lie within `tolerance` share one.
        tolerance: how far a row's C may lie from its budget, relative.
        minimum: `akima` (interpolation of log loss) or `parabola` (least squares of log loss
            over the sizes within a factor of ten of the best one).
        noise: standard deviation of the loss between seeds, in its unit; left out, from
            repeated rows where there are enough, else .3% of the loss. 0 for exact losses.
        bootstrap: perturbed copies of the losses.
        level: of the intervals.
        seed: the same seed gives the same result.
        n: which count is N.

    Raises:
        DataError: fewer than three budgets with a minimum inside their sizes; a column missing.
        UsageError: an argument out of its range.

    >>> from isoloss.runs import Runs
    >>> rows = [{"params_total": n, "tokens": c / 6 / n, "flops": c,
    ...          "loss": 1.7 + 406 / n**0.34 + 411 / (c / 6 / n)**0.34}
    ...         for c in (1e18, 4e18, 16e18) for n in (c / 6) ** 0.5 * 2.0**np.arange(-3, 4)]
    >>> round(isoflop(Runs.from_rows(rows), noise=0).a.value, 3)
    0.5
    """
    check_arguments(noise=noise, bootstrap=bootstrap, level=level, seed=seed)
    if minimum not in ("akima", "parabola"):
        raise UsageError(f"unknown minimum {minimum!r}", hint="Use akima or parabola.")
    if not 0 < tolerance < 1:
        raise UsageError(f"tolerance must lie between 0 and 1, found {tolerance}")
    used = runs.used()
    if not len(used):
        raise DataError("no usable runs", hint="Every row has a status or a reason against it.")
    c, note = compute_of(used, n)
    columns = (used.vector("N", n=n), used.vector("D"), c, used.vector("loss"))
    sd, noise_text = loss_noise(columns[0], columns[1], columns[3], noise)
    curves = [
        _curve(flops, member, columns, sd) for flops, member in _groups(c, budgets, tolerance)
    ]
    draws = bootstrap if noise != 0 else 1
    rng = np.random.default_rng(seed)
    found = [_minimum(curve, minimum, draws, rng) for curve in curves]
    detail = "Akima interpolation" if minimum == "akima" else "parabola near the lowest loss"
    setting = Setting(
        method="isoflop",
        detail=f"minimum of log loss over log N by {detail}",
        biases=BIASES,
        notes=(note,) if note else (),
        noise=noise_text,
        bootstrap=bootstrap,
        level=level,
        seed=seed,
        n=n,
    )
    return allocation_of(found, runs, setting)


def _groups(
    c: Array, budgets: Sequence[float] | None, tolerance: float
) -> list[tuple[float, Mask]]:
    """Budgets with the rows of each, rising."""
    if budgets is not None:
        wanted = sorted(float(b) for b in budgets)
        if not wanted or not all(math.isfinite(b) and b > 0 for b in wanted):
            raise UsageError("budgets must be positive numbers", hint="budgets=[1e18, 1e19, 1e20]")
        away = np.abs(np.log(c)[:, None] - np.log(np.array(wanted)))
        nearest = away.argmin(axis=1)
        close = away.min(axis=1) <= math.log1p(tolerance)
        return [(b, close & (nearest == i)) for i, b in enumerate(wanted)]
    found: list[tuple[float, Mask]] = []
    left = np.ones(len(c), dtype=bool)
    while left.any():
        member = left & (c <= c[left].min() * (1 + tolerance))
        found.append((float(np.exp(np.log(c[member]).mean())), member))
        left &= ~member
    return found


def _curve(flops: float, member: Mask, columns: tuple[Array, ...], sd: Array) -> _Curve:
    """The rows of a budget, those of one size merged."""
    n, d, c, loss = (column[member] for column in columns)
    sizes, index, counts = np.unique(n, return_inverse=True, return_counts=True)

    def mean(values: Array) -> Array:
        return np.bincount(index, weights=values, minlength=len(sizes)) / np.maximum(counts, 1)

    span = (float(c.min()), float(c.max())) if len(c) else (flops, flops)
    return _Curve(
        flops=flops,
        flops_range=span,
        x=np.log(sizes),
        log_d=mean(np.log(d)),
        y=mean(np.log(loss)),
        sd=mean(sd[member]) / np.sqrt(np.maximum(counts, 1)),
    )


def _minimum(curve: _Curve, way: Minimum, draws: int, rng: np.random.Generator) -> Found:
    """The minimum of one curve, flagged where it is none."""
    noisy = curve.y + curve.sd * rng.standard_normal((draws, len(curve.y)))
    if len(curve.x) < LEAST_SIZES:
        point = _point(curve, flag=f"{len(curve.x)} sizes, {LEAST_SIZES} are needed")
        lost = np.full(draws, np.nan)
        return Found(point=point, n_draws=lost, d_draws=lost, weight_sd=math.nan)
    both = {"akima": _akima(curve, curve.y[None]), "parabola": _parabola(curve, curve.y[None])}
    place, height = (float(value[0]) for value in both[way])
    moved = (_akima if way == "akima" else _parabola)(curve, noisy)[0]
    moved = np.where((moved > curve.x[0]) & (moved < curve.x[-1]), moved, np.nan)
    share = float(np.isfinite(moved).mean())
    flag = _flag(curve, place, share)
    ways = {name: float(np.exp(value[0])) for name, (value, _) in both.items()}
    if not flag:
        place = float(np.nanmedian(moved))
    sd = float(np.nanstd(moved)) if not flag else math.nan
    step = float(np.ptp(curve.x)) / (len(curve.x) - 1)
    return Found(
        point=_point(curve, place=place, sd=sd, height=height, flag=flag, ways=ways),
        n_draws=moved,
        d_draws=np.interp(moved, curve.x, curve.log_d),
        # A minimum that noise often puts outside is known less well than its other draws say.
        weight_sd=max(sd, WEIGHT_FLOOR * step) / max(share, 0.5),
    )


def _akima(curve: _Curve, y: Array) -> tuple[Array, Array]:
    return akima_minima(curve.x, y)


def _parabola(curve: _Curve, y: Array) -> tuple[Array, Array]:
    near = near_lowest(curve.x, curve.y)
    if near.sum() < LEAST_SIZES:
        return np.full(len(y), np.nan), np.full(len(y), np.nan)
    return parabola_minima(curve.x[near], y[:, near])


def _flag(curve: _Curve, place: float, share: float) -> str:
    """Why the minimum of a curve cannot be used; empty where it can."""
    if math.isnan(place):
        return "no parabola opens upwards through the sizes near the lowest loss"
    if place <= curve.x[0]:
        return "the loss is lowest at the smallest size: the minimum lies outside"
    if place >= curve.x[-1]:
        return "the loss is lowest at the largest size: the minimum lies outside"
    if share < 0.5:
        return f"noise puts the minimum outside the sizes in {1 - share:.0%} of draws"
    return ""


def _point(
    curve: _Curve,
    *,
    place: float = math.nan,
    height: float = math.nan,
    sd: float = math.nan,
    flag: str = "",
    ways: Mapping[str, float] | None = None,
) -> FrontierPoint:
    """The point of a curve whose log N* is `place`, with log loss `height`."""
    known = math.isfinite(place)
    return FrontierPoint(
        flops=curve.flops,
        n=math.exp(place) if known else math.nan,
        d=math.exp(float(np.interp(place, curve.x, curve.log_d))) if known else math.nan,
        loss=math.exp(height) if known else math.nan,
        flops_range=curve.flops_range,
        n_sd=sd,
        sizes=len(curve.x),
        flag=flag,
        n_by=ways or {},
    )

"""Points of the frontier, from any method, → the allocation; what both methods share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from isoloss.errors import DataError, UsageError
from isoloss.fitting.forecasting import DEFAULT_NOISE
from isoloss.fitting.frontier._frontier_line import Line, power_line
from isoloss.fitting.frontier.compute_optimum import Allocation, FrontierPoint, estimate_of
from isoloss.fitting.noise import run_noise
from isoloss.fitting.result import Estimate, check_level
from isoloss.laws.law import Array

if TYPE_CHECKING:
    from isoloss.runs import Runs

LEAST_POINTS = 3
"""A line through two points has no interval."""
WEIGHT_FLOOR = 1 / 3
"""Least sd of log N* that a weight is made of, in steps between sizes (Porian et al. 2024)."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A point, where noise puts its log N and log D (R,), and the sd that its weight is made of."""

    point: FrontierPoint
    n_draws: Array
    d_draws: Array
    weight_sd: float


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What an allocation says about how it was made."""

    method: str
    detail: str
    biases: tuple[str, ...]
    notes: tuple[str, ...]
    noise: str
    bootstrap: int
    level: float
    seed: int
    n: str | None


def check_arguments(*, noise: float | None, bootstrap: int, level: float, seed: int) -> None:
    """Raise UsageError for what is out of its range."""
    check_level(level)
    if noise is not None and not (math.isfinite(noise) and noise >= 0):
        raise UsageError(f"noise must not be negative, found {noise}")
    if bootstrap < 100:
        raise UsageError(f"bootstrap must be 100 or more, found {bootstrap}")
    if seed < 0:
        raise UsageError(f"seed must not be negative, found {seed}")


def loss_noise(n: Array, d: Array, loss: Array, given: float | None) -> tuple[Array, str]:
    """Noise sd of log loss of every row, (rows,), and in words where it is from."""
    if given is not None:
        return given / loss, f"{given:g} in the loss's unit, as given"
    measured = run_noise(n, d, loss)
    if measured.degrees_of_freedom >= 3:
        text = f"{measured.sd:.2%} of the loss, from repeated rows"
        return np.full_like(loss, measured.sd), text
    text = f"{DEFAULT_NOISE:.1%} of the loss, assumed: too few repeated rows tell it"
    return np.full_like(loss, DEFAULT_NOISE), text


def allocation_of(found: Sequence[Found], runs: Runs, setting: Setting) -> Allocation:
    """The power laws through the points without a flag.

    Raises:
        DataError: fewer than three of them; the message lists the flags.
    """
    kept = [item for item in found if item.point.used]
    if len(kept) < LEAST_POINTS:
        raise too_few_points([item.point for item in found])
    used = runs.used()
    x = np.log([item.point.flops for item in kept])
    sd = np.array([item.point.n_sd for item in kept])
    weight = np.array([item.weight_sd for item in kept]) ** -2.0
    both = (
        ([item.point.n for item in kept], [item.n_draws for item in kept]),
        ([item.point.d for item in kept], [item.d_draws for item in kept]),
    )
    lines = [
        power_line(x, np.log(y), sd, weight, _together(draws, setting.bootstrap), setting.seed)
        for y, draws in both
    ]
    (a, k_n), (b, k_d) = (_estimates(line, setting.level) for line in lines)
    count = min(len(line.draws) for line in lines)
    return Allocation(
        method=setting.method,
        detail=setting.detail,
        a=a,
        b=b,
        k_n=k_n,
        k_d=k_d,
        points=tuple(item.point for item in found),
        biases=setting.biases,
        notes=setting.notes,
        draws=np.concatenate([line.draws[:count] for line in lines], axis=1),
        excess=lines[0].excess,
        noise=setting.noise,
        n_convention=used.n_column(setting.n),
        flops_convention=str(used.constant("flops_convention") or ""),
        n_rows=len(used),
        level=setting.level,
        seed=setting.seed,
        runs_hash=runs.hash(),
    )


def _together(draws: Sequence[Array], count: int) -> Array:
    """Draws (count, points); those of exact losses, of which there is one, are repeated."""
    return np.stack([np.broadcast_to(values, count) for values in draws], axis=1)


def too_few_points(points: Sequence[FrontierPoint]) -> DataError:
    """The error for fewer than three points, with what was wrong with the others."""
    good = sum(point.used for point in points)
    flags = [f"C = {point.flops:.3g}: {point.flag}" for point in points if point.flag]
    more = f", and {len(flags) - 3} more" if len(flags) > 3 else ""
    told = f" ({'; '.join(flags[:3])}{more})" if flags else ""
    return DataError(
        f"{good} of {len(points)} points can be used, {LEAST_POINTS} are needed{told}",
        hint="Every budget needs sizes on both sides of its best one; budgets= and tolerance= say"
        " which rows share a budget.",
    )


def _estimates(line: Line, level: float) -> tuple[Estimate, Estimate]:
    """Exponent and factor of a line."""
    return (
        estimate_of(line.slope, line.draws[:, 0], level),
        estimate_of(line.intercept, line.draws[:, 1], level, exponential=True),
    )

"""What one arm is worth in units of another's compute, at a target."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from isoloss.errors import UsageError
from isoloss.fitting.arms._arm_law import path_of, scaled, scales_of, two_sided
from isoloss.laws import Law
from isoloss.laws.law import Array, Columns

LARGEST = 1e6
"""Multipliers beyond this or its inverse count as infinite or 0."""
_HALVINGS = 36
_RATIOS = np.geomspace(1e-2, 1e6, 161)
"""Tokens per parameter among which a budget is shared out."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where arms are compared: one point, or the best of many at one compute.

    Attributes:
        at: as shown.
        columns: variables of the law (g,); g = 1 for a point.
        size: compute (or parameters, or tokens, where the law knows only those).
    """

    at: Mapping[str, float]
    columns: Columns
    size: float


def sizes_of(law: Law, columns: Columns) -> Array:
    """Compute (6·N·D unless the law has C), or the only thing that the law knows, (n,)."""
    scales = scales_of(law)
    by_scale = {scale: columns[variable] for variable, scale in scales.items()}
    if (1.0, 1.0) in by_scale:
        return by_scale[1.0, 1.0]
    n, d = by_scale.get((1.0, 0.0)), by_scale.get((0.0, 1.0))
    ratio = by_scale.get((-1.0, 1.0))
    if n is not None and d is None and ratio is not None:
        d = n * ratio
    if d is not None and n is None and ratio is not None:
        n = d / ratio
    if n is not None and d is not None:
        return 6 * n * d
    found = n if n is not None else d if d is not None else ratio
    assert found is not None  # unit_of refused such laws
    return found


def target_of(law: Law, columns: Columns, at: Mapping[str, float] | None) -> Target:
    """The target that a user named; without one, the largest run of the table.

    Args:
        law: of the arms.
        columns: of the fitted rows (n,).
        at: `flops` (or `C`) for the best N and D of the baseline at that compute, or a value for
            each variable of the law; N and D stand for M and C.

    Raises:
        UsageError: a variable is missing, unknown or not positive.
    """
    if at is None:
        largest = int(np.argmax(sizes_of(law, columns)))
        return _point(law, {v: float(columns[v][largest]) for v in law.variables})
    given = _numbers(at)
    budget = given.get("flops", given.get("C"))
    if budget is not None and two_sided(law) and not {"N", "D", "M"} & set(given):
        rest = {k: v for k, v in given.items() if k not in ("flops", "C")}
        _refuse_names(law, rest, [v for v in law.variables if v not in scales_of(law)])
        return _budget(law, budget, rest)
    aliases = {"C": "flops", "flops": "C", "D": "tokens", "tokens": "D"}
    point = {aliases[k] if k not in law.variables and aliases.get(k) in law.variables else k: v
             for k, v in given.items()}  # fmt: skip
    if {"N", "D"} <= set(given):
        derived = {"M": given["D"] / given["N"], "C": 6 * given["N"] * given["D"]}
        point |= {v: x for v, x in derived.items() if v in law.variables and v not in point}
        point = {v: x for v, x in point.items() if v in law.variables or v not in ("N", "D")}
    _refuse_names(law, point, list(law.variables))
    return _point(law, point)


def _numbers(at: Mapping[str, float]) -> dict[str, float]:
    result: dict[str, float] = {}
    for name, value in at.items():
        try:
            result[name] = float(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise UsageError(f"at: {name} must be one number, found {value!r}") from error
        count = not name.startswith(("meta_", "metric_"))
        if not math.isfinite(result[name]) or (count and result[name] <= 0):
            raise UsageError(f"at: {name} must be a positive number, found {value!r}")
    return result


def _refuse_names(law: Law, given: Mapping[str, float], wanted: list[str]) -> None:
    missing = [name for name in wanted if name not in given]
    unknown = [name for name in given if name not in wanted]
    if not (missing or unknown):
        return
    allowed = [*wanted, *(["flops"] if two_sided(law) else [])]
    close = difflib.get_close_matches(unknown[0], allowed, n=1) if unknown else []
    what = f"unknown {', '.join(unknown)}" if unknown else f"missing {', '.join(missing)}"
    budget = "; or flops=… for the best N and D at a budget" if two_sided(law) else ""
    raise UsageError(
        f"at: the law {law.name!r} takes {', '.join(law.variables)}; {what}",
        hint=(f"Did you mean {close[0]!r}? " if close else "")
        + f"Give {', '.join(f'{v}=…' for v in law.variables)}{budget}.",
    )


def _point(law: Law, point: Mapping[str, float]) -> Target:
    columns = {v: np.array([point[v]]) for v in law.variables}
    return Target(at=dict(point), columns=columns, size=float(sizes_of(law, columns)[0]))


def _budget(law: Law, flops: float, rest: Mapping[str, float]) -> Target:
    """Every split of a budget with C = 6·N·D."""
    n = np.sqrt(flops / (6 * _RATIOS))
    of_scale = {
        (1.0, 0.0): n, (0.0, 1.0): n * _RATIOS, (-1.0, 1.0): _RATIOS,
        (1.0, 1.0): np.full_like(n, flops),
    }  # fmt: skip
    columns: dict[str, Array] = {v: of_scale[scale] for v, scale in scales_of(law).items()}
    columns |= {name: np.full_like(n, value) for name, value in rest.items()}
    return Target(at={"flops": flops, **rest}, columns=columns, size=flops)


def best_split(law: Law, theta: Array, target: Target) -> dict[str, float]:
    """The target in full: with N and D where a budget was named, for one theta (P,)."""
    if len(next(iter(target.columns.values()))) == 1:
        return dict(target.at)
    best = int(np.argmin(law.value(theta, target.columns)))
    n = math.sqrt(target.size / (6 * float(_RATIOS[best])))
    return {**target.at, "N": n, "D": n * float(_RATIOS[best])}


def at_edge(law: Law, theta: Array, target: Target) -> bool:
    """Whether a budget's best split lies at the end of what was searched, for one theta (P,)."""
    values = law.value(theta, target.columns)
    return len(values) > 1 and int(np.argmin(values)) in (0, len(values) - 1)


def loss_at(law: Law, theta: Array, target: Target, log_size: Array | float = 0.0) -> Array:
    """The loss at a target, (...), for theta (..., P); the least one where it is a budget.

    `log_size` (...) moves the target: its compute times exp(log_size), at the same D/N.
    """
    moved = scaled(law, theta, (path_of(law), np.asarray(log_size, dtype=np.float64)))
    with np.errstate(all="ignore"):
        values = law.value(moved, target.columns)
    if values.shape[-1] == 1:
        return values[..., 0]
    return _least(values)


def _least(values: Array) -> Array:
    """The minimum over the last axis, of a parabola through the best point and its neighbours."""
    middle = np.clip(np.argmin(values, axis=-1), 1, values.shape[-1] - 2)[..., None]
    left, centre, right = (
        np.take_along_axis(values, middle + k, axis=-1)[..., 0] for k in (-1, 0, 1)
    )
    with np.errstate(all="ignore"):
        bend, tilt = left - 2 * centre + right, (right - left) / 2
        lowest = centre - np.where(bend > 0, tilt**2 / (2 * bend), 0.0)
    inside = (centre <= left) & (centre <= right)
    return np.where(inside, lowest, np.minimum(left, right))


def multiplier(
    law: Law, baseline: Array, other: Array, target: Target, log_size: float = 0.0
) -> Array:
    """How many times the compute the baseline needs to reach the other arm's loss, (...).

    Args:
        law: of both arms.
        baseline, other: parameters (..., P).
        target: where; moved by `log_size` as in `loss_at`.

    Returns:
        The factor along the path of a constant D/N (of parameters or tokens, where the law knows
        only those); infinite where no compute is enough, 0 where any is.
    """
    wanted = loss_at(law, other, target, log_size)
    end = math.log(LARGEST)
    low, high = np.full(wanted.shape, -end), np.full(wanted.shape, end)
    enough = loss_at(law, baseline, target, log_size + high) <= wanted
    any_is = loss_at(law, baseline, target, log_size + low) <= wanted
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        reached = loss_at(law, baseline, target, log_size + middle) <= wanted
        high, low = np.where(reached, middle, high), np.where(reached, low, middle)
    factor = np.exp((low + high) / 2)
    return np.where(any_is, 0.0, np.where(enough, factor, np.inf))

"""The way along a profile: out from the optimum until the objective has risen enough."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from isoloss.fitting.diagnosis._slices import ParameterSlice, Slice
from isoloss.fitting.solver.coordinates import Coordinates
from isoloss.fitting.solver.descent import Problem, descend
from isoloss.laws.law import Array

MARGIN = 0.15
"""How far a curve is drawn beyond a bound, as a share of the interval."""
MOST_STEPS = 60
GROWTH = 1.6
LONGEST = 2.3
"""Steps grow by this much; up to a factor of ten for a positive parameter."""
ENOUGH = 1.5
"""The walk ends where the objective has risen this many times as far as the bound."""
REFINEMENTS = 6
SWEEPS = 4


@dataclass(frozen=True)
class Path:
    """Points of a profile in order: z (T,), u (T, P), objective (T,); `base` at the optimum."""

    z: Array
    u: Array
    value: Array
    base: float
    start: float

    def joined(self, z: Array, u: Array, value: Array) -> Path:
        """With further points, in order; the better one where two have the same z."""
        z, u = np.concatenate([self.z, z]), np.concatenate([self.u, u])
        value = np.concatenate([self.value, value])
        order = np.lexsort((value, z))
        order = order[np.concatenate([[True], np.diff(z[order]) > 0])]
        return replace(self, z=z[order], u=u[order], value=value[order])

    def between(self, z: Array) -> Array:
        """Points (S, P) on straight lines between those of the path."""
        columns = [np.interp(z, self.z, self.u[:, k]) for k in range(self.u.shape[1])]
        return np.asarray(np.stack(columns, axis=1), dtype=np.float64)


@dataclass(frozen=True)
class _Walker:
    """One side of the walk: where it is, where it was before, and how far it goes next."""

    sign: float
    u: Array
    before: Array
    z: float
    size: float
    last: float


def spread_of(problem: Problem, u: Array, slope: Array) -> float:
    """slope' H⁻¹ slope with the curvature H (P, P) that the search uses."""
    _, hessian = problem.gradient_and_hessian(u[None])
    size = np.sqrt(np.maximum(np.diag(hessian[0]), 1e-300))
    scaled = np.nan_to_num(hessian[0] / np.outer(size, size)) + 1e-9 * np.eye(len(u))
    turned = slope / size
    solved_for = np.asarray(np.linalg.solve(scaled, turned), dtype=np.float64)
    return float(turned @ solved_for)


def walked(cut: Slice, u: Array, limit: float, step: float) -> Path:
    """Walk from the optimum u (P,) both ways, `step` long at first, until the rise is enough."""
    base = float(cut.problem.total(u[None])[0])
    z = cut.z(u[None])
    low, high = cut.ends
    longest = LONGEST if isinstance(cut, ParameterSlice) and cut.positive else math.inf
    step = min(max(step, 1e-9), longest, (high - low) / 8)
    path = Path(z, u[None].copy(), np.array([base]), base, float(z[0]))
    walkers = [_Walker(sign, u, u, float(z[0]), step, 1.0) for sign in (-1.0, 1.0)]
    for _ in range(MOST_STEPS):
        aims = np.array([min(max(w.z + w.sign * w.size, low), high) for w in walkers])
        near = np.stack([w.u for w in walkers])
        onward = near + np.stack([(w.u - w.before) * w.size / w.last for w in walkers])
        reached, points, value = solved(cut, (onward, near), aims)
        path = path.joined(reached, points, value)
        going: list[_Walker] = []
        for k, w in enumerate(walkers):
            rise, gone = value[k] - base, abs(float(reached[k]) - w.z)
            if rise < ENOUGH * limit and aims[k] not in (low, high) and gone > 0.1 * w.size:
                size = min(w.size * GROWTH, longest) if rise < limit / 2 else w.size
                going.append(_Walker(w.sign, points[k], w.u, float(reached[k]), size, gone))
        walkers = going
        if not walkers:
            break
    return path


def solved(cut: Slice, guesses: tuple[Array, ...], z: Array) -> tuple[Array, Array, Array]:
    """The best of several guesses (S, P) at each z (S,): where it lies, point, objective."""
    inside = Coordinates.of(cut.problem.law).inside
    starts = np.concatenate([inside(cut.placed(guess, z)) for guess in guesses])
    restricted = cut.restricted(np.tile(z, len(guesses)))
    found, _ = descend(restricted, starts, iterations=150, tolerance=1e-9, accelerated=True)
    # Without the spring of a function: the objective itself.
    value = cut.problem.total(found).reshape(len(guesses), len(z))
    best, rows = np.argmin(value, axis=0), np.arange(len(z))
    u = found.reshape(len(guesses), len(z), -1)[best, rows]
    return cut.z(u), u, value[best, rows]


def bound(cut: Slice, path: Path, limit: float, sign: int) -> tuple[float, Path]:
    """Where the objective has first risen by `limit` on one side; not-a-number if nowhere."""
    for _ in range(REFINEMENTS):
        inner, outer = _bracket(path, limit, sign)
        if outer < 0:
            return math.nan, path
        z = _crossing(path, limit, inner, outer)
        width = abs(float(path.z[outer] - path.z[inner]))
        aim = np.array([z])
        guesses = (path.between(aim), path.u[inner : inner + 1], path.u[outer : outer + 1])
        reached, point, value = solved(cut, guesses, aim)
        path = path.joined(reached, point, value)
        if abs(value[0] - path.base - limit) < 1e-3 * limit or width < 1e-10:
            break
    inner, outer = _bracket(path, limit, sign)
    return _crossing(path, limit, inner, outer), path


def _bracket(path: Path, limit: float, sign: int) -> tuple[int, int]:
    """The outermost point inside on one side and its neighbour outside, or -1 without one."""
    inner = int(np.searchsorted(path.z, path.start))
    rise = path.value - path.base
    while 0 <= inner + sign < len(path.z):
        if rise[inner + sign] >= limit:
            return inner, inner + sign
        inner += sign
    return inner, -1


def _crossing(path: Path, limit: float, inner: int, outer: int) -> float:
    """Between two points, where the root of the rise, nearly a straight line, is that of it."""
    rise = np.sqrt(np.maximum(path.value[[inner, outer]] - path.base, 0.0))
    ends = path.z[[inner, outer]]
    if not np.isfinite(rise[1]):
        return float(ends.mean())
    share = (math.sqrt(limit) - float(rise[0])) / max(float(rise[1] - rise[0]), 1e-300)
    # Not at the very end of the bracket: it must shrink from both sides.
    return float(ends[0] + min(max(share, 0.02), 0.98) * (ends[1] - ends[0]))


def filled(cut: Slice, path: Path, low: float, high: float, points: int) -> Path:
    """Evenly spaced points over the interval and a margin; neighbours try each other's optimum."""
    first = path.z[0] if math.isnan(low) else low
    last = path.z[-1] if math.isnan(high) else high
    margin = MARGIN * (last - first)
    first = first if math.isnan(low) else max(first - margin, cut.ends[0], path.z[0])
    last = last if math.isnan(high) else min(last + margin, cut.ends[1], path.z[-1])
    aims = np.linspace(first, last, points)
    z, u, value = solved(cut, (path.between(aims),), aims)
    for _ in range(SWEEPS):
        sides = (np.concatenate([u[:1], u[:-1]]), np.concatenate([u[1:], u[-1:]]))
        again_z, again_u, again = solved(cut, sides, aims)
        better = again < value - 1e-4 * abs(value - path.base)
        if not better.any():
            break
        z, value = np.where(better, again_z, z), np.where(better, again, value)
        u = np.where(better[:, None], again_u, u)
    return path.joined(z, u, value)

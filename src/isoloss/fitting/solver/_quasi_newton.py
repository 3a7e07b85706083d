"""BFGS with a weak Wolfe line search, for the last digits of an optimum.

The weak conditions suit the absolute loss, which has kinks (Lewis and Overton 2013,
doi:10.1007/s10107-012-0514-2). SciPy's takes longer to import than a whole fit takes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from isoloss.laws.law import Array

Function = Callable[[Array], tuple[float, Array]]


def minimum(function: Function, start: Array, *, iterations: int = 300) -> Array:
    """The point (P,) of the smallest value found; `function` returns value and gradient (P,)."""
    z = start
    value, gradient = function(z)
    inverse = np.eye(len(z))
    scaled = False
    for _ in range(iterations):
        if np.linalg.norm(gradient) <= 1e-11:
            break
        direction = -inverse @ gradient
        if direction @ gradient >= 0:
            inverse, scaled = np.eye(len(z)), False
            direction = -gradient
        moved, reached, slope = _along(function, z, value, gradient, direction)
        if not reached < value:
            break
        step, change = moved - z, slope - gradient
        z, value, gradient = moved, reached, slope
        turned = float(step @ change)
        if turned > 1e-300:
            if not scaled:
                inverse, scaled = inverse * (turned / float(change @ change)), True
            inverse = _updated(inverse, step, change, turned)
    return z


def _along(
    function: Function, z: Array, value: float, gradient: Array, direction: Array
) -> tuple[Array, float, Array]:
    """A point along `direction` with enough decrease, and enough change of slope if it is found."""
    low, high, length = 0.0, np.inf, 1.0
    start = float(gradient @ direction)
    best = (z, value, gradient)
    for _ in range(50):
        point = z + length * direction
        reached, slope = function(point)
        if not reached <= value + 1e-4 * length * start:
            high = length
        else:
            if reached < best[1]:
                best = (point, reached, slope)
            if float(slope @ direction) >= 0.9 * start:
                return point, reached, slope
            low = length
        length = (low + high) / 2 if np.isfinite(high) else 2 * low
        if high - low <= 1e-14 * high:
            break
    return best


def _updated(inverse: Array, step: Array, change: Array, turned: float) -> Array:
    """The BFGS update of the inverse Hessian."""
    left = np.eye(len(step)) - np.outer(step, change) / turned
    return left @ inverse @ left.T + np.outer(step, step) / turned

"""A quadratic surface in log N and log D: no theory, only the shape of the runs."""

from __future__ import annotations

import numpy as np

from isoloss.laws.law import Array, Columns, Law, Parameter

CENTRE_N = 1e5
CENTRE_D = 1e6
"""Where the logarithms are zero; they change the coefficients, not the surface."""

_NAMES = ("c", "n", "d", "nd", "nn", "dd")
_MEANINGS = (
    "log loss at N = 1e5, D = 1e6",
    "slope in log N there",
    "slope in log D there",
    "how each slope changes with the other",
    "bend in log N",
    "bend in log D",
)


def _features(data: Columns) -> Array:
    """1, x, y, xy, x², y² with x = log N/1e5 and y = log D/1e6: (n, 6)."""
    x, y = np.log(data["N"] / CENTRE_N), np.log(data["D"] / CENTRE_D)
    return np.stack((np.ones_like(x), x, y, x * y, x * x, y * y), axis=-1)


def _value(theta: Array, data: Columns) -> Array:
    with np.errstate(over="ignore"):
        return np.exp(theta @ _features(data).T)


def _jacobian(theta: Array, data: Columns) -> Array:
    return _value(theta, data)[..., None] * _features(data)


SURFACE = Law(
    name="surface",
    formula="exp(c + n*log(N/1e5) + d*log(D/1e6) + nd*log(N/1e5)*log(D/1e6)"
    " + nn*log(N/1e5)**2 + dd*log(D/1e6)**2)",
    title="Quadratic surface of log loss",
    reference="response surface of second order (Box and Wilson 1951)",
    parameters=tuple(
        Parameter(name, -20.0, 20.0, (-0.2, 0.2) if name != "c" else (0.0, 2.0), meaning)
        for name, meaning in zip(_NAMES, _MEANINGS, strict=True)
    ),
    variables=("N", "D"),
    note="It follows a bend that the laws do not have, and so tells how much it matters. A few"
    " times beyond the runs it is a fair witness; far beyond them it means nothing, so isoloss"
    " never plans with it.",
    value=_value,
    jacobian=_jacobian,
)

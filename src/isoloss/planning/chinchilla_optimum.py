"""The optimum of the Chinchilla law under C = 6 N D, in closed form.

Hoffmann et al. 2022, arXiv:2203.15556, equation 4.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isoloss.planning.sources import Belief

FloatArray = NDArray[np.float64]


def closed_form(theta: FloatArray, flops: float) -> FloatArray:
    """N*, D* and the loss, (3, ...), of E, A, B, alpha, beta (..., 5) under C = 6 N D.

    N* = G (C/6)^a and D* = (C/6)^b / G with G = (alpha A / (beta B))^(1/(alpha + beta)),
    a = beta/(alpha + beta), b = alpha/(alpha + beta). Not-a-number where there is no optimum
    inside (a coefficient or an exponent that is not positive).

    >>> n, d, loss = closed_form(np.array([1.69, 406.4, 410.7, 0.34, 0.28]), 5.76e23)
    >>> f"{n:.4g} {d / n:.3g}"
    '3.219e+10 92.6'
    """
    e, a, b, alpha, beta = np.moveaxis(theta, -1, 0)
    inside = (a > 0) & (b > 0) & (alpha > 0) & (beta > 0)
    with np.errstate(all="ignore"):
        total = alpha + beta
        log_g = np.log(alpha * a / (beta * b)) / total
        log_budget = math.log(flops / 6)
        n = np.where(inside, np.exp(log_g + beta / total * log_budget), np.nan)
        d = np.where(inside, np.exp(-log_g + alpha / total * log_budget), np.nan)
        return np.stack([n, d, e + a / n**alpha + b / d**beta])


def chinchilla_columns(belief: Belief) -> list[int] | None:
    """Where `theta` has E, A, B, alpha and beta, if the law is the Chinchilla form.

    Names alone prove nothing, so the law is compared with the form at a few points.
    """
    wanted = ("E", "A", "B", "alpha", "beta")
    if set(belief.names) != set(wanted) or set(belief.law.variables) != {"N", "D"}:
        return None
    columns = [belief.names.index(name) for name in wanted]
    n, d = np.geomspace(1e5, 1e11, 7), np.geomspace(1e7, 1e13, 7)[::-1]
    e, a, b, alpha, beta = belief.theta[columns]
    with np.errstate(all="ignore"):
        form = e + a / n**alpha + b / d**beta
        law = np.asarray(belief.law.value(belief.theta, {"N": n, "D": d}), dtype=np.float64)
    return columns if np.allclose(law, form, rtol=1e-9, atol=0) else None

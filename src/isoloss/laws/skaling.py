"""The additive terms under a common power: parameters and data that help each other."""

from __future__ import annotations

import numpy as np

from isoloss.laws.chinchilla import ALPHA, BETA, A, B, E
from isoloss.laws.law import Array, Columns, Law, Parameter

K = Parameter("k", 0.02, 5.0, (0.2, 1.5), "curvature of the joint term; 1 is Chinchilla")


def _parts(theta: Array, data: Columns) -> tuple[Array, Array, Array, Array, Array, Array]:
    log_n, log_d = np.log(data["N"]), np.log(data["D"])
    of_n = theta[..., 1, None] * np.exp(-theta[..., 3, None] * log_n)
    of_d = theta[..., 2, None] * np.exp(-theta[..., 4, None] * log_d)
    inner = of_n + of_d
    return log_n, log_d, of_n, of_d, inner, inner ** theta[..., 5, None]


def _value(theta: Array, data: Columns) -> Array:
    return theta[..., 0, None] + _parts(theta, data)[-1]


def _jacobian(theta: Array, data: Columns) -> Array:
    log_n, log_d, of_n, of_d, inner, joint = _parts(theta, data)
    by_inner = theta[..., 5, None] * joint / inner
    return np.stack(
        (
            np.ones_like(joint),
            by_inner * of_n / theta[..., 1, None],
            by_inner * of_d / theta[..., 2, None],
            -by_inner * of_n * log_n,
            -by_inner * of_d * log_d,
            joint * np.log(inner),
        ),
        axis=-1,
    )


SKALING = Law(
    name="skaling",
    formula="E + (A/N**alpha + B/D**beta)**k",
    title="Skaling: additive terms under a common power",
    reference="the form E + (A N^-alpha + B D^-beta)^k; k = 1 is arXiv:2203.15556, eq. 2, and"
    " E = 0, beta = 1 is arXiv:2001.08361, eq. 1.5",
    parameters=(E, A, B, ALPHA, BETA, K),
    variables=("N", "D"),
    note="With k < 1 each resource helps more where the other is plentiful, as small ladders show."
    " One exponent more than Chinchilla: k, alpha and beta are known less well one by one than"
    " the loss they give.",
    value=_value,
    jacobian=_jacobian,
    linear=("E",),
    amplitudes={"A": {"N": "alpha"}, "B": {"D": "beta"}},
)

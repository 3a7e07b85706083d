"""The additive law of Hoffmann et al. and its one-variable relative."""

from __future__ import annotations

import numpy as np

from isoloss.laws.law import Array, Columns, Law, Parameter

E = Parameter("E", 0.0, 1e3, (0.3, 3.0), "loss of an infinite model on infinite data")
A = Parameter("A", 1e-9, 1e18, (0.05, 5.0), "size of the part that parameters remove")
B = Parameter("B", 1e-9, 1e18, (0.05, 5.0), "size of the part that data remove")
ALPHA = Parameter("alpha", 1e-3, 3.0, (0.05, 1.0), "how fast parameters remove loss")
BETA = Parameter("beta", 1e-3, 3.0, (0.05, 1.0), "how fast data remove loss")


def _terms(theta: Array, data: Columns) -> tuple[Array, Array, Array, Array]:
    """log N, log D (n,), and the two terms (..., n)."""
    log_n, log_d = np.log(data["N"]), np.log(data["D"])
    a, b = theta[..., 1, None], theta[..., 2, None]
    alpha, beta = theta[..., 3, None], theta[..., 4, None]
    return log_n, log_d, a * np.exp(-alpha * log_n), b * np.exp(-beta * log_d)


def _value(theta: Array, data: Columns) -> Array:
    _, _, of_n, of_d = _terms(theta, data)
    return theta[..., 0, None] + of_n + of_d


def _jacobian(theta: Array, data: Columns) -> Array:
    log_n, log_d, of_n, of_d = _terms(theta, data)
    one = np.ones_like(of_n)
    return np.stack(
        (one, of_n / theta[..., 1, None], of_d / theta[..., 2, None], -log_n * of_n, -log_d * of_d),
        axis=-1,
    )


CHINCHILLA = Law(
    name="chinchilla",
    formula="E + A/N**alpha + B/D**beta",
    title="Chinchilla: additive in parameters and data",
    reference="Hoffmann et al. 2022, arXiv:2203.15556, eq. 2",
    parameters=(E, A, B, ALPHA, BETA),
    variables=("N", "D"),
    note="The field's common law. It misleads where more data help a large model more than a"
    " small one (small ladders, strong under-training): compare it with skaling and interaction.",
    value=_value,
    jacobian=_jacobian,
    linear=("E", "A", "B"),
    amplitudes={"A": {"N": "alpha"}, "B": {"D": "beta"}},
)


def _compute_value(theta: Array, data: Columns) -> Array:
    alpha = theta[..., 2, None]
    return theta[..., 0, None] + theta[..., 1, None] * np.exp(-alpha * np.log(data["C"]))


def _compute_jacobian(theta: Array, data: Columns) -> Array:
    log_c = np.log(data["C"])
    power = np.exp(-theta[..., 2, None] * log_c)
    return np.stack((np.ones_like(power), power, -theta[..., 1, None] * log_c * power), axis=-1)


COMPUTE = Law(
    name="compute",
    formula="E + A/C**alpha",
    title="Loss of the best run at a budget",
    reference="Kaplan et al. 2020, arXiv:2001.08361, eq. 1.3, with an offset",
    parameters=(E, A, ALPHA),
    variables=("C",),
    note="For runs on the compute-optimal frontier only; elsewhere it mixes up N and D.",
    value=_compute_value,
    jacobian=_compute_jacobian,
    linear=("E", "A"),
    amplitudes={"A": {"C": "alpha"}},
)

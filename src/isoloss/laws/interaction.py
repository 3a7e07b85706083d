"""A data term that depends on the size of the model."""

from __future__ import annotations

import numpy as np

from isoloss.laws.chinchilla import ALPHA, BETA, A, B, E
from isoloss.laws.law import Array, Columns, Law, Parameter

GAMMA = Parameter("gamma", -1.0, 1.0, (-0.3, 0.3), "how size changes the data term; 0: not at all")


def _parts(theta: Array, data: Columns) -> tuple[Array, Array, Array, Array]:
    log_n, log_d = np.log(data["N"]), np.log(data["D"])
    of_n = theta[..., 1, None] * np.exp(-theta[..., 3, None] * log_n)
    of_d = theta[..., 2, None] * np.exp(-theta[..., 4, None] * log_d - theta[..., 5, None] * log_n)
    return log_n, log_d, of_n, of_d


def _value(theta: Array, data: Columns) -> Array:
    _, _, of_n, of_d = _parts(theta, data)
    return theta[..., 0, None] + of_n + of_d


def _jacobian(theta: Array, data: Columns) -> Array:
    log_n, log_d, of_n, of_d = _parts(theta, data)
    return np.stack(
        (
            np.ones_like(of_n),
            of_n / theta[..., 1, None],
            of_d / theta[..., 2, None],
            -log_n * of_n,
            -log_d * of_d,
            -log_n * of_d,
        ),
        axis=-1,
    )


INTERACTION = Law(
    name="interaction",
    formula="E + A/N**alpha + B/(D**beta*N**gamma)",
    title="Interaction: the data term depends on size",
    reference="the additive law of arXiv:2203.15556, eq. 2, with N^-gamma in its data term",
    parameters=(E, A, B, ALPHA, BETA, GAMMA),
    variables=("N", "D"),
    note="gamma > 0: larger models need less data for the same gain. Where gamma < 0 the data term"
    " grows with N and the law bends upwards far outside the runs: use it for short steps.",
    value=_value,
    jacobian=_jacobian,
    linear=("E", "A", "B"),
    amplitudes={"A": {"N": "alpha"}, "B": {"D": "beta", "N": "gamma"}},
)

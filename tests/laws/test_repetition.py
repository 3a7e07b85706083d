"""The data-constrained law against published losses and its limits."""

from __future__ import annotations

import numpy as np
import pytest

from isoloss.laws import get_law

LAW = get_law("data-constrained")
(CONSTANTS,) = LAW.constants.values()
THETA = np.array([CONSTANTS[name] for name in LAW.names])


def _loss(n: float, d: float, u: float, theta: np.ndarray = THETA) -> float:
    return float(LAW.value(theta, {"N": np.array([n]), "D": np.array([d]), "U": np.array([u])})[0])


@pytest.mark.parametrize(
    ("n", "d", "loss"),
    [(6.34e9, 242e9, 2.2256440889984477), (8.67e9, 178e9, 2.2269634075087867)],
)
def test_published_losses(n: float, d: float, loss: float) -> None:
    assert _loss(n, d, 25e9) == pytest.approx(loss, rel=1e-13)


def test_the_paper_s_own_words() -> None:
    """U_N, R_N and R_D step by step, N_opt from the closed form of C = 6ND."""
    c = CONSTANTS
    n, d, u = 2.8e9, 55e9, 4e9
    g = (c["alpha"] * c["A"] / (c["beta"] * c["B"])) ** (1 / (c["alpha"] + c["beta"]))
    b = c["alpha"] / (c["alpha"] + c["beta"])
    flops = 6 * (g * u) ** (1 / b)  # the budget whose optimal number of tokens is u
    u_n = min(n, g * (flops / 6) ** (1 - b))
    r_n, r_d = max(n / u_n - 1, 0), max(d / u - 1, 0)
    n_worth = u_n + u_n * c["R_N"] * (1 - np.exp(-r_n / c["R_N"]))
    d_worth = u + u * c["R_D"] * (1 - np.exp(-r_d / c["R_D"]))
    expected = c["E"] + c["A"] / n_worth ** c["alpha"] + c["B"] / d_worth ** c["beta"]
    assert _loss(n, d, u) == pytest.approx(expected, rel=1e-13)
    assert r_n > 0  # both decays are at work
    assert r_d > 0


def test_one_epoch_of_a_small_model_is_chinchilla() -> None:
    chinchilla = get_law("chinchilla")
    theta = np.array([CONSTANTS[name] for name in chinchilla.names])
    at = {"N": np.array([1e8]), "D": np.array([1e10])}
    for unique in (1e10, 5e10):  # more text than is read changes nothing: U_D = min(U, D)
        assert _loss(1e8, 1e10, unique) == pytest.approx(float(chinchilla.value(theta, at)[0]))


def test_many_epochs_are_worth_a_bounded_number_of_tokens() -> None:
    free = CONSTANTS["E"] + CONSTANTS["A"] / 1e8 ** CONSTANTS["alpha"]
    worth = 1e10 * (1 + CONSTANTS["R_D"])
    assert _loss(1e8, 1e20, 1e10) == pytest.approx(
        free + CONSTANTS["B"] / worth ** CONSTANTS["beta"]
    )

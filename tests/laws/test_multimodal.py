"""Two modalities: without interaction the mean of both, with it better or worse."""

from __future__ import annotations

import numpy as np
import pytest

from isoloss.laws import get_law

LAW = get_law("two_modalities")
ALONE = {
    "E_1": 1.7, "A_1": 400.0, "alpha_1": 0.34, "B_1": 410.0, "beta_1": 0.28,
    "E_2": 2.2, "A_2": 150.0, "alpha_2": 0.25, "B_2": 900.0, "beta_2": 0.36,
}  # fmt: skip


def loss(n: float, one: float, two: float, **interaction: float) -> float:
    truth = ALONE | {"A": 0.0, "alpha": 0.3, "B": 0.0, "beta": 0.3, "S": 0.0} | interaction
    columns = {"N": n, "meta_tokens_1": one, "meta_tokens_2": two, "D": one + two}
    theta = np.array([truth[name] for name in LAW.names])
    return float(LAW.value(theta, {k: np.array([v]) for k, v in columns.items()})[0])


def test_without_interaction_it_is_the_mean_of_two_chinchilla_laws() -> None:
    first = 1.7 + 400 / 1e9**0.34 + 410 / 1e10**0.28
    second = 2.2 + 150 / 1e9**0.25 + 900 / 3e10**0.36
    assert loss(1e9, 1e10, 3e10) == pytest.approx((first + second) / 2, rel=1e-13)


def test_small_models_suffer_and_large_ones_gain() -> None:
    interaction = {"A": 60.0, "B": 500.0, "S": 0.12}
    harm = 60 / 1e8**0.3 + 500 / 2e10**0.3 - 0.12
    small = loss(1e8, 1e10, 1e10, **interaction) - loss(1e8, 1e10, 1e10)
    large = loss(1e12, 1e14, 1e14, **interaction) - loss(1e12, 1e14, 1e14)
    assert small == pytest.approx(harm, rel=1e-9)
    assert small > 0 > large

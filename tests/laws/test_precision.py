"""Precision: what the paper's constants say, and the limits of both laws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from isoloss.laws import get_law

PRECISION, QUANTIZED = get_law("precision"), get_law("quantized")
KUMAR = PRECISION.constants["Kumar et al. 2024"]
ROUNDED = {
    "E": 2.7, "A": 4e3, "alpha": 0.5, "B": 2e4, "beta": 0.5, "gamma_w": 2.7,
    "F": 0.06, "delta": 0.5, "nu": 0.34, "gamma_q": 0.6, "r": 1.0,
}  # fmt: skip


def training_loss(n: float, d: float, bits: float) -> float:
    columns = {"N": n, "D": d, "meta_bits_weights": bits, "meta_bits_activations": bits}
    columns["meta_bits_cache"] = bits
    theta = np.array([KUMAR[name] for name in PRECISION.names])
    return float(PRECISION.value(theta, {k: np.array([v]) for k, v in columns.items()})[0])


def rounded_loss(n: float, d: float, bits: float, after: float) -> float:
    columns = {"N": n, "D": d, "meta_bits_weights": bits, "meta_bits_after": after}
    theta = np.array([ROUNDED[name] for name in QUANTIZED.names])
    return float(QUANTIZED.value(theta, {k: np.array([v]) for k, v in columns.items()})[0])


def test_with_many_bits_it_is_chinchilla() -> None:
    chinchilla = 2.7648 + 4.299e3 / 1e8**0.4965 + 1.806e4 / 2e9**0.4965
    assert training_loss(1e8, 2e9, 200.0) == pytest.approx(chinchilla, rel=1e-12)
    assert training_loss(1e8, 2e9, 6.0) > training_loss(1e8, 2e9, 8.0) > chinchilla


@pytest.mark.parametrize("budget", [1e18, 1e21, 1e24])
def test_the_best_training_precision_is_7_to_8_bits_at_any_budget(budget: float) -> None:
    """§4.3.2: with C = 6/16 N D P and all three chosen, around 7-8 bits, whatever C."""

    def best_loss(bits: float) -> float:
        product = budget * 16 / (6 * bits)  # N D
        result = minimize_scalar(
            lambda log_n: training_loss(np.exp(log_n), product / np.exp(log_n), bits),
            bounds=np.log([1e5, product / 1e5]),
            method="bounded",
            options={"xatol": 1e-9},
        )
        return float(result.fun)

    best = minimize_scalar(best_loss, bounds=(5.0, 16.0), method="bounded").x
    assert 7.0 <= best <= 8.0


def test_rounding_by_hand() -> None:
    effective = 1e8 * (1 - np.exp(-16 / 2.7))
    chinchilla = 2.7 + 4e3 / effective**0.5 + 2e4 / 2e9**0.5
    added = 0.06 * 2e9**0.5 / effective**0.34 * np.exp(-4 / 0.6) * (1 - np.exp(-12.0))
    assert rounded_loss(1e8, 2e9, 16, 4) == pytest.approx(chinchilla + added, rel=1e-12)
    assert rounded_loss(1e8, 2e9, 16, 16) == pytest.approx(chinchilla, rel=1e-12)


def test_rounding_makes_more_data_worse_in_the_end() -> None:
    losses = [rounded_loss(3e7, d, 16, 3) for d in (1e9, 3e10, 1e13)]
    assert losses[1] < losses[0]
    assert losses[2] > losses[1]

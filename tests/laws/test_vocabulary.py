"""The vocabulary law by hand, and the vocabulary that is best at a budget."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar

from isoloss.laws import get_law

TRUTH = {"A": 830.0, "alpha": 0.44, "F": 2e3, "phi": 0.67, "B": 1.2e4, "beta": 0.44, "G": 5.5}
LAW = get_law("vocabulary")
THETA = np.array([TRUTH[name] for name in LAW.names])


def loss(n: float, vocabulary: float, tokens: float) -> float:
    columns = {"N": n, "params_vocabulary": vocabulary, "D": tokens}
    return float(LAW.value(THETA, {k: np.array([v]) for k, v in columns.items()})[0])


def test_by_hand() -> None:
    expected = 830 / 1e9**0.44 + 2e3 / 5e7**0.67 + 1.2e4 / 2e10**0.44 - 5.5
    assert loss(1e9, 5e7, 2e10) == pytest.approx(expected, rel=1e-14)


def test_the_best_vocabulary_at_a_budget_solves_the_derivative() -> None:
    n, flops = 1e9, 1e21

    def tokens(vocabulary: float) -> float:
        return flops / (6 * (n + vocabulary))

    def slope(vocabulary: float) -> float:  # d loss / d vocabulary, by hand
        gain = -2e3 * 0.67 / vocabulary**1.67
        cost = 1.2e4 * 0.44 / tokens(vocabulary) ** 1.44 * flops / (6 * (n + vocabulary) ** 2)
        return gain + cost

    found = minimize_scalar(
        lambda log_v: loss(n, np.exp(log_v), tokens(np.exp(log_v))),
        bounds=np.log([1e5, 1e10]),
        method="bounded",
    ).x
    assert np.exp(found) == pytest.approx(brentq(slope, 1e5, 1e10), rel=1e-3)

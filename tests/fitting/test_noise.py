"""Run-to-run noise against its definition."""

from __future__ import annotations

import math

import numpy as np
import pytest

from isoloss.fitting import run_noise


def test_it_is_the_pooled_standard_deviation_of_log_loss() -> None:
    n = np.array([1e6, 2e6, 1e6, 1e6, 2e6, 2e6])
    d = np.array([1e8, 1e8, 1e8, 3e8, 1e8, 3e8])
    loss = np.array([3.0, 2.5, 3.3, 2.8, 2.6, 2.4])
    found = run_noise(n, d, loss)
    squares = math.log(3.3 / 3.0) ** 2 / 2 + math.log(2.6 / 2.5) ** 2 / 2
    assert found.sd == pytest.approx(math.sqrt(squares / 2))
    assert found.degrees_of_freedom == 2


def test_seeds_whose_rows_are_packed_a_little_differently_are_repetitions() -> None:
    n, loss = np.full(4, 1e6), np.array([3.0, 3.1, 2.9, 2.8])
    assert run_noise(n, np.array([958_186, 958_190, 959_236, 2e6]), loss).degrees_of_freedom == 2
    longer = run_noise(n, np.array([1.0e6, 1.01e6, 1.02e6, 2e6]), loss)
    assert math.isnan(longer.sd)
    assert longer.to_dict()["sd_percent"] is None
    assert "several seeds" in longer.reason

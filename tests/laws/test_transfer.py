"""Transfer and fine-tuning against what their papers say."""

from __future__ import annotations

import numpy as np
import pytest

from isoloss.laws import get_law

TRANSFER, FINE_TUNING = get_law("transfer"), get_law("fine_tuning")


def value(name: str, source: str, n: float, data: float) -> float:
    law = get_law(name)
    theta = np.array([law.constants[source][parameter] for parameter in law.names])
    return float(
        law.value(theta, {"N": np.array([n]), "meta_finetuning_data": np.array([data])})[0]
    )


def test_transfer_by_hand() -> None:
    found = value("transfer", "Hernandez et al. 2021, text to Python", 4e7, 3e5)
    assert found == pytest.approx(1.9e4 * 3e5**0.18 * 4e7**0.38, rel=1e-12)


def test_ten_times_the_model_is_worth_a_hundred_times_the_data() -> None:
    source = "Hernandez et al. 2021, text to Python"
    larger = value("transfer", source, 1e9, 1e5)
    richer = value("transfer", source, 1e8, 1e7)
    assert larger == pytest.approx(richer, rel=0.05)


def test_fine_tuning_by_hand() -> None:
    source = "Zhang et al. 2024, model size, WMT14 En-De, all weights"
    expected = 0.75 + 1.2e5 / (1e9**0.52 * 1e5**0.15)
    assert value("fine_tuning", source, 1e9, 1e5) == pytest.approx(expected, rel=1e-12)


def test_where_two_ways_of_fine_tuning_meet() -> None:
    """Table 5, all weights against prompt: that much data grows as the model to the -1.2."""
    one, two = (
        FINE_TUNING.constants[f"Zhang et al. 2024, model size, WMT14 En-De, {way}"]
        for way in ("all weights", "prompt")
    )

    def meeting(n: float) -> float:  # where A1 N^-a1 D^-b1 = A2 N^-a2 D^-b2
        ratio = one["A"] / two["A"] * n ** (two["alpha"] - one["alpha"])
        return float(ratio ** (1 / (one["beta"] - two["beta"])))

    exponent = np.log10(meeting(1e10) / meeting(1e9))
    assert exponent == pytest.approx(-1.2, abs=0.05)

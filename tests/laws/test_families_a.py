"""Plain power, compute with an offset, Farseer and metrics, against closed forms by hand."""

from __future__ import annotations

import numpy as np
import pytest

from isoloss.laws import get_law
from isoloss.laws.metrics import metric_of


def test_power_by_hand() -> None:
    law = get_law("power")
    data = {"N": np.array([4.0]), "D": np.array([9.0]), "C": np.array([216.0])}
    value = law.value(np.array([2.0, 0.5, -0.5, 1 / 3]), data)
    np.testing.assert_allclose(value, 2 * 2 / 3 * 6)


def test_compute_offset_by_hand_and_without_offset() -> None:
    law = get_law("compute_offset")
    data = {"C": np.array([7.0, 98.0])}
    np.testing.assert_allclose(law.value(np.array([1.0, 6.0, 2.0, 0.5]), data), [3.0, 1.6])
    plain = get_law("compute").value(np.array([1.0, 6.0, 0.5]), data)
    np.testing.assert_allclose(law.value(np.array([1.0, 6.0, 0.0, 0.5]), data), plain)


def test_farseer_by_hand() -> None:
    law = get_law("farseer")
    theta = {"s": -0.25, "q": 0.5, "S": 1.5, "B": 8.0, "b": -0.5, "Q": -3.0,
             "A": -0.5, "a": 0.5, "E": 1.0 + np.log(0.5)}  # fmt: skip
    at = {"N": np.array([4.0]), "D": np.array([np.e**2])}
    # exp(-.25·2 + 1.5) + exp(8/2 - 3) · (e²)^-exp(-.5·2 + 1 + log .5)
    expected = np.e + np.e * np.e**-1
    np.testing.assert_allclose(law.value(np.array([theta[n] for n in law.names]), at), expected)


def test_farseer_without_dependence_on_size_is_a_power_law_of_data() -> None:
    law = get_law("farseer")
    theta = {"s": 0.0, "q": 0.1, "S": np.log(1.7), "B": 0.0, "b": -0.1, "Q": np.log(400.0),
             "A": 0.0, "a": 0.1, "E": np.log(0.3)}  # fmt: skip
    data = {"N": np.array([1e8, 1e10]), "D": np.array([1e10, 1e12])}
    value = law.value(np.array([theta[n] for n in law.names]), data)
    np.testing.assert_allclose(value, 1.7 + 400 * data["D"] ** -0.3)


@pytest.mark.parametrize(
    ("column", "low", "high", "lower"),
    [
        ("loss", 0.0, np.inf, True),
        ("metric_perplexity", 1.0, np.inf, True),
        ("metric_accuracy_boolq", 0.0, 1.0, False),
        ("metric_err_avg17", 0.0, 1.0, True),
        ("metric_bleu", 0.0, 100.0, False),
        ("metric_rougeL", 0.0, 1.0, False),
        ("metric_pass@1", 0.0, 1.0, False),
        ("metric_anything", -np.inf, np.inf, None),
    ],
)
def test_metrics_know_their_range_and_sign(
    column: str, low: float, high: float, lower: bool | None
) -> None:
    metric = metric_of(column)
    assert (metric.low, metric.high, metric.lower_is_better) == (low, high, lower)
    assert not metric.outside(min(max(1.0, low), high))


def test_what_cannot_be_is_outside() -> None:
    assert metric_of("metric_acc").outside(1.0001)
    assert metric_of("metric_ppl").outside(0.99)
    assert not metric_of("metric_anything").outside(-1e9)
    assert metric_of("metric_ppl").range_text == "1 and more"
    assert metric_of("metric_bleu").range_text == "0 to 100"

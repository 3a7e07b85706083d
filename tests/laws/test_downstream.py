"""Laws from a loss to a task or to another loss, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from isoloss.laws import get_law


def value(name: str, theta: list[float], losses: list[float]) -> list[float]:
    return get_law(name).value(np.array(theta), {"loss": np.array(losses)}).tolist()


def test_accuracy_is_a_logistic_curve_between_floor_and_top() -> None:
    losses = np.array([0.1, 0.9, 1.7])
    floor, top, k, middle = 0.25, 0.95, 6.0, 0.9
    # The form of the paper: a/(1 + exp(-k (L - L0))) + b.
    expected = (floor - top) / (1 + np.exp(-k * (losses - middle))) + top
    found = value("accuracy_sigmoid", [floor, top, k, middle], losses.tolist())
    assert found == pytest.approx(expected.tolist(), rel=1e-12)
    assert found[1] == pytest.approx((floor + top) / 2)
    far = value("accuracy_sigmoid", [floor, top, k, middle], [-1e6, 1e6])
    assert far == pytest.approx([top, floor])


def test_error_rises_to_that_of_knowing_nothing() -> None:
    constants = get_law("error_exponential").constants["Gadre et al. 2024, 17 tasks, RedPajama"]
    theta = [constants[name] for name in get_law("error_exponential").names]
    found = value("error_exponential", theta, [2.5, 1e4])
    assert found == pytest.approx([0.8570 - 2.2065 * np.exp(-0.7146 * 2.5), 0.8570])


def test_loss_to_loss_is_a_shifted_power() -> None:
    found = value("loss_to_loss", [1.6, 0.9, 1.9, 2.0], [1.9, 2.9, 3.9])
    assert found == pytest.approx([1.6, 2.5, 1.6 + 0.9 * 4])


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("accuracy_sigmoid", "metric_accuracy"),
        ("error_exponential", "metric_error"),
        ("loss_to_loss", "metric_loss"),
    ],
)
def test_they_take_the_loss_and_predict_something_else(name: str, target: str) -> None:
    assert get_law(name).variables == ("loss",)
    assert get_law(name).target == target

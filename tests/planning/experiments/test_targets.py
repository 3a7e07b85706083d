"""Targets: their values and slopes against closed forms, and what is refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from isoloss.errors import UsageError
from isoloss.laws import get_law
from isoloss.planning.experiments.posterior import Mode
from isoloss.planning.experiments.targets import target_of

LAW = get_law("chinchilla")
THETA = np.array([1.69, 406.4, 410.7, 0.34, 0.28])
MODE = Mode(law=LAW, theta=THETA, root=np.eye(5), weight=1.0)
FIT: Any = SimpleNamespace(law=LAW)


def differences(function, step: float = 1e-6) -> np.ndarray:
    """By search coordinates: E itself, and logarithms of the others."""
    by_log = [
        (function(THETA * np.exp(step * e)) - function(THETA * np.exp(-step * e))) / (2 * step)
        for e in np.eye(5)
    ]
    return np.array(by_log) / np.array([THETA[0], 1, 1, 1, 1])


def test_a_point_is_the_log_loss_with_exact_slopes() -> None:
    target = target_of({"N": 70e9, "D": 1.4e12}, FIT, "log")
    value, slopes = target.quantity(MODE)
    point = {"N": np.array([70e9]), "D": np.array([1.4e12])}
    assert value[0] == pytest.approx(np.log(1.9366), abs=3e-5)
    expected = differences(lambda theta: np.log(LAW.value(theta, point))[0])
    np.testing.assert_allclose(slopes[0], expected, rtol=1e-5, atol=1e-9)
    assert target.unit == "relative"
    assert "7e+10" in target.name


def test_several_points_are_one_target() -> None:
    points = [{"N": 1e9, "D": 2e10}, {"N": 7e9, "D": 1.4e11}]
    target = target_of(points, FIT, "raw")
    value, slopes = target.quantity(MODE)
    assert value.shape == (2,)
    assert slopes.shape == (2, 5)
    assert target.unit == "loss"


def test_the_optimum_has_the_closed_form() -> None:
    flops = 5.76e23

    def log_n(theta: np.ndarray) -> float:
        _, a, b, alpha, beta = theta
        return float((np.log(alpha * a / (beta * b)) + beta * np.log(flops / 6)) / (alpha + beta))

    value, slopes = target_of({"optimum": flops}, FIT, "log").quantity(MODE)
    assert np.exp(value[0]) == pytest.approx(3.219e10, rel=1e-3)
    assert value[0] == pytest.approx(log_n(THETA), abs=1e-5)
    np.testing.assert_allclose(slopes[0], differences(log_n), rtol=2e-3, atol=2e-3)


def test_the_exponent_and_a_parameter() -> None:
    value, slopes = target_of({"exponent": "a"}, FIT, "log").quantity(MODE)
    assert value[0] == pytest.approx(0.28 / 0.62)
    expected = differences(lambda theta: theta[4] / (theta[3] + theta[4]))
    np.testing.assert_allclose(slopes[0], expected, rtol=1e-6, atol=1e-9)
    value, slopes = target_of({"parameter": "beta"}, FIT, "log").quantity(MODE)
    assert value[0] == 0.28
    np.testing.assert_allclose(slopes[0], [0, 0, 0, 0, 0.28], atol=1e-8)


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"N": 1e9}, "lacks 'D'"),
        ({"N": 1e9, "D": 1e10, "U": 1e9}, "'U' is no variable"),
        ({"flop": 1e22}, "no variable"),
        ({"N": -1.0, "D": 1e10}, "positive"),
        ({"flops": 0.0}, "positive"),
        ({"exponent": "b"}, "exponent 'b'"),
        ({"parameter": "gama"}, "no parameter"),
        ([], "empty"),
    ],
)
def test_what_is_refused(wish: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        target_of(wish, FIT, "log")


def test_an_optimum_needs_a_law_of_n_and_d() -> None:
    other: Any = SimpleNamespace(law=get_law("parallel"))
    with pytest.raises(UsageError, match="law of N and D"):
        target_of({"optimum": 1e20}, other, "log")

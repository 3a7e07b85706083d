"""Intervals and comparisons: against closed forms, SciPy, and truth that is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from isoloss.errors import UsageError
from isoloss.tasks.metric import (
    FloatArray,
    Metric,
    compare_scores,
    mean_metric,
    mean_statistics,
    score,
)

ACCURACY = mean_metric("accuracy")


def test_the_interval_is_that_of_scipy() -> None:
    values = np.random.default_rng(0).normal(3, 2, 150)
    found = score(ACCURACY, mean_statistics(values), level=0.9, resamples=9999)
    wanted = stats.bootstrap(
        (values,), np.mean, confidence_level=0.9, method="percentile", rng=1
    ).confidence_interval
    assert found.value == pytest.approx(values.mean())
    width = wanted.high - wanted.low
    assert found.low == pytest.approx(wanted.low, abs=0.03 * width)
    assert found.high == pytest.approx(wanted.high, abs=0.03 * width)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng, inside = np.random.default_rng(1), 0
    for _ in range(300):
        wins = (rng.random(120) < 0.35).astype(float)
        found = score(ACCURACY, mean_statistics(wins), level=0.9, resamples=400)
        inside += found.low <= 0.35 <= found.high
    assert 0.85 < inside / 300 < 0.95


def test_clusters_are_drawn_whole() -> None:
    """Ten copies of each example are no more evidence than one."""
    wins = (np.random.default_rng(2).random(60) < 0.5).astype(float)
    once = score(ACCURACY, mean_statistics(wins), resamples=4000)
    copies, groups = np.repeat(wins, 10), np.repeat(np.arange(60), 10)
    tenfold = score(ACCURACY, mean_statistics(copies), clusters=groups, resamples=4000)
    assert tenfold.low == pytest.approx(once.low, abs=0.01)
    assert tenfold.high == pytest.approx(once.high, abs=0.01)
    naive = score(ACCURACY, mean_statistics(copies), resamples=4000)
    assert naive.high - naive.low < 0.5 * (once.high - once.low)


@pytest.mark.parametrize(
    ("values", "reason"),
    [([1.0], "only 1 independent example"), ([1.0, 1.0, 1.0], "all resamples give one value")],
)
def test_no_interval_of_zero_width(values: list[float], reason: str) -> None:
    found = score(ACCURACY, mean_statistics(values))
    assert math.isnan(found.low)
    assert found.reason.startswith(reason)
    assert found.to_dict()["low"] is None


def test_rows_that_could_not_be_scored_are_no_examples() -> None:
    rows = np.asarray([[0.0, 0.0], [3.0, 1.0], [0.0, 0.0]])
    assert score(mean_metric("m"), rows).reason == "only 1 independent example"
    assert score(mean_metric("m"), rows[[1, 1]]).reason == "all resamples give one value"


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e6 + 0.1])
def test_equal_values_have_no_interval_of_rounding(value: float) -> None:
    """0.1 + 0.1 + 0.1 is not 3 times 0.1: sums in another order differ in their last digits."""
    rows = mean_statistics([value] * 30)
    found = score(ACCURACY, rows)
    assert math.isnan(found.low)
    assert found.reason == "all resamples give one value"
    other = mean_statistics([value * (1 + 2e-16 * i) for i in range(30)])
    compared = compare_scores(ACCURACY, rows, other)
    assert compared.difference.reason == "all resamples give one value"
    assert compared.p_value == 1


def test_an_infinite_value_has_neither_interval_nor_p_value() -> None:
    """A pole where the sum is 0: on all examples it is, on most resamples it is not."""

    def pole(sums: FloatArray) -> FloatArray:
        with np.errstate(all="ignore"):
            return np.asarray(1 / sums[..., 0])

    rows = mean_statistics(np.arange(-20.0, 21.0))
    found = score(Metric("pole", pole), rows)
    assert found.to_dict()["value"] is None
    assert found.reason == "the value is not finite"
    compared = compare_scores(Metric("pole", pole), rows, rows + np.array([0.5, 0]))
    assert math.isnan(compared.p_value)
    assert compared.difference.reason == "the value is not finite"


def test_a_comparison_draws_its_resamples_once() -> None:
    drawn: list[int] = []

    def of_sums(sums: FloatArray) -> FloatArray:
        drawn.append(sums.size // 2)
        return np.asarray(sums[..., 0] / sums[..., 1])

    rows = mean_statistics(np.linspace(0, 1, 9))
    compare_scores(Metric("counted", of_sums), rows, rows + np.array([0.1, 0]), resamples=600)
    assert sum(drawn) == 2 * 600 + 2


def test_a_paired_comparison_sees_what_two_intervals_do_not() -> None:
    rng = np.random.default_rng(3)
    hard = rng.normal(0, 5, 80)
    first, second = hard + rng.normal(0, 0.1, 80), hard + 0.2 + rng.normal(0, 0.1, 80)
    found = compare_scores(ACCURACY, mean_statistics(first), mean_statistics(second))
    assert found.difference.value == pytest.approx(second.mean() - first.mean())
    assert 0 < found.difference.low < found.difference.high
    assert found.p_value < 0.01
    same = compare_scores(ACCURACY, mean_statistics(first), mean_statistics(first[::-1].copy()))
    assert same.p_value > 0.5


def test_the_p_value_is_near_that_of_the_t_test() -> None:
    rng = np.random.default_rng(4)
    first, second = rng.normal(0, 1, 200), rng.normal(0.12, 1, 200)
    found = compare_scores(
        ACCURACY, mean_statistics(first), mean_statistics(second), resamples=8000
    )
    assert found.p_value == pytest.approx(stats.ttest_rel(second, first).pvalue, abs=0.03)


def test_resamples_without_a_value_count_on_neither_side() -> None:
    """Two rows of forty have a value: an eighth of the resamples draw neither, and have none."""
    first, second = np.zeros((40, 2)), np.zeros((40, 2))
    first[:2, 1] = second[:2, 1] = 1
    second[:2, 0] = -1, 3
    found = compare_scores(ACCURACY, first, second, resamples=8000)
    drawn = stats.multinomial(40, [1 / 40, 1 / 40, 38 / 40])
    counts = [(a, b) for a in range(41) for b in range(41 - a) if a + b]
    shares = {(a, b): float(drawn.pmf([a, b, 40 - a - b])) for a, b in counts}
    below = sum(share for (a, b), share in shares.items() if 3 * b - a <= 0)
    assert found.p_value == pytest.approx(2 * below / sum(shares.values()), abs=0.04)
    none = compare_scores(ACCURACY, np.zeros((40, 2)), np.zeros((40, 2)))
    assert math.isnan(none.p_value)
    assert none.to_dict()["p_value"] is None
    assert none.difference.reason == "most resamples give no finite value"


def test_unequal_counts_cannot_be_paired() -> None:
    with pytest.raises(UsageError, match="3 and 2 examples cannot be paired"):
        compare_scores(ACCURACY, mean_statistics([1, 0, 1]), mean_statistics([1, 0]))

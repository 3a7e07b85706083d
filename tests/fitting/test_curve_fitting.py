"""Intervals of laws of loss curves: whether they hold the truth, and when there are none."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from isoloss.errors import DataError, UsageError
from isoloss.fitting import CurveFit, fit_curves
from isoloss.fitting._curve_bootstrap import independent_points
from isoloss.laws import Curve, Curves, LearningRates, Points, annealing_area, point_columns

TRUTH = np.array([2.5, 0.6, 0.5, 0.4])
NOISE = 0.002
PEAK = 3e-4


def schedules(count: int) -> list[LearningRates]:
    """A cosine, a constant rate, then falls at ever later steps."""
    falls = np.linspace(600, 1800, max(count - 2, 1)).astype(int)
    kept = [LearningRates.cosine(2000, PEAK, PEAK / 10), LearningRates.constant(2000, PEAK)]
    kept += [LearningRates.two_stage(2000, PEAK, PEAK / 4, switch=int(s)) for s in falls]
    return kept[:count]


def losses(points: Points) -> np.ndarray:
    return annealing_area([points]).value(TRUTH, point_columns([points]))


def noise(count: int, correlation: float, rng: np.random.Generator) -> np.ndarray:
    """A stationary autoregression of unit size."""
    made = rng.standard_normal(count)
    for i in range(1, count):
        made[i] = correlation * made[i - 1] + math.sqrt(1 - correlation**2) * made[i]
    return made


def table(
    count: int, correlation: float, seed: int, shared: float = 0.0, every: int = 30
) -> Curves:
    """Curves whose neighbouring losses are correlated; `shared` noise moves a whole curve."""
    rng = np.random.default_rng(seed)
    kept = []
    for k, schedule in enumerate(schedules(count)):
        points = Points(schedule, np.arange(200, 2000, every))
        off = NOISE * noise(len(points), correlation, rng) + shared * rng.standard_normal()
        kept.append(Curve(f"run {k}", schedule, points.steps, losses(points) * np.exp(off)))
    return Curves(kept)


def covered(fit: CurveFit) -> tuple[np.ndarray, float]:
    """Whether each parameter's interval holds the truth, and the share of a new curve's."""
    held = Points(LearningRates.linear(2000, PEAK, PEAK / 20), np.arange(300, 2000, 100))
    predicted = fit.predict_curve(held.schedule, held.steps)
    inside = (predicted.low <= losses(held)) & (losses(held) <= predicted.high)
    ends = [(e.low, e.high) for e in fit.params.values()]
    holds = [low <= true <= high for (low, high), true in zip(ends, TRUTH, strict=True)]
    return np.array(holds), float(inside.mean())


@pytest.mark.parametrize(
    ("count", "correlation", "shared", "tables"),
    [(3, 0.0, 0.0, 24), (3, 0.7, 0.0, 24), (20, 0.5, 0.002, 12)],
)
def test_intervals_hold_the_truth_as_often_as_they_say(
    count: int, correlation: float, shared: float, tables: int
) -> None:
    """90% intervals; of 24 tables the standard error is 3 points over parameters, 6 on a curve."""
    found = [
        covered(
            fit_curves(
                table(count, correlation, seed, shared, every=60),
                "annealing",
                starts=2,
                bootstrap=60,
            )
        )
        for seed in range(tables)
    ]
    parameters = np.mean([holds for holds, _ in found])
    curve = np.mean([share for _, share in found])
    # The points of a new curve are nearly one draw a table: two standard errors of that below .9.
    assert 0.8 <= parameters <= 0.99
    assert 0.9 - 2 * 0.3 / math.sqrt(tables) <= curve <= 0.99


def test_correlated_losses_make_intervals_wider() -> None:
    """As wide as (1 + rho)/(1 - rho) says, here sqrt(5.7) = 2.4 times."""
    widths = []
    for correlation in (0.0, 0.7):
        found = [
            fit_curves(table(3, correlation, seed), "annealing", starts=2, bootstrap=40)
            for seed in range(5)
        ]
        widths.append(float(np.median([f.params["L0"].high - f.params["L0"].low for f in found])))
    assert 1.6 < widths[1] / widths[0] < 3.4


def test_independent_points_are_counted() -> None:
    steps = np.arange(0, 1000, 10)
    correlation = math.exp(-10 / 30)
    expected = 1 + 99 * (1 - correlation) / (1 + correlation)
    assert independent_points([steps, steps], 30.0) == pytest.approx(2 * expected)


def test_what_has_no_interval_says_why() -> None:
    few = fit_curves(table(1, 0.9, 0, every=200), "annealing", starts=4)
    assert few.draws is None
    assert "independent ones, too few for 4 parameters" in few.params["L0"].reason
    curve = few.predict_curve(LearningRates.constant(500, PEAK), [100, 400])
    assert np.isnan(curve.low).all()
    assert "too few" in curve.to_dict()["low_reason"]
    assert "no interval" in curve.summary()
    without = fit_curves(table(3, 0.0, 0), "annealing", starts=4, bootstrap=0)
    assert "bootstrap=0" in without.params["alpha"].reason
    assert "no intervals: the fit was made without bootstrap" in without.summary()
    short = fit_curves(table(3, 0.0, 0), "annealing", starts=4, bootstrap=10)
    assert "10 resamples are too few" in short.params["alpha"].reason
    assert "too few" in short.predict_curve(LearningRates.constant(500, PEAK), [400]).reason


def test_the_same_seed_gives_the_same_intervals() -> None:
    curves = table(3, 0.3, 1)
    one, two, other = (
        fit_curves(curves, "annealing", starts=4, bootstrap=30, seed=s) for s in (0, 0, 1)
    )
    assert one.draws is not None
    assert other.draws is not None
    np.testing.assert_array_equal(one.draws, two.draws)
    assert not np.array_equal(one.draws, other.draws)


def test_what_a_predicted_curve_shows() -> None:
    fit = fit_curves(table(3, 0.3, 1), "annealing", starts=4, bootstrap=60)
    schedule, steps = LearningRates.linear(2000, PEAK, PEAK / 20), np.arange(100, 2000, 20)
    curve = fit.predict_curve(schedule, steps, level=0.8)
    np.testing.assert_array_equal(curve.loss, fit.predict(schedule, steps))
    wide = fit.predict_curve(schedule, steps)
    assert (wide.low <= curve.low).all()
    assert (curve.high <= wide.high).all()
    assert (curve.low < curve.high).all()
    assert len(curve.to_frame()) == len(steps)
    json.dumps(curve.to_dict(), allow_nan=False)
    lines = curve.summary().splitlines()
    assert max(map(len, lines)) <= 80
    assert str(steps[-1]) in lines[-1]
    assert curve._repr_html_().startswith("<pre>")
    assert f"at step {steps[-1]}" in repr(curve)
    assert max(map(len, fit.summary().splitlines())) <= 80
    assert "90% intervals: residuals made anew" in fit.summary().replace("\n  ", " ")


def test_refusals() -> None:
    curves = table(3, 0.0, 0)
    with pytest.raises(UsageError, match="bootstrap"):
        fit_curves(curves, "annealing", bootstrap=-1)
    with pytest.raises(UsageError, match="level"):
        fit_curves(curves, "annealing", level=1.0)
    fit = fit_curves(curves, "annealing", starts=4, bootstrap=0)
    with pytest.raises(UsageError, match="level"):
        fit.predict_curve(LearningRates.constant(10, PEAK), [5], level=2.0)
    with pytest.raises(DataError, match="step"):
        fit.predict_curve(LearningRates.constant(10, PEAK), [50])

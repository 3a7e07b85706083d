"""The backtest sees only cheaper runs; the forecast is corrected by it and says how sure it is."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from isoloss.errors import DataError, UsageError
from isoloss.fitting import Ladder, Noise, backtest, forecast, run_noise
from isoloss.fitting.backtesting import BacktestRow, baseline_loss
from isoloss.fitting.forecasting import PRIOR_ERROR, PRIOR_TARGETS, judge
from isoloss.laws import get_law
from isoloss.runs import Runs

THETA = np.array([0.4, 2.2e6, 1.9e7, 0.78, 0.79, 0.2])
"""A Skaling law much like that of the bundled runs."""
WIDTHS = (25_600, 45_312, 69_632, 132_096, 212_992)
TOKENS = tuple(512_000 * 2 ** (i / 2) for i in range(5))
PER_PARAMETER = 7.5
CAP = 1.2e12


def truth(n: float, d: float) -> float:
    return float(get_law("skaling").value(THETA, {"N": np.array([n]), "D": np.array([d])})[0])


def rows(noise: float = 0.003, seed: int = 0) -> list[dict[str, object]]:
    """A cut-corner ladder with three seeds on its two smallest sizes."""
    rng = np.random.default_rng(seed)
    points = [(n, d, 0) for n in WIDTHS for d in TOKENS if PER_PARAMETER * n * d <= CAP]
    points += [(n, TOKENS[0], extra) for n in WIDTHS[:2] for extra in (1, 2)]
    return [
        {
            "params_matmul": n,
            "tokens": round(d),
            "flops": PER_PARAMETER * n * d,
            "flops_convention": "palm",
            "seed": extra,
            "parent_id": f"{n}-{extra}",
            "loss": truth(n, d) * float(np.exp(noise * rng.standard_normal())),
        }
        for n, d, extra in points
    ]


def ladder(noise: float = 0.0) -> Ladder:
    table = Runs.from_rows(rows(noise)).used()
    return Ladder(
        n=table.vector("N"), d=table.vector("D"), c=table.vector("C"), loss=table.vector("loss")
    )


TARGET = {"n": 430_080.0, "d": 1_448_000.0, "flops": PER_PARAMETER * 430_080 * 1_448_000}


@pytest.mark.parametrize("seed", [0, 1])
def test_a_forecast_of_noisy_runs_holds_the_truth(seed: int) -> None:
    found = forecast(Runs.from_rows(rows(seed=seed)), **TARGET)
    expected = truth(TARGET["n"], TARGET["d"])
    assert found.low < expected < found.high
    assert abs(found.loss / expected - 1) < 0.012
    assert 0.002 < (found.high - found.low) / 2 / found.loss < 0.04
    assert sum(found.weights.values()) == pytest.approx(1)
    assert found.best in ("chinchilla", "skaling", "interaction")
    assert found.weights["chinchilla"] < found.weights["skaling"]
    assert len(found.backtest_table()) == len(found.tested) >= 4


def test_the_same_runs_give_the_same_forecast() -> None:
    first = forecast(Runs.from_rows(rows()), **TARGET)
    again = forecast(Runs.from_rows(list(reversed(rows()))), **TARGET)
    assert forecast(Runs.from_rows(rows()), **TARGET).loss == first.loss
    assert again.loss == pytest.approx(first.loss, rel=1e-3)


def test_the_interval_grows_with_its_level() -> None:
    runs = Runs.from_rows(rows())
    half, most = forecast(runs, **TARGET, level=0.5), forecast(runs, **TARGET, level=0.99)
    assert most.low < half.low < half.loss < half.high < most.high
    assert half.loss == most.loss


def test_a_backtest_uses_no_run_that_costs_more_than_its_share() -> None:
    """Spoiling a run changes the errors of runs that cost three times as much, and its own."""
    clean = ladder(noise=0.003)
    spoilt_at = int(np.argsort(clean.c)[-3])
    loss = clean.loss.copy()
    loss[spoilt_at] *= 1.2
    before = {row.index: row for row in backtest(clean, ["skaling"])}
    after = {row.index: row for row in backtest(replace(clean, loss=loss), ["skaling"])}
    assert before.keys() == after.keys()
    for index, row in after.items():
        same = row.log_errors["skaling"] == before[index].log_errors["skaling"]
        uses = clean.c[spoilt_at] <= clean.c[index] / row.ratio * 1.001
        assert same == (not uses and index != spoilt_at), index


def test_a_law_that_made_the_runs_has_no_backtest_error() -> None:
    tested = backtest(ladder(), ["skaling", "chinchilla"])
    assert max(abs(row.log_errors["skaling"]) for row in tested) < 1e-3
    assert max(abs(row.log_errors["chinchilla"]) for row in tested) > 1e-2


def test_equal_errors_are_taken_off_but_for_the_shrinkage() -> None:
    runs = ladder()
    tested = [
        BacktestRow(
            index=0, rows=9, ratio=3.0, log_errors={"a": 0.02, "b": 0.05}, baseline=math.nan
        )
        for _ in range(6)
    ]
    verdict = judge(tested, runs, {"a": 0.001, "b": 0.001})
    mixed = 0.02 * verdict.weights["a"] + 0.05 * verdict.weights["b"]
    assert verdict.weights["a"] > 0.9
    assert verdict.shift == pytest.approx(mixed * 6 / (6 + PRIOR_TARGETS), rel=1e-12)
    left = 6 * (mixed - verdict.shift) ** 2 + PRIOR_TARGETS * PRIOR_ERROR**2
    assert verdict.spread == pytest.approx(math.sqrt(left / (6 + PRIOR_TARGETS)), rel=1e-12)
    assert verdict.error(tested[0]) == pytest.approx(mixed - verdict.shift)


def test_without_a_backtest_the_scatter_weighs_and_nothing_is_taken_off() -> None:
    verdict = judge([], ladder(), {"a": 0.001, "b": 0.01})
    assert verdict.shift == 0
    assert verdict.spread == PRIOR_ERROR
    assert verdict.weights["a"] > 0.99


def test_noise_is_the_pooled_spread_of_seeds() -> None:
    n = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 3.0])
    d = np.ones(6)
    loss = np.exp(np.array([0.0, 0.1, 0.2, 1.0, 1.2, 5.0]))
    found = run_noise(n, d, loss)
    assert found.sd == pytest.approx(math.sqrt((0.02 + 0.02) / 3))
    assert found.degrees_of_freedom == 3
    lonely = run_noise(n[-1:], d[-1:], loss[-1:])
    assert math.isnan(lonely.sd)
    assert lonely.to_dict()["sd_percent"] is None
    assert lonely.reason
    assert Noise(sd=0.01, degrees_of_freedom=2).to_dict()["sd_percent"] == pytest.approx(1.0)


def test_the_baseline_is_the_law_of_the_frontier() -> None:
    c = np.geomspace(1e11, 1e12, 8)
    on = 1.5 + 40 * c**-0.12
    off = on * 1.3  # beaten by cheaper runs or equals
    runs = Ladder(
        n=np.ones(16),
        d=np.ones(16),
        c=np.concatenate([c, c * 1.01]),
        loss=np.concatenate([on, off]),
    )
    assert baseline_loss(runs, 4e12) == pytest.approx(1.5 + 40 * 4e12**-0.12, rel=1e-4)
    assert math.isnan(baseline_loss(runs.part(np.arange(3)), 4e12))


def test_bad_input() -> None:
    runs = Runs.from_rows(rows())
    with pytest.raises(UsageError, match="positive"):
        forecast(runs, n=-1.0, d=1e6, flops=1e12)
    with pytest.raises(UsageError, match="level"):
        forecast(runs, **TARGET, level=1.5)
    with pytest.raises(DataError, match="too few"):
        forecast(Runs.from_rows(rows()[:7]), **TARGET)

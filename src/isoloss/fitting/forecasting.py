"""The loss of a bigger run, with an interval that has earned its width.

Three laws are fitted to the ladder and weighed by their rolling backtest. The interval is made
of three independent parts, added as variances of log loss:

* parameters: the spread of wild-bootstrap refits (trunks move as one) and of the laws;
* noise: run-to-run, from the repeated seeds;
* discrepancy: what the backtest shows beyond noise, that is, how wrong the weighed laws are
  when they look this far ahead.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from isoloss.errors import DataError, UsageError
from isoloss.fitting.backtesting import LADDER_OBJECTIVE, BacktestRow, Ladder, backtest, baseline_loss
from isoloss.fitting.estimation import fit
from isoloss.fitting.noise import Noise, run_noise
from isoloss.fitting.result import Fit, check_level
from isoloss.laws.law import Array

if TYPE_CHECKING:
    from isoloss.runs import Runs

FORECAST_LAWS = ("chinchilla", "skaling", "interaction")
DEFAULT_NOISE = 0.003
"""Of the log loss, where no seeds were repeated: typical of the ladders of docs/log.md."""
DEFAULT_DISCREPANCY = 0.010
"""Of the log loss, worth `PRIOR_TARGETS` backtested runs."""
PRIOR_TARGETS = 4.0
BOOTSTRAP = 300


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """A predicted loss for one run that nobody has trained.

    Attributes:
        loss: the weighed prediction; low, high: its interval at `level`.
        weights: share of each law; `best`: the law with the largest.
        fits: each law's fit of the whole ladder.
        tested: the backtest; its `predicted` are weighed as here.
        noise: run-to-run.
        baseline: the plain L(C) prediction, for comparison.
        uncertainty: standard deviations of log loss by part, in percent.
    """

    loss: float
    low: float
    high: float
    level: float
    n: float
    d: float
    flops: float
    weights: Mapping[str, float]
    best: str
    fits: Mapping[str, Fit]
    predictions: Mapping[str, float]
    tested: tuple[BacktestRow, ...]
    backtest_reason: str
    ladder: Ladder
    noise: Noise
    baseline: float
    uncertainty: Mapping[str, float]

    def __repr__(self) -> str:
        return f"Forecast({self.loss:.4f} [{self.low:.4f}, {self.high:.4f}], {self.best})"

    def weighed(self, row: BacktestRow) -> float:
        """Log error of the weighed prediction of a backtested run."""
        return sum(self.weights[law] * row.log_errors[law] for law in self.weights)

    def backtest_table(self) -> list[dict[str, Any]]:
        """The backtest with the interval that each prediction would have had."""
        spread = math.hypot(self.uncertainty["noise"], self.uncertainty["discrepancy"]) / 100
        reach = _quantile(self.level) * spread
        table: list[dict[str, Any]] = []
        for row in self.tested:
            measured = float(self.ladder.loss[row.index])
            error = self.weighed(row)
            predicted = measured * math.exp(error)
            table.append(
                {
                    "n": float(self.ladder.n[row.index]),
                    "d": float(self.ladder.d[row.index]),
                    "flops": float(self.ladder.c[row.index]),
                    "measured": measured,
                    "predicted": predicted,
                    "low": predicted * math.exp(-reach),
                    "high": predicted * math.exp(reach),
                    "error_percent": 100 * math.expm1(error),
                    "inside": abs(error) <= reach,
                    "baseline": row.baseline if math.isfinite(row.baseline) else None,
                    "index": row.index,
                }
            )
        return table


def forecast(
    runs: Runs,
    *,
    n: float,
    d: float,
    flops: float,
    level: float = 0.9,
    seed: int = 0,
    laws: Sequence[str] = FORECAST_LAWS,
) -> Forecast:
    """Predict one run from a ladder.

    Args:
        runs: the ladder; N, D, C and loss of its used rows.
        n, d, flops: the run to predict, in the conventions of the ladder.
        level: of the interval.
        seed: of starts and resamples.
        laws: the laws that are weighed.

    Raises:
        DataError: too few runs, or a column is missing.
        UsageError: the target is not positive.
    """
    check_level(level)
    if not min(n, d, flops) > 0:
        raise UsageError("n, d and flops of the run to predict must be positive")
    used = runs.used()
    if len(used) < 8:
        raise DataError(f"{len(used)} usable runs are too few for a forecast", hint="Train more.")
    ladder = Ladder(
        n=used.vector("N"),
        d=used.vector("D"),
        c=used.vector("C"),
        loss=used.vector("loss"),
        trunk=used.clusters(),
    )
    noise = run_noise(ladder.n, ladder.d, ladder.loss)
    fits = {
        law: fit(
            runs, law, objective=LADDER_OBJECTIVE.name, delta=LADDER_OBJECTIVE.delta,
            bootstrap=BOOTSTRAP, level=level, seed=seed,
        )
        for law in laws
    }  # fmt: skip
    tested = backtest(ladder, laws)
    weights = law_weights(fits, tested)
    point = {"N": np.array([float(n)]), "D": np.array([float(d)])}
    logs = {law: float(np.log(f.law.value(f.theta, point))[0]) for law, f in fits.items()}
    centre = sum(weights[law] * logs[law] for law in laws)
    parts = _uncertainty(fits, weights, logs, centre, point, tested, noise)
    reach = _quantile(level) * math.sqrt(sum(sd**2 for sd in parts.values()))
    return Forecast(
        loss=math.exp(centre),
        low=math.exp(centre - reach),
        high=math.exp(centre + reach),
        level=level,
        n=n,
        d=d,
        flops=flops,
        weights=weights,
        best=max(weights, key=lambda law: weights[law]),
        fits=fits,
        predictions={law: math.exp(value) for law, value in logs.items()},
        tested=tested,
        backtest_reason=""
        if tested
        else "no run of the ladder costs four times a part of it that is large enough to fit",
        ladder=ladder,
        noise=noise,
        baseline=baseline_loss(ladder, flops),
        uncertainty={name: 100 * sd for name, sd in parts.items()},
    )


def law_weights(fits: Mapping[str, Fit], tested: Sequence[BacktestRow]) -> dict[str, float]:
    """Weights from squared errors: of the backtest, and of the fit to the whole ladder."""
    scores: dict[str, float] = {}
    for law, found in fits.items():
        inside = found.scatter**2
        outside = float(np.mean([row.log_errors[law] ** 2 for row in tested])) if tested else inside
        scores[law] = 1 / (outside + inside + DEFAULT_NOISE**2) ** 2
    total = sum(scores.values())
    return {law: score / total for law, score in scores.items()}


def _uncertainty(
    fits: Mapping[str, Fit],
    weights: Mapping[str, float],
    logs: Mapping[str, float],
    centre: float,
    point: Mapping[str, Array],
    tested: Sequence[BacktestRow],
    noise: Noise,
) -> dict[str, float]:
    """Standard deviations of the three parts, of log loss."""
    spread = 0.0
    for law, found in fits.items():
        assert found.draws is not None
        sample = np.log(found.law.value(found.draws, point)[:, 0])
        low, high = np.nanquantile(sample, [0.16, 0.84])
        spread += weights[law] * (((high - low) / 2) ** 2 + (logs[law] - centre) ** 2)
    sd_noise = noise.sd if noise.degrees_of_freedom >= 3 else DEFAULT_NOISE
    errors = np.array([sum(weights[law] * row.log_errors[law] for law in weights) for row in tested])
    seen = float((errors**2).sum()) - len(errors) * sd_noise**2
    discrepancy = (max(seen, 0.0) + PRIOR_TARGETS * DEFAULT_DISCREPANCY**2) / (
        len(errors) + PRIOR_TARGETS
    )
    return {
        "parameters": math.sqrt(spread),
        "noise": sd_noise,
        "discrepancy": math.sqrt(discrepancy),
    }


def _quantile(level: float) -> float:
    """Half-width of a normal interval in standard deviations."""
    from statistics import NormalDist

    return NormalDist().inv_cdf((1 + level) / 2)

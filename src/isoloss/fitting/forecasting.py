"""The loss of a bigger run, with an interval that has earned its width.

Laws are fitted to the ladder, weighed by their rolling backtest, and corrected by what the
backtest says about them: a mix that came out 1% too high on every run of the ladder, seen from
a third of its cost, will come out too high again. The interval has four parts, as standard
deviations of log loss:

* noise: run-to-run, from the repeated seeds;
* parameters: the spread of bootstrap refits (trunks move as one);
* laws: how far the weighed laws lie apart at the target;
* discrepancy: what the corrected mix still gets wrong in the backtest.

The last three are estimates of one thing, the error of the mix at the target: as the resamples
tell it, as the laws' disagreement tells it, and as the backtest saw it nearer by. The largest
counts, and noise is added as a variance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from isoloss.errors import DataError, UsageError
from isoloss.fitting.backtesting import (
    LADDER_OBJECTIVE,
    BacktestRow,
    Ladder,
    backtest,
    baseline_loss,
)
from isoloss.fitting.estimation import fit
from isoloss.fitting.noise import Noise, run_noise
from isoloss.fitting.result import Fit, check_level
from isoloss.laws.law import Array

if TYPE_CHECKING:
    from isoloss.runs import Runs

FORECAST_LAWS = ("chinchilla", "skaling", "interaction", "surface")
PLANNING_LAWS = ("chinchilla", "skaling", "interaction")
"""Those that mean something far from the runs."""
DEFAULT_NOISE = 0.003
"""Of log loss, where no seeds were repeated: typical of the ladders in docs/log.md."""
PRIOR_ERROR = 0.010
"""Of log loss: what a law is trusted to miss by before any backtest, worth `PRIOR_TARGETS`."""
PRIOR_TARGETS = 2.0
SHARPNESS = 2.0
"""Weights go as (mean squared backtest error) to the minus this."""
BOOTSTRAP = 300
LEAST_RUNS = 8


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the backtest says of the laws and of their mix, in log loss.

    `weights` sum to one; `shift` is the expected error of the mix, to be taken off; `spread` the
    size of the errors that remain after that.
    """

    weights: Mapping[str, float]
    shift: float
    spread: float

    def error(self, row: BacktestRow) -> float:
        """Log error of the corrected mix on a backtested run."""
        return sum(w * row.log_errors[law] for law, w in self.weights.items()) - self.shift


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """A predicted loss for one run that nobody has trained.

    Attributes:
        loss: the weighed and corrected prediction; low, high: its interval at `level`.
        verdict: weights and correction; `best`: the law with the largest weight among those
            that may be used far from the runs.
        fits, predictions: each law's fit of the whole ladder, and what it alone predicts.
        tested: the backtest.
        noise: run-to-run.
        baseline: the plain L(C) prediction, for comparison; not-a-number without one.
        uncertainty: standard deviations of log loss by part, in percent.
    """

    loss: float
    low: float
    high: float
    level: float
    n: float
    d: float
    flops: float
    verdict: Verdict
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

    @property
    def weights(self) -> Mapping[str, float]:
        """Share of each law."""
        return self.verdict.weights

    def backtest_table(self) -> list[dict[str, Any]]:
        """The backtest, each row with the interval that noise and discrepancy give it."""
        reach = _quantile(self.level) * math.hypot(
            self.uncertainty["noise"] / 100, self.uncertainty["discrepancy"] / 100
        )
        table: list[dict[str, Any]] = []
        for row in self.tested:
            measured = float(self.ladder.loss[row.index])
            error = self.verdict.error(row)
            predicted = measured * math.exp(error)
            table.append(
                {
                    "index": row.index,
                    "n": float(self.ladder.n[row.index]),
                    "d": float(self.ladder.d[row.index]),
                    "flops": float(self.ladder.c[row.index]),
                    "ratio": row.ratio,
                    "measured": measured,
                    "predicted": predicted,
                    "low": predicted * math.exp(-reach),
                    "high": predicted * math.exp(reach),
                    "error_percent": 100 * math.expm1(error),
                    "inside": abs(error) <= reach,
                    "baseline": row.baseline if math.isfinite(row.baseline) else None,
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
    if len(used) < LEAST_RUNS:
        raise DataError(
            f"{len(used)} usable runs are too few for a forecast, {LEAST_RUNS} are needed",
            hint="Train or import more runs.",
        )
    ladder = Ladder(
        n=used.vector("N"), d=used.vector("D"), c=used.vector("C"), loss=used.vector("loss")
    )
    noise = run_noise(ladder.n, ladder.d, ladder.loss)
    fits = {
        law: fit(
            runs, law, objective=LADDER_OBJECTIVE.name, delta=LADDER_OBJECTIVE.delta,
            bootstrap=BOOTSTRAP, resample="wild", level=level, seed=seed,
        )
        for law in laws
    }  # fmt: skip
    tested = backtest(ladder, laws, near={law: found.theta for law, found in fits.items()})
    verdict = judge(tested, ladder, {law: found.scatter for law, found in fits.items()})
    point = {"N": np.array([float(n)]), "D": np.array([float(d)])}
    logs = {law: float(np.log(f.law.value(f.theta, point))[0]) for law, f in fits.items()}
    mix = sum(verdict.weights[law] * logs[law] for law in laws)
    parts = _uncertainty(fits, verdict, logs, mix, point, noise)
    centre = mix - verdict.shift
    own = max(parts[name] for name in ("parameters", "laws", "discrepancy"))
    reach = _quantile(level) * math.hypot(parts["noise"], own)
    usable = [law for law in laws if law in PLANNING_LAWS] or list(laws)
    return Forecast(
        loss=math.exp(centre),
        low=math.exp(centre - reach),
        high=math.exp(centre + reach),
        level=level,
        n=n,
        d=d,
        flops=flops,
        verdict=verdict,
        best=max(usable, key=lambda law: verdict.weights[law]),
        fits=fits,
        predictions={law: math.exp(value) for law, value in logs.items()},
        tested=tested,
        backtest_reason=""
        if tested
        else "no run of the ladder costs twice a part of it that is large enough to fit",
        ladder=ladder,
        noise=noise,
        baseline=baseline_loss(ladder, flops),
        uncertainty={name: 100 * sd for name, sd in parts.items()},
    )


def judge(tested: Sequence[BacktestRow], ladder: Ladder, scatter: Mapping[str, float]) -> Verdict:
    """Weights, correction and remaining error from a backtest.

    Backtested runs count in proportion to their cost: those near the top of the ladder were
    predicted from most of it. Means are shrunk as if `PRIOR_TARGETS` further runs had been
    missed by `PRIOR_ERROR` in no particular direction. Without a backtest the scatter of each
    law around the whole ladder decides its weight.
    """
    cost = np.array([float(ladder.c[row.index]) for row in tested])
    share = cost / cost.max() if len(cost) else cost
    total = float(share.sum())
    squares: dict[str, float] = {}
    for law, inside in scatter.items():
        errors = np.array([row.log_errors[law] for row in tested])
        prior = PRIOR_TARGETS * (PRIOR_ERROR**2 if len(errors) else inside**2)
        squares[law] = (float((share * errors**2).sum()) + prior) / (total + PRIOR_TARGETS)
    raw = {law: max(value, 1e-12) ** -SHARPNESS for law, value in squares.items()}
    weights = {law: value / sum(raw.values()) for law, value in raw.items()}
    if not len(cost):
        return Verdict(weights=weights, shift=0.0, spread=PRIOR_ERROR)
    mixed = np.array([sum(weights[law] * row.log_errors[law] for law in weights) for row in tested])
    effective = total**2 / float((share**2).sum())
    shift = float((share * mixed).sum()) / total * effective / (effective + PRIOR_TARGETS)
    left = float((share * (mixed - shift) ** 2).sum()) + PRIOR_TARGETS * PRIOR_ERROR**2
    return Verdict(weights=weights, shift=shift, spread=math.sqrt(left / (total + PRIOR_TARGETS)))


def _uncertainty(
    fits: Mapping[str, Fit],
    verdict: Verdict,
    logs: Mapping[str, float],
    mix: float,
    point: Mapping[str, Array],
    noise: Noise,
) -> dict[str, float]:
    """Standard deviations of the parts, of log loss."""
    parameters = between = 0.0
    for law, found in fits.items():
        between += verdict.weights[law] * (logs[law] - mix) ** 2
        if found.draws is not None:
            sample = np.log(found.law.value(found.draws, point)[:, 0])
            low, high = np.nanquantile(sample, [0.16, 0.84])
            parameters += verdict.weights[law] * float((high - low) / 2) ** 2
    return {
        "parameters": math.sqrt(parameters),
        "laws": math.sqrt(between),
        "noise": noise.sd if noise.degrees_of_freedom >= 3 else DEFAULT_NOISE,
        "discrepancy": verdict.spread,
    }


def _quantile(level: float) -> float:
    """Half-width of a normal interval in standard deviations."""
    from statistics import NormalDist

    return NormalDist().inv_cdf((1 + level) / 2)

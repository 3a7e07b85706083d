"""A metric as sums over examples: its value, its interval, and the comparison of two models.

Every metric here is a function of sums: exact match of a mean, BLEU of n-gram counts, perplexity
of log-probabilities. So a bootstrap resample of the examples (Efron 1979; for BLEU Koehn 2004,
"Statistical significance tests for machine translation evaluation") is a weighting of the same
sums, and thousands of resamples are one matrix product.

Shape suffixes: N examples, K sums, R resamples, G clusters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoloss.errors import UsageError

FloatArray = NDArray[np.float64]
RESAMPLES = 2000
_ROWS_AT_ONCE = 200
_ROUNDING = 1e-12
"""Differences below this share of a value are those of the order in which it was summed."""


@dataclass(frozen=True)
class Metric:
    """How sums over examples become a number.

    Attributes:
        name: as in results, `exact_match`.
        of_sums: sums (..., K) → values (...).
        higher_is_better: whether more is better.
        unit: of the value, such as `share` or `nats_per_token`.
    """

    name: str
    of_sums: Callable[[FloatArray], FloatArray]
    higher_is_better: bool = True
    unit: str = "share"


def mean_metric(name: str, *, higher_is_better: bool = True, unit: str = "share") -> Metric:
    """The mean over examples; statistics are (value, 1) for each.

    >>> accuracy = mean_metric("accuracy")
    >>> float(accuracy.of_sums(np.array([3.0, 4.0])))
    0.75
    """
    return Metric(name, _ratio, higher_is_better, unit)


def _ratio(sums: FloatArray) -> FloatArray:
    with np.errstate(all="ignore"):
        return np.asarray(sums[..., 0] / sums[..., 1], dtype=np.float64)


def mean_statistics(values: FloatArray | list[float]) -> FloatArray:
    """Statistics (N, 2) of a mean of values (N,)."""
    given = np.asarray(values, dtype=np.float64)
    return np.stack([given, np.ones_like(given)], axis=1)


@dataclass(frozen=True, kw_only=True)
class Score:
    """A metric's value with its interval over examples; ends that cannot be given are nan.

    Attributes:
        value: on all examples.
        low, high: percentiles of the bootstrap.
        reason: why there is no interval.
        unit: of the value.
        higher_is_better: whether more is better.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    reason: str = ""
    unit: str = "share"
    higher_is_better: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON: nan as null beside `interval_reason`."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        document: dict[str, Any] = {
            name: number if math.isfinite(number) else None for name, number in numbers.items()
        }
        document |= {"unit": self.unit, "higher_is_better": self.higher_is_better}
        return document | ({"interval_reason": self.reason} if self.reason else {})

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Score:
        """The inverse of `to_dict`."""

        def number(name: str) -> float:
            return math.nan if values[name] is None else float(values[name])

        return Score(
            value=number("value"),
            low=number("low"),
            high=number("high"),
            reason=str(values.get("interval_reason", "")),
            unit=str(values["unit"]),
            higher_is_better=bool(values["higher_is_better"]),
        )


def score(
    metric: Metric,
    statistics_NK: FloatArray,
    *,
    clusters: NDArray[np.int64] | None = None,
    level: float = 0.9,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Score:
    """Value and percentile interval of a metric.

    Args:
        metric: what is computed.
        statistics_NK: its sums' terms, one row an example.
        clusters: (N,) group of each example (questions of one text); drawn whole. None where
            examples are independent.
        level: of the interval.
        seed, resamples: of the bootstrap.

    >>> wins = mean_statistics([1.0] * 30 + [0.0] * 10)
    >>> found = score(mean_metric("accuracy"), wins)
    >>> found.value, found.low < 0.75 < found.high
    (0.75, True)
    """
    check_level(level)
    sums_GK = _cluster_sums(statistics_NK, clusters)
    value = float(metric.of_sums(sums_GK.sum(axis=0)))
    drawn = _resampled(metric, sums_GK, seed, resamples)
    return _score_of(metric, value, drawn, level=level, scale=abs(value))


def _score_of(
    metric: Metric, value: float, drawn: FloatArray | str, *, level: float, scale: float
) -> Score:
    """A value with its interval from resamples; `scale` is that of what may be rounded."""
    about = {"unit": metric.unit, "higher_is_better": metric.higher_is_better}
    if isinstance(drawn, str):
        return Score(value=value, reason=drawn, **about)
    if not math.isfinite(scale):
        return Score(value=value, reason="the value is not finite", **about)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    if not high - low > _ROUNDING * scale:
        return Score(value=value, reason="all resamples give one value", **about)
    return Score(value=value, low=float(low), high=float(high), **about)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two models on the same examples.

    Attributes:
        metric: name.
        first, second: values.
        difference: second minus first, with its interval over examples (paired).
        p_value: two-sided, of no difference: twice the smaller share of resamples on one side of
            0, at least 1/resamples; of those with a finite value, nan where most have none.
    """

    metric: str
    first: float
    second: float
    difference: Score
    p_value: float

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON."""
        return {
            "metric": self.metric,
            "first": self.first,
            "second": self.second,
            "difference": self.difference.to_dict(),
            "p_value": self.p_value if math.isfinite(self.p_value) else None,
        }


def compare_scores(
    metric: Metric,
    first_NK: FloatArray,
    second_NK: FloatArray,
    *,
    clusters: NDArray[np.int64] | None = None,
    level: float = 0.9,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Paired bootstrap: each resample draws the same examples for both models.

    Raises:
        UsageError: the two were not scored on as many examples.
    """
    if len(first_NK) != len(second_NK):
        raise UsageError(
            f"{len(first_NK):,} and {len(second_NK):,} examples cannot be paired",
            hint="Evaluate both models on the same examples, in the same order.",
        )
    width = first_NK.shape[1]
    both = Metric(
        metric.name,
        lambda sums: metric.of_sums(sums[..., width:]) - metric.of_sums(sums[..., :width]),
        metric.higher_is_better,
        metric.unit,
    )
    check_level(level)
    sums_GK = _cluster_sums(np.concatenate([first_NK, second_NK], axis=1), clusters)
    first, second = (float(metric.of_sums(rows.sum(axis=0))) for rows in (first_NK, second_NK))
    drawn = _resampled(both, sums_GK, seed, resamples)
    scale = max(abs(first), abs(second))
    p_value = math.nan
    if not isinstance(drawn, str) and math.isfinite(scale):
        noise = _ROUNDING * scale
        side = min(float((drawn <= noise).mean()), float((drawn >= -noise).mean()))
        p_value = min(1.0, max(2 * side, 1 / len(drawn)))
    return Comparison(
        metric=metric.name,
        first=first,
        second=second,
        difference=_score_of(both, second - first, drawn, level=level, scale=scale),
        p_value=p_value,
    )


def check_level(level: float) -> None:
    """Refuse a level that no interval has.

    Raises:
        UsageError: it does not lie between 0 and 1.
    """
    if not 0 < level < 1:
        raise UsageError(f"level must lie between 0 and 1, found {level!r}", hint="Try 0.9.")


def _cluster_sums(statistics_NK: FloatArray, clusters: NDArray[np.int64] | None) -> FloatArray:
    if clusters is None:
        return statistics_NK
    _, index = np.unique(clusters, return_inverse=True)
    sums = np.zeros((int(index.max(initial=-1)) + 1, statistics_NK.shape[1]))
    np.add.at(sums, index, statistics_NK)
    return sums


def _resampled(metric: Metric, sums_GK: FloatArray, seed: int, resamples: int) -> FloatArray | str:
    """Finite values of the metric on resampled clusters, or why there are too few."""
    rng = np.random.default_rng(seed)
    count = len(sums_GK)
    counted = int(sums_GK.any(axis=1).sum())  # rows of zeros stand for what could not be scored
    if count < 2 or counted == 1:
        return f"only {min(count, 1)} independent example{'' if count else 's'}"
    found: list[FloatArray] = []
    for first in range(0, resamples, _ROWS_AT_ONCE):
        rows = min(_ROWS_AT_ONCE, resamples - first)
        weights_RG = rng.multinomial(count, np.full(count, 1 / count), size=rows)
        found.append(metric.of_sums(weights_RG.astype(np.float64) @ sums_GK))
    drawn = np.concatenate(found)
    drawn = drawn[np.isfinite(drawn)]
    return drawn if len(drawn) >= resamples / 2 else "most resamples give no finite value"

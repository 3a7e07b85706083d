"""Whether runs scatter more or less around a law as they grow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from isoloss.fitting.diagnosis._ahead import compute_of
from isoloss.fitting.diagnosis._calibration import student_quantile
from isoloss.laws import Law
from isoloss.laws.law import Array

if TYPE_CHECKING:
    from isoloss.fitting.result import FittedRows

LEAST_ROWS = 20
SIGNIFICANT = 0.995
"""One in a hundred tables with equal scatter is taken for one with a trend."""
LEAST_SHARE = 0.1
"""Residuals below this share of the median one are raised to it: a kinked loss makes some zero."""
BEYOND = math.log(10.0)
"""A scatter that grows is followed this far (in log C) beyond the runs; one that falls, not."""


@dataclass(frozen=True)
class ScatterTrend:
    """log variance rises by `slope` for each unit of log C between `first` and `last`."""

    slope: float
    first: float
    last: float
    log_mean: float

    def factor(self, compute: float) -> float:
        """Scatter at a compute over the root mean square of the runs."""
        end = self.last + (BEYOND if self.slope > 0 else 0.0)
        start = self.first - (BEYOND if self.slope < 0 else 0.0)
        x = min(max(math.log(compute), start), end)
        return math.exp((self.slope * x - self.log_mean) / 2)


def scatter_trend(law: Law, theta: Array, data: FittedRows) -> ScatterTrend | None:
    """Regress log squared residuals on log C; None where C is unknown or no slope is significant.

    Harvey's multiplicative heteroscedasticity (1976, doi:10.2307/1913974).
    """
    compute = compute_of(data.columns)
    if compute is None or len(compute) < LEAST_ROWS or not (data.values > 0).all():
        return None
    with np.errstate(all="ignore"):
        size = np.abs(np.log(law.value(theta, data.columns)) - np.log(data.values))
    middle = float(np.median(size))
    x = np.log(compute)
    if not (np.isfinite(size).all() and middle > 0 and np.ptp(x) > 0):
        return None
    y = 2 * np.log(np.maximum(size, LEAST_SHARE * middle))
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    left = y - y.mean() - slope * centred
    error = math.sqrt(float(left @ left) / (len(x) - 2) / float(centred @ centred))
    if abs(slope) <= student_quantile(SIGNIFICANT, len(x) - 2) * error:
        return None
    log_mean = float(np.log(np.exp(slope * centred).mean())) + slope * float(x.mean())
    return ScatterTrend(slope, float(x.min()), float(x.max()), log_mean)

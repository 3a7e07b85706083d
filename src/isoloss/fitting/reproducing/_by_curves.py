"""Loss curves of Luo et al. 2025 (arXiv:2503.12811): fitted to three schedules, six foretold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from isoloss.fitting.curve_fitting import BOOTSTRAP, fit_curves
from isoloss.fitting.reproducing._by_law import Found
from isoloss.fitting.reproducing.figures import Measured
from isoloss.fitting.solver.objective import Objective
from isoloss.laws import Curve, Curves, LearningRates, multi_power, point_columns
from isoloss.laws.law import Array
from isoloss.runs import Runs

WARMUP, PEAK, END = 2160, 3e-4, 3e-5


def schedule_of(name: str) -> LearningRates:
    """The learning rates of a schedule of that paper, by the name of its file.

    >>> schedule_of("wsdcon_9")
    LearningRates(16000 steps, peak 0.0003, last 9e-05)
    """
    kind, _, rest = name.partition("_")
    if kind == "cosine":
        return LearningRates.cosine(int(rest), PEAK, END, warmup=WARMUP)
    if kind == "constant":
        return LearningRates.constant(int(rest), PEAK, warmup=WARMUP)
    if kind == "wsdcon":
        second = int(rest) * 1e-5
        return LearningRates.two_stage(16000, PEAK, second, switch=8000, warmup=WARMUP)
    shape = "linear" if kind == "wsdld" else "exponential"
    return LearningRates.stable_decay(
        24000, PEAK, END, decay_from=20000, warmup=WARMUP, shape=shape
    )


def as_paper(runs: Runs, settings: Mapping[str, Any], seed: int) -> Found:
    """What the published constants give: objective on the fitted curves, error on the others."""
    fitted, held_out = _both(runs, settings)
    theta = np.array(settings["constants"])
    predicted = multi_power(fitted).value(theta, point_columns(fitted))
    objective = float(Objective().loss(np.log(predicted / fitted.losses)).sum())
    predicted = multi_power(held_out).value(theta, point_columns(held_out))
    return {
        "objective": Measured(value=objective),
        "held_out_error": Measured(value=_mean_error(predicted, held_out)),
    }


def as_ours(
    runs: Runs, settings: Mapping[str, Any], bootstrap: int, level: float, seed: int
) -> tuple[Found, str]:
    """The optimum that `fit_curves` finds, with its error on the others, and its status.

    There are never more resamples than its default: each of them is a fit of minutes' worth.
    """
    fitted, held_out = _both(runs, settings)
    made = fit_curves(fitted, bootstrap=min(bootstrap, BOOTSTRAP), level=level, seed=seed)
    found = {
        name: Measured(value=e.value, low=e.low, high=e.high) for name, e in made.params.items()
    }
    found["objective"] = Measured(value=made.objective.value)
    errors = [made.error(curve) for curve in held_out]
    found["held_out_error"] = Measured(value=float(np.mean(errors)))
    return found, made.status


def _both(runs: Runs, settings: Mapping[str, Any]) -> tuple[Curves, Curves]:
    """The curves of one size that are fitted, and those that are held out."""
    rows = [row for row in runs.rows() if row["params_nominal"] == settings["params"]]

    def curve(name: str) -> Curve:
        points = sorted((row["step"], row["loss"]) for row in rows if row["schedule"] == name)
        steps, losses = zip(*points, strict=True)
        return Curve(name, schedule_of(name), steps, losses)

    fitted, held_out = (Curves(map(curve, settings[which])) for which in ("fitted", "held_out"))
    return fitted, held_out


def _mean_error(predicted: Array, measured: Curves) -> float:
    """Mean over curves of their mean relative errors."""
    ends = np.cumsum([len(curve) for curve in measured])[:-1]
    parts = np.split(np.abs(predicted / measured.losses - 1), ends)
    return float(np.mean([part.mean() for part in parts]))

"""Fits of one law to the rows of a table: parameters, objective, optimum at a budget, errors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from isoloss.fitting.estimation import fit
from isoloss.fitting.reproducing._selecting import selected
from isoloss.fitting.reproducing.figures import Measured
from isoloss.fitting.result import Fit
from isoloss.laws.law import Array
from isoloss.runs import Runs

Found = dict[str, Measured]

_SETTINGS = (
    "objective",
    "delta",
    "residual",
    "target",
    "n",
    "fixed",
    "tied",
    "bootstrap",
    "resample",
)
_SHARED = ("target", "n", "fixed", "tied")
"""What belongs to the question, not to the way of answering it: ours keeps it."""


def as_paper(runs: Runs, settings: Mapping[str, Any], seed: int) -> Found:
    """The figures with the settings of the authors."""
    chosen: dict[str, Any] = {"bootstrap": 0, "seed": seed}
    chosen |= {name: settings[name] for name in _SETTINGS if name in settings}
    made = fit(selected(runs, settings.get("rows")), settings["law"], **chosen)
    return figures_of(made, runs, settings)


def as_ours(
    runs: Runs, settings: Mapping[str, Any], bootstrap: int, level: float, seed: int
) -> tuple[Found, str]:
    """The figures with the defaults of `fit` on the same rows, and its status."""
    chosen: dict[str, Any] = {"bootstrap": bootstrap, "level": level, "seed": seed}
    chosen |= {name: settings[name] for name in _SHARED if name in settings}
    made = fit(selected(runs, settings.get("rows")), settings["law"], **chosen)
    found = figures_of(made, runs, settings)
    del found["objective"]
    return found, made.status


def figures_of(made: Fit, runs: Runs, settings: Mapping[str, Any]) -> Found:
    """All that is known of a fit, by the names of the catalogue.

    Parameters and their standard errors (`stderr.NAME`), the objective, the root mean square of
    log10 residuals (`rms_dex`), for a law with alpha and beta the exponent of N* (`a`), at the
    budget `flops` N* and D/N (`n_optimum`, `tokens_per_parameter`; C = 6ND), and the error on
    the runs `held_out` in percent (`error.RUN`).
    """
    found: Found = {
        name: Measured(value=e.value, low=e.low, high=e.high) for name, e in made.params.items()
    }
    found |= {f"stderr.{name}": Measured(value=e.stderr) for name, e in made.params.items()}
    found["objective"] = Measured(value=made.objective.value)
    if made.objective.name == "squared" and made.objective.residual == "log":
        rms = math.sqrt(made.objective.value / made.n_rows) / math.log(10)
        found["rms_dex"] = Measured(value=rms)
    if {"A", "B", "alpha", "beta"} <= set(made.law.names):
        found |= _optima(made, settings.get("flops"))
    for run_id in settings.get("held_out", ()):
        found[f"error.{run_id}"] = _error(made, runs, run_id)
    return found


def _optima(made: Fit, flops: float | None) -> Found:
    position = {name: i for i, name in enumerate(made.law.names)}
    theta = {name: made.theta[..., i] for name, i in position.items()}
    drawn = None
    if made.draws is not None:
        drawn = {name: made.draws[:, i] for name, i in position.items()}
    points = optimum_of(theta, flops)
    clouds = optimum_of(drawn, flops) if drawn is not None else {}
    found = {
        name: _with_interval(value, clouds.get(name), made.level) for name, value in points.items()
    }
    if "a" in clouds:
        found["stderr.a"] = Measured(value=float(clouds["a"].std(ddof=1)))
    return found


def optimum_of(theta: Mapping[str, Any], flops: float | None) -> dict[str, Any]:
    """Closed form of the compute optimum under C = 6ND (Hoffmann et al. 2022, eq. 4).

    Args:
        theta: A, B, alpha, beta, numbers or arrays of one shape.
        flops: a budget, or None for the exponent alone.

    >>> found = optimum_of({"A": 406.4, "B": 410.7, "alpha": .34, "beta": .28}, 5.76e23)
    >>> round(found["tokens_per_parameter"], 1)
    92.6
    """
    alpha, beta = theta["alpha"], theta["beta"]
    found = {"a": beta / (alpha + beta)}
    if flops is not None:
        ratio = (alpha * theta["A"] / (beta * theta["B"])) ** (1 / (alpha + beta))
        found["n_optimum"] = ratio * (flops / 6) ** found["a"]
        found["tokens_per_parameter"] = flops / 6 / found["n_optimum"] ** 2
    return found


def _with_interval(value: Any, cloud: Array | None, level: float) -> Measured:
    if cloud is None:
        return Measured(value=float(value))
    tail = (1 - level) / 2
    low, high = (float(q) for q in np.quantile(cloud, [tail, 1 - tail]))
    return Measured(value=float(value), low=low, high=high)


def _error(made: Fit, runs: Runs, run_id: str) -> Measured:
    """Predicted over measured, in percent off, with the interval of one run."""
    row = next(row for row in runs.rows() if row["run_id"] == run_id)
    known: dict[str, Any] = {"D": row.get("tokens"), "C": row.get("flops"), **row}
    known["N"] = row.get(made.n_convention) or next(
        value for name, value in row.items() if name.startswith("params_")
    )
    known["M"] = known["D"] / known["N"]
    at: dict[str, Any] = {name: float(known[name]) for name in made.law.variables}
    predicted = made.predict(kind="run", **at)
    measured = float(row[made.target])
    low, loss, high = (
        100 * (value / measured - 1) for value in (predicted.low, predicted.loss, predicted.high)
    )
    return Measured(value=loss, low=low, high=high)

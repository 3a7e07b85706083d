"""A broken law of a table without N and D, as the script of Caballero et al. 2022 fits it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from isoloss.fitting.estimation import fit
from isoloss.fitting.reproducing._by_law import Found
from isoloss.fitting.reproducing.figures import Measured
from isoloss.fitting.result import Fit
from isoloss.laws import Law
from isoloss.laws.broken import broken_law
from isoloss.laws.law import Array, Columns, Function
from isoloss.runs import Runs

SIZE = "dataset_size_examples"


@dataclass(frozen=True)
class _PlusOne:
    """A law's value and one: of y + 1 the script's log(y + 1) is the log residual."""

    of: Function

    def __call__(self, theta: Array, data: Columns) -> Array:
        return 1 + self.of(theta, data)


def as_paper(runs: Runs, settings: Mapping[str, Any], seed: int) -> Found:
    """Least squares of log(y + 1); `rmsle.fit` and `rmsle.extrapolate` of log y, as they print."""
    plain = broken_law(1, SIZE)
    law = replace(
        plain,
        name="y + 1",
        formula=f"1 + {plain.formula}",
        value=_PlusOne(plain.value),
        linear=(),
    )
    made = fit(
        _table(runs), law, target="loss_plus_one", objective="squared", bootstrap=0, seed=seed
    )
    return {"objective": Measured(value=made.objective.value), **_errors(plain, made, runs)}


def as_ours(
    runs: Runs, settings: Mapping[str, Any], bootstrap: int, level: float, seed: int
) -> tuple[Found, str]:
    """The defaults of `fit`: Huber of log y."""
    law = broken_law(1, SIZE)
    made = fit(_table(runs), law, bootstrap=bootstrap, level=level, seed=seed)
    return _errors(law, made, runs), made.status


def _table(runs: Runs) -> Runs:
    """The points to fit. N and D, which the source does not give, are 1 in every row."""
    frame = runs.to_frame()
    frame = frame[frame["split"] == "fit"]
    return Runs.from_frame(
        frame.assign(
            params_unknown=1, tokens=1, loss_plus_one=frame["loss"].astype(float) + 1, reason=""
        )
    )


def _errors(law: Law, made: Fit, runs: Runs) -> Found:
    frame = runs.to_frame()
    predicted = law.value(made.theta, {SIZE: frame[SIZE].to_numpy(dtype=np.float64)})
    square = np.log(predicted / frame["loss"].to_numpy(dtype=np.float64)) ** 2
    return {
        f"rmsle.{split}": Measured(value=float(np.sqrt(square[frame["split"] == split].mean())))
        for split in ("fit", "extrapolate")
    }

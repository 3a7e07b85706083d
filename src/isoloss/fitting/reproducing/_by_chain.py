"""A measure of tasks in two steps: loss from size and data, the measure from the loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isoloss.fitting.chained import ChainedFit, fit_chain
from isoloss.fitting.estimation import fit
from isoloss.fitting.reproducing._by_law import Found
from isoloss.fitting.reproducing._selecting import selected
from isoloss.fitting.reproducing.figures import Measured
from isoloss.runs import Runs


def as_paper(runs: Runs, settings: Mapping[str, Any], seed: int) -> Found:
    """Both steps with the authors' settings: parameters of the second, errors of the chain."""
    first, second = (
        fit(selected(runs, step.get("rows")), seed=seed, bootstrap=0, **_chosen(step))
        for step in (settings["first"], settings["second"])
    )
    found = {name: Measured(value=e.value) for name, e in second.params.items()}
    return found | _errors(fit_chain(first, second), runs, settings)


def as_ours(
    runs: Runs, settings: Mapping[str, Any], bootstrap: int, level: float, seed: int
) -> tuple[Found, str]:
    """Both steps with the defaults of `fit`, and the status of both."""
    shared: dict[str, Any] = {"bootstrap": bootstrap, "level": level, "seed": seed}
    first, second = (
        fit(
            selected(runs, step.get("rows")),
            **shared,
            **{k: v for k, v in _chosen(step).items() if k in ("law", "target", "n")},
        )
        for step in (settings["first"], settings["second"])
    )
    found = {
        name: Measured(value=e.value, low=e.low, high=e.high) for name, e in second.params.items()
    }
    status = f"{first.status}; then {second.status}"
    return found | _errors(fit_chain(first, second), runs, settings), status


def _chosen(step: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in step.items() if name != "rows"}


def _errors(chain: ChainedFit, runs: Runs, settings: Mapping[str, Any]) -> Found:
    """Predicted over measured at the runs `held_out`, in percent off."""
    found: Found = {}
    for run_id in settings["held_out"]:
        row = next(row for row in runs.rows() if row["run_id"] == run_id)
        n, d = float(row["params_total"]), float(row["tokens"])
        at: dict[str, Any] = {"N": n, "D": d, "C": 6 * n * d, "M": d / n}
        predicted = chain.predict(kind="run", **{name: at[name] for name in chain.variables})
        measured = float(row[chain.second.target])
        low, value, high = (
            100 * (loss / measured - 1) for loss in (predicted.low, predicted.loss, predicted.high)
        )
        found[f"error.{run_id}"] = Measured(value=value, low=low, high=high)
    return found

"""A fit in files: readable JSON, and draws and rows beside it in an `.npz` without pickle."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from isoloss.errors import NotFoundError, UsageError
from isoloss.fitting._archive import damaged, read_archive, write_archive
from isoloss.fitting._law_files import law_document, law_of, named_law, plain_text
from isoloss.fitting.result import Check, Estimate, Fit, FittedRows, ObjectiveValue
from isoloss.fitting.solver.constraints import Constraints
from isoloss.fitting.solver.objective import Objective
from isoloss.laws import Law
from isoloss.laws.law import Array


def save_fit(fit: Fit, path: Path) -> None:
    """Write the arrays, then the JSON with their hash."""
    write_archive(path, "Fit", *fit_parts(fit))


def load_fit(path: Path) -> Fit:
    """Read what `save_fit` wrote."""
    document, arrays, lost = read_archive(path, "Fit")
    try:
        return fit_of(document, arrays, lost)
    except (
        ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError,
        UsageError, NotFoundError,
    ) as error:  # fmt: skip
        raise damaged(path, "Fit", error) from error


def fit_parts(fit: Fit) -> tuple[dict[str, Any], dict[str, Any]]:
    """The JSON of a fit, and its arrays by name."""
    document = fit.to_dict()
    if not plain_text(fit.law):
        document["made_of"] = law_document(fit.law)
    arrays = _rows_as_arrays(fit.data)
    if fit.draws is not None:
        arrays["draws"] = fit.draws
    return document, arrays


def fit_of(document: Mapping[str, Any], arrays: Mapping[str, Any], lost: str) -> Fit:
    """The fit of `fit_parts`; `lost` says why there are no arrays although there were."""
    law = _law(document)
    stored = dict(document["objective"])
    value = _finite(stored.pop("value"))
    params = {name: _estimate(document["params"][name]) for name in law.names}
    constraints = Constraints(**document["constraints"])
    constraints.check(law)
    draws, reason = _draws(arrays, document, lost, len(law.names))
    target = str(document["target"])
    return Fit(
        law=law,
        theta=np.array([estimate.value for estimate in params.values()]),
        params=params,
        constraints=constraints,
        objective=ObjectiveValue(spec=Objective(**stored), value=value),
        target=target,
        data=_rows(arrays, law, target),
        status=str(document["status"]),
        trusted=bool(document["trusted"]),
        checks=tuple(Check(**check) for check in document["checks"]),
        draws=draws,
        draws_reason=reason,
        n_convention=document["n_convention"] or "",
        flops_convention=document["flops_convention"] or "",
        n_rows=int(document["n_rows"]),
        seed=int(document["seed"]),
        level=_finite(document["level"]),
        ranges={k: (float(v[0]), float(v[1])) for k, v in document["ranges"].items()},
        family=dict(document["family"]),
        scatter=_number(document["scatter"]),
        runs_hash=str(document["runs_hash"]),
        evidence=document.get("evidence", {}),
    )


def _law(document: Mapping[str, Any]) -> Law:
    """The law of a fit, with the parameters that the fit has."""
    if "made_of" in document:
        law = law_of(document["made_of"])
    else:
        name, formula = str(document["law"]), str(document["formula"])
        law = named_law(name, formula, document.get("variables", ()))
    if set(law.names) != set(document["params"]):
        raise ValueError(f"the parameters of {law.formula!r} are {', '.join(law.names)}")
    return law


def _draws(
    arrays: Mapping[str, Any], document: Mapping[str, Any], lost: str, parameters: int
) -> tuple[Array | None, str]:
    if "draws" not in arrays:
        return None, lost or str(document.get("draws_reason", "the fit was saved without draws"))
    draws = np.asarray(arrays["draws"], dtype=np.float64)
    if draws.ndim != 2 or draws.shape[1] != parameters:
        return None, "the draws beside the fit are those of other parameters"
    return draws, ""


def _rows_as_arrays(rows: FittedRows | None) -> dict[str, Any]:
    if rows is None:
        return {}
    arrays: dict[str, Any] = {f"column_{name}": column for name, column in rows.columns.items()}
    arrays |= {"values": rows.values, "clusters": rows.clusters, "run_ids": np.array(rows.run_ids)}
    if rows.groups:
        arrays["groups"] = np.array(rows.groups)
    if rows.weights is not None:
        arrays["weights"] = rows.weights
    return arrays


def _rows(arrays: Mapping[str, Any], law: Law, target: str) -> FittedRows | None:
    if "values" not in arrays:
        return None
    return FittedRows(
        columns={name: arrays[f"column_{name}"] for name in law.variables},
        values=arrays["values"],
        target=target,
        weights=arrays.get("weights"),
        clusters=arrays["clusters"],
        run_ids=tuple(str(run_id) for run_id in arrays["run_ids"]),
        groups=tuple(str(group) for group in arrays.get("groups", ())),
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _finite(value: Any) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{value} is no finite number")
    return float(value)


def _estimate(stored: Mapping[str, Any]) -> Estimate:
    return Estimate(
        value=_finite(stored["value"]),
        stderr=_number(stored["stderr"]),
        low=_number(stored["low"]),
        high=_number(stored["high"]),
        at_bound=bool(stored["at_bound"]),
        reason=str(stored.get("low_reason", "")),
        tied_to=str(stored.get("tied_to", "")),
    )

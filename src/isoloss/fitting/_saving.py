"""A fit in files: readable JSON, and draws and rows beside it in an `.npz` without pickle."""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from isoloss._files import write_bytes_atomic, write_json_atomic
from isoloss.errors import DataError, NotFoundError, UsageError
from isoloss.fitting.result import FORMAT, Check, Estimate, Fit, FittedRows, ObjectiveValue
from isoloss.fitting.solver.constraints import Constraints
from isoloss.fitting.solver.objective import Objective
from isoloss.laws import Law, get_law, law_names
from isoloss.laws.law import Array


def arrays_path(path: Path) -> Path:
    """Where the draws and the fitted rows lie."""
    return path.with_suffix(".npz")


def save_fit(fit: Fit, path: Path) -> None:
    """Write the arrays, then the JSON with their hash."""
    beside = arrays_path(path)
    if beside == path:
        raise UsageError(
            f"{path}: a fit is saved as JSON, its draws as .npz beside it",
            hint=f"Use {path.with_suffix('.json')}.",
        )
    document = fit.to_dict()
    arrays = _rows_as_arrays(fit.data)
    if fit.draws is not None:
        arrays["draws"] = fit.draws
    if arrays:
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        write_bytes_atomic(beside, buffer.getvalue())
        document["arrays_sha256"] = hashlib.sha256(buffer.getvalue()).hexdigest()
    write_json_atomic(path, document)


def _rows_as_arrays(rows: FittedRows | None) -> dict[str, Any]:
    if rows is None:
        return {}
    arrays: dict[str, Any] = {f"column_{name}": column for name, column in rows.columns.items()}
    arrays |= {"values": rows.values, "clusters": rows.clusters, "run_ids": np.array(rows.run_ids)}
    if rows.weights is not None:
        arrays["weights"] = rows.weights
    return arrays


def load_fit(path: Path) -> Fit:
    """Read what `save_fit` wrote."""
    try:
        document = json.loads(path.read_text("utf-8"))
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']!r}")
        law = _law(document)
        return _from_dict(document, law, *_load_arrays(path, document))
    except FileNotFoundError as error:
        raise NotFoundError(f"{path}: no such fit") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error})") from error
    except (
        ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError,
        UsageError, NotFoundError,
    ) as error:  # fmt: skip
        raise DataError(
            f"{path} is no fit of isoloss, or it is damaged ({error!r})",
            hint="Write it again: isoloss fit TABLE -o FIT",
        ) from error


def _law(document: Mapping[str, Any]) -> Law:
    """The law of the library where its formula is still the same, else that of the formula."""
    name, formula = str(document["law"]), str(document["formula"])
    if name in law_names() and get_law(name).formula == formula:
        law = get_law(name)
    else:
        law = get_law(formula, [str(v) for v in document.get("variables", ())])
    if set(law.names) != set(document["params"]):
        raise ValueError(f"the parameters of {formula!r} are {', '.join(law.names)}")
    return law


def _load_arrays(path: Path, document: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The arrays beside a fit; none with the reason where they are lost."""
    if "arrays_sha256" not in document:
        return {}, str(document.get("draws_reason", "the fit was saved without draws"))
    beside = arrays_path(path)
    try:
        data = beside.read_bytes()
    except FileNotFoundError:
        return {}, f"{beside.name} is missing beside the fit"
    except OSError as error:
        return {}, f"{beside.name} cannot be read ({error.strerror or error})"
    if hashlib.sha256(data).hexdigest() != document["arrays_sha256"]:
        return {}, f"{beside.name} is damaged or belongs to another fit"
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}, ""
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return {}, f"{beside.name} is damaged"


def _draws(
    arrays: Mapping[str, Any], document: Mapping[str, Any], reason: str, parameters: int
) -> tuple[Array | None, str]:
    if "draws" not in arrays:
        return None, reason or str(document.get("draws_reason", ""))
    draws = np.asarray(arrays["draws"], dtype=np.float64)
    if draws.ndim != 2 or draws.shape[1] != parameters:
        return None, "the draws beside the fit are those of other parameters"
    return draws, ""


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


def _from_dict(
    document: Mapping[str, Any], law: Law, arrays: Mapping[str, Any], reason: str
) -> Fit:
    stored = dict(document["objective"])
    value = _finite(stored.pop("value"))
    params = {name: _estimate(document["params"][name]) for name in law.names}
    constraints = Constraints(**document["constraints"])
    constraints.check(law)
    draws, reason = _draws(arrays, document, reason, len(law.names))
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
        family={k: int(v) for k, v in document["family"].items()},
        scatter=_number(document["scatter"]),
        runs_hash=str(document["runs_hash"]),
        evidence=document.get("evidence", {}),
    )

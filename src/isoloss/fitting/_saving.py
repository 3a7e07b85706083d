"""A fit in files: readable JSON, and its draws beside it in an `.npz` without pickle."""

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
from isoloss.fitting.objective import Objective
from isoloss.fitting.result import FORMAT, Check, Estimate, Fit, ObjectiveValue
from isoloss.laws import Law, get_law, law_names
from isoloss.laws.law import Array


def draws_path(path: Path) -> Path:
    """Where the draws of a fit lie."""
    return path.with_suffix(".npz")


def save_fit(fit: Fit, path: Path) -> None:
    """Write the draws, then the JSON with their hash."""
    if draws_path(path) == path:
        raise UsageError(
            f"{path}: a fit is saved as JSON, its draws as .npz beside it",
            hint=f"Use {path.with_suffix('.json')}.",
        )
    document = fit.to_dict()
    if fit.draws is not None:
        buffer = io.BytesIO()
        np.savez(buffer, draws=fit.draws)
        write_bytes_atomic(draws_path(path), buffer.getvalue())
        document["draws_sha256"] = hashlib.sha256(buffer.getvalue()).hexdigest()
    write_json_atomic(path, document)


def load_fit(path: Path) -> Fit:
    """Read what `save_fit` wrote."""
    try:
        document = json.loads(path.read_text("utf-8"))
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']!r}")
        law = _law(document)
        draws, reason = _load_draws(path, document, len(law.names))
        return _from_dict(document, law, draws, reason)
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


def _load_draws(
    path: Path, document: Mapping[str, Any], parameters: int
) -> tuple[Array | None, str]:
    if "draws_sha256" not in document:
        return None, str(document.get("draws_reason", "the fit was saved without draws"))
    beside = draws_path(path)
    try:
        data = beside.read_bytes()
    except FileNotFoundError:
        return None, f"{beside.name} is missing beside the fit"
    except OSError as error:
        return None, f"{beside.name} cannot be read ({error.strerror or error})"
    if hashlib.sha256(data).hexdigest() != document["draws_sha256"]:
        return None, f"{beside.name} is damaged or belongs to another fit"
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            draws = np.asarray(archive["draws"], dtype=np.float64)
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None, f"{beside.name} is damaged"
    if draws.ndim != 2 or draws.shape[1] != parameters:
        return None, f"{beside.name} holds other parameters"
    return draws, ""


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
    )


def _from_dict(document: Mapping[str, Any], law: Law, draws: Array | None, reason: str) -> Fit:
    stored = document["objective"]
    objective = Objective(name=stored["name"], delta=stored["delta"], residual=stored["residual"])
    params = {name: _estimate(document["params"][name]) for name in law.names}
    return Fit(
        law=law,
        theta=np.array([estimate.value for estimate in params.values()]),
        params=params,
        objective=ObjectiveValue(
            name=objective.name,
            delta=objective.delta,
            residual=objective.residual,
            value=_finite(stored["value"]),
        ),
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

"""What a fit gives back: estimates with intervals, checks, and predictions. All frozen."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from isoloss._files import write_bytes_atomic, write_json_atomic
from isoloss.errors import DataError, NotFoundError, UsageError
from isoloss.fitting.objective import Objective
from isoloss.laws import Law, get_law
from isoloss.laws.law import Array

SCHEMA_VERSION = 1
FORMAT = "isoloss-fit-1"
Kind = Literal["mean", "run"]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A fitted parameter; an interval that cannot be given is not-a-number with the `reason`."""

    value: float
    stderr: float
    low: float
    high: float
    at_bound: bool
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        return _plain(
            {
                "value": self.value,
                "stderr": self.stderr,
                "low": self.low,
                "high": self.high,
                "at_bound": self.at_bound,
            },
            self.reason,
        )


@dataclass(frozen=True, kw_only=True)
class Check:
    """One question about a fit: passed or not, what was seen, and what to do."""

    name: str
    passed: bool
    message: str
    cure: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        return {
            "name": self.name,
            "passed": self.passed,
            "message": self.message,
            "cure": self.cure,
        }


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A predicted loss with its interval.

    Attributes:
        loss: from the fitted parameters.
        low, high: interval at `level`; not-a-number with the `reason` where there is none.
        kind: `mean`: of the law; `run`: of one run, with the scatter of the fitted runs.
        at: the point.
        extrapolation: for each variable, how many times beyond the fitted runs; 1 inside.
    """

    loss: float
    low: float
    high: float
    kind: Kind
    level: float
    at: Mapping[str, float]
    extrapolation: Mapping[str, float]
    reason: str = ""

    def __repr__(self) -> str:
        return f"Prediction(loss={self.loss:.4f}, low={self.low:.4f}, high={self.high:.4f})"

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        return _plain(
            {
                "schema_version": SCHEMA_VERSION,
                "loss": self.loss,
                "low": self.low,
                "high": self.high,
                "kind": self.kind,
                "level": self.level,
                "at": dict(self.at),
                "extrapolation": dict(self.extrapolation),
            },
            self.reason,
        )

    def summary(self) -> str:
        """Two lines for a terminal."""
        point = ", ".join(f"{name} = {value:.4g}" for name, value in self.at.items())
        if math.isnan(self.low):
            band = f"no interval: {self.reason}"
        else:
            of = "of the law" if self.kind == "mean" else "of one run"
            band = f"[{self.low:.4f}, {self.high:.4f}]  {self.level:.0%} interval {of}"
        beyond = {name: x for name, x in self.extrapolation.items() if x > 1}
        far = ", ".join(f"{name} {x:.3g}x" for name, x in beyond.items())
        lines = [f"loss {self.loss:.4f}  {band}", f"at {point}"]
        lines += [f"beyond the fitted runs: {far}"] if far else ["inside the range of the runs"]
        return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class ObjectiveValue:
    """The objective and its value at the optimum, summed over rows."""

    name: str
    delta: float
    residual: str
    value: float


@dataclass(frozen=True, kw_only=True, repr=False)
class Fit:
    """A law with the parameters that runs gave it, and how far to believe it.

    Attributes:
        law: the law; `theta` (P,): its parameters in order.
        params: the same by name, with intervals at `level`.
        objective: what was minimised and the value reached.
        status: one sentence; `trusted`: converged and identified.
        checks: what was looked at.
        draws: parameters of bootstrap fits (R, P), or None with `draws_reason`.
        n_convention, flops_convention: of the rows (docs/design.md §3); may be empty.
        ranges: smallest and largest value of each variable, and of C where the rows have it.
        family: vocab_size, context_length, n_layer where all rows share the ladder's shapes.
        scatter: standard deviation of the log residuals, with degrees of freedom taken off.
        runs_hash: of the table that was fitted.
    """

    law: Law
    theta: Array
    params: Mapping[str, Estimate]
    objective: ObjectiveValue
    status: str
    trusted: bool
    checks: tuple[Check, ...]
    draws: Array | None
    draws_reason: str
    n_convention: str
    flops_convention: str
    n_rows: int
    seed: int
    level: float
    ranges: Mapping[str, tuple[float, float]]
    family: Mapping[str, int]
    scatter: float
    runs_hash: str
    evidence: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={e.value:.4g}" for name, e in self.params.items())
        return f"Fit({self.law.name}: {values}; {self.n_rows} rows; {self.status})"

    def predict(
        self, *, level: float | None = None, kind: Kind = "mean", **variables: float
    ) -> Prediction:
        """Predict the loss at a point; every variable of the law must be given.

        Args:
            level: of the interval; the fit's own when left out.
            kind: `mean` for the law's loss, `run` for one run with its scatter.
            variables: for example N=1e6, D=2e7.

        Raises:
            UsageError: a variable is missing, unknown, not positive, or the level is no share.
        """
        level = self.level if level is None else level
        check_level(level)
        if kind not in ("mean", "run"):
            raise UsageError(f"unknown kind {kind!r}", hint="Use mean or run.")
        self._check_variables(variables)
        data = {name: np.array([float(value)]) for name, value in variables.items()}
        loss = float(self.law.value(self.theta, data)[0])
        low, high, reason = math.nan, math.nan, self.draws_reason
        if self.draws is not None:
            sample = np.log(self.law.value(self.draws, data)[:, 0])
            if kind == "run":
                rng = np.random.default_rng(self.seed)
                sample = sample + self.scatter * rng.standard_normal(len(sample))
            tail = (1 - level) / 2
            low, high = (float(x) for x in np.exp(np.nanquantile(sample, [tail, 1 - tail])))
            low, high, reason = min(low, loss), max(high, loss), ""
        return Prediction(
            loss=loss,
            low=low,
            high=high,
            kind=kind,
            level=level,
            at={name: float(value) for name, value in variables.items()},
            extrapolation={n: self.distance(n, float(v)) for n, v in variables.items()},
            reason=reason,
        )

    def distance(self, variable: str, value: float) -> float:
        """How many times beyond the fitted runs a value lies; 1 inside, not-a-number unknown."""
        if variable not in self.ranges:
            return math.nan
        low, high = self.ranges[variable]
        return max(1.0, value / high, low / value)

    def _check_variables(self, variables: Mapping[str, float]) -> None:
        missing = [name for name in self.law.variables if name not in variables]
        unknown = [name for name in variables if name not in self.law.variables]
        if missing or unknown:
            raise UsageError(
                f"the law {self.law.name!r} takes {', '.join(self.law.variables)}; "
                + (f"missing {', '.join(missing)}" if missing else f"unknown {', '.join(unknown)}"),
                hint=f"Formula: {self.law.formula}",
            )
        for name, value in variables.items():
            if not (value > 0 and math.isfinite(value)):
                raise UsageError(f"{name} must be a positive number, found {value!r}")

    def summary(self) -> str:
        """The fit in 80 columns."""
        from isoloss.fitting.text import fit_text

        return fit_text(self)

    def _repr_html_(self) -> str:
        import html

        return f"<pre>{html.escape(self.summary())}</pre>"

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON, without the draws."""
        return {
            "schema_version": SCHEMA_VERSION,
            "format": FORMAT,
            "law": self.law.name,
            "formula": self.law.formula,
            "n_convention": self.n_convention or None,
            "flops_convention": self.flops_convention or None,
            "params": {name: estimate.to_dict() for name, estimate in self.params.items()},
            "objective": {
                "name": self.objective.name,
                "delta": self.objective.delta,
                "residual": self.objective.residual,
                "value": self.objective.value,
            },
            "status": self.status,
            "trusted": self.trusted,
            "checks": [check.to_dict() for check in self.checks],
            "n_rows": self.n_rows,
            "seed": self.seed,
            "level": self.level,
            "ranges": {name: list(values) for name, values in self.ranges.items()},
            "family": dict(self.family),
            "scatter": self.scatter if math.isfinite(self.scatter) else None,
            "runs_hash": self.runs_hash,
            "draws": 0 if self.draws is None else len(self.draws),
            **({"draws_reason": self.draws_reason} if self.draws is None else {}),
            "evidence": dict(self.evidence),
        }

    def to_frame(self) -> Any:
        """A pandas frame with one row a parameter."""
        import pandas as pd

        return pd.DataFrame([{"name": n, **e.to_dict()} for n, e in self.params.items()])

    def save(self, path: str | Path) -> None:
        """Write `path` (JSON) and, before it, the draws beside it (`.npz`)."""
        import hashlib

        path = Path(path)
        document = self.to_dict()
        if self.draws is not None:
            buffer = io.BytesIO()
            np.savez(buffer, draws=self.draws)
            write_bytes_atomic(draws_path(path), buffer.getvalue())
            document["draws_sha256"] = hashlib.sha256(buffer.getvalue()).hexdigest()
        write_json_atomic(path, document)

    @staticmethod
    def load(path: str | Path) -> Fit:
        """Read what `save` wrote; without its `.npz` the intervals of predictions are missing.

        Raises:
            NotFoundError: no such file.
            DataError: not a fit of isoloss, or damaged.
        """
        path = Path(path)
        try:
            document = json.loads(path.read_text("utf-8"))
            draws, reason = _load_draws(path, document)
            return _from_dict(document, draws, reason)
        except FileNotFoundError as error:
            raise NotFoundError(f"{path}: no such fit") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{path} is no fit of isoloss, or it is damaged ({error!r})",
                hint="Write it again: isoloss fit TABLE -o FIT",
            ) from error


def check_level(level: float) -> None:
    """Raise UsageError unless the level of an interval lies between 0 and 1."""
    if not 0 < level < 1:
        raise UsageError(f"level must lie between 0 and 1, found {level}", hint="Try 0.9.")


def draws_path(path: Path) -> Path:
    """Where the draws of a fit lie."""
    return path.with_suffix(".npz")


def _plain(values: dict[str, Any], reason: str) -> dict[str, Any]:
    """Not-a-number becomes null; the reason stands beside it."""
    missing = [k for k, v in values.items() if isinstance(v, float) and not math.isfinite(v)]
    result = {k: (None if k in missing else v) for k, v in values.items()}
    return result | {f"{k}_reason": reason or "not available" for k in missing}


def _load_draws(path: Path, document: Mapping[str, Any]) -> tuple[Array | None, str]:
    import hashlib
    import zipfile

    if "draws_sha256" not in document:
        return None, str(document.get("draws_reason", "the fit was saved without draws"))
    beside = draws_path(path)
    if not beside.exists():
        return None, f"{beside.name} is missing beside the fit"
    data = beside.read_bytes()
    if hashlib.sha256(data).hexdigest() != document["draws_sha256"]:
        return None, f"{beside.name} belongs to another fit"
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return np.asarray(archive["draws"], dtype=np.float64), ""
    except (ValueError, KeyError, zipfile.BadZipFile):
        return None, f"{beside.name} is damaged"


def _from_dict(document: Mapping[str, Any], draws: Array | None, reason: str) -> Fit:
    if document.get("format") != FORMAT:
        raise ValueError(f"format {document.get('format')!r}")
    law = get_law(document["law"])
    objective = Objective(
        name=document["objective"]["name"],
        delta=document["objective"]["delta"],
        residual=document["objective"]["residual"],
    )

    def number(value: float | None) -> float:
        return math.nan if value is None else float(value)

    params = {
        name: Estimate(
            value=float(p["value"]),
            stderr=number(p["stderr"]),
            low=number(p["low"]),
            high=number(p["high"]),
            at_bound=bool(p["at_bound"]),
            reason=str(p.get("low_reason", "")),
        )
        for name, p in document["params"].items()
    }
    return Fit(
        law=law,
        theta=np.array([params[name].value for name in law.names]),
        params=params,
        objective=ObjectiveValue(
            name=objective.name,
            delta=objective.delta,
            residual=objective.residual,
            value=float(document["objective"]["value"]),
        ),
        status=document["status"],
        trusted=bool(document["trusted"]),
        checks=tuple(Check(**check) for check in document["checks"]),
        draws=draws,
        draws_reason=reason,
        n_convention=document["n_convention"] or "",
        flops_convention=document["flops_convention"] or "",
        n_rows=int(document["n_rows"]),
        seed=int(document["seed"]),
        level=float(document["level"]),
        ranges={k: (float(v[0]), float(v[1])) for k, v in document["ranges"].items()},
        family={k: int(v) for k, v in document["family"].items()},
        scatter=number(document["scatter"]),
        runs_hash=document["runs_hash"],
        evidence=document.get("evidence", {}),
    )

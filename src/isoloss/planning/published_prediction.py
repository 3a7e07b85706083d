"""What a published law says of one point, with its convention and its caveats."""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from isoloss.errors import UsageError
from isoloss.planning.interval import or_null
from isoloss.planning.published import PublishedLaw, published_law
from isoloss.planning.sources import NO_DRAWS_PUBLISHED

_WIDTH = 80


@dataclass(frozen=True, kw_only=True)
class PublishedPrediction:
    """A value of a published law.

    Attributes:
        value: what the law predicts, in the unit of `target` (a loss in nats per token).
        target: `loss`, or a column of the run table.
        at: the point, what was derived included.
        extrapolation: for each variable, how many times beyond the paper's runs; 1 inside,
            nan where the paper does not say.
        law: the law, with reference, convention and note.
        notes: what was derived, and what to know.
    """

    value: float
    target: str
    at: Mapping[str, float]
    extrapolation: Mapping[str, float]
    law: PublishedLaw
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON, with the keys of a fit's prediction."""
        return {
            "loss": self.value,
            "target": self.target,
            "low": None,
            "high": None,
            "interval_reason": NO_DRAWS_PUBLISHED,
            "kind": "mean",
            "level": None,
            "at": dict(self.at),
            "extrapolation": {name: or_null(x) for name, x in self.extrapolation.items()},
            "law": self.law.name,
            "formula": self.law.formula,
            "constants": dict(self.law.constants),
            "n_convention": self.law.n_convention,
            "flops_convention": self.law.flops_convention or None,
            "reference": self.law.reference,
            "notes": list(self.notes),
        }

    def summary(self) -> str:
        """The prediction in text, at most 80 columns wide."""
        point = ", ".join(f"{name} = {value:.4g}" for name, value in self.at.items())
        beyond = {name: x for name, x in self.extrapolation.items() if x > 1}
        unknown = [name for name, x in self.extrapolation.items() if math.isnan(x)]
        far = ", ".join(f"{name} {x:.3g}x" for name, x in beyond.items())
        if beyond:
            reach = f"beyond the paper's runs: {far}"
        elif unknown:
            reach = f"how far beyond the paper's runs {', '.join(unknown)} lies is not known here"
        else:
            reach = "inside the range of the paper's runs"
        shown = f"{self.value:.4f}" if self.target == "loss" else f"{self.value:.4g}"
        first = f"{self.target} {shown}  no interval: {NO_DRAWS_PUBLISHED}"
        parts = (first, f"at {point}", reach, *self.notes)
        lines = [textwrap.wrap(part, _WIDTH, subsequent_indent="  ") for part in parts]
        return "\n".join(line for wrapped in lines for line in wrapped)

    def __repr__(self) -> str:
        return f"PublishedPrediction({self.target}={self.value:.4g}, law={self.law.name!r})"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.summary())}</pre>"


def predict_published(name: str | PublishedLaw, **variables: float) -> PublishedPrediction:
    """A published law at a point.

    From N and D follow M = D/N, C = 6 N D and, where every token is read once, U = D.

    Raises:
        NotFoundError: no such law; UsageError: a variable is missing, unknown or not positive.

    >>> predict_published("epoch", N=70e9, D=2e12)
    PublishedPrediction(loss=1.965, law='epoch')
    """
    law = name if isinstance(name, PublishedLaw) else published_law(name)
    given = _checked(law, variables)
    derived = _derived(given)
    missing = [v for v in law.variables if v not in derived]
    if missing:
        raise UsageError(
            f"published:{law.name} takes {', '.join(law.variables)}; missing {', '.join(missing)}",
            hint=f"Formula: {law.formula}",
        )
    at = {v: derived[v] for v in law.variables}
    value = law.predict(**at)
    if not math.isfinite(value):
        raise UsageError(f"published:{law.name} has no finite value at {at}")
    notes = [
        f"published:{law.name}: N is {law.n_convention}"
        + (f", C is {law.flops_convention}" if law.flops_convention else ""),
        f"{law.reference}. {law.note}".strip(),
    ]
    if "U" in law.variables and "U" not in given:
        notes.append("Every token is taken to be read once (U = D).")
    return PublishedPrediction(
        value=value,
        target=law.target,
        at=at,
        extrapolation={v: _distance(law, v, x) for v, x in at.items()},
        law=law,
        notes=tuple(notes),
    )


def _checked(law: PublishedLaw, variables: Mapping[str, float]) -> dict[str, float]:
    known = {"N", "D", *law.variables}
    for name, value in variables.items():
        if name not in known:
            raise UsageError(
                f"published:{law.name} takes {', '.join(law.variables)}; unknown {name}",
                hint=f"Formula: {law.formula}",
            )
        if not (math.isfinite(value) and value > 0):
            raise UsageError(f"{name} must be a positive number, found {value!r}")
    return {name: float(value) for name, value in variables.items()}


def _derived(given: Mapping[str, float]) -> dict[str, float]:
    if "N" not in given or "D" not in given:
        return dict(given)
    n, d = given["N"], given["D"]
    return {"M": d / n, "C": 6 * n * d, "U": d, **given}


def _distance(law: PublishedLaw, name: str, value: float) -> float:
    if name not in law.ranges:
        return math.nan
    low, high = law.ranges[name]
    return max(value / high, low / value, 1.0)

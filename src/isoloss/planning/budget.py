"""A plan: what a budget buys, how sure that is, and what to know before spending it."""

from __future__ import annotations

import html
import json
import math
import textwrap
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from isoloss._files import write_json_atomic
from isoloss.architecture import TransformerConfig
from isoloss.errors import DataError, NotFoundError, UsageError

if TYPE_CHECKING:
    from pandas import DataFrame

SCHEMA_VERSION = 1
WIDTH = 80
NO_HARDWARE = "no hardware was named, so there is no time and no price"


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A value with its interval; ends that cannot be given are nan, with the reason."""

    value: float
    low: float = math.nan
    high: float = math.nan
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON: nan as null beside `interval_reason`."""
        ends = {"value": self.value, "low": _or_null(self.low), "high": _or_null(self.high)}
        return ends | ({"interval_reason": self.reason} if self.reason else {})

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Interval:
        """The interval that `to_dict` wrote."""
        return cls(
            value=float(document["value"]),
            low=_or_nan(document["low"]),
            high=_or_nan(document["high"]),
            reason=str(document.get("interval_reason", "")),
        )

    def __str__(self) -> str:
        if math.isnan(self.low):
            return f"{self.value:.4g}"
        return f"{self.value:.4g}  [{self.low:.4g}, {self.high:.4g}]"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The compute-optimal training run for a budget.

    Attributes:
        flops, flops_convention: the budget in training FLOP and how it is counted.
        n, n_convention: parameters and how they are counted.
        d: training tokens, each seen once.
        loss: predicted loss at the optimum, in the unit of the runs (nats per token unless said).
        level: of the intervals, which are percentiles over the fit's draws, each draw at its
            own optimum.
        architecture: a concrete shape with that N, or the nearest.
        parameters: N of that shape under every convention.
        flops_by_convention: FLOP of training that shape on D tokens under every convention.
        extrapolation: budget over the largest budget of the runs; nan with
            `extrapolation_reason` where the source has none.
        beyond: for N and D, the factor by which the plan lies outside the runs; 1 inside.
        method: how the optimum was found.
        source: what the plan was made from.
        law: name or formula of the law.
        caveats: what to know before spending the budget.
    """

    flops: float
    flops_convention: str
    n_convention: str
    n: Interval
    d: Interval
    loss: Interval
    level: float
    architecture: TransformerConfig
    parameters: Mapping[str, int]
    flops_by_convention: Mapping[str, float]
    extrapolation: float
    extrapolation_reason: str
    beyond: Mapping[str, float]
    method: str
    source: str
    law: str
    caveats: tuple[str, ...]

    @property
    def tokens_per_parameter(self) -> float:
        """D/N, with N in `n_convention`."""
        return self.d.value / self.n.value

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON."""
        document: dict[str, Any] = {
            "flops": self.flops,
            "flops_convention": self.flops_convention,
            "n_convention": self.n_convention,
            "n": self.n.to_dict(),
            "d": self.d.to_dict(),
            "loss": self.loss.to_dict(),
            "level": self.level,
            "tokens_per_parameter": self.tokens_per_parameter,
            "architecture": self.architecture.to_dict(),
            "parameters": dict(self.parameters),
            "flops_by_convention": dict(self.flops_by_convention),
            "hardware": None,
            "hardware_reason": NO_HARDWARE,
            "extrapolation": _or_null(self.extrapolation),
        }
        if self.extrapolation_reason:
            document["extrapolation_reason"] = self.extrapolation_reason
        return document | {
            "beyond": dict(self.beyond),
            "method": self.method,
            "source": self.source,
            "law": self.law,
            "caveats": list(self.caveats),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Plan:
        """The plan that `to_dict` wrote.

        Raises:
            KeyError, TypeError, ValueError: it did not write this.
        """
        return cls(
            flops=float(document["flops"]),
            flops_convention=str(document["flops_convention"]),
            n_convention=str(document["n_convention"]),
            n=Interval.from_dict(document["n"]),
            d=Interval.from_dict(document["d"]),
            loss=Interval.from_dict(document["loss"]),
            level=float(document["level"]),
            architecture=TransformerConfig(**document["architecture"]),
            parameters={key: int(value) for key, value in document["parameters"].items()},
            flops_by_convention={
                key: float(value) for key, value in document["flops_by_convention"].items()
            },
            extrapolation=_or_nan(document["extrapolation"]),
            extrapolation_reason=str(document.get("extrapolation_reason", "")),
            beyond={key: float(value) for key, value in document["beyond"].items()},
            method=str(document["method"]),
            source=str(document["source"]),
            law=str(document["law"]),
            caveats=tuple(str(caveat) for caveat in document["caveats"]),
        )

    def save(self, path: str | Path) -> None:
        """Write the plan as JSON, atomically.

        Raises:
            EnvironmentProblem: the folder is not writable or the disk is full.
        """
        write_json_atomic(path, {"schema_version": SCHEMA_VERSION} | self.to_dict())

    @classmethod
    def load(cls, path: str | Path) -> Plan:
        """Read a plan that `save` wrote.

        Raises:
            NotFoundError: no such file; DataError: it holds no plan.
        """
        hint = "Give a file written by Plan.save or `isoloss plan … -o PLAN`."
        try:
            document: Any = json.loads(Path(path).read_text("utf-8"))
        except (FileNotFoundError, IsADirectoryError) as error:
            raise NotFoundError(f"{path}: no such file", hint=hint) from error
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise DataError(f"{path}: expected a plan in JSON ({error})", hint=hint) from error
        if not isinstance(document, dict):
            raise DataError(f"{path}: expected a plan, found no JSON object", hint=hint)
        try:
            return cls.from_dict(cast("dict[str, Any]", document))
        except KeyError as error:
            raise DataError(f"{path}: a plan without the key {error}", hint=hint) from error
        except (TypeError, ValueError, AttributeError, UsageError) as error:
            raise DataError(f"{path}: not a valid plan ({error})", hint=hint) from error

    def summary(self) -> str:
        """The plan in text, at most 80 columns wide."""
        shape = asdict(self.architecture)
        in_words = ", ".join(f"{key}={value}" for key, value in shape.items())
        others = ", ".join(f"{key} {value:.3g}" for key, value in self.flops_by_convention.items())
        interval = f"[{self.level:.0%} interval]" if not math.isnan(self.n.low) else ""
        rows = [
            ("Source", f"{self.source}; law {self.law}"),
            ("", f"{interval}" if interval else "no interval: " + self.n.reason),
            ("N", f"{self.n}  {self.n_convention}"),
            ("D", f"{self.d}  tokens, {self.tokens_per_parameter:.3g} per parameter"),
            ("Loss", f"{self.loss}"),
            ("Shape", in_words),
            ("FLOP", f"of this shape: {others}"),
            ("Beyond", self._beyond_in_words()),
            ("Found by", self.method),
            ("Hardware", NO_HARDWARE),
        ]
        lines = [f"Plan for {self.flops:.4g} FLOP ({self.flops_convention})"]
        lines += [line for name, text in rows for line in _wrapped(f"  {name:<9} ", text)]
        if self.caveats:
            lines.append("Caveats")
        lines += [line for caveat in self.caveats for line in _wrapped("  - ", caveat)]
        return "\n".join(lines)

    def _beyond_in_words(self) -> str:
        if math.isnan(self.extrapolation):
            words = self.extrapolation_reason
        else:
            words = f"{self.extrapolation:.3g} times the largest budget of the runs"
        outside = [f"{name} {factor:.3g}x" for name, factor in self.beyond.items() if factor > 1]
        return words + (f"; outside their range: {', '.join(outside)}" if outside else "")

    def to_frame(self) -> DataFrame:
        """Three rows (n, d, loss) with value, low and high, as a pandas frame."""
        import pandas as pd

        parts = {"n": self.n, "d": self.d, "loss": self.loss}
        return pd.DataFrame(
            [{"quantity": name, **asdict(part)} for name, part in parts.items()]
        ).set_index("quantity")

    def __repr__(self) -> str:
        return (
            f"Plan(flops={self.flops:.4g}, n={self.n.value:.4g} {self.n_convention}, "
            f"d={self.d.value:.4g}, loss={self.loss.value:.4g}, source={self.source!r})"
        )

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.summary())}</pre>"


def _wrapped(start: str, text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=start, subsequent_indent=" " * len(start)) or [
        start.rstrip()
    ]


def _or_null(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _or_nan(value: Any) -> float:
    return math.nan if value is None else float(value)

"""A plan: what a budget buys, how sure that is, and what to know before spending it."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from isoloss._files import write_json_atomic
from isoloss.architecture import TransformerConfig
from isoloss.errors import DataError, NotFoundError, UsageError
from isoloss.planning.deadweight import Missed, Valley
from isoloss.planning.inference import Inference
from isoloss.planning.interval import Interval, or_nan, or_null
from isoloss.planning.recipe import PlanRecipe
from isoloss.planning.repetition import Epochs
from isoloss.planning.targets import MetricAtPlan

if TYPE_CHECKING:
    from pandas import DataFrame

SCHEMA_VERSION = 2
NO_HARDWARE = "no hardware was named, so there is no time and no price"
NO_SERVING = "no hardware to serve on was named"

__all__ = ["NO_HARDWARE", "NO_SERVING", "Interval", "Plan"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The compute-optimal training run for a budget, or the cheapest one for a target.

    Attributes:
        flops, flops_convention: training FLOP and how it is counted.
        n, n_convention: parameters and how they are counted.
        d: training tokens, each seen once unless `epochs` says otherwise.
        loss: predicted loss at the optimum, in the unit of the runs (nats per token unless said).
        level: of the intervals, which are percentiles over the draws, each draw at its own
            optimum.
        architecture: a concrete shape with that N, or the nearest.
        parameters: N of that shape under every convention.
        flops_by_convention: FLOP of training that shape on D tokens under every convention.
        extrapolation: budget over the largest budget of the runs; nan with
            `extrapolation_reason` where the source has none.
        beyond: for N and D, the factor by which the plan lies outside the runs; 1 inside.
        method: how the optimum was found.
        source: what the plan was made from.
        law: name or formula of the law, or of several.
        caveats: what to know before spending the budget.
        asked: the budget or target and what was fixed, as given.
        flops_interval: FLOP over the draws, where a target was asked for.
        weights: of the laws, where several were averaged.
        best: the optimum without the limits or the use in `asked`, where there were any: N, D,
            loss and FLOP.
        deadweight: what other sizes cost; `valley`: the loss of this budget against N.
        epochs, inference, metric: what those parts of `asked` lead to.
        hardware: `choice`, `training` (time, energy, money) and `layout` as documents of
            `isoloss.planning.hardware`, and `budget_flops`; None where none was named.
        serving: how the model is served, as such a document; None where not asked for.
        recipe: batch, learning rate, steps, schedule, checkpoints; None in files before version 2.
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
    asked: Mapping[str, Any] = field(default_factory=dict[str, Any])
    flops_interval: Interval | None = None
    weights: Mapping[str, float] = field(default_factory=dict[str, float])
    best: Mapping[str, float] | None = None
    deadweight: tuple[Missed, ...] = ()
    valley: Valley | None = None
    epochs: Epochs | None = None
    inference: Inference | None = None
    metric: MetricAtPlan | None = None
    hardware: Mapping[str, Any] | None = None
    serving: Mapping[str, Any] | None = None
    recipe: PlanRecipe | None = None

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
            "hardware": _copy(self.hardware),
            **({} if self.hardware else {"hardware_reason": NO_HARDWARE}),
            "extrapolation": or_null(self.extrapolation),
        }
        if self.extrapolation_reason:
            document["extrapolation_reason"] = self.extrapolation_reason
        return document | {
            "beyond": dict(self.beyond),
            "method": self.method,
            "source": self.source,
            "law": self.law,
            "caveats": list(self.caveats),
            "asked": dict(self.asked),
            "flops_interval": _part(self.flops_interval),
            "weights": dict(self.weights),
            "best": None if self.best is None else dict(self.best),
            "deadweight": [missed.to_dict() for missed in self.deadweight],
            "valley": _part(self.valley),
            "epochs": _part(self.epochs),
            "inference": _part(self.inference),
            "metric": _part(self.metric),
            "serving": _copy(self.serving),
            **({} if self.serving else {"serving_reason": NO_SERVING}),
            "recipe": _part(self.recipe),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Plan:
        """The plan that `to_dict` wrote, also one of an earlier version.

        Raises:
            KeyError, TypeError, ValueError: it did not write this.
        """
        best = document.get("best")
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
            flops_by_convention=_floats(document["flops_by_convention"]),
            extrapolation=or_nan(document["extrapolation"]),
            extrapolation_reason=str(document.get("extrapolation_reason", "")),
            beyond=_floats(document["beyond"]),
            method=str(document["method"]),
            source=str(document["source"]),
            law=str(document["law"]),
            caveats=tuple(str(caveat) for caveat in document["caveats"]),
            asked=dict(document.get("asked", {})),
            flops_interval=_read(Interval, document.get("flops_interval")),
            weights=_floats(document.get("weights", {})),
            best=None if best is None else _floats(best),
            deadweight=tuple(Missed.from_dict(part) for part in document.get("deadweight", ())),
            valley=_read(Valley, document.get("valley")),
            epochs=_read(Epochs, document.get("epochs")),
            inference=_read(Inference, document.get("inference")),
            metric=_read(MetricAtPlan, document.get("metric")),
            hardware=_copy(document.get("hardware")),
            serving=_copy(document.get("serving")),
            recipe=_read(PlanRecipe, document.get("recipe")),
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
        from isoloss.planning._plan_text import plan_text

        return plan_text(self)

    def brief(self) -> str:
        """N, D, loss and FLOP alone in text, with the caveats."""
        from isoloss.planning._plan_text import short_text

        return short_text(self)

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


def _part(part: Any) -> dict[str, Any] | None:
    return None if part is None else part.to_dict()


def _read(kind: Any, document: Any) -> Any:
    return None if document is None else kind.from_dict(document)


def _copy(document: Any) -> dict[str, Any] | None:
    return None if document is None else dict(document)


def _floats(document: Mapping[str, Any]) -> dict[str, float]:
    return {str(key): or_nan(value) for key, value in document.items()}

"""What the caller of `plan` asks for: one budget or target, and what is fixed of the shape."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from isoloss.errors import UsageError

MAX_FLOPS = 1e40
HARDWARE_BUDGETS = ("gpu_hours", "money", "days")
_KINDS = ("flops", *HARDWARE_BUDGETS, "loss", "metric")


@dataclass(frozen=True, kw_only=True)
class ShapeWishes:
    """What the caller fixes of the shape; None leaves it to the source or the default."""

    n_layer: int | None = None
    vocab_size: int | None = None
    context_length: int | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and (value != int(value) or value < 1):
                raise UsageError(f"{name} must be a positive integer, found {value!r}")

    def size(self, name: str, family: Mapping[str, Any]) -> int | None:
        """The wish, or what the runs have."""
        wish: int | None = getattr(self, name)
        return wish if wish is not None else family.get(name)


@dataclass(frozen=True, kw_only=True)
class Aim:
    """The one budget or target of a plan.

    Attributes:
        kind: `flops`, `gpu_hours`, `money`, `days`, `loss` or `metric`.
        value: of it.
    """

    kind: str
    value: float

    @property
    def buys(self) -> bool:
        """Whether it is a budget, not a target."""
        return self.kind not in ("loss", "metric")

    @property
    def on_hardware(self) -> bool:
        """Whether hardware turns it into FLOP."""
        return self.kind in HARDWARE_BUDGETS


def the_aim(given: Mapping[str, float | None]) -> Aim:
    """The one that is given.

    Raises:
        UsageError: none, several, or a value that is no positive number.
    """
    found = {kind: value for kind, value in given.items() if value is not None}
    if len(found) != 1:
        raise UsageError(
            f"a plan takes one budget or target, found {', '.join(found) or 'none'}",
            hint=f"Give one of {', '.join(_KINDS)}, such as flops=1e20.",
        )
    ((kind, value),) = found.items()
    if kind == "flops" and not (math.isfinite(value) and 0 < value <= MAX_FLOPS):
        raise UsageError(
            f"the budget must be a positive number of FLOP up to {MAX_FLOPS:g}, found {value!r}",
            hint="Give training FLOP, such as flops=1e20.",
        )
    if kind != "metric" and not (math.isfinite(value) and value > 0):
        raise UsageError(f"{kind} must be a positive number, found {value!r}")
    return Aim(kind=kind, value=float(value))


def check_positive(name: str, value: float | None) -> float | None:
    """A wish that is left out or a positive number; else raise UsageError."""
    if value is not None and not (math.isfinite(value) and value > 0):
        raise UsageError(f"{name} must be a positive number, found {value!r}")
    return value

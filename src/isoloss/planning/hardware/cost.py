"""Training FLOP on devices: hours, energy and money, and back from a budget to FLOP."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from isoloss.architecture import TransformerConfig, training_flops
from isoloss.errors import UsageError
from isoloss.planning.hardware._page import page
from isoloss.planning.hardware.choice import HardwareChoice
from isoloss.planning.hardware.layout import Layout
from isoloss.planning.hardware.ranges import Range, frame_of

if TYPE_CHECKING:
    from pandas import DataFrame

HOUR = 3600.0
_RANGES = ("device_hours", "days", "energy_kwh", "money", "electricity", "tokens_per_second")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a training run takes.

    Ranges run from the best to the worst of the choice's utilisation, price and power.

    Attributes:
        flops: model FLOP, convention `palm`, which utilisation is defined on.
        tokens: D; 0 where only FLOP were given.
        device_hours: of all devices together, idle ones included.
        days: of the clock.
        energy_kwh: at the meter, host and data centre included.
        money: US dollars for the device-hours (with electricity where the devices are owned).
        electricity: US dollars that the energy alone is worth.
        tokens_per_second: of all devices together; 0 without tokens.
        choice: the devices and every assumption.
        assumptions: what the figures take for granted, one sentence each.
    """

    flops: float
    tokens: float
    device_hours: Range
    days: Range
    energy_kwh: Range
    money: Range
    electricity: Range
    tokens_per_second: Range
    choice: HardwareChoice
    assumptions: tuple[str, ...]

    def summary(self) -> str:
        """The cost in text, at most 80 columns wide."""
        choice = self.choice
        rows = [
            ("Devices", f"{choice.count:,} x {choice.device.title}, {choice.dtype}"),
            ("FLOP", f"{self.flops:.4g} (palm)"),
            ("Hours", f"{self.device_hours.short()} device-hours"),
            ("Time", f"{self.days.short()} days"),
            ("Energy", f"{self.energy_kwh.short()} kWh, worth ${self.electricity.short()}"),
            ("Money", f"${self.money.short()}"),
        ]
        return page("Cost of training", rows, self.assumptions)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON; `from_dict` reads it."""
        return {
            "flops": self.flops,
            "flops_convention": "palm",
            "tokens": self.tokens,
            **{name: getattr(self, name).to_dict() for name in _RANGES},
            "choice": self.choice.to_dict(),
            "assumptions": list(self.assumptions),
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Cost:
        """The cost that `to_dict` wrote."""
        return cls(
            flops=float(document["flops"]),
            tokens=float(document["tokens"]),
            choice=HardwareChoice.from_dict(document["choice"]),
            assumptions=tuple(str(text) for text in document["assumptions"]),
            **{name: Range.from_dict(document[name]) for name in _RANGES},
        )

    def to_frame(self) -> DataFrame:
        """One row a quantity that has a range, as a pandas frame."""
        return frame_of({name: getattr(self, name) for name in _RANGES})

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.summary())}</pre>"

    def __repr__(self) -> str:
        return (
            f"Cost({self.flops:.4g} FLOP on {self.choice.count:,} x {self.choice.device.name}: "
            f"{self.days.short()} days, ${self.money.short()})"
        )


def cost_of(
    config: TransformerConfig,
    tokens: float,
    choice: HardwareChoice,
    layout: Layout | None = None,
) -> Cost:
    """Time, energy and money of training a shape on `tokens` tokens.

    Args:
        config: the shape; attention is counted over full rows of its context.
        tokens: D.
        choice: devices and assumptions.
        layout: where given, its idle devices are paid for and do no work, and a layout that does
            not fit is named among the assumptions.

    Raises:
        UsageError: tokens is not positive and finite.

    >>> from isoloss.architecture import preset
    >>> from isoloss.planning.hardware.choice import hardware_choice
    >>> cost = cost_of(preset("gpt3-175b").config, 300e9, hardware_choice("a100", 1024, mfu=0.5))
    >>> f"{cost.days.value:.1f} days"
    '23.4 days'
    """
    _check_positive(tokens, "tokens")
    return _cost(training_flops(config, tokens), tokens, choice, layout)


def cost_of_flops(flops: float, choice: HardwareChoice, *, tokens: float = 0.0) -> Cost:
    """The same of a number of training FLOP, convention `palm`, without a shape.

    Raises:
        UsageError: flops is not positive and finite.
    """
    _check_positive(flops, "flops")
    return _cost(flops, tokens, choice, None)


def flops_of(
    choice: HardwareChoice,
    *,
    gpu_hours: float | None = None,
    money: float | None = None,
    days: float | None = None,
) -> Range:
    """Training FLOP (convention `palm`) that exactly one kind of budget buys.

    Args:
        choice: devices and assumptions.
        gpu_hours: device-hours, all devices together.
        money: US dollars.
        days: of the clock on all `choice.count` devices.

    Returns:
        FLOP at the choice's utilisation and price; low at the lowest utilisation and the highest
        price, high the other way round.

    Raises:
        UsageError: none or several budgets are given, or one is not positive and finite.

    >>> from isoloss.planning.hardware.choice import hardware_choice
    >>> f"{flops_of(hardware_choice('h100', mfu=0.4), gpu_hours=1e6).value:.3g}"
    '1.42e+24'
    """
    given = {"gpu_hours": gpu_hours, "money": money, "days": days}
    chosen = {name: value for name, value in given.items() if value is not None}
    if len(chosen) != 1:
        found = ", ".join(chosen) or "none"
        raise UsageError(f"expected exactly one of gpu_hours, money and days, found {found}")
    name, value = chosen.popitem()
    _check_positive(value, name)
    if name == "money":
        if not choice.hourly_cost.low:
            raise UsageError(
                "the devices cost nothing an hour, so money buys no definite time",
                hint="Give a price, or a budget in days.",
            )
        hours = Range.exactly(value) / choice.hourly_cost
    else:
        hours = Range.exactly(value * (24 * choice.count if name == "days" else 1))
    rate = choice.utilisation * (choice.device.peak(choice.dtype) * HOUR)
    bought = hours * rate
    basis = f"utilisation {choice.utilisation.basis}"
    basis += f"; price {choice.price.basis}" if name == "money" else ""
    return Range(value=bought.value, low=bought.low, high=bought.high, basis=basis)


def utilisation_of(flops: float, device_hours: float, choice: HardwareChoice) -> float:
    """Model FLOP utilisation that a finished run reached: PaLM's definition.

    Args:
        flops: the model's training FLOP, convention `palm`.
        device_hours: of all devices together.
        choice: for the peak of a device in the dtype.

    >>> from isoloss.planning.hardware.choice import hardware_choice
    >>> round(utilisation_of(1.42e24, 1e6, hardware_choice("h100")), 2)
    0.4
    """
    _check_positive(flops, "flops")
    _check_positive(device_hours, "device_hours")
    return flops / (device_hours * HOUR * choice.device.peak(choice.dtype))


def _cost(flops: float, tokens: float, choice: HardwareChoice, layout: Layout | None) -> Cost:
    used = choice.count if layout is None else layout.degrees.devices
    rate = choice.utilisation * (choice.device.peak(choice.dtype) * used)
    seconds = Range.exactly(flops) / rate
    hours = seconds * (choice.count / HOUR)
    energy = hours * choice.watts / 1000
    speed = Range.exactly(tokens) / seconds if tokens else Range.exactly(0.0)
    return Cost(
        flops=float(flops),
        tokens=float(tokens),
        device_hours=hours,
        days=seconds / (24 * HOUR),
        energy_kwh=energy,
        money=hours * choice.hourly_cost,
        electricity=energy * choice.electricity_price,
        tokens_per_second=speed,
        choice=choice,
        assumptions=(*_of_layout(choice, layout), *choice.assumptions),
    )


def _of_layout(choice: HardwareChoice, layout: Layout | None) -> tuple[str, ...]:
    if layout is None:
        return ("Nobody checked that the run fits the devices' memory.",)
    texts: list[str] = []
    if not layout.fits:
        texts.append("The run does not fit these devices: " + " ".join(layout.reasons))
    idle = choice.count - layout.degrees.devices
    if idle:
        texts.append(f"{idle:,} of {choice.count:,} devices stand idle and are paid for.")
    if layout.utilisation < choice.utilisation.low:
        texts.append(
            f"The layout's own estimate of the utilisation is {layout.utilisation:.0%}, below "
            "the range that is counted with."
        )
    return tuple(texts)


def _check_positive(value: float, name: str) -> None:
    if not (math.isfinite(value) and value > 0):
        raise UsageError(f"{name} must be positive and finite, found {value!r}")

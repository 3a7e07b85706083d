"""What a run is trained or served on: devices, how well they are used, what an hour costs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isoloss.errors import UsageError
from isoloss.planning.hardware.devices import Device, device
from isoloss.planning.hardware.ranges import Range

Figure = float | tuple[float, float, float] | Range
"""A value, (value, low, high), or a `Range` with its basis."""

# PaLM 46% (arXiv:2204.02311), Llama 3 405B 38 to 43% (arXiv:2407.21783, Table 4), Megatron-LM 42
# to 56% (arXiv:2205.05198, Table 5): large dense models by experts. Small models, long rows,
# experts and a first attempt stay lower.
MFU = Range(value=0.40, low=0.25, high=0.50, basis="assumed: 38 to 56% is published, less is usual")
MFU_8BIT = Range(value=0.25, low=0.15, high=0.35, basis="assumed: of a peak twice that of bf16")
# isoloss's bundled ladder, one thread and models below 0.3M parameters, measures 0.005 to 0.02.
MFU_CPU = Range(value=0.20, low=0.01, high=0.50, basis="assumed: let a ladder measure it")
# DGX H100: 10.2 kW at most for 8 devices of 700 W is 1.8; 6.5 to 8.5 kW is typical, 1.2 to 1.5.
POWER_FACTOR = Range(value=1.3, low=0.9, high=1.8, basis="assumed: server power over devices'")
POWER_FACTOR_CPU = Range(value=1.5, low=1.0, high=2.5, basis="assumed: machine over processor")
# Uptime Institute's survey 2025: 1.54 on average; large new sites report 1.1.
PUE = Range(value=1.25, low=1.08, high=1.54, basis="assumed: survey mean 1.54, large sites 1.1")
PUE_AT_HOME = Range.exactly(1.0, basis="assumed: no data centre")
ELECTRICITY = Range(value=0.10, low=0.05, high=0.25, basis="assumed")


@dataclass(frozen=True, kw_only=True)
class HardwareChoice:
    """Devices of one kind with the assumptions that turn FLOP into hours and money.

    Make one with `hardware_choice`.

    Attributes:
        device, count: what, and how many.
        dtype: of the matrix products, for the peak.
        utilisation: model FLOP utilisation (PaLM, arXiv:2204.02311, Appendix B): share of the
            dense peak that the model's own FLOP reach, recomputing not counted; basis `assumed`,
            `set` or `measured`.
        price: US dollars a device-hour.
        electricity_price: US dollars a kWh that energy is valued at.
        power_factor: power of a device with its share of the host, over its rated power.
        pue: power of the data centre over power of its machines.
        owned: whether `price` leaves out electricity, which is then added.
    """

    device: Device
    count: int
    dtype: str
    utilisation: Range
    price: Range
    electricity_price: Range
    power_factor: Range
    pue: Range
    owned: bool = False

    @property
    def peak_flops(self) -> float:
        """Dense peak FLOP/s of all devices together."""
        return self.count * self.device.peak(self.dtype)

    @property
    def watts(self) -> Range:
        """Power at the meter for one device: device, share of the host, data centre."""
        return self.power_factor * self.pue * self.device.power_watts

    @property
    def hourly_cost(self) -> Range:
        """US dollars a device-hour; with electricity where the devices are `owned`."""
        if not self.owned:
            return self.price
        return self.price + self.watts * self.electricity_price / 1000

    @property
    def assumptions(self) -> tuple[str, ...]:
        """Every figure that was not looked up, one sentence each."""
        price = "without" if self.owned else "with"
        return (
            f"Utilisation {self.utilisation} of {self.device.peak(self.dtype):.4g} FLOP/s "
            f"({self.dtype}, dense), {self.utilisation.basis}.",
            f"${self.price} a device-hour {price} electricity, {self.price.basis}.",
            f"${self.electricity_price} a kWh, {self.electricity_price.basis}.",
            f"Power {self.power_factor} times the rated {self.device.power_watts:g} W, "
            f"{self.power_factor.basis}; PUE {self.pue}, {self.pue.basis}.",
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON; `from_dict` reads it."""
        values: dict[str, Any] = {
            key: value.to_dict() if isinstance(value, Range | Device) else value
            for key, value in vars(self).items()
        }
        return values | {"assumptions": list(self.assumptions)}

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> HardwareChoice:
        """The choice that `to_dict` wrote.

        Raises:
            DataError: its device is not one.
        """
        ranges = (
            "utilisation", "price", "electricity_price", "power_factor", "pue",
        )  # fmt: skip
        return cls(
            device=Device.from_dict(document["device"]),
            count=int(document["count"]),
            dtype=str(document["dtype"]),
            owned=bool(document["owned"]),
            **{name: Range.from_dict(document[name]) for name in ranges},
        )

    def __repr__(self) -> str:
        return (
            f"HardwareChoice({self.count:,} x {self.device.name}, {self.dtype}, utilisation "
            f"{self.utilisation}, ${self.price} an hour)"
        )


def hardware_choice(
    name: str | Path | Device,
    count: int = 1,
    *,
    dtype: str | None = None,
    mfu: Figure | None = None,
    price: Figure | None = None,
    electricity_price: Figure | None = None,
    pue: Figure | None = None,
    owned: bool | None = None,
) -> HardwareChoice:
    """Devices with their assumptions; what is not given is assumed, and says so.

    Args:
        name: a device, a name of `hardware_names`, or the path of a TOML file.
        count: devices.
        dtype: of the matrix products; the device's usual one for training (bf16, else fp32)
            when None.
        mfu: model FLOP utilisation in (0, 1]: a value, or (value, low, high), or what
            `measured_utilisation` gave.
        price: US dollars a device-hour, over the catalogue's.
        electricity_price: US dollars a kWh.
        pue: power usage effectiveness, at least 1.
        owned: whether the hour's price leaves out electricity, which is then added; as the
            catalogue says when None.

    Raises:
        NotFoundError: no such device; UsageError: a figure is out of range.

    >>> hardware_choice("h100-sxm", 1024, mfu=0.4).utilisation.basis
    'set'
    """
    on = name if isinstance(name, Device) else device(name)
    if isinstance(count, bool) or count != int(count) or count < 1:
        raise UsageError(f"count of devices must be a positive integer, found {count!r}")
    dtype = dtype or on.training_dtype
    on.peak(dtype)
    small = on.kind == "cpu"
    chosen = HardwareChoice(
        device=on,
        count=int(count),
        dtype=dtype,
        utilisation=_figure(mfu, _assumed_mfu(on, dtype), "mfu"),
        price=_figure(price, on.price_per_hour, "price"),
        electricity_price=_figure(electricity_price, ELECTRICITY, "electricity_price"),
        power_factor=POWER_FACTOR_CPU if small else POWER_FACTOR,
        pue=_figure(pue, PUE_AT_HOME if small else PUE, "pue"),
        owned=on.owned if owned is None else owned,
    )
    if not 0 < chosen.utilisation.low <= chosen.utilisation.high <= 1:
        raise UsageError(
            f"mfu must lie in (0, 1], found {chosen.utilisation}",
            hint="It is a share: 40% is 0.4.",
        )
    if chosen.pue.low < 1:
        raise UsageError(f"pue is at least 1, found {chosen.pue}")
    return chosen


def _assumed_mfu(on: Device, dtype: str) -> Range:
    if on.kind == "cpu":
        return MFU_CPU
    return MFU_8BIT if dtype in ("fp8", "fp4", "int8") else MFU


def _figure(given: Figure | None, default: Range, name: str) -> Range:
    if given is None:
        return default
    if isinstance(given, Range):
        return given
    try:
        value, low, high = given if isinstance(given, tuple) else (given, given, given)
        return Range(value=float(value), low=float(low), high=float(high), basis="set")
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"{name}: expected a number or (value, low, high), found {given!r}"
        ) from error
    except UsageError as error:
        raise UsageError(f"{name}: {error.message}") from error

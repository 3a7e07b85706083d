"""Accelerators and processors: what each can do and what it costs, by name.

The figures are in `hardware.toml`, each with its source and date.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from isoloss.errors import DataError, NotFoundError, UsageError
from isoloss.planning.hardware._device_fields import device_fields
from isoloss.planning.hardware.ranges import Range


@dataclass(frozen=True, kw_only=True)
class Device:
    """One device of a kind, as a plan sees it.

    Attributes:
        name: as in `hardware_names`.
        title: for people.
        kind: `gpu`, `tpu` or `cpu`.
        peak_flops: dense peak in FLOP/s of each dtype that it computes in, no sparsity.
        memory_bytes: of one device.
        memory_bandwidth: bytes/s.
        node_size: devices joined by the fast interconnect.
        node_bandwidth: bytes/s that one device sends over it, one direction.
        network_bandwidth: bytes/s that one device sends out of its node, one direction.
        power_watts: rated power of one device (TDP).
        price_per_hour: US dollars for one device-hour; `basis` says whose price, or `estimate`.
        owned: whether that price leaves out electricity.
        sources: where each figure comes from.
        as_of: when they were read, ISO date.
        note: what to know.
        aliases: other names.
    """

    name: str
    title: str
    kind: str
    peak_flops: Mapping[str, float]
    memory_bytes: float
    memory_bandwidth: float
    node_size: int
    node_bandwidth: float
    network_bandwidth: float
    power_watts: float
    price_per_hour: Range
    sources: Mapping[str, str]
    as_of: str
    owned: bool = False
    note: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def training_dtype(self) -> str:
        """What training usually computes in here: bf16 where there is, else fp16, else fp32.

        >>> device("laptop-cpu").training_dtype
        'fp32'
        """
        return next(name for name in ("bf16", "fp16", *self.peak_flops) if name in self.peak_flops)

    def peak(self, dtype: str) -> float:
        """Dense peak FLOP/s in a dtype.

        Raises:
            UsageError: the device does not compute in it.
        """
        if dtype not in self.peak_flops:
            raise UsageError(
                f"{self.name} has no peak for {dtype!r}",
                hint=f"It has {', '.join(self.peak_flops)}.",
            )
        return self.peak_flops[dtype]

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON; `from_dict` reads it."""
        values: dict[str, Any] = dict(vars(self))
        return values | {
            "peak_flops": dict(self.peak_flops),
            "price_per_hour": self.price_per_hour.to_dict(),
            "sources": dict(self.sources),
            "aliases": list(self.aliases),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], *, label: str = "the device") -> Device:
        """The device that `to_dict` wrote, or that a table of `hardware.toml` describes.

        Raises:
            DataError: a field is missing, unknown or wrong; `label` says where.
        """
        return cls(**device_fields(document, label))

    def __repr__(self) -> str:
        return f"Device({self.name!r}, {self.title!r})"


def hardware_names() -> tuple[str, ...]:
    """Names of the devices of the catalogue.

    >>> "h100-sxm" in hardware_names()
    True
    """
    return tuple(_catalogue())


def device(name: str | Path) -> Device:
    """The device of that name, or the one that a TOML file describes.

    Args:
        name: one of `hardware_names`, an alias (`h100`), or the path of a `.toml` file with one
            table `[device]` with the fields of `hardware.toml` (docs/hardware.md has an example).

    Raises:
        NotFoundError: no such device (close names are given) or file.
        DataError: the file does not describe a device; says which field is wrong.

    >>> device("h100").name, device("h100").peak("bf16")
    ('h100-sxm', 989400000000000.0)
    """
    if isinstance(name, Path) or name.endswith(".toml"):
        return _from_file(Path(name))
    known = _catalogue()
    aliases = {alias: one.name for one in known.values() for alias in one.aliases}
    wanted = name.strip().lower().replace("_", "-").replace(" ", "-")
    wanted = aliases.get(wanted, wanted)
    if wanted in known:
        return known[wanted]
    close = difflib.get_close_matches(wanted, [*known, *aliases], n=2, cutoff=0.5)
    raise NotFoundError(
        f"no such device: {name!r}",
        hint=(f"Did you mean {' or '.join(close)}? " if close else "")
        + f"Known: {', '.join(known)}; or give a .toml file that describes yours.",
    )


@cache
def _catalogue() -> dict[str, Device]:
    text = files("isoloss.planning.hardware").joinpath("hardware.toml").read_text("utf-8")
    tables: list[dict[str, Any]] = tomllib.loads(text)["device"]
    made = [Device.from_dict(table, label=f"hardware.toml, {table['name']}") for table in tables]
    return {one.name: one for one in made}


def _from_file(path: Path) -> Device:
    hint = "It needs one table [device]; docs/hardware.md has an example."
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (FileNotFoundError, IsADirectoryError) as error:
        raise NotFoundError(f"{path}: no such file", hint=hint) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path}: expected TOML ({error})", hint=hint) from error
    table = document.get("device")
    if not isinstance(table, dict):
        raise DataError(f"{path}: expected a table [device], found {sorted(document)}", hint=hint)
    return Device.from_dict(table, label=str(path))  # pyright: ignore[reportUnknownArgumentType]

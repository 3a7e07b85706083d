"""The utilisation that runs reached, from their own rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from isoloss.errors import DataError
from isoloss.planning.hardware.ranges import Range

if TYPE_CHECKING:
    from isoloss.planning.hardware.devices import Device
    from isoloss.runs import Runs

_DTYPES = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}
_LARGEST = 0.25


def measured_utilisation(runs: Runs, on: Device, *, dtype: str | None = None) -> Range:
    """Model FLOP utilisation that runs reached, from their FLOP and seconds.

    Small models use a device worse than large ones, so only the largest quarter counts; what
    it gives is still low for a model a thousand times larger, and `basis` names the sizes.

    Args:
        runs: rows with `meta_seconds` and `own_flops` (or `flops`) of convention `palm`, each
            trained on one device. Seconds include the evaluation at the end.
        on: the device they ran on, for its peak.
        dtype: what they computed in; by `meta_precision`, else the device's usual one, when None.

    Returns:
        Total FLOP over total seconds and peak of those rows; low and high of single rows.
        `basis` says `measured`, over how many rows of what size.

    Raises:
        DataError: no row has seconds and FLOP, or the runs are faster than the peak.
    """
    timed = [row for row in runs.used().rows() if _seconds(row) and _flops(row)]
    if not timed:
        raise DataError(
            "no row has both meta_seconds and FLOP of convention 'palm', so no utilisation can"
            " be measured",
            hint="isoloss train and study record both; or give mfu yourself.",
        )
    timed.sort(key=_size)
    largest = timed[-max(1, round(_LARGEST * len(timed))) :]
    dtype = dtype or _dtype(largest, on)
    peak = on.peak(dtype)
    each = [_flops(row) / (_seconds(row) * peak) for row in largest]
    whole = sum(map(_flops, largest)) / (sum(map(_seconds, largest)) * peak)
    if whole > 1:
        raise DataError(
            f"the runs made {whole * peak:.3g} FLOP/s, more than the peak of {on.name}"
            f" ({peak:.3g} in {dtype})",
            hint="Name the device that they ran on, or describe it in a TOML file.",
        )
    return Range(
        value=whole,
        low=min(each),
        high=min(1.0, max(each)),
        basis=f"measured: {len(largest)} rows of {_size(largest[0]):.3g} to"
        f" {_size(largest[-1]):.3g} parameters in {dtype}",
    )


def _dtype(rows: list[dict[str, Any]], on: Device) -> str:
    named = {_DTYPES.get(str(row.get("meta_precision", ""))) for row in rows}
    known = named.pop() if len(named) == 1 else None
    return known if known is not None and known in on.peak_flops else on.training_dtype


def _number(value: Any) -> float:
    """The value where it is a positive number, else 0."""
    number = isinstance(value, int | float) and math.isfinite(value) and value > 0
    return float(value) if number else 0.0


def _seconds(row: dict[str, Any]) -> float:
    return _number(row.get("meta_seconds"))


def _flops(row: dict[str, Any]) -> float:
    """FLOP that the seconds went into: without the trunk's, where the row says so."""
    if row.get("flops_convention") != "palm":
        return 0.0
    return _number(row.get("own_flops")) or _number(row.get("flops"))


def _size(row: dict[str, Any]) -> float:
    return _number(row.get("params_matmul")) or _number(row.get("params_total"))

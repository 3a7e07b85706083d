"""The fields of a device as a file states them, checked one by one."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Any, cast

from isoloss.errors import DataError, UsageError
from isoloss.planning.hardware.ranges import Range

DTYPES = ("bf16", "fp16", "fp8", "fp4", "int8", "tf32", "fp32")
KINDS = ("gpu", "tpu", "cpu")
_POSITIVE = ("memory_bytes", "memory_bandwidth", "network_bandwidth", "power_watts")
_REQUIRED = ("name", "peak_flops", *_POSITIVE[:2], "power_watts", "price_per_hour")
_DEFAULTS: dict[str, Any] = {
    "title": "",
    "kind": "gpu",
    "node_size": 1,
    "node_bandwidth": 0.0,
    "network_bandwidth": 1.25e9,
    "sources": {},
    "as_of": "",
    "owned": False,
    "note": "",
    "aliases": [],
}


def device_fields(document: Mapping[str, Any], label: str) -> dict[str, Any]:
    """Arguments of `Device`; a user's own device may leave out all but six.

    Raises:
        DataError: a field is missing, unknown or wrong.
    """
    known = {*_REQUIRED, *_DEFAULTS}
    for field in document:
        if field not in known:
            close = difflib.get_close_matches(field, known, n=1)
            raise DataError(
                f"{label}: unknown field {field!r}",
                hint=f"Did you mean {close[0]!r}?" if close else f"Known: {sorted(known)}.",
            )
    for field in _REQUIRED:
        if field not in document:
            raise DataError(f"{label}: the field {field!r} is missing")
    values = {**_DEFAULTS, **document}
    for field in _POSITIVE:
        values[field] = _number(values[field], f"{label}, {field}")
    values["title"] = values["title"] or values["name"]
    values["node_size"] = _whole(values["node_size"], f"{label}, node_size")
    fast = _number(values["node_bandwidth"], f"{label}, node_bandwidth", zero=True)
    if values["node_size"] > 1 and not fast:
        raise DataError(f"{label}: node_size {values['node_size']} needs a node_bandwidth above 0")
    values["node_bandwidth"] = fast
    values["peak_flops"] = _peaks(values["peak_flops"], label)
    values["price_per_hour"] = _price(values["price_per_hour"], values["sources"], label)
    values["aliases"] = tuple(values["aliases"])
    _check_words(values, label)
    return values


def _check_words(values: Mapping[str, Any], label: str) -> None:
    if values["kind"] not in KINDS:
        raise DataError(f"{label}: kind must be one of {', '.join(KINDS)}, not {values['kind']!r}")
    for field in ("name", "title", "as_of", "note"):
        if not isinstance(values[field], str):
            raise DataError(f"{label}: {field} must be text, found {values[field]!r}")
    if not values["name"]:
        raise DataError(f"{label}: the name is empty")
    if not isinstance(values["owned"], bool):
        raise DataError(f"{label}: owned must be true or false, found {values['owned']!r}")
    sources = values["sources"]
    if not isinstance(sources, dict) or not all(
        isinstance(text, str) for text in cast("dict[str, Any]", sources).values()
    ):
        raise DataError(f"{label}: sources must be a table of texts, found {sources!r}")


def _number(value: Any, label: str, *, zero: bool = False) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        raise DataError(f"{label}: expected a positive number, found {value!r}")
    return float(value)


def _whole(value: Any, label: str) -> int:
    number = _number(value, label)
    if number != int(number):
        raise DataError(f"{label}: expected a whole number, found {value!r}")
    return int(number)


def _peaks(table: Any, label: str) -> dict[str, float]:
    if not isinstance(table, dict) or not table:
        raise DataError(f"{label}: peak_flops must be a table such as {{ bf16 = 989e12 }}")
    peaks: dict[str, float] = {}
    for dtype, value in cast("dict[str, Any]", table).items():
        if dtype not in DTYPES:
            raise DataError(
                f"{label}: unknown dtype {dtype!r} in peak_flops", hint=f"Use {', '.join(DTYPES)}."
            )
        peaks[dtype] = _number(value, f"{label}, peak_flops.{dtype}")
    return peaks


def _price(value: Any, sources: Any, label: str) -> Range:
    """A number, or a table of value, low, high and basis."""
    if not isinstance(value, dict):
        return Range.exactly(_number(value, f"{label}, price_per_hour", zero=True), basis="set")
    table = cast("dict[str, Any]", value)
    try:
        ends = {
            end: _number(table[end], f"{label}, price_per_hour.{end}", zero=True)
            for end in ("value", "low", "high")
        }
        return Range(**ends, basis=str(table.get("basis", "set")))
    except KeyError as error:
        raise DataError(f"{label}: price_per_hour lacks {error}") from error
    except UsageError as error:
        raise DataError(f"{label}, price_per_hour: {error.message}") from error

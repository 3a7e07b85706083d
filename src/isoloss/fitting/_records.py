"""Results in files and back, by the types of their fields: one way for all of them but `Fit`.

The JSON is the result's `to_dict()`, for readers and scripts, and `fields`, from which it is made
again to the last digit. Arrays of more than a few numbers (draws, rows, curves) go into the
`.npz`. Types come from the code, never from the file.
"""

from __future__ import annotations

import dataclasses
import html
import math
import types
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, Union, cast, get_args, get_origin, get_type_hints

import numpy as np

from isoloss.errors import DataError, IsolossError
from isoloss.fitting._archive import KINDS, damaged, read_archive, write_archive
from isoloss.fitting._law_files import law_document, law_of
from isoloss.laws import Law

INLINE = 256
"""Arrays of so many numbers at most stand in the JSON."""
_NUMBERS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_DTYPES = ("float64", "int64", "bool")


class Recorded(ABC):
    """A frozen dataclass that can be shown, saved and loaded; its class is a key of `KINDS`.

    Fields named in `DERIVED` are made again by `_rebuilt`, not read.
    """

    DERIVED: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def summary(self) -> str:
        """The result in 80 columns."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.summary())}</pre>"

    @classmethod
    def _rebuilt(cls, fields: dict[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
        """All fields, from those that were read and the JSON of all."""
        return fields

    def save(self, path: str | Path) -> None:
        """Write `path` (JSON) and, where there are draws, rows or curves, `.npz` before it.

        Raises:
            UsageError: the path ends in `.npz`, where the arrays go.
            EnvironmentProblem: the folder is not writable or the disk is full.
        """
        arrays: dict[str, Any] = {}
        fields = _encoded_fields(self, arrays)
        write_archive(Path(path), type(self).__name__, {**self.to_dict(), "fields": fields}, arrays)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote; without the `.npz` what rests on draws is missing.

        Raises:
            NotFoundError: no such file.
            DataError: a file of another kind, damaged, or without arrays that it needs.
        """
        path, kind = Path(path), cls.__name__
        document, arrays, reason = read_archive(path, kind)
        try:
            return cast("Self", _Reader(arrays, reason).read(cls, document["fields"]))
        except _LostArrayError as error:
            raise DataError(
                f"{path}: {reason}, and the {KINDS[kind].words} cannot be read without it",
                hint="Keep the two files together, or make it again.",
            ) from error
        except (
            ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError,
            RecursionError, IsolossError,
        ) as error:  # fmt: skip
            raise damaged(path, kind, error) from error


class _LostArrayError(Exception):
    """An array that is needed was lost with the `.npz`."""


def _encoded_fields(value: Any, arrays: dict[str, Any]) -> dict[str, Any]:
    return {
        field.name: _encoded(getattr(value, field.name), arrays)
        for field in dataclasses.fields(value)
    }


def _encoded(value: Any, arrays: dict[str, Any]) -> Any:
    """A value as JSON; its large arrays are added to `arrays`."""
    from isoloss.fitting._saving import fit_parts
    from isoloss.fitting.result import Fit

    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        number = float(value)
        return number if math.isfinite(number) else str(number)
    if isinstance(value, np.ndarray):
        return _encoded_array(value, arrays)
    if isinstance(value, Fit):
        document, own = fit_parts(value)
        prefix = f"fit{len(arrays)}_"
        arrays.update({prefix + name: array for name, array in own.items()})
        return {"fit": document, "arrays": prefix}
    if isinstance(value, Law):
        return law_document(value)
    if isinstance(value, Mapping):
        return {str(k): _encoded(v, arrays) for k, v in value.items()}  # pyright: ignore
    if isinstance(value, (tuple, list)):
        return [_encoded(item, arrays) for item in value]  # pyright: ignore
    return _encoded_fields(value, arrays)


def _encoded_array(value: Any, arrays: dict[str, Any]) -> dict[str, Any]:
    if str(value.dtype) not in _DTYPES:
        raise TypeError(f"arrays of {value.dtype} are not saved")
    if value.size > INLINE:
        name = f"array{len(arrays)}"
        arrays[name] = value
        return {"array": name}
    numbers = [_encoded(item, arrays) for item in value.ravel().tolist()]
    return {"numbers": numbers, "shape": list(value.shape), "dtype": str(value.dtype)}


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


class _Reader:
    """Values of the types that the code asks for, from JSON and arrays."""

    def __init__(self, arrays: Mapping[str, Any], lost: str) -> None:
        self._arrays, self._lost = arrays, lost

    def read(self, hint: Any, stored: Any) -> Any:
        """A value of a type.

        Raises:
            TypeError, ValueError, KeyError: it is none.
            _LostArrayError: it needs an array that is lost.
        """
        from isoloss.fitting.result import Fit

        origin, arguments = get_origin(hint), get_args(hint)
        if origin in (Union, types.UnionType):
            return self._optional(arguments, stored)
        if origin is np.ndarray:
            return self._array(stored)
        if origin is Literal:
            return self._literal(arguments, stored)
        if origin is tuple:
            return self._tuple(arguments, stored)
        if origin is not None and issubclass(origin, Mapping):
            return {str(k): self.read(arguments[1], v) for k, v in stored.items()}
        if hint is Fit:
            return self._fit(stored)
        if hint is Law:
            return law_of(stored)
        if dataclasses.is_dataclass(hint):
            return self._dataclass(cast("type", hint), stored)
        return _plain(hint, stored)

    def _optional(self, arguments: tuple[Any, ...], stored: Any) -> Any:
        if stored is None and type(None) in arguments:
            return None
        kept = [hint for hint in arguments if hint is not type(None)]
        if len(kept) != 1:
            raise TypeError(f"a field of the types {arguments} is not saved")
        try:
            return self.read(kept[0], stored)
        except _LostArrayError:
            if get_origin(kept[0]) is np.ndarray:
                return None
            raise

    @staticmethod
    def _literal(arguments: tuple[Any, ...], stored: Any) -> Any:
        if stored not in arguments:
            raise ValueError(f"{stored!r} is none of {arguments}")
        return stored

    def _array(self, stored: Any) -> Any:
        if "array" in stored:
            if self._lost:
                raise _LostArrayError(self._lost)
            return self._arrays[stored["array"]]
        if stored["dtype"] not in _DTYPES:
            raise ValueError(f"dtype {stored['dtype']!r}")
        numbers = [_NUMBERS.get(x, x) if isinstance(x, str) else x for x in stored["numbers"]]
        return np.array(numbers, dtype=stored["dtype"]).reshape(stored["shape"])

    def _tuple(self, arguments: tuple[Any, ...], stored: Any) -> tuple[Any, ...]:
        if not isinstance(stored, list):
            raise TypeError(f"expected a list, found {stored!r}")
        items = cast("list[Any]", stored)
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(self.read(arguments[0], item) for item in items)
        return tuple(self.read(h, item) for h, item in zip(arguments, items, strict=True))

    def _fit(self, stored: Any) -> Any:
        from isoloss.fitting._saving import fit_of

        prefix = str(stored["arrays"])
        own = {
            name.removeprefix(prefix): array
            for name, array in self._arrays.items()
            if name.startswith(prefix)
        }
        return fit_of(stored["fit"], own, self._lost)

    def _dataclass(self, cls: type[Any], stored: Any) -> Any:
        recorded = cls if issubclass(cls, Recorded) else None
        derived = recorded.DERIVED if recorded is not None else ()
        hints = _hints(cls)
        fields = {
            field.name: self.read(hints[field.name], stored[field.name])
            for field in dataclasses.fields(cast("Any", cls))
            if field.name not in derived and not self._absent(field, stored)
        }
        if self._lost and "draws_reason" in fields and fields.get("draws") is None:
            fields["draws_reason"] = fields["draws_reason"] or self._lost
        if recorded is not None:
            fields = recorded._rebuilt(fields, stored)  # pyright: ignore[reportPrivateUsage]
        return cls(**fields)

    @staticmethod
    def _absent(field: Any, stored: Mapping[str, Any]) -> bool:
        """A field younger than the file, which has a default."""
        defaults = (field.default, field.default_factory)
        given = any(default is not dataclasses.MISSING for default in defaults)
        return given and field.name not in stored


def _plain(hint: Any, stored: Any) -> Any:
    """A number, a text, or what evidence holds."""
    if hint is Any:
        return _anything(stored)
    if hint is float:
        value = _NUMBERS.get(stored, stored) if isinstance(stored, str) else stored
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError(f"expected a number, found {stored!r}")
        return float(value)
    if hint in (str, bool, int):
        if type(stored) is not hint:
            raise TypeError(f"expected {hint.__name__}, found {stored!r}")
        return stored
    raise TypeError(f"a field of the type {hint} is not saved")


def _anything(stored: Any) -> Any:
    if isinstance(stored, dict):
        return {k: _anything(v) for k, v in cast("dict[str, Any]", stored).items()}
    if isinstance(stored, list):
        return [_anything(item) for item in cast("list[Any]", stored)]
    return _NUMBERS.get(stored, stored) if isinstance(stored, str) else stored

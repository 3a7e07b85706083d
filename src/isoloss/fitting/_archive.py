"""A result in two files: readable JSON, and its large arrays beside it in an `.npz`, no pickle."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from isoloss._files import write_bytes_atomic, write_json_atomic
from isoloss.errors import DataError, NotFoundError, UsageError


@dataclass(frozen=True)
class Kind:
    """What a file holds: the `format` in its JSON, and what it is in words."""

    format: str
    words: str


KINDS: dict[str, Kind] = {
    "Fit": Kind("isoloss-fit-1", "fit"),
    "Allocation": Kind("isoloss-allocation-1", "allocation of isoflop or envelope"),
    "ArmComparison": Kind("isoloss-arms-1", "comparison of arms"),
    "ChainedFit": Kind("isoloss-chained-fit-1", "chain of two fits"),
    "Comparison": Kind("isoloss-comparison-1", "comparison of laws"),
    "CurveFit": Kind("isoloss-curve-fit-1", "fit of loss curves"),
    "FitTable": Kind("isoloss-fit-table-1", "table of fits side by side"),
    "Influence": Kind("isoloss-influence-1", "table of influences"),
    "PowerFit": Kind("isoloss-power-fit-1", "power law"),
    "Profile": Kind("isoloss-profile-1", "profile"),
    "ScaledPredictions": Kind("isoloss-scaled-predictions-1", "table of scaled predictions"),
}
"""By the name of the class that reads and writes it."""


def arrays_path(path: Path) -> Path:
    """Where the arrays lie."""
    return path.with_suffix(".npz")


def write_archive(
    path: Path, kind: str, document: Mapping[str, Any], arrays: Mapping[str, Any]
) -> None:
    """Write the arrays, where there are any, then the JSON with their hash.

    Args:
        path: of the JSON.
        kind: a key of `KINDS`.
        document: the JSON, without its `format`.
        arrays: by name.

    Raises:
        UsageError: the path ends in `.npz`, where the arrays go.
        EnvironmentProblem: the folder is not writable or the disk is full.
    """
    beside = arrays_path(path)
    if beside == path:
        raise UsageError(
            f"{path}: a {KINDS[kind].words} is saved as JSON, its draws as .npz beside it",
            hint=f"Use {path.with_suffix('.json')}.",
        )
    whole: dict[str, Any] = {"format": KINDS[kind].format, **document}
    if arrays:
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        write_bytes_atomic(beside, buffer.getvalue())
        whole["arrays_sha256"] = hashlib.sha256(buffer.getvalue()).hexdigest()
    write_json_atomic(path, whole)


def read_archive(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    """The JSON, the arrays, and why there are none although there were some (or '').

    Raises:
        NotFoundError: no such file.
        DataError: unreadable, no JSON of isoloss, or a result of another kind.
    """
    try:
        document: Any = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise NotFoundError(f"{path}: no such {KINDS[kind].words}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        raise damaged(path, kind, error) from error
    if not isinstance(document, dict):
        raise damaged(path, kind, ValueError("it is not an object"))
    found = cast("dict[str, Any]", document)
    _refuse_other(path, kind, found.get("format"))
    return (found, *_arrays(path, found))


def damaged(path: Path, kind: str, error: Exception) -> DataError:
    """The error for a file that cannot be understood."""
    again = "isoloss fit TABLE -o FIT" if kind == "Fit" else f"make the {KINDS[kind].words} again"
    return DataError(
        f"{path} is no {KINDS[kind].words} of isoloss, or it is damaged ({error!r})",
        hint=f"Write it again: {again}.",
    )


def _refuse_other(path: Path, kind: str, found: Any) -> None:
    """Raise DataError unless `found` is the format of `kind`."""
    if found == KINDS[kind].format:
        return
    for name, other in KINDS.items():
        if found == other.format:
            raise DataError(
                f"{path} holds a {other.words}, not a {KINDS[kind].words}",
                hint=f"Read it with isoloss.fitting.{name}.load.",
            )
    raise damaged(path, kind, ValueError(f"format {found!r}"))


def _arrays(path: Path, document: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The arrays beside a JSON; none with the reason where they are lost."""
    if "arrays_sha256" not in document:
        return {}, ""
    beside = arrays_path(path)
    try:
        data = beside.read_bytes()
    except FileNotFoundError:
        return {}, f"{beside.name} is missing beside {path.name}"
    except OSError as error:
        return {}, f"{beside.name} cannot be read ({error.strerror or error})"
    if hashlib.sha256(data).hexdigest() != document["arrays_sha256"]:
        return {}, f"{beside.name} is damaged or belongs to another file"
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}, ""
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return {}, f"{beside.name} is damaged"

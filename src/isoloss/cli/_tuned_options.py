"""Options of the task that a model was tuned on: what `evaluate` asks with unless told otherwise.

They stand in the folder's `run.json`, in the run's identity, where they are not the default.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from isoloss.errors import DataError

if TYPE_CHECKING:
    from isoloss.tasks import Task

_OWN = {"batch_rows", "level", "seed", "allow_code_execution"}
"""Said anew for each evaluation: none of them is how a question is asked."""
_WRITTEN = {"bool": bool, "int": int, "float": (int, float), "str": str, "tuple": list}
"""How JSON has a value of each type."""


def tuned_options(
    model: str | None, kind: type[Task], given: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Options that a model was tuned with, without those that are given, and notes on both.

    Nothing of a model that was not tuned on this task.

    Args:
        model: a folder, a study or `hf://…`; None for texts and baselines.
        kind: the task.
        given: options of the command, typed.

    Raises:
        NotFoundError: no such folder; DataError: its `run.json` is damaged.
    """
    if model is None or model.startswith("hf://"):
        return {}, ()
    from isoloss.cli._inputs import model_folder
    from isoloss.training._folder import RUN, read_folder

    folder = model_folder(model)
    run = (read_folder(folder) or {}).get("run")
    scoring = run.get("scoring") if isinstance(run, dict) and "start" in run else None
    if not isinstance(scoring, dict) or scoring.get("task") != kind.name:
        return {}, ()
    try:
        tuned = _read(kind, scoring.get("options", {}))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{folder / RUN}: the options that the model was tuned with are damaged ({error})",
            hint="Train the model again.",
        ) from error
    taken = {name: value for name, value in tuned.items() if name not in given}
    usual = {f.name: f.default for f in fields(kind)}
    other = {
        name: tuned.get(name, usual[name])
        for name, value in given.items()
        if name in usual and name not in _OWN and value != tuned.get(name, usual[name])
    }
    notes = (
        f"as the model was tuned: {_told(taken)}; --set takes other values" if taken else "",
        f"the model was tuned with {_told(other)}" if other else "",
    )
    return taken, tuple(note for note in notes if note)


def _read(kind: type[Task], options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a `run.json` as the task has them; their types are checked, ranges are later."""
    types = {f.name: str(f.type) for f in fields(kind)}
    found: dict[str, Any] = {}
    for name, value in options.items():
        if name in _OWN:
            continue
        word = re.split(r"\W", types[name], maxsplit=1)[0]
        fits = isinstance(value, _WRITTEN[word]) and (word == "bool") == isinstance(value, bool)
        if word == "tuple":
            fits = fits and all(isinstance(part, str) for part in value)
        if not fits and not (value is None and "None" in types[name]):
            raise ValueError(f"{name}: expected {word}, found {value!r:.40}")
        found[name] = tuple(value) if word == "tuple" and value is not None else value
    return found


def _told(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in options.items())

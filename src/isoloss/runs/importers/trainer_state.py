"""Hugging Face Trainer: `trainer_state.json`, and `config.json` beside it.

The fields are those of `transformers.trainer_callback.TrainerState` (read in version 5.23):
`log_history` holds one object a logging step, `num_input_tokens_seen` counts tokens where
`include_num_input_tokens_seen` was set, `total_flos` is 6·N·tokens with the N of
`num_parameters(exclude_embeddings=True)`. `training_args.bin`, a pickle, is never opened.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import cast

from isoloss.errors import DataError, IsolossError, NotFoundError
from isoloss.runs.importers._flat import flat
from isoloss.runs.importers._json import read_object
from isoloss.runs.importers._logs import Curves, head
from isoloss.runs.importers._points import number as as_number
from isoloss.runs.importers.history import RunHistory

STATE = "trainer_state.json"
_CHECKPOINT = re.compile(r"checkpoint-(\d+)")
_NOT_METRICS = frozenset({"step", "epoch", "total_flos"})
_TIMES = ("runtime", "per_second")


def looks_like_trainer_state(path: Path) -> bool:
    """Whether a path is such a file, or the folder of a run or of a checkpoint."""
    if path.is_dir():
        return _state_in(path) is not None
    if path.suffix.lower() != ".json":
        return False
    text = head(path)
    return path.name == STATE or ('"log_history"' in text and '"global_step"' in text)


def read_trainer_state(path: Path) -> list[RunHistory]:
    """The run of a file, of a checkpoint or of a run's folder, whose last state is taken.

    Raises:
        NotFoundError: there is none; DataError: it is damaged.
    """
    file = _state_in(path) if path.is_dir() else path
    if file is None:
        raise NotFoundError(f"{path}: no {STATE}", hint="Give the Trainer's output_dir.")
    state = read_object(file)
    history = state.get("log_history")
    if not isinstance(history, list):
        raise DataError(
            f"{file}: expected a list 'log_history', found {type(history).__name__}",
            hint=f"Give the {STATE} of a Hugging Face Trainer.",
        )
    curves, summary = Curves(), _summary(state)
    for entry in cast("list[object]", history):
        if isinstance(entry, dict):
            _add(curves, summary, cast("dict[str, object]", entry))
    config, notes = _model_config(file)
    step, planned = as_number(state.get("global_step")), as_number(state.get("max_steps"))
    config |= {
        f"trainer.{name}": state[name]
        for name in ("max_steps", "num_train_epochs", "train_batch_size")
        if as_number(state.get(name)) is not None
    }
    unfinished = step is not None and planned is not None and step < planned
    return [
        RunHistory(
            name=_name(file),
            source=str(file),
            config=config,
            summary=summary,
            metrics=curves.series(),
            status="running" if unfinished else "ok",
            reason=f"the state is of step {step:g} of {planned:g}" if unfinished else "",
            notes=(*curves.notes(), *notes),
        )
    ]


def _summary(state: dict[str, object]) -> dict[str, object]:
    """Totals of the run; both are 0 where the Trainer was not told to count."""
    names = ("global_step", "num_input_tokens_seen", "total_flos")
    numbers = {name: as_number(state.get(name)) for name in names}
    found: dict[str, object] = {name: value for name, value in numbers.items() if value}
    if "total_flos" in found:
        found["flops_convention"] = "reported"
    return found


def _add(curves: Curves, summary: dict[str, object], entry: dict[str, object]) -> None:
    step = as_number(entry.get("step"))
    if step is None:
        return
    for name, item in entry.items():
        value = as_number(item)
        if value is None or name in _NOT_METRICS or name.endswith(_TIMES):
            continue
        # The Trainer's last entry: the mean over all steps, not the loss where training ended.
        if name == "train_loss":
            summary["mean_train_loss"] = value
        else:
            curves.add(name, step, value)


def _state_in(folder: Path) -> Path | None:
    """The state of the folder or of its last checkpoint, whichever went further."""
    try:
        checkpoints = [
            (int(found[1]), child / STATE)
            for child in folder.iterdir()
            if (found := _CHECKPOINT.fullmatch(child.name)) and (child / STATE).is_file()
        ]
    except OSError:
        return None
    if (folder / STATE).is_file():
        return folder / STATE
    return max(checkpoints)[1] if checkpoints else None


def _model_config(file: Path) -> tuple[dict[str, object], list[str]]:
    """`config.json` beside the state, above it (for a checkpoint) or in the last checkpoint."""
    folder = file.parent
    places = [folder]
    if _CHECKPOINT.fullmatch(folder.name):
        places.append(folder.parent)
    with contextlib.suppress(OSError):
        places += sorted(child for child in folder.iterdir() if _CHECKPOINT.fullmatch(child.name))
    found = next(
        (place / "config.json" for place in places if (place / "config.json").is_file()), None
    )
    if found is None:
        return {}, ["no config.json beside the state: parameters are not known from it"]
    try:
        return flat(read_object(found)), []
    except IsolossError as error:
        return {}, [f"{error.message}: left out"]


def _name(file: Path) -> str:
    folder = file.resolve().parent
    return folder.parent.name if _CHECKPOINT.fullmatch(folder.name) else folder.name

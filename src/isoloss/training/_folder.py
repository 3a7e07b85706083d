"""The folder of a trained model: whose it is, its tokeniser, and the row of its run.

`run.json` is written before training starts, so a killed run is known by its id, and once more
with the row when it is finished.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoloss._files import canonical_json, write_bytes_atomic, write_json_atomic
from isoloss.errors import DataError, UsageError

if TYPE_CHECKING:
    from isoloss.training.run_config import AnyCorpus, RunConfig

CHECKPOINT = "checkpoint.safetensors"
RUN = "run.json"
TOKENIZER = "tokenizer.json"
FORMAT = "isoloss-model-1"
_MOST_TOLD = 4
"""Settings of another run that an error names."""


def open_folder(folder: Path, config: RunConfig, corpus: AnyCorpus) -> dict[str, Any] | None:
    """Claim a folder for a run; returns the row where the run is finished already.

    Raises:
        UsageError: the folder holds another run.
        DataError: its `run.json` is damaged.
    """
    known = read_folder(folder)
    if known is None:
        if (folder / CHECKPOINT).exists():
            raise UsageError(
                f"{folder} holds a checkpoint without its run.json, so its run is not known",
                hint="Take another folder, or delete this one.",
            )
        close_folder(folder, config, corpus, None)
        return None
    if known["run_id"] != config.run_id:
        raise UsageError(
            f"{folder} holds another run: {known['run_id']}, not {config.run_id}"
            f"{_differing(known.get('run'), config)}",
            hint="Take another folder, or repeat the settings that it was made with.",
        )
    row = known.get("row")
    if isinstance(row, dict) and (row.get("status") != "ok" or (folder / CHECKPOINT).exists()):
        return row
    return None


def _differing(known: Any, config: RunConfig) -> str:
    """Which settings differ, for an error; empty where the other run's are not known."""
    if not isinstance(known, dict):
        return ""
    theirs, asked = _flat(known), _flat(json.loads(canonical_json(config.identity())))
    names = sorted(n for n in theirs.keys() | asked.keys() if theirs.get(n) != asked.get(n))
    told = [f"{n} {_shown(theirs.get(n))}, not {_shown(asked.get(n))}" for n in names[:_MOST_TOLD]]
    if len(names) > _MOST_TOLD:
        told.append(f"and {len(names) - _MOST_TOLD} more")
    return f" ({'; '.join(told)})" if told else ""


def _flat(values: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Settings by their dotted names."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= (
            _flat(value, f"{before}{name}.") if isinstance(value, dict) else {before + name: value}
        )
    return found


def _shown(value: Any) -> str:
    return "unset" if value is None else f"{value!s:.24}"


def close_folder(
    folder: Path, config: RunConfig, corpus: AnyCorpus, row: dict[str, Any] | None
) -> None:
    """Write the tokeniser, then `run.json`; `row` is None until the run is finished."""
    tokenizer = (corpus.path / TOKENIZER).read_bytes()
    write_bytes_atomic(folder / TOKENIZER, tokenizer)
    write_json_atomic(
        folder / RUN,
        {
            "format": FORMAT,
            "run_id": config.run_id,
            "run": config.identity(),
            "corpus": str(corpus.path.resolve()),
            "tokenizer_sha256": hashlib.sha256(tokenizer).hexdigest(),
            "row": row,
        },
    )


def check_tokenizer(folder: Path, known: dict[str, Any]) -> None:
    """Refuse a tokeniser that is not the one that the model was trained with.

    Args:
        folder: the folder of the model.
        known: what `read_folder` gave.

    Raises:
        DataError: `tokenizer.json` was changed or comes from another corpus.
    """
    path, expected = folder / TOKENIZER, known.get("tokenizer_sha256")
    if not expected or not path.is_file():
        return
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected:
        raise DataError(
            f"{path} is not the tokeniser that the model was trained with (SHA-256 {found[:12]},"
            f" expected {expected[:12]})",
            hint="Copy tokenizer.json from the corpus that the model was trained on.",
        )


def read_folder(folder: Path) -> dict[str, Any] | None:
    """What `run.json` says, or None where there is none.

    Raises:
        DataError: it is damaged.
    """
    path = folder / RUN
    try:
        values = json.loads(path.read_text("utf-8"))
        if not isinstance(values["run_id"], str):
            raise ValueError("run_id is no text")
        return values
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: damaged, or not written by isoloss ({error})",
            hint="Take another folder, or delete this one and train again.",
        ) from error

"""Folders in the format of Hugging Face: `config.json` and safetensors; pickles stay closed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from isoloss.errors import DataError, EnvironmentProblem, NotFoundError, UsageError
from isoloss.models.huggingface.pieces import State

HUB = "hf://"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_WANTED = ["*.json", "*.safetensors", "*.model", "*.txt"]


def hub_folder(source: str | Path) -> Path:
    """The folder that a source names; `hf://owner/name[@revision]` is fetched from the hub.

    Raises:
        NotFoundError: no such folder.
        EnvironmentProblem: the hub cannot be reached.
    """
    if str(source).startswith(HUB):
        return _fetched(str(source).removeprefix(HUB))
    path = Path(source)
    if path.is_dir():
        return path
    looks = str(source).count("/") == 1 and not path.exists()
    raise NotFoundError(
        f"{source}: no such folder",
        hint=f"For a model of the hub write {HUB}{source}."
        if looks
        else "Give a folder with config.json and model.safetensors.",
    )


def _fetched(name: str) -> Path:
    repository, _, revision = name.partition("@")
    if repository.count("/") != 1 or not all(repository.split("/")):
        raise UsageError(f"{HUB}{name}: expected {HUB}owner/name or {HUB}owner/name@revision")
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise EnvironmentProblem(
            "reading from the hub needs huggingface_hub", hint="pip install 'isoloss[train]'"
        ) from error
    try:
        return Path(
            snapshot_download(repository, revision=revision or None, allow_patterns=_WANTED)
        )
    except (OSError, ValueError) as error:  # connection, rights and missing repositories alike
        raise EnvironmentProblem(
            f"cannot fetch {HUB}{name}: {str(error).splitlines()[0]}",
            hint="Check the name, the connection, and for gated models `hf auth login`.",
        ) from error


def read_hub_folder(source: str | Path) -> tuple[dict[str, Any], State]:
    """`config.json` and weights of a folder; weights may be in several files with an index.

    Raises:
        NotFoundError: no such folder, or nothing in it.
        DataError: damaged, or weights as pickles only.
    """
    folder = hub_folder(source)
    values = read_json(folder / "config.json")
    state: State = {}
    for path in _weight_files(folder):
        try:
            state |= load_file(path)
        except (SafetensorError, OSError, ValueError) as error:
            raise DataError(
                f"{path}: no safetensors, or cut short ({error})", hint="Copy the file again."
            ) from error
    return values, state


def read_json(path: Path) -> dict[str, Any]:
    """An object in a JSON file.

    Raises:
        NotFoundError: there is no such file.
        DataError: it holds something else.
    """
    try:
        values = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise NotFoundError(
            f"{path.parent}: no {path.name}",
            hint="Give a folder that `save_pretrained` wrote or the hub holds.",
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: no JSON ({error})") from error
    if not isinstance(values, dict):
        raise DataError(f"{path}: expected a JSON object, found {type(values).__name__}")
    return values


def _weight_files(folder: Path) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        parts = read_json(index).get("weight_map")
        if not isinstance(parts, dict) or not parts:
            raise DataError(f"{index}: no weight_map")
        names = sorted({str(name) for name in parts.values()})
        if any(Path(name).name != name for name in names):
            raise DataError(f"{index}: names a file outside its folder")
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise DataError(f"{folder}: {missing[0]}, which the index names, is missing")
        return [folder / name for name in names]
    whole = folder / "model.safetensors"
    if whole.is_file():
        return [whole]
    pickles = sorted(p.name for p in folder.iterdir() if p.suffix in _PICKLES)
    if pickles:
        raise DataError(
            f"{folder}: the weights are a pickle ({pickles[0]}), which was not opened: a pickle"
            " can run code",
            hint="Where you trust it, load it with transformers and call"
            " model.save_pretrained(folder): that writes model.safetensors.",
        )
    raise NotFoundError(f"{folder}: no model.safetensors", hint="Give a folder with weights.")

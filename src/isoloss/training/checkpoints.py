"""Checkpoint files: one safetensors file whose metadata holds everything that is no tensor."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from isoloss._files import write_bytes_atomic
from isoloss.errors import DataError, EnvironmentProblem, NotFoundError

FORMAT = "isoloss-checkpoint-2"
_BEFORE = "isoloss-checkpoint-1"
_PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
"""How files of `torch.save` (a zip archive of a pickle, or a bare one) begin."""


def write_checkpoint(
    path: str | Path, metadata: dict[str, str], tensors: dict[str, Tensor]
) -> None:
    """Write a checkpoint: `path` holds the old one or all of the new one, whatever happens.

    Tensors are moved to the CPU; metadata gets the format and a hash of the tensors.
    """
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    known = {"format": FORMAT, "sha256": digest(plain)}
    write_bytes_atomic(path, save_tensors(plain, {**metadata, **known}))


def read_checkpoint(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a checkpoint file.

    Raises:
        NotFoundError: no such file.
        DataError: the file is not a checkpoint of isoloss, or it is cut short.
        EnvironmentProblem: it cannot be read.
    """
    data = _bytes_of(path)
    if data.startswith(_PICKLES):
        raise DataError(
            f"{path} is a pickle (as torch.save writes), not safetensors; it was not opened:"
            " pickles can run code",
            hint="Convert it where you trust it: safetensors.torch.save_file(state_dict, path).",
        )
    try:
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        metadata = header.get("__metadata__") or {}
        if "format" not in metadata or not str(metadata["format"]).startswith("isoloss-"):
            raise ValueError("safetensors of another program")
        _check_format(path, metadata["format"])
        tensors = load_tensors(data)
        if metadata.get("sha256", found := digest(tensors)) != found:
            raise ValueError("its numbers are not those that were saved")
        return metadata, tensors
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(path, error) from error


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError(
            f"no checkpoint at {path}", hint="Give the folder of a trained model."
        ) from error
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot read {path}: {error.strerror or error}", hint="Check who may read the file."
        ) from error


def _check_format(path: Path, found: str) -> None:
    if found == FORMAT:
        return
    old = found == _BEFORE
    raise DataError(
        f"{path}: checkpoint format {found!r}, this version of isoloss reads {FORMAT!r}",
        hint="Parameters have other names since then: train the model again, or use the version"
        " that wrote it."
        if old
        else "Use the version of isoloss that wrote it.",
    )


def digest(tensors: dict[str, Tensor]) -> str:
    """SHA-256 over names and values: a changed bit would be another run."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(f"{name} {tuple(tensors[name].shape)}\n".encode())
        found.update(tensors[name].numpy().data)
    return found.hexdigest()


def damaged(path: Path, error: Exception) -> DataError:
    """The error for a file whose parts do not make a model."""
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return DataError(
        f"{path} is not an isoloss checkpoint, or it is damaged ({reason})",
        hint="Delete the file; the run is then trained again from what is left.",
    )

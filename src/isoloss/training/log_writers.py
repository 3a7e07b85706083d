"""Other places for the log of a run, when asked: TensorBoard, Weights & Biases, trackio.

The local log is always written; these take the same lines. W&B and trackio follow their own
settings (`WANDB_MODE=offline`, for example) on what leaves the machine.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Protocol

from isoloss.errors import EnvironmentProblem, UsageError

PROJECT = "isoloss"


class Writer(Protocol):
    """What takes the lines of a log."""

    def write(self, line: Mapping[str, Any]) -> None:
        """Take one line."""
        ...

    def close(self) -> None:
        """Finish."""
        ...


def scalars(line: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a line by the name of a chart.

    >>> scalars({"kind": "evaluation", "step": 9, "loss": 2.5, "domains": {"code": 1.5}})
    {'validation/loss': 2.5, 'validation/code': 1.5}
    """
    group = "train" if line["kind"] == "step" else "validation"
    flat = {**line, **line.get("domains", {})}
    return {
        f"{group}/{name}": float(value)
        for name, value in flat.items()
        if name not in ("kind", "step") and isinstance(value, int | float)
    }


class TensorBoardWriter:
    """Event files in `tensorboard/` beside the model."""

    def __init__(self, folder: Path, run_id: str, step: int) -> None:
        _installed("tensorboard")
        from torch.utils.tensorboard import SummaryWriter

        purge = step + 1 if step else None  # what came after the checkpoint comes again
        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=purge)

    def write(self, line: Mapping[str, Any]) -> None:
        """Add the scalars of a line."""
        for name, value in scalars(line).items():
            self._writer.add_scalar(name, value, line["step"])

    def close(self) -> None:
        """Flush the file."""
        self._writer.close()


class WandbWriter:
    """A run of the project `isoloss`, resumed by the run's id."""

    def __init__(self, folder: Path, run_id: str, step: int) -> None:
        wandb = _installed("wandb")
        self._run = wandb.init(project=PROJECT, id=run_id, resume="allow", dir=str(folder))

    def write(self, line: Mapping[str, Any]) -> None:
        """Log the scalars of a line at its step."""
        self._run.log(scalars(line), step=line["step"])

    def close(self) -> None:
        """Finish the run."""
        self._run.finish()


class TrackioWriter:
    """A run of the local trackio project `isoloss`."""

    def __init__(self, folder: Path, run_id: str, step: int) -> None:
        trackio = _installed("trackio")
        with redirect_stdout(sys.stderr):  # it greets on stdout, where answers belong
            self._run = trackio.init(project=PROJECT, name=run_id, resume="allow")

    def write(self, line: Mapping[str, Any]) -> None:
        """Log the scalars of a line at its step."""
        self._run.log(scalars(line), step=line["step"])

    def close(self) -> None:
        """Finish the run."""
        with redirect_stdout(sys.stderr):
            self._run.finish()


WRITERS = {"tensorboard": TensorBoardWriter, "wandb": WandbWriter, "trackio": TrackioWriter}


def check_writers(names: Sequence[str]) -> None:
    """Refuse unknown names and missing packages before any training.

    Raises:
        UsageError: no such log.
        EnvironmentProblem: its package is not installed.
    """
    for name in names:
        if name not in WRITERS:
            raise UsageError(
                f"no such log: {name!r}",
                hint=f"There are {', '.join(WRITERS)}; the local one is always written.",
            )
        _installed(name)


def open_writers(names: Sequence[str], folder: Path, run_id: str, step: int) -> list[Writer]:
    """The writers of these names, for a run that stands at `step`. Raises as `check_writers`."""
    check_writers(names)
    return [WRITERS[name](folder, run_id, step) for name in dict.fromkeys(names)]


def _installed(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise EnvironmentProblem(
            f"the log {module!r} needs the package {module!r}, which is not installed",
            hint=f'Install it with: pip install "isoloss[{module}]"',
        ) from error

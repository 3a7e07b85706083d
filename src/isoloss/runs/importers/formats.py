"""The formats that runs are imported from: how each is told and who reads it."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from isoloss.errors import EnvironmentProblem, IsolossError, UsageError
from isoloss.runs.importers.history import RunHistory

Reader = Callable[[Path], list[RunHistory]]
_HERE = "isoloss.runs.importers"


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format.

    Attributes:
        name: as in `--format NAME`.
        kind: `table` (a run a row), `log` (runs with curves) or `address` (no path).
        description: one line.
        reader: `module:function` below `isoloss.runs.importers`, imported when it is used; of a
            table empty.
        detector: likewise, or empty where the suffix tells.
        suffixes: of files.
        prefix: of addresses.
        free: whether its names are the user's own, in whatever unit.
        deep: whether its detector also looks into the folders below.
    """

    name: str
    kind: Literal["table", "log", "address"]
    description: str
    reader: str = ""
    detector: str = ""
    suffixes: tuple[str, ...] = ()
    prefix: str = ""
    free: bool = False
    deep: bool = False

    def read(self, source: str) -> list[RunHistory]:
        """The runs at a path or an address.

        Raises:
            EnvironmentProblem: this installation lacks the reader; else as the reader.
        """
        try:
            function = _function(self.reader)
        except ModuleNotFoundError as error:
            if not (error.name or "").startswith("isoloss"):
                raise
            raise EnvironmentProblem(
                f"this installation has no reader of {self.name}", hint="Install isoloss again."
            ) from error
        return cast("list[RunHistory]", function(source if self.prefix else Path(source)))

    def fits(self, path: Path) -> bool:
        """Whether a file or folder looks like this format."""
        if self.kind == "address":
            return False
        if self.suffixes:
            return path.is_file() and path.suffix.lower() in self.suffixes
        try:
            return bool(_function(self.detector)(path))
        except (IsolossError, ModuleNotFoundError, OSError):
            return False


FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        Format(
            name="wandb-api",
            kind="address",
            description="a project of W&B: wandb:ENTITY/PROJECT",
            reader="wandb_api:read_wandb_project",
            prefix="wandb:",
            free=True,
        ),
        Format(
            name="csv",
            kind="table",
            description="a table with commas",
            suffixes=(".csv",),
        ),
        Format(name="tsv", kind="table", description="a table with tabs", suffixes=(".tsv",)),
        Format(name="parquet", kind="table", description="a table", suffixes=(".parquet",)),
        Format(
            name="isoloss-jsonl",
            kind="log",
            description="events of any trainer, one JSON object a line",
            reader="json_lines:read_json_lines",
            detector="json_lines:looks_like_json_lines",
        ),
        Format(
            name="jsonl",
            kind="table",
            description="a run a line, as a JSON object",
            suffixes=(".jsonl", ".ndjson"),
        ),
        Format(
            name="isoloss-store",
            kind="table",
            description="a store of isoloss, or a study's folder",
            detector="stores:looks_like_store",
        ),
        Format(
            name="mlflow",
            kind="log",
            description="MLflow's folder mlruns, or its SQLite file",
            reader="mlflow:read_mlflow",
            detector="mlflow:looks_like_mlflow",
            free=True,
        ),
        Format(
            name="wandb",
            kind="log",
            description="W&B offline: a folder wandb, a run's folder or a .wandb file",
            reader="wandb_offline:read_wandb",
            detector="wandb_offline:looks_like_wandb",
            deep=True,
            free=True,
        ),
        Format(
            name="trackio",
            kind="log",
            description="trackio's SQLite file, or its folder",
            reader="trackio:read_trackio",
            detector="trackio:looks_like_trackio",
            free=True,
        ),
        Format(
            name="hf-trainer",
            kind="log",
            description="Hugging Face Trainer: trainer_state.json, or a run's folder",
            reader="trainer_state:read_trainer_state",
            detector="trainer_state:looks_like_trainer_state",
        ),
        Format(
            name="isoloss-task",
            kind="log",
            description="scores of a task: what `isoloss evaluate … -o RESULT` writes",
            reader="task_result:read_task_result",
            detector="task_result:looks_like_task_result",
        ),
        Format(
            name="lm-eval",
            kind="log",
            description="lm-evaluation-harness: results_*.json, or a model's folder of them",
            reader="harness:read_harness",
            detector="harness:looks_like_harness",
        ),
        Format(
            name="tensorboard",
            kind="log",
            description="TensorBoard's event files, or their folder",
            reader="tensorboard:read_tensorboard",
            detector="tensorboard:looks_like_tensorboard",
            deep=True,
            free=True,
        ),
        Format(
            name="nanochat",
            kind="log",
            description="output of nanochat's base_train",
            reader="nanochat:read_nanochat",
            detector="nanochat:looks_like_nanochat",
        ),
        Format(
            name="nanogpt",
            kind="log",
            description="output of nanoGPT's train.py",
            reader="nanogpt:read_nanogpt",
            detector="nanogpt:looks_like_nanogpt",
        ),
        Format(
            name="megatron",
            kind="log",
            description="output of Megatron-LM",
            reader="megatron:read_megatron",
            detector="megatron:looks_like_megatron",
        ),
        Format(
            name="olmo",
            kind="log",
            description="output of OLMo and OLMo-core",
            reader="olmo:read_olmo",
            detector="olmo:looks_like_olmo",
        ),
    )
}
"""By name, in the order in which they are tried."""


def named_format(name: str) -> Format:
    """The format of that name.

    Raises:
        UsageError: there is none; a close name is given.
    """
    if name in FORMATS:
        return FORMATS[name]
    close = difflib.get_close_matches(name, FORMATS, n=1)
    raise UsageError(
        f"no such format: {name!r}",
        hint=(f"Did you mean {close[0]!r}? " if close else "") + f"Formats: {', '.join(FORMATS)}.",
    )


def detected(source: str) -> Format | None:
    """The format of a path or an address, or None where none fits."""
    for one in FORMATS.values():
        if one.prefix and source.startswith(one.prefix):
            return one
    path = Path(source)
    return next((one for one in FORMATS.values() if one.fits(path)), None)


def _function(where: str) -> Callable[..., object]:
    module, _, name = where.partition(":")
    return cast(
        "Callable[..., object]", getattr(importlib.import_module(f"{_HERE}.{module}"), name)
    )

"""From a plan to a folder that another trainer starts from."""

from __future__ import annotations

import difflib
import json
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from isoloss.errors import UsageError
from isoloss.planning.export._readme import readme_text
from isoloss.planning.export.document import toml_text, yaml_text
from isoloss.planning.export.folder import write_folder
from isoloss.planning.export.hub import (
    hub_config,
    hub_notes,
    hub_parameters,
    hub_training_arguments,
)
from isoloss.planning.export.job import ExportablePlan, Job, job_of, parameters_by_convention
from isoloss.planning.export.megatron import (
    megatron_in_the_way,
    megatron_notes,
    megatron_script,
)
from isoloss.planning.export.nemo import nemo_notes, nemo_recipe
from isoloss.planning.export.torchtitan import (
    MODULE,
    model_arguments,
    torchtitan_job,
    torchtitan_module,
    torchtitan_notes,
)

Files = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written.

    Attributes:
        target: the trainer.
        folder, files: where, and the names in it.
        parameters: N of the model that the trainer builds, under every convention.
        plan_parameters: the same of the exported shape as isoloss builds it.
        off: N in the plan's convention over the plan's N*, less 1.
        architecture: the exported shape.
        notes: what the files do not say as the plan does, and what is left to do.
    """

    target: str
    folder: str
    files: tuple[str, ...]
    parameters: Mapping[str, int]
    plan_parameters: Mapping[str, int]
    n_convention: str
    off: float
    architecture: Mapping[str, Any]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON."""
        return {**asdict(self), "files": list(self.files), "notes": list(self.notes)}

    def summary(self) -> str:
        """What was written, in text."""
        lines = [f"{self.target}: no weights, a model of", ""]
        lines += [f"  {name:<22}{value:>20,}" for name, value in self.parameters.items()]
        lines += ["", f"{self.off:+.2%} from the plan's N ({self.n_convention})", "", "To know"]
        for note in self.notes:
            lines += textwrap.wrap(note, 80, initial_indent="  - ", subsequent_indent="    ")
        return "\n".join([*lines, "", f"Saved {self.folder}: {', '.join(self.files)}"])

    def __repr__(self) -> str:
        return f"Exported(target={self.target!r}, folder={self.folder!r}, off={self.off:+.4f})"


def _hub(job: Job) -> tuple[Files, dict[str, int], list[str]]:
    contents = {
        "config.json": _json(hub_config(job.config)),
        "training_args.json": _json(hub_training_arguments(job)),
    }
    return contents, hub_parameters(job.config), hub_notes(job)


def _megatron(job: Job) -> tuple[Files, dict[str, int], list[str]]:
    contents = {"train.sh": megatron_script(job)}
    return contents, parameters_by_convention(job.config), megatron_notes(job)


def _nemo(job: Job) -> tuple[Files, dict[str, int], list[str]]:
    contents = {"recipe.yaml": yaml_text(nemo_recipe(job))}
    notes = nemo_notes(job)
    if not megatron_in_the_way(job.config):
        contents["megatron.sh"] = megatron_script(job)
        notes.append("megatron.sh starts the same run with Megatron-LM, without NeMo")
    return contents, parameters_by_convention(job.config), notes


def _torchtitan(job: Job) -> tuple[Files, dict[str, int], list[str]]:
    model_arguments(job.config)  # refuses what it cannot say, before anything is written
    contents = {
        "job.toml": toml_text(torchtitan_job(job)),
        f"{MODULE}.py": torchtitan_module(job),
    }
    return contents, parameters_by_convention(job.config), torchtitan_notes(job)


_WRITERS: dict[str, Callable[[Job], tuple[Files, dict[str, int], list[str]]]] = {
    "hf": _hub,
    "nemo": _nemo,
    "megatron": _megatron,
    "torchtitan": _torchtitan,
}
TARGETS = tuple(_WRITERS)
"""Trainers that a plan can be exported for."""


def export_plan(
    plan: ExportablePlan, target: str, folder: str | Path, *, family: str | None = None
) -> Exported:
    """Write a plan as what another trainer starts from, without weights.

    Args:
        plan: a plan (`isoloss.plan`, `Plan.load`).
        target: `hf`, `nemo`, `megatron` or `torchtitan`.
        folder: where; new, empty, or written by this before.
        family: reshape the plan's N into this family first (`llama`, `qwen3`, `gpt2`, …), for
            trainers that do not have the plan's own.

    Raises:
        UsageError: no such target or family, an option of the shape has no counterpart there
            (it is named), or the folder holds something else.
        EnvironmentProblem: the folder cannot be written.
    """
    if target not in _WRITERS:
        close = difflib.get_close_matches(target, TARGETS, n=1)
        raise UsageError(
            f"no such target: {target!r}",
            hint=(f"Did you mean {close[0]!r}? " if close else "")
            + f"Targets: {', '.join(TARGETS)}.",
        )
    job = job_of(plan, family=family)
    contents, parameters, notes = _WRITERS[target](job)
    notes = [*job.notes, *notes]
    n = parameters.get(job.n_convention, parameters["params_total"])
    contents = {
        "README.md": readme_text(target, job, parameters, notes),
        **contents,
        "recipe.json": _json(job.recipe.to_dict()),
    }
    where = write_folder(folder, contents)
    return Exported(
        target=target,
        folder=str(where),
        files=tuple(contents),
        parameters=parameters,
        plan_parameters=parameters_by_convention(job.config),
        n_convention=job.n_convention,
        off=n / job.asked - 1,
        architecture=job.config.to_dict(),
        notes=tuple(notes),
    )


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

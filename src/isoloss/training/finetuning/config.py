"""A run that starts from a trained model, or is scored on a task: what its id covers besides."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from isoloss.training.finetuning.adapters import LoRA
from isoloss.training.finetuning.scoring import Scoring
from isoloss.training.finetuning.starting import Start
from isoloss.training.run_config import RunConfig


@dataclass(frozen=True, kw_only=True)
class TaskRunConfig(RunConfig):
    """A run with what is said of its start and of its task.

    Args:
        begin: the model that it starts from; None starts from first weights.
        lora: adapters that are trained instead of all weights.
        scoring: the task's score, which may end it early.
    """

    begin: Start | None = None
    lora: LoRA | None = None
    scoring: Scoring | None = None

    @staticmethod
    def of(run: RunConfig, **more: Any) -> TaskRunConfig:
        """A run with more said of it."""
        return TaskRunConfig(**{f.name: getattr(run, f.name) for f in fields(run)}, **more)

    def identity(self) -> dict[str, Any]:
        """As of any run, with start, adapters and scoring where there are any."""
        values = super().identity()
        for name in ("begin", "lora", "scoring"):
            part = getattr(self, name)
            if part is not None:
                values[{"begin": "start"}.get(name, name)] = part.to_dict()
        return values

    @property
    def parent_id(self) -> str | None:
        """Id of the run that trained the start; without a start as of any run."""
        return super().parent_id if self.begin is None else self.begin.run_id

"""What `train_run` may be given besides: where states come from, how they are kept and scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from isoloss.training._folder import CHECKPOINT
from isoloss.training.run_config import RunConfig
from isoloss.training.state import TrainingState


class States(Protocol):
    """Where a run's states come from and how they are kept; `PlainStates` unless told otherwise."""

    @property
    def file(self) -> str:
        """The checkpoint of a run that is not finished."""
        ...

    def start(self, device: str) -> TrainingState:
        """The state at step 0."""
        ...

    def load(self, path: Path, device: str) -> TrainingState:
        """What the `save` of a state wrote."""
        ...

    def finish(self, state: TrainingState, folder: Path) -> dict[str, Any]:
        """Leave what is read of a finished run; columns that its row has besides."""
        ...


class Scorer(Protocol):
    """Scores states of a run; the state with the best score is the one that is kept."""

    @property
    def every(self) -> int | None:
        """Steps between two scores; at the end only when None."""
        ...

    def line(self, state: TrainingState) -> dict[str, Any]:
        """The line of the log for a state, of kind `score`."""
        ...

    def best(self, scores: Sequence[Mapping[str, Any]]) -> int | None:
        """The step of the best of the lines."""
        ...

    def converged(self, scores: Sequence[Mapping[str, Any]]) -> bool:
        """Whether the lines so far end the run."""
        ...

    def finish(self, state: TrainingState) -> dict[str, Any]:
        """Columns of the row of a finished run."""
        ...


@dataclass(frozen=True, kw_only=True)
class PlainStates:
    """States that start from first weights and are kept whole."""

    config: RunConfig
    file: str = CHECKPOINT

    def start(self, device: str) -> TrainingState:
        """First weights of the run's seed."""
        config = self.config
        return TrainingState.start(
            config.architecture, config.recipe, seed=config.seed, device=device
        )

    def load(self, path: Path, device: str) -> TrainingState:
        """The whole state."""
        return TrainingState.load(path, device=device)

    def finish(self, state: TrainingState, folder: Path) -> dict[str, Any]:
        """Nothing: the last checkpoint is what is read."""
        return {}

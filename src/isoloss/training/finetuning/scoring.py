"""A task's score while a model trains: logged, and what decides which checkpoint is kept."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from isoloss._files import canonical_json, sha256_text
from isoloss.errors import UsageError
from isoloss.tasks import Task, TaskResult
from isoloss.tasks.examples import Row
from isoloss.training.finetuning.starting import opened_with
from isoloss.training.state import TrainingState

RESULT = "score.json"
"""The score of the model that is kept, with every example, beside it."""


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """What is scored, and when.

    Args:
        task: how.
        examples: held-out examples.
        every: steps between two scores; at the end only when None.
        patience: scores in a row without a better one that end the run; None: it goes on.
        metric: of the task, which decides; its first when None.

    Raises:
        UsageError: no such metric, or patience without `every`.
    """

    task: Task
    examples: tuple[Row, ...]
    every: int | None = None
    patience: int | None = None
    metric: str | None = None

    def __post_init__(self) -> None:
        known = [metric.name for metric in self.task.metrics]
        if self.metric is not None and self.metric not in known:
            raise UsageError(
                f"the task {self.task.name} has no metric {self.metric!r}",
                hint=f"It has: {', '.join(known)}.",
            )
        for name in ("every", "patience"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} of scoring must be positive, found {value}")
        if self.patience is not None and self.every is None:
            raise UsageError(
                "patience counts scores, and none is made while the model trains",
                hint="Say how often: --score-every STEPS.",
            )

    @property
    def column(self) -> str:
        """The column of the deciding metric."""
        return f"metric_{self.metric or self.task.metrics[0].name}"

    def best(self, scores: Sequence[Mapping[str, Any]]) -> int | None:
        """The step of the best of the lines of a log; None without a line.

        Where the deciding metric is equal (BLEU of a weak model is 0 for long) the other metrics
        decide in their order, and of equals the first is taken.
        """
        if not scores:
            return None
        return int(max(scores, key=self._worth)["step"])  # the first of equals

    def converged(self, scores: Sequence[Mapping[str, Any]]) -> bool:
        """Whether the last `patience` lines brought nothing better."""
        if self.patience is None or not scores:
            return False
        steps = [int(line["step"]) for line in scores]
        best = self.best(scores)
        assert best is not None
        return len(steps) - 1 - steps.index(best) >= self.patience

    def _worth(self, line: Mapping[str, Any]) -> tuple[float, ...]:
        """Values of the metrics, the deciding one first, so that more is better."""
        metrics = sorted(self.task.metrics, key=lambda m: f"metric_{m.name}" != self.column)
        worth: list[float] = []
        for metric in metrics:
            value = line.get(f"metric_{metric.name}")
            sign = 1.0 if metric.higher_is_better else -1.0
            worth.append(-math.inf if value is None else sign * float(value))
        return tuple(worth)

    def to_dict(self) -> dict[str, Any]:
        """What decides the scores, for a run's id: options that are not the default."""
        options = {
            f.name: getattr(self.task, f.name)
            for f in fields(self.task)
            if getattr(self.task, f.name) != f.default
        }
        found = sha256_text(json.dumps(self.examples, sort_keys=True, default=str))
        values: dict[str, Any] = {
            "task": self.task.name,
            "examples": found[:16],
            "metric": self.column.removeprefix("metric_"),
            "every": self.every,
            "patience": self.patience,
        }
        if options:
            values["options"] = json.loads(canonical_json(options))
        return values


@dataclass(frozen=True, eq=False)
class TaskScorer:
    """Scores the state of a run.

    Attributes:
        scoring: what and when.
        tokenizer_json: of the model.
        folder: of the run.
        run_id: of the run.
        seen: how many of the examples the run is trained on; None where nobody looked.
        results: what was found last, by step.
    """

    scoring: Scoring
    tokenizer_json: str
    folder: Path
    run_id: str
    seen: int | None = None
    results: dict[int, TaskResult] = field(default_factory=dict[int, TaskResult])

    @property
    def every(self) -> int | None:
        """Steps between two scores."""
        return self.scoring.every

    def line(self, state: TrainingState) -> dict[str, Any]:
        """The line of a log for a state."""
        result = self._result(state)
        return {
            "kind": "score",
            "step": state.step,
            "task": result.task,
            **{
                f"metric_{name}": found.value if math.isfinite(found.value) else None
                for name, found in result.metrics.items()
            },
        }

    def best(self, scores: Sequence[Mapping[str, Any]]) -> int | None:
        """As `Scoring.best`."""
        return self.scoring.best(scores)

    def converged(self, scores: Sequence[Mapping[str, Any]]) -> bool:
        """As `Scoring.converged`."""
        return self.scoring.converged(scores)

    def finish(self, state: TrainingState) -> dict[str, Any]:
        """Columns of the row, of the state that is kept; the whole result goes into the folder."""
        result = self._result(state)
        result.save(self.folder / RESULT)
        return {
            **{n: v if math.isfinite(v) else None for n, v in result.columns().items()},
            "meta_task": result.task,
            "meta_task_signature": result.signature,
            "meta_task_examples": result.n_examples,
            **({} if self.seen is None else {"meta_task_examples_seen": self.seen}),
        }

    def _result(self, state: TrainingState) -> TaskResult:
        if state.step not in self.results:
            state.model.eval()
            opened = opened_with(state.model, self.tokenizer_json, self.folder, self.run_id)
            self.results[state.step] = self.scoring.task.evaluate(opened, self.scoring.examples)
        return self.results[state.step]

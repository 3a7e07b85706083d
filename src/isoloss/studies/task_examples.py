"""The examples that a ladder is scored on: read once, and none that the models were trained on."""

from __future__ import annotations

from typing import Any

import numpy as np

from isoloss.corpus import PairCorpus
from isoloss.errors import DataError, UsageError
from isoloss.studies.spec import TaskSpec
from isoloss.tasks import Task
from isoloss.tasks.examples import Row
from isoloss.training.finetuning.comparison import held_out_pairs, seen_examples
from isoloss.training.objectives.windows import AnyCorpus

LEAST_EXAMPLES = 2


def study_examples(
    task: Task, asked: TaskSpec, corpus: AnyCorpus, *, limit: int | None = None
) -> tuple[list[Row], list[str]]:
    """The first examples that are not in the training text, and what to know of them.

    Args:
        task: what reads them.
        asked: where they are; without `data` the corpus's own held-out pairs are taken.
        corpus: what the models are trained on.
        limit: most examples; `asked.limit` when None.

    Raises:
        UsageError: no `data`, and a corpus without pairs of what the task reads.
        NotFoundError, DataError: as `Task.read`; also where hardly an example is held out.
    """
    most = asked.limit if limit is None else limit
    if not asked.data:
        return _validation_pairs(task, corpus)[:most], []
    rows = task.read(asked.data, asked.columns)
    seen = seen_examples(task, rows, corpus)
    if seen is None:
        told = "whether its examples lie in the training text was not looked up: it is long"
        return rows[:most], [told]
    kept = [row for row, known in zip(rows, seen, strict=True) if not known]
    if len(kept) < LEAST_EXAMPLES:
        raise DataError(
            f"{', '.join(asked.data)}: {len(rows) - len(kept):,} of {len(rows):,} examples stand"
            " in the training text",
            hint="Give held-out examples; of pairs, leave out task.data (--task-data): the"
            " corpus's own held-out pairs are taken then.",
        )
    left = len(rows) - len(kept)
    notes = [f"{left:,} of {len(rows):,} examples stand in the training text: left out"]
    return kept[:most], notes if left else []


def _validation_pairs(task: Task, corpus: AnyCorpus) -> list[Row]:
    """Held-out pairs as examples with `source` and `target`."""
    if not {"source", "target"} <= set(task.reads) or not isinstance(corpus, PairCorpus):
        raise UsageError(
            f"the task {task.name} has no examples",
            hint="Name their file: task.data in the spec, or --task-data FILE. Only a corpus of"
            " pairs has examples of its own, for translation and summarisation.",
        )
    return held_out_pairs(corpus)


def floor_of(task: Task, metric: str, examples: list[Row]) -> float:
    """What a model that knows nothing scores: of guessing among choices, else 0."""
    if task.name not in ("choices", "cloze") or not metric.startswith("acc"):
        return 0.0
    return float(np.mean([1 / _choices(example.get("choices")) for example in examples]))


def _choices(value: Any) -> int:
    """How many; yes and no where there are none."""
    if isinstance(value, dict):
        value = value.get("text")
    return len(value) if isinstance(value, list) and value else 2

"""The examples that a ladder is scored on: read once, and none that the models were trained on."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import numpy as np

from isoloss.corpus import Corpus, PairCorpus
from isoloss.errors import DataError, UsageError
from isoloss.studies.spec import TaskSpec
from isoloss.tasks import Task
from isoloss.tasks.examples import Row
from isoloss.training.objectives.windows import AnyCorpus

MOST_TOKENS = 20_000_000
"""Training tokens up to which examples are looked for among them: seconds."""
LEAST_CHARACTERS = 32
"""A shorter text may well stand in running text without being the example."""
LEAST_EXAMPLES = 2
_AT_ONCE = 4096
_BLANKS = re.compile(r"\s+")


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
    key = next(iter(task.reads))
    seen = _seen(corpus, [_plain(row.get(key, "")) for row in rows])
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
    part = corpus.validation
    sides = (
        _texts(corpus, part.source, part.source_offsets),
        _texts(corpus, part.target, part.target_offsets),
    )
    return [
        {"place": f"held-out pair {number}", "source": source, "target": target}
        for number, (source, target) in enumerate(zip(*sides, strict=True), start=1)
        if source.strip() and target.strip()
    ]


def _texts(corpus: PairCorpus, ids: np.ndarray, offsets: np.ndarray) -> list[str]:
    """One side of pairs as texts, without their end of text."""
    tokenizer = corpus.tokenizer()
    parts = [ids[first : last - 1].tolist() for first, last in pairwise(offsets.tolist())]
    return [
        text
        for first in range(0, len(parts), _AT_ONCE)
        for text in tokenizer.decode_batch(parts[first : first + _AT_ONCE])
    ]


def _plain(text: Any) -> str:
    """A text, or one in several parts, with one space wherever it has white space."""
    whole = " ".join(map(str, text)) if isinstance(text, list) else str(text)
    return _BLANKS.sub(" ", whole).strip()


def _seen(corpus: AnyCorpus, texts: list[str]) -> list[bool] | None:
    """Whether each text stands in the training text; None where that would take long."""
    if corpus.train_tokens > MOST_TOKENS:
        return None
    if isinstance(corpus, PairCorpus):
        part = corpus.train
        known = {_plain(text) for text in _texts(corpus, part.source, part.source_offsets)}
        return [text in known for text in texts]
    whole = _plain(_running_text(corpus))
    return [len(text) >= LEAST_CHARACTERS and text in whole for text in texts]


def _running_text(corpus: Corpus) -> str:
    return str(corpus.tokenizer().decode(corpus.train.tolist(), skip_special_tokens=False))


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

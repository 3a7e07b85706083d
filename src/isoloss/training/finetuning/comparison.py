"""What a score is held against: answers that take no model, and examples that were trained on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from isoloss.corpus import PairCorpus
from isoloss.corpus.pairs import Pairs
from isoloss.tasks import Task, TaskResult, TextTask
from isoloss.tasks.examples import Row
from isoloss.tasks.extractive import Extractive
from isoloss.tasks.task import baseline_result
from isoloss.tasks.translation import MEMORY, Translation
from isoloss.training.objectives.windows import AnyCorpus

MOST_TOKENS = 20_000_000
"""Training tokens up to which examples are looked for among them: seconds."""
LEAST_CHARACTERS = 32
"""A shorter text may well stand in running text without being the example."""
_AT_ONCE = 4096
_BLANKS = re.compile(r"\s+")


def baseline_scores(task: Task, train: Sequence[Row], dev: Sequence[Row]) -> dict[str, TaskResult]:
    """Scores of answers that take no model, by name; translations also by the nearest source."""
    if not isinstance(task, Extractive | TextTask):
        return {}
    found = {name: baseline_result(task, name, dev) for name in task.baselines()}
    if isinstance(task, Translation) and train:
        found[MEMORY] = baseline_result(task, MEMORY, dev, train)
    return found


def baseline_lines(baselines: Mapping[str, TaskResult]) -> list[str]:
    """A line for each baseline with its figures."""
    return [
        f"  baseline {name}: "
        + ", ".join(f"{metric} {score.value:.4g}" for metric, score in one.metrics.items())
        for name, one in baselines.items()
    ]


def training_pairs(corpus: AnyCorpus) -> list[Row]:
    """The training pairs of a corpus as examples with `source` and `target`; none of a text."""
    return _rows(corpus, corpus.train, "training") if isinstance(corpus, PairCorpus) else []


def held_out_pairs(corpus: AnyCorpus) -> list[Row]:
    """As `training_pairs`, of those that the corpus holds out."""
    return _rows(corpus, corpus.validation, "held-out") if isinstance(corpus, PairCorpus) else []


def seen_examples(task: Task, examples: Sequence[Row], corpus: AnyCorpus) -> list[bool] | None:
    """Whether what each example asks is the source of a training pair, or stands in the text.

    None where the training text is so long that looking would take minutes.
    """
    if corpus.train_tokens > MOST_TOKENS:
        return None
    key = next(iter(task.reads))
    asked = [_plain(row.get(key, "")) for row in examples]
    if isinstance(corpus, PairCorpus):
        part = corpus.train
        known = {_plain(text) for text in _texts(corpus, part.source, part.source_offsets)}
        return [text in known for text in asked]
    ids = corpus.train.tolist()
    whole = _plain(corpus.tokenizer().decode(ids, skip_special_tokens=False))
    return [len(text) >= LEAST_CHARACTERS and text in whole for text in asked]


def _rows(corpus: PairCorpus, part: Pairs, name: str) -> list[Row]:
    sides = (
        _texts(corpus, part.source, part.source_offsets),
        _texts(corpus, part.target, part.target_offsets),
    )
    return [
        {"place": f"{name} pair {number}", "source": source, "target": target}
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

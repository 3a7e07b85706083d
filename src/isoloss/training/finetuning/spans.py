"""Spans: where the answer to a question begins and ends in a window of its text.

The cross entropy of both boundaries over the positions of a row, as in BERT for SQuAD
(arXiv:1810.04805, §4.2); a window without the answer has both at position 0.

Shape suffixes: B rows, T positions, W windows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from isoloss.architecture import TransformerConfig
from isoloss.architecture.config import Kind
from isoloss.errors import DataError, UsageError
from isoloss.tasks._marked_answers import marked_answers
from isoloss.tasks._question_windows import Framing, Window, token_span, windows_of
from isoloss.tasks.examples import Row, text_of
from isoloss.tasks.extractive import Extractive
from isoloss.training.finetuning.parts import TaskData, corpus_facts, parts_of
from isoloss.training.finetuning.starting import Start
from isoloss.training.objectives.batch import Batch
from isoloss.training.objectives.evaluation_set import BATCH_ROWS, EvaluationSet
from isoloss.training.objectives.objective import Objective, TokenCount, generator
from isoloss.training.objectives.windows import AnyCorpus

Framed = list[tuple[Window, tuple[int, int], int]]
"""Windows with the boundaries of the answer in each, and the number of their text."""
TAG = 1_101
DEV_ONE_IN = 10
"""One text in so many is held out where no examples to develop on are given."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Windows:
    """Windows of questions.

    Attributes:
        ids: tokens of all, one after the other.
        offsets: (W + 1,) where each begins.
        first: (W,) where the text begins in each.
        boundaries: (W, 2) first and last token of the answer, 0 where it is elsewhere.
        clusters: (W,) the text of each.
    """

    ids: np.ndarray
    offsets: np.ndarray
    first: np.ndarray
    boundaries: np.ndarray
    clusters: np.ndarray

    def __len__(self) -> int:
        return len(self.first)


@dataclass(frozen=True, kw_only=True, eq=False)
class QuestionCorpus:
    """Windows to train and to validate on.

    Attributes:
        path: the folder with the tokeniser.
        train, validation: the windows.
        pad: fills rows up.
        length: most tokens of a row.
        token_bytes: UTF-8 bytes of every entry.
        fingerprint: SHA-256 of windows and tokeniser.
        manifest: what is said of it elsewhere.
    """

    path: Path
    train: Windows
    validation: Windows
    pad: int
    length: int
    token_bytes: np.ndarray
    fingerprint: str
    manifest: dict[str, Any]
    special_ids: Mapping[str, int]

    @property
    def vocab_size(self) -> int:
        """Entries of the tokeniser."""
        return len(self.token_bytes)

    @property
    def train_tokens(self) -> int:
        """Tokens of the training windows."""
        return len(self.train.ids)


class SpanBatch(Batch):
    """A batch that predicts two boundaries in each row."""

    def rows_of_targets(self) -> torch.Tensor:
        """The row of each boundary, (N,) int64, ascending."""
        return torch.arange(self.predicted, device=self.targets.device) // 2


@dataclass(frozen=True, kw_only=True)
class Spans(Objective):
    """The first and the last token of an answer among the positions of a row.

    D counts the tokens that are read. The head's two products a position are left out of C.
    """

    name: ClassVar[str] = "spans"
    kind: ClassVar[Kind] = "encoder"

    def batch(
        self, corpus: AnyCorpus, config: TransformerConfig, *, seed: int, step: int, rows: int
    ) -> Batch:
        """`rows` windows; every window comes once an epoch."""
        questions = questions_of(corpus)
        return _batch(questions, questions.train, _chosen(questions.train, seed, step, rows))

    def evaluation(
        self, corpus: AnyCorpus, config: TransformerConfig, eval_tokens: int
    ) -> EvaluationSet:
        """Held-out windows of at most about `eval_tokens` tokens, spread evenly."""
        questions = questions_of(corpus)
        windows = questions.validation
        share = min(1.0, eval_tokens / len(windows.ids))
        wanted = max(1, int(share * len(windows)))
        chosen = np.unique(np.linspace(0, len(windows) - 1, wanted).round().astype(np.int64))
        parts = [chosen[i : i + BATCH_ROWS] for i in range(0, len(chosen), BATCH_ROWS)]
        return EvaluationSet(
            batches=tuple(_batch(questions, windows, part) for part in parts),
            units=tuple(np.arange(2 * len(part)) // 2 for part in parts),
            clusters=windows.clusters[chosen],
            no_bytes="boundaries of spans stand for no bytes of text",
        )

    def row_tokens(self, config: TransformerConfig) -> TokenCount:
        """A full context; no head over the vocabulary is computed."""
        return TokenCount(tokens=config.context_length, predicted=0)

    def tokens_in(
        self,
        corpus: AnyCorpus,
        config: TransformerConfig,
        *,
        rows: int,
        seed: int,
        steps: int,
        first: int = 0,
    ) -> TokenCount:
        """Exact tokens of the steps from `first` to before `steps`."""
        train = questions_of(corpus).train
        lengths_W = np.diff(train.offsets)
        found = sum(
            int(lengths_W[_chosen(train, seed, step, rows)].sum()) for step in range(first, steps)
        )
        return TokenCount(tokens=found, predicted=0)

    def check_corpus(self, corpus: AnyCorpus) -> None:
        """Refuse what is no windows of questions.

        Raises:
            UsageError: as said.
        """
        questions_of(corpus)


def questions_of(corpus: Any) -> QuestionCorpus:
    """A corpus of questions.

    Raises:
        UsageError: it is another.
    """
    if not isinstance(corpus, QuestionCorpus):
        raise UsageError(f"{corpus.path} holds no questions, which the objective spans reads")
    return corpus


def question_windows(
    task: Extractive,
    start: Start,
    train: Sequence[Row],
    dev: Sequence[Row],
    folder: Path,
    *,
    skip_mismatched: bool = False,
    dev_limit: int | None = None,
) -> TaskData:
    """Windows of questions with the boundaries of their answers.

    The first answer of an example that lies in a window is the one that is learnt; an example
    that has none in its text (`is_impossible`) points at position 0 in every window. Left out are
    training examples whose text is one of `dev`, and those whose answers no window holds.

    Args:
        task: how rows are put together.
        start: the model.
        train: examples.
        dev: held-out examples; those of one text in ten when empty.
        folder: receives the tokeniser.
        skip_mismatched: leave out examples whose answer is not where they say.
        dev_limit: most held-out examples.

    Raises:
        UsageError: a model of another kind.
        DataError: an answer that is not where its example says, or nothing is left.
    """
    opened = start.opened()
    opened.require(*task.kinds, what=f"the task {task.name}")
    parts = parts_of(
        train,
        dev,
        lambda row: str(row["context"]),
        one_in=DEV_ONE_IN,
        shared="text among the held-out examples too",
        limit=dev_limit,
    )
    framing = task.framing(opened)
    framed = {
        part: _framed(framing, rows, parts.left_out[part], skip_mismatched)
        for part, rows in parts.rows.items()
    }
    parts.refuse_empty(framed, task.name, hint="Give more examples, or longer windows.")
    windows = {part: _arrays(found) for part, found in framed.items()}
    corpus = QuestionCorpus(
        **corpus_facts(start.tokenizer_json, windows, folder),
        pad=opened.pad,
        length=framing.length,
        special_ids={},
    )
    return parts.data(corpus)


def _framed(
    framing: Framing, rows: Sequence[Row], left_out: Counter[str], skip_mismatched: bool
) -> Framed:
    found: Framed = []
    texts: dict[str, int] = {}
    for row in rows:
        context = text_of(row["context"], row["place"])
        try:
            marked = marked_answers(row)
        except DataError:
            if not skip_mismatched:
                raise
            left_out["answer not where the example says"] += 1
            continue
        cluster = texts.setdefault(context, len(texts))
        windows = windows_of(framing, text_of(row["question"], row["place"]), context)
        boundaries = _boundaries(windows, marked)
        if boundaries is None:
            left_out["answer in no window"] += 1
            continue
        found += [(*both, cluster) for both in zip(windows, boundaries, strict=True)]
    return found


def _boundaries(
    windows: Sequence[Window], answers: Sequence[tuple[str, int]]
) -> list[tuple[int, int]] | None:
    """First and last token, in each window, of the first answer that lies in one; 0 elsewhere.

    Args:
        windows: of one text.
        answers: each with the character where it begins; none where the text has no answer.

    Returns:
        None where there are answers and no window holds one.
    """
    for answer, at in answers:
        spans = [token_span(window.offsets, at, at + len(answer)) for window in windows]
        if any(spans):
            return [
                (0, 0) if span is None else (window.first + span[0], window.first + span[1])
                for window, span in zip(windows, spans, strict=True)
            ]
    return None if answers else [(0, 0)] * len(windows)


def _arrays(found: Framed) -> Windows:
    return Windows(
        ids=np.concatenate([np.asarray(window.ids, dtype=np.int64) for window, _, _ in found]),
        offsets=np.append(0, np.cumsum([len(window.ids) for window, _, _ in found])),
        first=np.asarray([window.first for window, _, _ in found], dtype=np.int64),
        boundaries=np.asarray([boundary for _, boundary, _ in found], dtype=np.int64),
        clusters=np.asarray([cluster for _, _, cluster in found], dtype=np.int64),
    )


def _chosen(windows: Windows, seed: int, step: int, rows: int) -> np.ndarray:
    """The windows of a step: each epoch goes through all of them in an order of its own."""
    total = len(windows)
    places = range(step * rows, (step + 1) * rows)
    orders = {
        epoch: generator(seed, epoch, TAG).permutation(total)
        for epoch in {place // total for place in places}
    }
    return np.asarray([orders[place // total][place % total] for place in places], dtype=np.int64)


def _batch(corpus: QuestionCorpus, windows: Windows, chosen: np.ndarray) -> Batch:
    """Rows as long as the longest of them; the text and position 0 may hold boundaries."""
    starts, ends = windows.offsets[chosen], windows.offsets[chosen + 1]
    width = int((ends - starts).max())
    tokens_BT = np.full((len(chosen), width), corpus.pad, dtype=np.int64)
    segments_BT = np.zeros_like(tokens_BT)
    allowed_BT = np.zeros(tokens_BT.shape, dtype=bool)
    allowed_BT[:, 0] = True
    for row, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        tokens_BT[row, : end - start] = windows.ids[start:end]
        segments_BT[row, : end - start] = 1
        allowed_BT[row, windows.first[chosen[row]] : end - start - 1] = True
    return SpanBatch(
        inputs={
            "tokens": torch.from_numpy(tokens_BT),
            "segments": torch.from_numpy(segments_BT),
            "allowed": torch.from_numpy(allowed_BT),
        },
        targets=torch.from_numpy(windows.boundaries[chosen].flatten()),
        tokens=int(segments_BT.sum()),
    )

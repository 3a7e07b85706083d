"""Examples of a task as pairs of a model's own tokens, in the words that evaluation uses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isoloss.corpus import END_OF_TEXT, PAD, START
from isoloss.corpus.pairs import PairCorpus, Pairs
from isoloss.errors import UsageError
from isoloss.tasks.answers import reference_answers
from isoloss.tasks.examples import Row, texts_of
from isoloss.tasks.opening import OpenModel
from isoloss.tasks.task import TextTask
from isoloss.training.finetuning.parts import TRAIN, TaskData, corpus_facts, parts_of
from isoloss.training.finetuning.starting import Start

DEV_ONE_IN = 20
"""One source in so many is held out where no examples to develop on are given."""
Encoded = list[tuple[list[int], list[int]]]
"""Tokens that are read and tokens that are predicted, of each pair."""


@dataclass(frozen=True, kw_only=True)
class AskedAnswer:
    """What a model is asked, and one right answer to it.

    Attributes:
        asked: tokens of the source or of the prompt, cut to what the model reads.
        answer: tokens of the answer, without an end of text.
        text: what these stand for: the answer, after a space where one parts it from the prompt.
        cut: whether `asked` lost tokens.
    """

    asked: list[int]
    answer: list[int]
    text: str
    cut: bool


def task_pairs(
    task: TextTask,
    start: Start,
    train: Sequence[Row],
    dev: Sequence[Row],
    folder: Path,
    *,
    dev_limit: int | None = None,
) -> TaskData:
    """Pairs of a task: what the model is asked, and each of the answers.

    A decoder is asked with the task's own template and an encoder-decoder gets the source, cut as
    evaluation cuts them. Line ends within a decoder's answers become spaces, as an answer ends at
    one. A training example is learnt with every answer, a held-out one with its first that fits.
    Left out are training examples whose question is one of `dev`, and answers that are longer
    than the task or the model allows.

    Args:
        task: translation, summarisation, question answering.
        start: the model.
        train: examples.
        dev: held-out examples; one in twenty of the training ones when empty.
        folder: receives the tokeniser.
        dev_limit: most held-out examples.

    Raises:
        UsageError: a task that gives no pairs, or a model of another kind.
        DataError: nothing is left to train or to be judged on.
    """
    opened = start.opened()
    opened.require(*task.kinds, what=f"the task {task.name}")
    parts = parts_of(
        train,
        dev,
        task.source,
        one_in=DEV_ONE_IN,
        shared="asked in the held-out examples too",
        limit=dev_limit,
    )
    pairs = {
        part: _encoded(task, opened, rows, parts.left_out[part], every=part == TRAIN)
        for part, rows in parts.rows.items()
    }
    parts.refuse_empty(
        pairs,
        task.name,
        hint="Give more examples, a model with a longer context, or a larger max_tokens.",
    )
    return parts.data(_corpus(start, opened, pairs, folder))


def answers_of(task: TextTask, row: Row) -> list[str]:
    """The different answers of an example, in their order.

    Raises:
        UsageError: the task has none; DataError: an empty one.
    """
    if "target" in task.reads:
        return list(dict.fromkeys(texts_of(row["target"], row["place"])))
    if "answers" in task.reads:
        return list(dict.fromkeys(reference_answers(row)))
    raise UsageError(
        f"the task {task.name} has no answers to train on",
        hint="Tune on translation, summarisation, question-answering or extractive-qa, or on text"
        " with --corpus.",
    )


def _encoded(
    task: TextTask,
    opened: OpenModel,
    rows: Iterable[Row],
    left_out: Counter[str],
    *,
    every: bool,
) -> Encoded:
    """Pairs of tokens of all answers, or of the first of each example that is not too long."""
    make = _source_and_target if opened.kind == "encoder_decoder" else _prompt_and_answer
    found: Encoded = []
    for row in rows:
        made = [make(task, opened, row, answer) for answer in answers_of(task, row)]
        pairs = [pair for pair in made if pair is not None]
        found += pairs if every else pairs[:1]
        left_out["answer too long"] += len(made) - len(pairs) if every else int(not pairs)
    return found


def asked_answer(task: TextTask, opened: OpenModel, row: Row, answer: str) -> AskedAnswer:
    """An example as training, generation and the likelihood of its answer have it.

    An encoder-decoder reads the source and a decoder the prompt, cut by `prompt_tokens`. A space
    parts a prompt from its answer unless it ends with one, and line ends within an answer become
    spaces where the task's answers end at one.
    """
    asked, cut = task.prompt_tokens(opened, row)
    text = answer
    if opened.kind != "encoder_decoder":
        prompt = task.prompt(row)
        plain = " ".join(answer.split("\n")) if "\n" in task.stop else answer
        text = (" " if plain and prompt and not prompt[-1].isspace() else "") + plain
    return AskedAnswer(asked=asked, answer=opened.encode(text), text=text, cut=cut)


def _source_and_target(
    task: TextTask, opened: OpenModel, row: Row, answer: str
) -> tuple[list[int], list[int]] | None:
    one = asked_answer(task, opened, row, answer)
    target = [*opened.conventions.target_before, *one.answer, opened.end]
    return None if len(target) > opened.context_length else (opened.source(one.asked), target)


def _prompt_and_answer(
    task: TextTask, opened: OpenModel, row: Row, answer: str
) -> tuple[list[int], list[int]] | None:
    one = asked_answer(task, opened, row, answer)
    target = [*one.answer, opened.end]
    read = [*(one.asked or [opened.end]), *target[:-1]]
    long = len(target) > task.answer_tokens(opened) or len(read) > opened.context_length
    return None if long else (read, target)


def _corpus(
    start: Start, opened: OpenModel, pairs: Mapping[str, Encoded], folder: Path
) -> PairCorpus:
    parts = {name: _pairs(encoded) for name, encoded in pairs.items()}
    return PairCorpus(
        **corpus_facts(start.tokenizer_json, parts, folder),
        special_ids={END_OF_TEXT: opened.end, START: opened.start, PAD: opened.pad},
    )


def _pairs(encoded: Encoded) -> Pairs:
    sides = [[np.asarray(pair[side], dtype=np.int64) for pair in encoded] for side in (0, 1)]
    source, target = (np.concatenate(side) for side in sides)
    offsets = [np.append(0, np.cumsum([len(ids) for ids in side])) for side in sides]
    return Pairs(source=source, target=target, source_offsets=offsets[0], target_offsets=offsets[1])

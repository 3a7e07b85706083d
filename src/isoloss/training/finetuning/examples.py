"""Examples of a task as pairs of a model's own tokens, in the words that evaluation uses."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from isoloss._files import write_text_atomic
from isoloss.corpus import END_OF_TEXT, PAD, START
from isoloss.corpus.pairs import PairCorpus, Pairs
from isoloss.corpus.tokenizers import token_lengths
from isoloss.errors import DataError, UsageError
from isoloss.tasks.answers import reference_answers
from isoloss.tasks.examples import Row, texts_of
from isoloss.tasks.opening import OpenModel
from isoloss.tasks.task import TextTask
from isoloss.training._folder import TOKENIZER
from isoloss.training.finetuning.starting import Start

DEV_SHARE = 20
"""One source in so many is held out where no examples to develop on are given."""
Encoded = list[tuple[list[int], list[int]]]
"""Tokens that are read and tokens that are predicted, of each pair."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TaskData:
    """What a model is tuned on.

    Attributes:
        corpus: training and held-out pairs as tokens.
        train, dev: the examples.
        left_out: how many pairs were not taken, by reason.
    """

    corpus: Any
    train: tuple[Row, ...]
    dev: tuple[Row, ...]
    left_out: Mapping[str, int] = field(default_factory=dict[str, int])


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
    task: TextTask, start: Start, train: Sequence[Row], dev: Sequence[Row], folder: Path
) -> TaskData:
    """Pairs of a task: what the model is asked, and each of the answers.

    A decoder is asked with the task's own template and an encoder-decoder gets the source, cut as
    evaluation cuts them. Line ends within a decoder's answers become spaces, as an answer ends at
    one. Left out are training examples whose question is one of `dev`, and answers that are
    longer than the task or the model allows.

    Args:
        task: translation, summarisation, question answering.
        start: the model.
        train: examples.
        dev: held-out examples; one in twenty of the training ones when empty.
        folder: receives the tokeniser.

    Raises:
        UsageError: a task that gives no pairs, or a model of another kind.
        DataError: nothing is left to train or to be judged on.
    """
    opened = start.opened()
    opened.require(*task.kinds, what=f"the task {task.name}")
    if not dev:
        train, dev = _split(task, train)
    left_out: Counter[str] = Counter()
    asked = {task.source(row) for row in dev}
    own = [row for row in train if task.source(row) not in asked]
    left_out["asked in the held-out examples too"] = len(train) - len(own)
    pairs = {
        "train": _encoded(task, opened, own, left_out, every=True),
        "validation": _encoded(task, opened, dev, Counter(), every=False),
    }
    for part, found in pairs.items():
        if not found:
            why = ", ".join(f"{reason}: {count:,}" for reason, count in left_out.items() if count)
            raise DataError(
                f"{task.name}: no {part} example is left" + (f" ({why})" if why else ""),
                hint="Give more examples, a model with a longer context, or a larger max_tokens.",
            )
    return TaskData(
        corpus=_corpus(start, opened, pairs, folder),
        train=tuple(own),
        dev=tuple(dev),
        left_out={reason: count for reason, count in left_out.items() if count},
    )


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


def _split(task: TextTask, rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Training and held-out examples; equal questions stay together, whatever the order."""
    names = sorted({task.source(row) for row in rows}, key=_hash)
    held = set(names[: max(1, len(names) // DEV_SHARE)])
    return (
        [row for row in rows if task.source(row) not in held],
        [row for row in rows if task.source(row) in held],
    )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _encoded(
    task: TextTask,
    opened: OpenModel,
    rows: Iterable[Row],
    left_out: Counter[str],
    *,
    every: bool,
) -> Encoded:
    """Pairs of tokens of all answers, or of the first of each example."""
    make = _source_and_target if opened.kind == "encoder_decoder" else _prompt_and_answer
    found: Encoded = []
    for row in rows:
        for answer in answers_of(task, row)[: None if every else 1]:
            pair = make(task, opened, row, answer)
            if pair is None:
                left_out["answer too long"] += 1
            else:
                found.append(pair)
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
    long = len(target) > task.max_tokens or len(read) > opened.context_length
    return None if long else (read, target)


def _corpus(
    start: Start, opened: OpenModel, pairs: Mapping[str, Encoded], folder: Path
) -> PairCorpus:
    text = start.tokenizer_json
    write_text_atomic(folder / TOKENIZER, text)
    parts = {name: _pairs(encoded) for name, encoded in pairs.items()}
    return PairCorpus(
        path=folder,
        **parts,
        token_bytes=token_lengths(text),
        fingerprint=fingerprint(text, {n: vars(part) for n, part in parts.items()}),
        manifest={"settings": {"tokenizer": "file"}},
        special_ids={END_OF_TEXT: opened.end, START: opened.start, PAD: opened.pad},
    )


def fingerprint(tokenizer_json: str, parts: Mapping[str, Mapping[str, np.ndarray]]) -> str:
    """SHA-256 of a tokeniser and of arrays by name."""
    found = hashlib.sha256(tokenizer_json.encode("utf-8"))
    for part, arrays in sorted(parts.items()):
        for name, array in sorted(arrays.items()):
            found.update(f"{part}.{name} {array.dtype.str} {array.shape}\n".encode())
            found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def _pairs(encoded: Encoded) -> Pairs:
    sides = [[np.asarray(pair[side], dtype=np.int64) for pair in encoded] for side in (0, 1)]
    source, target = (np.concatenate(side) for side in sides)
    offsets = [np.append(0, np.cumsum([len(ids) for ids in side])) for side in sides]
    return Pairs(source=source, target=target, source_offsets=offsets[0], target_offsets=offsets[1])

"""Surprise at right answers: of the very tokens that training reads, and per byte of these."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from isoloss.architecture import config_for_width
from isoloss.corpus import Corpus, PairCorpus, prepare_pairs
from isoloss.models import LanguageModel, build_model
from isoloss.studies.task_likelihood import ANSWER, has_answers, surprise
from isoloss.tasks import OpenModel, TextTask
from isoloss.tasks.answers import Answers
from isoloss.tasks.choices import Choices
from isoloss.tasks.summarisation import Summarisation
from isoloss.tasks.translation import Translation
from isoloss.training.finetuning.examples import task_pairs
from isoloss.training.finetuning.starting import Start, opened_with

Row = dict[str, Any]
SUMMARIES: list[Row] = [
    {"place": "1", "source": ["def one():", "return 1"], "target": ["a number", "one"]},
    {"place": "2", "source": "import os\nimport sys", "target": "two\nmodules"},
    {"place": "3", "source": "x = [1, 2]", "target": "a list"},
]
QUESTIONS: list[Row] = [
    {"place": f"{i}", "question": q, "context": "def f(): pass", "asked": q, "answers": [a]}
    for i, (q, a) in enumerate([("name?", "f"), ("body?", "pass"), ("word?", "déf")])
]
PAIRS: list[Row] = [
    {"place": f"{i}", "source": f"number {i} of many", "target": f"NUMMER {i} VON {i * 7}"}
    for i in range(3)
]


def decoder(corpus: Corpus, context: int = 64) -> OpenModel:
    shape = config_for_width(16, vocab_size=corpus.vocab_size, context_length=context)
    return opened(shape, corpus.path)


def opened(shape: Any, folder: Path) -> OpenModel:
    tokenizer = (folder / "tokenizer.json").read_text("utf-8")
    model = build_model(shape, seed=1).eval()
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():  # an untrained head is zero, and all tokens equally likely
        for parameter in model.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=draw)
    return opened_with(model, tokenizer, folder)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> PairCorpus:
    home = tmp_path_factory.mktemp("pairs")
    lines = [f"number {i} of many\tNUMMER {i} VON VIELEN" for i in range(300)]
    (home / "pairs.tsv").write_text("source\ttarget\n" + "\n".join(lines) + "\n", "utf-8")
    return prepare_pairs(
        [home / "pairs.tsv"], home / "corpus", fields=("source", "target"), vocab_size=300,
        near_duplicates=None,
    )  # fmt: skip


def trained_on(
    task: TextTask, model: OpenModel, rows: Sequence[Row], folder: Path
) -> list[tuple[list[int], list[int]]]:
    """The pairs of tokens that fine-tuning makes of the examples."""
    found: list[tuple[list[int], list[int]]] = []
    for row in rows:
        tokenizer = (model.folder / "tokenizer.json").read_text("utf-8")
        start = Start(
            source="x",
            run_id="x",
            model=cast("LanguageModel", model.model),
            tokenizer_json=tokenizer,
            weights="",
        )
        held = [{**row, "source": "other", "question": "other", "asked": "other"}]
        part = task_pairs(task, start, [row], held, folder).corpus.train
        source_end, target_end = part.source_offsets[1], part.target_offsets[1]
        found.append((part.source[:source_end].tolist(), part.target[:target_end].tolist()))
    return found


def nats_of(model: OpenModel, read: list[int], target: list[int]) -> float:
    """Of the target without its end of text, by the plainest way there is."""
    with torch.inference_mode():
        if model.kind == "encoder_decoder":
            given = [model.start, *target[:-1]]
            logits = model.model(torch.tensor([read]), torch.tensor([given]))[0]
        else:
            logits = model.model(torch.tensor([read]))[0, -len(target) :]
    chosen = logits.double().log_softmax(-1)[range(len(target)), target]
    return -float(chosen[:-1].sum())


@pytest.mark.parametrize(
    ("task", "rows"),
    [
        (Summarisation(max_tokens=24), SUMMARIES),
        (Summarisation(max_tokens=24, template="{source}\n"), SUMMARIES),
        (Answers(max_tokens=24), QUESTIONS),
        (Translation(max_tokens=40, template="{source} = "), PAIRS),
    ],
)
def test_a_decoder_is_scored_on_the_tokens_that_training_reads(
    tiny_corpus: Corpus, tmp_path: Path, task: TextTask, rows: list[Row]
) -> None:
    model = decoder(tiny_corpus)
    known = trained_on(task, model, rows, tmp_path)
    nats = sum(nats_of(model, read, target) for read, target in known)
    size = sum(len(model.decode(target[:-1]).encode("utf-8")) for _, target in known)
    found = surprise(task, model, rows)
    assert found.score is not None
    assert found.score.value == pytest.approx(nats / math.log(2) / size, rel=1e-5)
    assert found.score.low < found.score.value < found.score.high
    assert found.notes == ()


def test_an_encoder_decoder_is_scored_on_the_tokens_that_training_reads(
    pairs: PairCorpus, tmp_path: Path
) -> None:
    shape = config_for_width(
        16, vocab_size=pairs.vocab_size, context_length=32, family="encoder-decoder"
    )
    model, task = opened(shape, pairs.path), Translation()
    known = trained_on(task, model, PAIRS, tmp_path)
    nats = sum(nats_of(model, read, target) for read, target in known)
    size = sum(len(row["target"].encode("utf-8")) for row in PAIRS)
    found = surprise(task, model, PAIRS).score
    assert found is not None
    assert found.value == pytest.approx(nats / math.log(2) / size, rel=1e-5)


def test_a_list_is_one_text(tiny_corpus: Corpus) -> None:
    """The sentences of a source are joined as evaluation joins them, not written as a list."""
    model, task = decoder(tiny_corpus), Summarisation(max_tokens=24)
    joined = [
        {**row, "source": " ".join(row["source"])} if isinstance(row["source"], list) else row
        for row in SUMMARIES
    ]
    one, other = (surprise(task, model, rows).score for rows in (SUMMARIES, joined))
    assert one == other


def test_what_does_not_fit_is_told(tiny_corpus: Corpus) -> None:
    model, task = decoder(tiny_corpus, context=16), Summarisation(max_tokens=8)
    rows = [*SUMMARIES, {"place": "4", "source": "x", "target": json.dumps(list(range(40)))}]
    found = surprise(task, model, rows)
    assert found.score is not None
    prompts = [len(model.encode(task.prompt(row))) for row in rows]
    cut = sum(length > 8 for length in prompts)
    assert cut
    assert found.notes[0] == f"{cut} of 4 inputs are longer than the models read: cut"
    assert "of 4 right answers are empty or do not fit the models' context" in found.notes[1]
    nothing = surprise(task, model, rows[3:])
    assert nothing.score is None
    assert "1 of 1 right answers" in nothing.notes[-1]


def test_a_later_answer_is_asked_where_the_first_does_not_fit(tiny_corpus: Corpus) -> None:
    model, task = decoder(tiny_corpus, context=32), Summarisation(max_tokens=8)
    long = json.dumps(list(range(40)))
    both, one = (
        surprise(task, model, [{"place": "1", "source": "x", "target": answers}])
        for answers in ([long, "a list"], ["a list"])
    )
    assert both.score == one.score is not None
    assert both.notes == one.notes


def test_questions_of_one_text_are_drawn_together(tiny_corpus: Corpus) -> None:
    model, task = decoder(tiny_corpus), Answers(max_tokens=24)
    told = surprise(task, model, QUESTIONS, np.zeros(3, dtype=np.int64)).score
    assert told is not None
    assert math.isnan(told.low)
    assert ANSWER.name == "answer_bits_per_byte"


def test_which_tasks_have_answers() -> None:
    assert has_answers(Translation())
    assert has_answers(Answers())
    assert not has_answers(Choices())

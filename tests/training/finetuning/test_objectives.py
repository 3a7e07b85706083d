"""Completions and spans: what a step sees, against what it should see, one example at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from isoloss.errors import DataError, UsageError
from isoloss.models.span_head import SpanModel
from isoloss.tasks.extractive import Extractive
from isoloss.tasks.translation import Translation
from isoloss.training.evaluation import evaluate
from isoloss.training.finetuning import Completion, Spans, open_start
from isoloss.training.finetuning.examples import task_pairs
from isoloss.training.finetuning.spans import question_windows
from isoloss.training.objectives import batch_loss

Row = dict[str, Any]


@pytest.fixture
def completions(model_folder: Callable[..., Path], copies: list[Row], tmp_path: Path):
    start = open_start(model_folder("gpt2"))
    task = Translation(max_tokens=8)
    return start, task, task_pairs(task, start, copies[:60], copies[60:80], tmp_path / "corpus")


def test_packed_completions_predict_the_answers_alone(completions: Any) -> None:
    start, task, data = completions
    config, opened = start.model.config, start.opened()
    batch = Completion().batch(data.corpus, config, seed=0, step=1, rows=3)
    assert batch.tokens < 3 * 48
    known = {
        tuple(opened.encode(row["target"])): opened.encode(task.prompt(row)) for row in data.train
    }
    ends = (batch.targets == opened.end).nonzero().flatten().tolist()
    losses, first = [], 0
    for end in ends:
        answer = batch.targets[first : end + 1].tolist()
        first = end + 1
        prompt = known[tuple(answer[:-1])]
        logits = start.model(torch.tensor([[*prompt, *answer[:-1]]]))[0, len(prompt) - 1 :]
        losses.append(F.cross_entropy(logits, torch.tensor(answer), reduction="sum"))
    assert len(losses) >= 6
    whole = Completion().loss(start.model, batch)
    torch.testing.assert_close(whole, torch.stack(losses).sum() / batch.predicted)


@pytest.mark.parametrize("first", [0, 3])
def test_tokens_of_completions_are_counted(completions: Any, first: int) -> None:
    start, _, data = completions
    config = start.model.config
    counted = Completion().tokens_in(data.corpus, config, rows=2, seed=4, steps=14, first=first)
    seen = [
        Completion().batch(data.corpus, config, seed=4, step=step, rows=2)
        for step in range(first, 14)
    ]
    assert counted.tokens == sum(batch.tokens for batch in seen)
    assert counted.predicted == sum(batch.predicted for batch in seen)


def test_held_out_completions_are_clusters(completions: Any) -> None:
    start, _, data = completions
    held_out = Completion().evaluation(data.corpus, start.model.config, 10_000)
    found = evaluate(start.model, held_out)
    assert len(held_out.clusters) == len(data.dev) == 20
    assert found.tokens == 20 * 6
    assert 0 < found.loss_se < found.loss
    assert found.bits_per_byte > 0


def test_what_is_held_out_is_not_trained_on(
    model_folder: Callable[..., Path], copies: list[Row], tmp_path: Path
) -> None:
    start = open_start(model_folder("isoloss"))
    dev = [*copies[60:70], *copies[:5]]
    long = {"place": "x", "source": "ba", "target": " ".join(["de"] * 40)}
    data = task_pairs(
        Translation(max_tokens=8), start, [*copies[:60], long], dev, tmp_path / "corpus"
    )
    assert data.left_out == {"asked in the held-out examples too": 5, "answer too long": 1}
    own = task_pairs(Translation(max_tokens=8), start, copies[:60], [], tmp_path / "corpus")
    assert len(own.dev) == 3
    assert not {row["source"] for row in own.dev} & {row["source"] for row in own.train}
    with pytest.raises(DataError, match=r"no train example is left \(.*answer too long: 1\)"):
        task_pairs(Translation(max_tokens=8), start, [long], copies[:5], tmp_path / "corpus")


def test_what_the_held_out_part_loses_is_counted_too(
    model_folder: Callable[..., Path], copies: list[Row], tmp_path: Path
) -> None:
    start, task = open_start(model_folder("isoloss")), Translation(max_tokens=8)
    words = " ".join(["de"] * 40)
    long = {"place": "x", "source": "ba", "target": words}
    data = task_pairs(task, start, copies[:30], [*copies[30:40], long], tmp_path / "corpus")
    assert data.left_out == {"held-out answer too long": 1}
    assert (len(data.dev), len(data.corpus.validation)) == (11, 10)
    with pytest.raises(
        DataError, match=r"no validation example is left \(held-out answer too long: 1\)"
    ):
        task_pairs(task, start, [*copies[:30], {**long, "source": "go"}], [long], tmp_path / "x")
    both = {"place": "y", "source": "fi", "target": [words, "lu ma"]}
    found = task_pairs(task, start, copies[:30], [both], tmp_path / "both")
    assert found.left_out == {}
    answer = [*start.opened().encode("lu ma"), start.opened().end]
    assert found.corpus.validation.target[-len(answer) :].tolist() == answer


def test_questions_that_the_held_out_part_loses_are_counted(
    model_folder: Callable[..., Path], questions: list[Row], tmp_path: Path
) -> None:
    """An answer of two words lies in no window of one word."""
    start = open_start(model_folder("encoder"))
    (kept, other), task = questions[:2], Extractive(window_tokens=6, stride=1)
    text = str(other["context"])
    at = text.index(" answer ") + 1
    whole = {"text": text[at:], "answer_start": at}
    wide = {**other, "answers": [whole]}
    wrong = {**questions[2], "answers": [{"text": "ba", "answer_start": 1}]}
    dev = [*questions[3:5], wide, wrong]
    data = question_windows(task, start, [kept], dev, tmp_path / "a", skip_mismatched=True)
    assert data.left_out == {
        "held-out answer in no window": 1,
        "held-out answer not where the example says": 1,
    }
    with pytest.raises(
        DataError, match=r"no train example is left \(answer in no window: 1\)"
    ) as caught:
        question_windows(task, start, [wide], questions[3:5], tmp_path / "b")
    assert "longer windows" in str(caught.value.hint)
    both = {**other, "answers": [whole, other["answers"][0]]}
    found = question_windows(task, start, [both], questions[3:5], tmp_path / "c")
    plain = question_windows(task, start, [other], questions[3:5], tmp_path / "d")
    assert found.left_out == {}
    np.testing.assert_array_equal(found.corpus.train.boundaries, plain.corpus.train.boundaries)


def test_which_texts_are_held_out_does_not_hang_on_their_order(
    model_folder: Callable[..., Path], questions: list[Row], tmp_path: Path
) -> None:
    start, rows = open_start(model_folder("encoder")), questions[:30]
    parts = [
        question_windows(Extractive(), start, order, [], tmp_path / "corpus")
        for order in (rows, rows[::-1])
    ]
    held = [{row["place"] for row in part.dev} for part in parts]
    assert held[0] == held[1]
    assert len(held[0]) == 3
    assert [row["place"] for row in parts[0].train] == [
        row["place"] for row in rows if row["place"] not in held[0]
    ]


def test_questions_without_an_answer_point_at_position_0(
    model_folder: Callable[..., Path], questions: list[Row], tmp_path: Path
) -> None:
    start = open_start(model_folder("encoder", context_length=12))
    task, own, dev = Extractive(stride=4), questions[10:30], questions[30:40]
    none = [{**row, "answers": [], "is_impossible": True} for row in questions[:10]]
    plain = question_windows(task, start, own, dev, tmp_path / "a").corpus.train
    both = question_windows(task, start, [*own, *none], dev, tmp_path / "b").corpus.train
    assert len(both) > len(plain)
    np.testing.assert_array_equal(both.boundaries[: len(plain)], plain.boundaries)
    assert not both.boundaries[len(plain) :].any()


def test_boundaries_are_those_of_the_answer(
    model_folder: Callable[..., Path], questions: list[Row], tmp_path: Path
) -> None:
    start = open_start(model_folder("encoder", context_length=12))
    data = question_windows(
        Extractive(stride=4), start, questions[:30], questions[30:40], tmp_path / "corpus"
    )
    opened = start.opened()
    answers = {row["answers"][0]["text"] for row in questions}
    batch = Spans().batch(data.corpus, start.model.config, seed=0, step=0, rows=40)
    found = 0
    for tokens, (first, last) in zip(
        batch.inputs["tokens"], batch.targets.view(-1, 2), strict=True
    ):
        if last:
            found += 1
            assert opened.decode(tokens[first : last + 1].tolist()).strip() in answers
            assert opened.decode(tokens[first - 1 : first].tolist()) == " answer" or first == 4
    assert 10 < found < 40
    model = SpanModel(start.model, seed=1)
    with torch.no_grad():
        scores = model.hidden(**batch.inputs)
        both = [F.cross_entropy(scores[:, i], batch.targets.view(-1, 2)[:, i]) for i in (0, 1)]
        whole = float(batch_loss(cast("Any", model), batch))
        parts = [(batch_loss(cast("Any", model), x), x.predicted) for x in batch.split(7)]
    assert whole == pytest.approx(float(both[0] + both[1]) / 2, rel=1e-5)
    weighted = sum(float(loss) * count for loss, count in parts)
    assert weighted / batch.predicted == pytest.approx(whole, rel=1e-5)
    counted = Spans().tokens_in(data.corpus, start.model.config, rows=40, seed=0, steps=1)
    assert counted.tokens == batch.tokens


def test_every_window_comes_once_an_epoch(
    model_folder: Callable[..., Path], questions: list[Row], tmp_path: Path
) -> None:
    start = open_start(model_folder("encoder"))
    data = question_windows(Extractive(), start, questions[:24], [], tmp_path / "corpus")
    assert len(data.train) + len(data.dev) == 24
    assert not {row["context"] for row in data.train} & {row["context"] for row in data.dev}
    rows = len(data.corpus.train)
    batch = Spans().batch(data.corpus, start.model.config, seed=2, step=1, rows=rows)
    seen = sorted(map(tuple, batch.inputs["tokens"].tolist()))
    ids, offsets = data.corpus.train.ids, data.corpus.train.offsets
    assert seen == sorted(tuple(part) for part in np.split(ids, offsets[1:-1]))  # all equally long


def test_mismatched_offsets(
    model_folder: Callable[..., Path], questions: list[Row], tmp_path: Path
) -> None:
    start = open_start(model_folder("encoder"))
    wrong = {**questions[0], "answers": [{"text": "ba", "answer_start": 1}], "place": "qa, row 9"}
    rows = [*questions[1:20], wrong]
    with pytest.raises(DataError, match="qa, row 9, answer 1: expected 'ba' at character 1"):
        question_windows(Extractive(), start, rows, questions[20:25], tmp_path / "corpus")
    data = question_windows(
        Extractive(), start, rows, questions[20:25], tmp_path / "corpus", skip_mismatched=True
    )
    assert data.left_out == {"answer not where the example says": 1}
    with pytest.raises(UsageError, match="have no room beside a question") as caught:
        question_windows(
            Extractive(window_tokens=5), start, rows, questions[20:25], tmp_path / "corpus"
        )
    assert caught.value.hint.endswith("--set max_question_tokens=1")
    decoder = open_start(model_folder("isoloss", name="decoder"))
    with pytest.raises(UsageError, match="needs a model of kind encoder"):
        question_windows(Extractive(), decoder, rows, [], tmp_path / "corpus")

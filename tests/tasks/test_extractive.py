"""Answers cut from a text: windows, offsets, the best span, baselines, mistakes."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from isoloss.corpus.tokenizers import make_tokenizer
from isoloss.errors import DataError, UsageError
from isoloss.models.span_head import SpanModel
from isoloss.tasks import OpenModel, task_class
from isoloss.tasks._marked_answers import marked_answers
from isoloss.tasks._question_windows import (
    Framing,
    Window,
    token_span,
    tokens_with_places,
    windows_of,
)
from isoloss.tasks.extractive import Extractive, best_span, span_model
from isoloss.tasks.squad import f1

ENGLISH = "The tower, built in 1889, is 330 metres tall. It stands in Paris. Many people visit it."
CHINESE = "北京是中国的首都，人口约为2189万。它位于华北平原的北部。"


def framing(tokenizer: Any, **settings: Any) -> Framing:
    return Framing(**{"tokenizer": tokenizer, "begin": 0, "separator": 0, "length": 24, **settings})


@pytest.fixture(scope="module")
def pieces() -> Any:
    """A byte-level BPE that has merged letters of both texts."""
    return make_tokenizer("bpe", lambda: [ENGLISH * 3, CHINESE * 3], vocab_size=330)


@pytest.mark.parametrize("text", [ENGLISH, CHINESE, f"{ENGLISH} {CHINESE}", "naïve café 🙂 ok"])
def test_offsets_are_places_in_the_text(pieces: Any, text: str) -> None:
    ids, offsets = tokens_with_places(pieces, text)
    assert len(ids) == len(offsets)
    assert pieces.decode(ids) == text
    covered = {i for start, end in offsets for i in range(start, end)}
    assert covered == set(range(len(text)))


def test_chinese_begins_and_ends_at_any_letter(pieces: Any) -> None:
    _, offsets = tokens_with_places(pieces, CHINESE)
    starts, ends = {a for a, _ in offsets}, {b for _, b in offsets}
    for answer in ("中国", "首都", "华北平原", "国的"):
        at = CHINESE.index(answer)
        assert at in starts
        assert at + len(answer) in ends


@pytest.mark.parametrize("stride", [None, 3, 1000])
def test_windows_cover_the_text_and_overlap(pieces: Any, stride: int | None) -> None:
    frame = framing(pieces, stride=stride, max_question=6)
    found = windows_of(frame, "How tall is the tower?", ENGLISH)
    _, offsets = tokens_with_places(pieces, ENGLISH)
    assert list(dict.fromkeys(o for w in found for o in w.offsets)) == offsets
    assert all(len(w.ids) <= 24 and w.ids[0] == w.ids[-1] == 0 for w in found)
    assert all(w.first == 1 + 6 + 1 for w in found)
    if stride != 1000:
        assert all(set(a.offsets) & set(b.offsets) for a, b in pairwise(found))


def test_an_answer_is_found_in_a_window(pieces: Any) -> None:
    at = ENGLISH.index("Paris")
    spans = [
        (w, token_span(w.offsets, at, at + 5)) for w in windows_of(framing(pieces), "?", ENGLISH)
    ]
    inside = [(w, s) for w, s in spans if s is not None]
    assert inside
    for window, (first, last) in inside:
        cut = ENGLISH[window.offsets[first][0] : window.offsets[last][1]]
        assert cut.strip() == "Paris"
    assert len(inside) < len(spans)


@given(st.integers(1, 6), st.integers(1, 7), st.integers(0, 1000))
def test_the_best_span_is_that_of_all_pairs(longest: int, tokens: int, seed: int) -> None:
    rng = random.Random(seed)
    scores = torch.tensor([[rng.gauss(0, 1) for _ in range(tokens + 3)] for _ in range(2)])
    window = Window(
        ids=[0] * (tokens + 3), first=2, offsets=[(5 * i, 5 * i + 4) for i in range(tokens)]
    )
    every = {
        (a, b): float(scores[0, 2 + a] + scores[1, 2 + b] - scores[0, 0] - scores[1, 0])
        for a in range(tokens)
        for b in range(a, min(tokens, a + longest))
    }
    value, start, end = best_span(scores, window, longest)
    first, last = max(every, key=lambda pair: every[pair])
    assert (start, end) == (5 * first, 5 * last + 4)
    assert value == pytest.approx(every[first, last], abs=1e-5)


def example(**changes: Any) -> dict[str, Any]:
    at = ENGLISH.index("1889")
    return {
        "place": "f.jsonl, row 7",
        "question": "When was the tower built?",
        "context": ENGLISH,
        "answers": [{"text": "1889", "answer_start": at}],
        **changes,
    }


def test_answers_with_their_places() -> None:
    at = ENGLISH.index("1889")
    assert marked_answers(example()) == [("1889", at)]
    hub = {"text": ["1889", "1889"], "answer_start": [at, at]}
    assert marked_answers(example(answers=hub)) == [("1889", at)]


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([{"text": "1889", "answer_start": 3}], "row 7, answer 1: expected '1889' at character 3"),
        ([{"text": "Rome", "answer_start": 3}], "found ' tow"),
        ([{"text": "1889", "answer_start": -4}], "at character -4"),
        (["1889"], "expected answer_start, a number"),
        ([{"text": "", "answer_start": 3}], "expected a text"),
        ([], "expected a list of answers"),
    ],
)
def test_answers_that_are_not_where_they_say(answers: Any, message: str) -> None:
    with pytest.raises(DataError) as caught:
        marked_answers(example(answers=answers))
    assert message in str(caught.value)
    if message.endswith("character 3"):
        assert f"The text has it at {ENGLISH.index('1889')}." in str(caught.value.hint)


def test_the_best_constant_is_the_best() -> None:
    task = Extractive()
    answers = [["Paris", "in Paris"], ["330 metres"], ["Paris, France"], ["metres"], ["Rome"]]
    rows = [example(answers=[{"text": t, "answer_start": 0} for t in row]) for row in answers]
    found = task.score(task.baseline("best-constant", rows), rows, model="b").metrics["f1"].value
    every = [sum(f1(t, row) for row in answers) / len(answers) for row in answers for t in row]
    assert found == pytest.approx(max(every))
    assert task.baseline("first-sentence", rows)[0] == ENGLISH.split(". ")[0] + "."
    asked = [example(question="Which people visit it?")]
    assert task.baseline("nearest-sentence", asked) == ["Many people visit it."]
    with pytest.raises(UsageError, match="no baseline 'copy'"):
        task.baseline("copy", rows)
    none = [example(answers=[], is_impossible=True) for _ in range(4)]
    assert task.baseline("best-constant", [*rows, *none]) == [""] * 9
    found = task.score([""] * 9, [*rows, *none], model="b").metrics["f1"].value
    assert found == pytest.approx(4 / 9)


@pytest.fixture
def headed(opened_random: Callable[..., OpenModel]) -> OpenModel:
    """An encoder of random weights with a random head for spans."""
    opened = opened_random("bert")
    model: Any = opened.model
    with torch.no_grad():
        headed = SpanModel(model, seed=0)
        headed.head.weight.mul_(50)
    return dataclasses.replace(opened, model=cast("Any", headed.eval()))


def test_no_answer_where_position_0_is_likelier(headed: OpenModel) -> None:
    """The one window's best span has log-odds; a threshold on either side of them decides."""
    row = example(context="the tower of stone", question="which", answers=["tower"])
    (window,) = windows_of(Extractive().framing(headed), "which", str(row["context"]))
    with torch.inference_mode():
        scores = headed.model(torch.tensor([window.ids]))[0]
    odds, start, end = best_span(scores, window, 30)
    text = "the tower of stone"[start:end].strip()
    assert text
    model = span_model(headed)
    for least, wanted in ((odds - 1e-3, text), (odds + 1e-3, ""), (None, text)):
        task = Extractive(null_below=least)
        assert task.answer(model, headed, [row])[0] == [wanted]
        assert ("null_below" in task.made([row])) == (least is not None)
    mixed = [row, {**row, "answers": [], "is_impossible": True}]
    plain = Extractive().evaluate(headed, mixed)
    assert [one["output"] for one in plain.outputs] == [text if odds >= 0 else ""] * 2
    assert "null_below:0|squad-2" in plain.signature
    kept = Extractive(null_below=-math.inf).evaluate(headed, mixed)
    assert [one["output"] for one in kept.outputs] == [text] * 2


def test_places_that_do_not_match_are_told(headed: OpenModel) -> None:
    wrong = example(place="f.jsonl, row 9", answers=[{"text": "1889", "answer_start": 3}])
    rows = [example(), wrong, example(answers=["1889"])]
    told = "1 of 3 examples have an answer that is not where answer_start says, the first f.jsonl,"
    short = [{**row, "context": row["context"][:30]} for row in rows]
    notes = Extractive().evaluate(headed, short).notes
    assert [note for note in notes if note.startswith(told)]
    assert not Extractive().score(["x", "y"], [rows[0], rows[2]], model="m").notes


def test_a_question_without_an_answer_has_no_place() -> None:
    assert marked_answers(example(answers=[], is_impossible=True)) == []
    with pytest.raises(DataError, match="is_impossible is true, and there are answers"):
        marked_answers(example(is_impossible=True))


def test_mistakes(opened_random: Callable[..., OpenModel], tmp_path: Path) -> None:
    assert task_class("extractive_qa") is Extractive
    rows = [example()]
    with pytest.raises(UsageError, match="needs a model of kind encoder, found decoder"):
        Extractive().evaluate(opened_random("llama"), rows)
    encoder = opened_random("bert")
    with pytest.raises(UsageError, match="has no head for spans") as caught:
        Extractive().evaluate(encoder, rows)
    assert "isoloss finetune" in str(caught.value.hint)
    with pytest.raises(DataError, match="no examples"):
        Extractive().evaluate(encoder, [])
    with pytest.raises(UsageError, match="exceeds the model's context"):
        Extractive(window_tokens=999).framing(encoder)
    with pytest.raises(UsageError, match="stride must be a whole number of at least 1"):
        Extractive(stride=0)

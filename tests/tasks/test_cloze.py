"""Blanks in texts, with choices and with one answer, against the plain forward pass."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from isoloss.errors import DataError, UsageError
from isoloss.studies.task_examples import floor_of
from isoloss.tasks import OpenModel
from isoloss.tasks.cloze import Cloze, LastWord

Make = Callable[..., OpenModel]
ROW = {"place": "file, row 1", "text": "the _ is hot.", "choices": ["cup", "old tea"], "answer": 1}


def plain_log_probs(opened: OpenModel, whole: str, last: int) -> list[float]:
    """Log-probabilities of the last characters of a text, read in one row."""
    ids = opened.encode(whole)
    assert len(ids) == len(whole), "a token a character"
    with torch.inference_mode():
        shares = opened.logits(torch.tensor([[opened.end, *ids]]))[0].double().log_softmax(-1)
    return [float(shares[at, ids[at]]) for at in range(len(ids) - last, len(ids))]


def unstarted(opened: OpenModel, whole: str, last: int) -> float:
    """The same without an end of text before, as a context that is not empty has none."""
    ids = opened.encode(whole)
    with torch.inference_mode():
        shares = opened.logits(torch.tensor([ids]))[0].double().log_softmax(-1)
    return math.fsum(float(shares[at - 1, ids[at]]) for at in range(len(ids) - last, len(ids)))


def test_partial_scoring_takes_what_follows_the_blank(opened_random: Make) -> None:
    opened = opened_random("llama")
    found = Cloze().evaluate(opened, [ROW])
    wanted = [
        unstarted(opened, f"the {choice} is hot.", len(" is hot.")) for choice in ROW["choices"]
    ]
    assert found.outputs[0]["log_probs"] == pytest.approx(wanted, abs=1e-4)
    right = float(wanted[1] > wanted[0])
    assert {found.metrics[n].value for n in ("acc", "acc_norm", "acc_bytes", "acc_token")} == {
        right
    }
    shares = torch.tensor(wanted, dtype=torch.float64).softmax(0)
    brier = float((shares - torch.tensor([0.0, 1.0])).square().sum())
    assert found.metrics["brier_score"].value == pytest.approx(brier, abs=1e-5)
    assert found.notes == ("guessing gives acc 0.5",)


def test_full_scoring_takes_the_choice_too(opened_random: Make) -> None:
    opened = opened_random("llama", scale=0.4)
    found = Cloze(scoring="full").evaluate(opened, [ROW])
    texts = [f"{choice} is hot." for choice in ROW["choices"]]
    wanted = [unstarted(opened, f"the {text}", 1 + len(text)) for text in texts]
    assert found.outputs[0]["log_probs"] == pytest.approx(wanted, abs=1e-4)
    by_character = [total / len(text) for total, text in zip(wanted, texts, strict=True)]
    assert found.metrics["acc"].value == float(wanted[1] > wanted[0]) == 0
    assert found.metrics["acc_norm"].value == float(by_character[1] > by_character[0])
    assert found.notes == ("guessing gives acc 0.5",)


@pytest.mark.parametrize("text", ["he drinks _", "he drinks ___.", "he drinks _ ."])
def test_a_blank_at_the_end_scores_the_choice(opened_random: Make, text: str) -> None:
    opened = opened_random("llama")
    row = {"place": "x", "text": text, "choices": ["tea", "a mug"], "answer": "tea"}
    found = Cloze().evaluate(opened, [row])
    rest = text.rpartition("_")[2]
    wanted = [
        unstarted(opened, f"he drinks {choice}{rest}", 1 + len(choice + rest))
        for choice in row["choices"]
    ]
    assert found.outputs[0]["log_probs"] == pytest.approx(wanted, abs=1e-4)
    assert "in 1 of 1 texts no word follows the blank" in found.notes[0]


def test_a_blank_at_the_beginning(opened_random: Make) -> None:
    opened = opened_random("llama")
    row = {"place": "x", "text": "_ is hot", "choices": ["tea", "ice"], "answer": "A"}
    full = Cloze(scoring="full").evaluate(opened, [row]).outputs[0]["log_probs"]
    wanted = [math.fsum(plain_log_probs(opened, f"{c} is hot", len(c) + 7)) for c in ("tea", "ice")]
    assert full == pytest.approx(wanted, abs=1e-4)


def written(tmp_path: Path, *rows: dict[str, Any]) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return path


def test_rows_of_winogrande(opened_random: Make, tmp_path: Path) -> None:
    """`answer` is 1 or 2 there: the number of the option."""
    rows = [
        {"sentence": "the tea fits the cup, the _ is big.", "option1": "tea", "option2": "cup",
         "answer": answer}
        for answer in ("2", "1")
    ]  # fmt: skip
    task = Cloze()
    examples = task.read([written(tmp_path, *rows)])
    found = task.evaluate(opened_random("llama"), examples)
    assert [one["answer"] for one in found.outputs] == [1, 0]
    assert found.metrics["acc"].value == 0.5
    assert floor_of(task, "acc", examples) == 0.5


@pytest.mark.parametrize(
    ("task", "row", "says"),
    [
        (Cloze(), {"text": "no blank"}, "row 1: expected one blank, marked _, found 0"),
        (Cloze(), {"text": "the _ and the _"}, "expected one blank, marked _, found 2"),
        (Cloze(), {"choices": ["one"]}, "two or more choices"),
        (Cloze(), {"answer": "3"}, "none of the 2 choices"),
        (Cloze(), {"answer": None}, "none of the 2 choices"),
        (Cloze(blank="XX"), {}, "marked XX, found 0"),
    ],
)
def test_rows_that_are_no_cloze(
    opened_random: Make, task: Cloze, row: dict[str, Any], says: str
) -> None:
    with pytest.raises(DataError, match=says):
        task.evaluate(opened_random("llama"), [{**ROW, **row}])


def test_one_answer_without_choices_is_another_task(opened_random: Make) -> None:
    row = {"place": "file, row 1", "text": "a _ b", "answer": "c"}
    with pytest.raises(DataError, match="row 1: no choices") as caught:
        Cloze().evaluate(opened_random("llama"), [row])
    assert "last-word" in caught.value.hint


@pytest.mark.parametrize(
    ("task", "says"),
    [
        (Cloze(scoring="whole"), "partial or full, found 'whole'"),
        (Cloze(blank=" "), "blank is empty"),
    ],
)
def test_options_that_are_none(opened_random: Make, task: Cloze, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        task.evaluate(opened_random("llama"), [ROW])


def greedy_text(opened: OpenModel, context: str, count: int) -> str:
    """What the model writes, a character at a time without a cache."""
    text = context
    for _ in range(count):
        with torch.inference_mode():
            logits = opened.logits(torch.tensor([opened.encode(text)]))
        text += opened.tokenizer.decode([int(logits[0, -1].argmax())], skip_special_tokens=False)
    return text


def test_the_last_word_as_lambada_asks(opened_random: Make, tmp_path: Path) -> None:
    opened = opened_random("llama", scale=0.4)
    task = LastWord()
    lines = ["he drinks the tea", "one, two", "a b c d ef"]
    examples = task.read([written(tmp_path, *({"text": text} for text in lines))])
    found = task.evaluate(opened, examples)
    nats = [
        -unstarted(opened, text, 1 + len(text.rpartition(" ")[2])) for text in lines
    ]  # the space before it included, as in lm-evaluation-harness
    assert found.metrics["perplexity"].value == pytest.approx(math.exp(sum(nats) / 3), rel=1e-4)
    assert [one["answer"] for one in found.outputs] == ["tea", "two", "ef"]
    written_by_it = [
        greedy_text(opened, text.rpartition(" ")[0], 1 + len(text.rpartition(" ")[2])) == text
        for text in lines
    ]
    assert [one["greedy"] for one in found.outputs] == written_by_it
    assert floor_of(task, "acc", examples) == 0


def test_what_the_model_would_have_written_is_right(opened_random: Make) -> None:
    opened = opened_random("llama")
    own = greedy_text(opened, "he", 3)[2:]
    assert len(own) == 3
    assert " " not in own
    wrong = own[:-1] + ("a" if own[-1] != "a" else "b")
    rows = [{"place": "x", "text": "he_ so", "answer": text} for text in (own, wrong)]
    found = LastWord().evaluate(opened, rows)
    assert [one["greedy"] for one in found.outputs] == [True, False]
    assert found.metrics["acc"].value == 0.5


def test_one_answer_to_a_blank(opened_random: Make) -> None:
    opened = opened_random("llama")
    row = {"place": "x", "text": "he drinks ____ all day", "answer": "tea"}
    found = LastWord().evaluate(opened, [row])
    assert found.outputs[0]["log_prob"] == pytest.approx(
        unstarted(opened, "he drinks tea", 4), abs=1e-4
    )


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"text": "alone"}, "one word, so that nothing comes before"),
        ({"text": " "}, "an empty text"),
        ({"text": "no blank here", "answer": "x"}, "expected one blank"),
        ({"text": "a _", "answer": " "}, "an empty text"),
    ],
)
def test_texts_without_an_answer(opened_random: Make, row: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=f"row 1: {says}"):
        LastWord().evaluate(opened_random("llama"), [{"place": "row 1", **row}])


@pytest.mark.parametrize("task", [Cloze(), LastWord()])
def test_cloze_needs_a_decoder(opened_random: Make, task: Cloze | LastWord) -> None:
    with pytest.raises(UsageError, match="needs a model of kind decoder"):
        task.evaluate(opened_random("bart"), [ROW])

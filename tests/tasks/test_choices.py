"""Multiple choice against figures worked out by hand from the plain forward pass."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from isoloss.errors import DataError, UsageError
from isoloss.tasks import OpenModel
from isoloss.tasks.choices import Choices

Make = Callable[..., OpenModel]
SIGNS = "猫狗鱼鸟是否对错水火山éèüñßωabcdefghi jk"
"""As many as the letters of the usual tokeniser; one to three bytes each."""
QUESTIONS = [
    ("猫", ["狗é", "abcde"], 0),
    ("a b", ["鱼鸟是", "éèü", "abc d"], 1),
    ("水", ["火山", "ñßéè", "a", "bcdefg"], 3),
    ("é", ["对", "错错错", "abcd"], 2),
    ("狗 是", ["否", "ef"], 1),
    ("火", ["山水山", "iiii", "éé"], 0),
    ("b", ["éèéèé", "猫", "hgf"], 1),
    ("山 a", ["cc", "ßß", "鸟"], 2),
]


@pytest.fixture
def signs(opened_random: Make) -> OpenModel:
    """A model whose every entry is one character, most of them outside ASCII."""
    special = ["<|endoftext|>", "<|start|>", "<|pad|>"]
    tokenizer = Tokenizer(
        models.BPE(vocab={s: n for n, s in enumerate([*special, *SIGNS])}, merges=[])
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.decoder = decoders.Fuse()
    opened = opened_random("llama", scale=0.4)
    assert tokenizer.get_vocab_size() == opened.tokenizer.get_vocab_size()
    return dataclasses.replace(opened, tokenizer=tokenizer)


def plain_total(opened: OpenModel, context: str, text: str) -> float:
    """Log-probability of a text after another, token by token, one row at a time."""
    before = opened.encode(context) or [opened.end]
    after = opened.encode(text)
    assert len(after) == len(text)
    with torch.inference_mode():
        shares = opened.logits(torch.tensor([[*before, *after]]))[0].double().log_softmax(-1)
    return math.fsum(float(shares[len(before) - 1 + i, token]) for i, token in enumerate(after))


def first_best(values: list[float]) -> int:
    return values.index(max(values))


def test_figures_are_those_of_the_harness(signs: OpenModel) -> None:
    """The definitions of lm-evaluation-harness: lengths are of the choice without its space."""
    rows = [
        {"place": "x", "question": asked, "choices": choices, "answer": answer}
        for asked, choices, answer in QUESTIONS
    ]
    found = Choices(template="{question}").evaluate(signs, rows)
    wanted: dict[str, list[float]] = {}
    for asked, choices, answer in QUESTIONS:
        totals = [plain_total(signs, asked, " " + text) for text in choices]
        alone = [plain_total(signs, "", " " + text) for text in choices]
        mass = sum(math.exp(total) for total in totals)
        ranked = {
            "acc": totals,
            "acc_norm": [t / len(text) for t, text in zip(totals, choices, strict=True)],
            "acc_bytes": [t / len(text.encode()) for t, text in zip(totals, choices, strict=True)],
            "acc_token": [t / (1 + len(text)) for t, text in zip(totals, choices, strict=True)],
            "acc_mutual_info": [t - a for t, a in zip(totals, alone, strict=True)],
        }
        one = {name: float(first_best(values) == answer) for name, values in ranked.items()}
        one["answer_nats"] = -totals[answer]
        one["brier_score"] = sum(
            (math.exp(total) / mass - (number == answer)) ** 2
            for number, total in enumerate(totals)
        )
        for name, value in one.items():
            wanted.setdefault(name, []).append(value)
    assert found.metrics.keys() == wanted.keys()
    for name, values in wanted.items():
        assert list(found.statistics[name][:, 0]) == pytest.approx(values, abs=1e-4), name
        assert found.metrics[name].value == pytest.approx(sum(values) / len(values), abs=1e-4)
    ways = ("acc", "acc_norm", "acc_bytes", "acc_mutual_info")
    assert len({tuple(wanted[name]) for name in ways}) == len(ways), "none stands for another"
    chance = sum(1 / len(choices) for _, choices, _ in QUESTIONS) / len(QUESTIONS)
    assert found.notes == (f"guessing gives acc {chance:.4g}",)


def test_equal_choices_the_first_is_taken(opened_random: Make) -> None:
    rows = [
        {"place": "x", "question": "q", "choices": ["same", "same"], "answer": n} for n in (0, 1)
    ]
    found = Choices().evaluate(opened_random("llama"), rows)
    assert list(found.statistics["acc"][:, 0]) == [1, 0]
    assert found.metrics["brier_score"].value == pytest.approx(0.5)


def test_an_encoder_decoder_is_asked_too(opened_random: Make) -> None:
    row = {"place": "x", "question": "is it so", "answer": True}
    found = Choices().evaluate(opened_random("bart"), [row])
    first, second = found.outputs[0]["log_probs"]
    assert found.metrics["acc"].value == float(first >= second)
    assert found.metrics["answer_nats"].value == -first


def read(tmp_path: Path, *rows: dict[str, Any], task: Choices | None = None) -> list[str]:
    """Prompts of rows in a file."""
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    task = task or Choices()
    return [task.prompt(row) for row in task.read([path])]


def test_a_passage_comes_before_the_question(tmp_path: Path) -> None:
    boolq = {"passage": "Tea is hot.", "question": "is tea hot", "answer": True}
    race = {"article": "A b.", "question": "what?", "options": ["x", "y"], "answer": "A"}
    bare = {"question": "is it", "answer": True}
    ending = {"context": "He sat", "choices": ["down", "up"], "answer": 0}
    assert read(tmp_path, boolq, race, bare, ending) == [
        "Tea is hot.\nis tea hot\nAnswer:",
        "A b.\nwhat?\nAnswer:",
        "is it\nAnswer:",
        "He sat\nAnswer:",
    ]


def test_the_passage_changes_what_the_model_sees(opened_random: Make, tmp_path: Path) -> None:
    opened = opened_random("llama")
    bare = {"place": "x", "question": "is it", "answer": True}
    found = [
        Choices().evaluate(opened, [row]).metrics["answer_nats"].value
        for row in (bare, {**bare, "context": "tea is hot."}, {**bare, "context": "ice is cold."})
    ]
    assert len({round(value, 4) for value in found}) == 3


def test_the_signature_says_that_the_passage_was_read(opened_random: Make) -> None:
    opened = opened_random("llama")
    bare = {"place": "x", "question": "is it", "answer": True}
    told = [
        Choices().evaluate(opened, [row]).signature for row in (bare, {**bare, "context": "tea."})
    ]
    assert told == [
        r"template:'{question}\nAnswer:'|delimiter:' '",
        r"template:'{context}\n{question}\nAnswer:'|delimiter:' '",
    ]


def test_a_template_says_where_the_passage_stands(tmp_path: Path) -> None:
    row = {"passage": "Tea is hot.", "question": "is tea hot", "answer": True}
    task = Choices(template="Passage: {context}\nQuestion: {question}?")
    assert read(tmp_path, row, task=task) == ["Passage: Tea is hot.\nQuestion: is tea hot?"]
    assert read(tmp_path, row, task=Choices(template="{question}?")) == ["Tea is hot.\nis tea hot?"]


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{context} {question}", "there is no 'context'"),
        ("{qestion}", "there is no 'qestion'"),
        ("{question", "expected '}'"),
        ("{} {question}", "Replacement index 0"),
        ("{question.stem}", "'str' object has no attribute 'stem'"),
        ("{question[stem]}", "string indices must be integers"),
    ],
)
def test_a_template_that_names_what_is_not_there(
    opened_random: Make, template: str, says: str
) -> None:
    row = {"place": "file, row 1", "question": "is it", "answer": True}
    with pytest.raises(UsageError) as caught:
        Choices(template=template).evaluate(opened_random("llama"), [row])
    assert f"does not fit file, row 1: {says}" in str(caught.value)
    assert caught.value.hint.startswith("It may name question, answer in braces")


def test_labels_of_the_data_and_of_the_user(opened_random: Make) -> None:
    opened = opened_random("llama")
    arc = {"text": ["red", "blue", "grey"], "label": ["1", "2", "3"]}
    row = {"place": "x", "question": "q", "choices": arc, "answer": "1"}
    assert Choices().evaluate(opened, [row]).outputs[0]["answer"] == 0
    plain = {"place": "x", "question": "q", "choices": arc["text"], "answer": "1"}
    assert Choices().evaluate(opened, [plain]).outputs[0]["answer"] == 1
    stated = Choices(labels=("1", "2", "3")).evaluate(opened, [plain])
    assert stated.outputs[0]["answer"] == 0
    assert stated.signature.endswith("|labels:1,2,3")


def test_a_passage_that_is_no_text(opened_random: Make) -> None:
    row = {"place": "file, row 1", "question": "q", "context": ["a"], "answer": True}
    with pytest.raises(DataError, match="row 1: expected a text"):
        Choices().evaluate(opened_random("llama"), [row])

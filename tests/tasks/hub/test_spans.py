"""Encoders of Hugging Face with a head for spans: the scores and answers of `transformers`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from isoloss.errors import UsageError
from isoloss.tasks import open_model
from isoloss.tasks._question_windows import windows_of
from isoloss.tasks.extractive import Extractive, _scores, span_model
from isoloss.tasks.hub_models import HubSpans

Make = Callable[..., Path]
ASKED = [
    ("who jumps", "the quick brown fox jumps over the lazy dog"),
    ("when", "it was the worst of times"),
    ("what stands in Paris", "a tower of metres, in Paris"),
]
NAMES = ["bert_spans", "roberta_spans"]


def their_scores(folder: Path) -> list[tuple[list[int], torch.Tensor, list[Any]]]:
    """Tokens, scores (2, T) and places of the text's tokens, one question at a time."""
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer

    model = AutoModelForQuestionAnswering.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found: list[tuple[list[int], torch.Tensor, list[Any]]] = []
    for question, text in ASKED:
        read = tokenizer(
            question,
            text,
            return_tensors="pt",
            return_token_type_ids=model.config.model_type == "bert",
        )
        with torch.inference_mode():
            out = model(**read)
        places = [
            place if part == 1 else None
            for place, part in zip(read[0].offsets, read.sequence_ids(0), strict=True)
        ]
        scores = torch.cat([out.start_logits, out.end_logits])
        found.append((read["input_ids"][0].tolist(), scores, places))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_scores_and_answers_are_those_of_transformers(make_hub: Make, name: str) -> None:
    folder = make_hub(name)
    opened = open_model(folder)
    task = Extractive()
    assert opened.kind == "encoder"
    model = span_model(opened)
    assert isinstance(model, HubSpans)
    windows = [windows_of(task.framing(opened), *pair)[0] for pair in ASKED]
    ours = _scores(model, opened, windows)
    rows: list[dict[str, Any]] = []
    for window, row, (ids, theirs, places) in zip(windows, ours, their_scores(folder), strict=True):
        assert window.ids == ids
        torch.testing.assert_close(row[:, : len(ids)], theirs, atol=1e-5, rtol=1e-5)
        inside = [at for at, place in enumerate(places) if place]
        spans = [(a, b) for a in inside for b in inside if a <= b]
        a, b = max(spans, key=lambda span: float(theirs[0, span[0]] + theirs[1, span[1]]))
        question, text = ASKED[len(rows)]
        answer = text[places[a][0] : places[b][1]].strip()
        rows.append({"place": "x", "question": question, "context": text, "answers": [answer]})
    result = task.evaluate(opened, rows)
    assert result.metrics["exact_match"].value == 1.0, result.outputs
    assert len({str(row["answers"]) for row in rows}) > 1


@pytest.mark.parametrize("name", NAMES)
def test_long_texts_are_read_in_windows_of_the_whole_context(make_hub: Make, name: str) -> None:
    """RoBERTa's table of positions has two rows more than a row may have tokens."""
    opened = open_model(make_hub(name))
    assert opened.context_length == 40
    text = " ".join(text for _, text in ASKED * 3)
    found = windows_of(Extractive().framing(opened), "who jumps", text)
    assert max(len(window.ids) for window in found) == 40
    assert len(found) > 2
    row = {"place": "x", "question": "who", "context": text, "answers": ["fox"]}
    assert Extractive().evaluate(opened, [row]).outputs[0]["output"] in text


def test_other_tasks_refuse_it(make_hub: Make) -> None:
    from isoloss.tasks import generate

    with pytest.raises(UsageError, match="needs a model of kind decoder"):
        generate(open_model(make_hub("bert_spans")), ["a"])

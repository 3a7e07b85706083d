"""Answers that take no model, and held-out examples that are none."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from isoloss.corpus import prepare_corpus, prepare_pairs
from isoloss.tasks.choices import Choices
from isoloss.tasks.translation import Translation
from isoloss.training.finetuning import baseline_scores, comparison, seen_examples, training_pairs

Row = dict[str, Any]


@pytest.fixture
def pairs(tmp_path: Path, copies: list[Row]) -> Callable[..., Any]:
    """Prepares examples as a corpus of pairs."""

    def make(rows: list[Row]) -> Any:
        lines = "".join(f"{row['source']}\t{row['target']}\n" for row in rows)
        (tmp_path / "pairs.tsv").write_text(lines, "utf-8")
        return prepare_pairs(
            [tmp_path / "pairs.tsv"], tmp_path / "pairs", fields=("1", "2"), vocab_size=280
        )

    return make


def test_training_pairs_are_those_of_the_file(pairs: Any, copies: list[Row]) -> None:
    corpus = pairs(copies)
    given = {row["source"]: row["target"] for row in copies}
    found = training_pairs(corpus)
    assert len(found) == len(corpus.train)
    assert all(given[row["source"]] == row["target"] for row in found)


def test_examples_that_are_among_the_training_pairs(pairs: Any, copies: list[Row]) -> None:
    corpus = pairs(copies)
    trained = training_pairs(corpus)
    asked = [
        {"source": f" {trained[0]['source'].replace(' ', '  ')}\n", "target": "x"},
        {"source": "never heard of", "target": trained[0]["target"]},
        {"source": trained[7]["source"].split(" "), "target": "x"},
    ]
    assert seen_examples(Translation(), asked, corpus) == [True, False, True]


def test_examples_that_stand_in_the_training_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in range(20):
        numbers = range(100 * part, 100 * part + 100)
        text = "\n\n".join(f"This is the sentence with the number {n} of them." for n in numbers)
        (tmp_path / "text").mkdir(exist_ok=True)
        (tmp_path / "text" / f"{part}.txt").write_text(text, "utf-8")
    corpus = prepare_corpus([tmp_path / "text"], tmp_path / "corpus", vocab_size=300)
    known = corpus.tokenizer().decode(corpus.train.tolist())
    number = re.search(r"sentence with the number (\d+) of them", known)[1]  # type: ignore[index]
    asked = [
        {"question": f"This is the sentence\nwith the number {number} of them."},
        {"question": f"This is a sentence with the number {number} of them."},
        {"question": "the number 3"},  # too short to say
    ]
    assert seen_examples(Choices(), asked, corpus) == [True, False, False]
    monkeypatch.setattr(comparison, "MOST_TOKENS", 10)
    assert seen_examples(Choices(), asked, corpus) is None
    assert training_pairs(corpus) == []


def test_baselines(copies: list[Row]) -> None:
    train, dev = copies[:40], copies[30:50]
    found = baseline_scores(Translation(), train, dev)
    assert set(found) == {"copy", "memory"}
    known = [row["target"] for row in dev[:10]]
    assert [out["output"] for out in found["memory"].outputs[:10]] == known
    assert set(baseline_scores(Translation(), [], dev)) == {"copy"}
    assert baseline_scores(Choices(), [], dev) == {}

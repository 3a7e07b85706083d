"""The task of open-ended text: passages, figures by hand, models of both kinds, mistakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from isoloss.errors import DataError, NotFoundError, UsageError
from isoloss.tasks import (
    OpenModel,
    ScoresTexts,
    TaskResult,
    compare_results,
    task_class,
    with_options,
)
from isoloss.tasks.passages import passages_of
from isoloss.tasks.text_generation import TextGeneration

# Four words of a prompt each, then what a person wrote.
HUMAN = [
    "the cat sat down and the dog ran to the sea",
    "one two three four and the old dog sat on the sofa",
    "red or blue is not the same as green or grey",
]
MADE = [" a b a b a b a b a b", " and the dog ran and the dog ran", " is not"]


def examples(texts: list[str] = HUMAN) -> list[dict[str, Any]]:
    return [{"text": text, "place": f"row {i}"} for i, text in enumerate(texts)]


def values(result: TaskResult) -> dict[str, float]:
    return {name: found.value for name, found in result.metrics.items()}


def test_texts_are_scored_as_by_hand() -> None:
    task = TextGeneration(prompt_words=4)
    assert isinstance(task, ScoresTexts)
    result = task.score(MADE, examples(), model="m")
    found = values(result)
    # Cut to 7, 8 and 2 words: a b a b a b a / and the dog ran and the dog ran / is not.
    assert found["distinct_1"] == pytest.approx(8 / 17)
    assert found["distinct_2"] == pytest.approx((2 + 4 + 1) / (6 + 7 + 1))
    assert found["seq_rep_4"] == pytest.approx(((1 - 2 / 4) + (1 - 4 / 5)) / 2)  # not of 2 words
    assert found["longest_repeat"] == pytest.approx((5 + 4 + 0) / 3)
    assert found["loop_share"] == pytest.approx(1 / 3)
    assert found["words"] == pytest.approx((10 + 8 + 2) / 3)
    # and the dog ran to the sea / and the old dog sat on the sofa / not the
    assert found["human_distinct_1"] == pytest.approx(11 / 17)
    assert found["human_seq_rep_4"] == 0
    assert "ended_share" not in found
    first = result.outputs[0]
    assert first["input"] == "the cat sat down"
    assert first["references"] == [" and the dog ran to the sea"]
    assert [first["output"][a:b] for a, b in first["repeated"]] == ["a b a b a b a b"]
    assert first["scores"]["seq_rep_4"] == pytest.approx(1 / 2)
    assert result.outputs[2]["scores"]["seq_rep_4"] is None
    assert "above the human texts, paired: distinct_1 -0.176" in result.notes[-1]


def test_what_people_wrote_is_its_own_yardstick() -> None:
    task = TextGeneration(prompt_words=4)
    texts = task.baseline("human", examples())
    found = values(task.score(texts, examples(), model="baseline human"))
    for name, value in found.items():
        assert value == pytest.approx(found.get(f"human_{name}", value), nan_ok=True), name
    with pytest.raises(UsageError, match="no baseline 'copy'"):
        task.baseline("copy", examples())


def test_both_sides_have_the_same_words() -> None:
    """Texts that never end do not look less diverse because the human ones are shorter."""
    task = TextGeneration(prompt_words=4)
    long = [one + " and so on for ever and ever" * 9 for one in task.baseline("human", examples())]
    found = values(task.score(long, examples(), model="m"))
    assert found["distinct_1"] == pytest.approx(found["human_distinct_1"])
    assert found["seq_rep_4"] == found["human_seq_rep_4"]
    assert found["words"] > 60


def test_passages_do_not_overlap_and_short_texts_are_left_out() -> None:
    text = " ".join(map(str, range(100)))
    found, short = passages_of(examples([text, "too short"]), prompt_words=5, per_text=4)
    assert short == 1
    assert [one.prompt.split()[0] for one in found] == ["0", "25", "50", "75"]
    assert all(len(one.prompt.split()) == 5 for one in found)
    assert " ".join(one.prompt + one.human for one in found) == text
    with pytest.raises(DataError, match="none of 1 texts has 64 words"):
        passages_of(examples(["too short"]), prompt_words=32, per_text=1)


def test_a_plain_file_is_a_text(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text(HUMAN[1], "utf-8")
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": HUMAN[0]}) + "\n", "utf-8")
    rows = TextGeneration().read([tmp_path / "b.txt", tmp_path / "a.jsonl"])
    assert [row["text"] for row in rows] == [HUMAN[1], HUMAN[0]]
    assert TextGeneration().read([tmp_path / "b.txt", tmp_path / "a.jsonl"], limit=1) == rows[:1]


def test_prompts_of_the_examples() -> None:
    rows = [{"prompt": "Once", "text": "upon a time", "place": "row 0"}]
    found, _ = passages_of(rows, prompt_words=32, per_text=4)
    assert [(one.prompt, one.human) for one in found] == [("Once", "upon a time")]


def test_passages_of_a_text_are_drawn_together() -> None:
    texts = [" ".join(f"{name}{i % 7}" for i in range(64)) for name in "abcdef"]
    task = TextGeneration(prompt_words=4, per_text=4)
    rows = examples(texts)
    result = task.score(task.baseline("human", rows), rows, model="m")
    assert result.n_examples == 24
    assert result.clusters is not None
    assert result.clusters.tolist() == [i for i in range(6) for _ in range(4)]
    assert result.metrics["distinct_1"].value == pytest.approx(42 / (24 * 12))


@pytest.mark.parametrize("family", ["gpt2", "bart"])
def test_models_of_both_kinds_write(
    opened_random: Callable[..., OpenModel], family: str, tmp_path: Path
) -> None:
    rows = examples(HUMAN * 2)
    task = TextGeneration(prompt_words=4, max_tokens=12, samples=2, seed=3)
    result = task.evaluate(opened_random(family), rows)
    again = task.evaluate(opened_random(family), rows)
    assert result.outputs == again.outputs
    texts = {one["output"] for one in result.outputs}
    assert len(texts) > 1
    assert 0 <= result.metrics["ended_share"].value <= 1
    one = result.outputs[0]
    assert len(one["more"]) == 1
    assert one["more"][0]["output"] != one["output"]
    assert "".join(one["pieces"]).startswith(one["output"])
    assert len(one["pieces"]) == len(one["log_probs"])
    assert all(value <= 0 for value in one["log_probs"])
    result.save(tmp_path / "result.json")
    assert TaskResult.load(tmp_path / "result.json").to_dict() == result.to_dict()


def test_samples_are_pools_of_their_own(opened_random: Callable[..., OpenModel]) -> None:
    """The figures of two samples are the mean of those of each alone."""
    task = TextGeneration(prompt_words=4, max_tokens=20, samples=2)
    result = task.evaluate(opened_random(), examples())
    single = TextGeneration(prompt_words=4, max_tokens=20)
    pools = [
        [one["output"] for one in result.outputs],
        [one["more"][0]["output"] for one in result.outputs],
    ]
    parts = [values(single.score(texts, examples(), model="m")) for texts in pools]
    for name in ("distinct_1", "human_distinct_2", "zipf", "words", "loop_share"):
        wanted = (parts[0][name] + parts[1][name]) / 2
        assert result.metrics[name].value == pytest.approx(wanted), name


def test_two_ways_of_writing_are_compared(opened_random: Callable[..., OpenModel]) -> None:
    opened, rows = opened_random(), examples(HUMAN * 4)
    options: dict[str, Any] = {"prompt_words": 4, "max_tokens": 24}
    greedy = TextGeneration(temperature=0.0, **options).evaluate(opened, rows)
    drawn = TextGeneration(**options).evaluate(opened, rows)
    metrics = {metric.name: metric for metric in TextGeneration.metrics}
    found = {one.metric: one for one in compare_results(greedy, drawn, metrics)}
    assert found["distinct_2"].first == pytest.approx(greedy.metrics["distinct_2"].value)
    # Every text stands there four times: the greedy one too, a drawn one not.
    assert found["distinct_2"].difference.low > 0
    assert greedy.made == "greedy|max_tokens:24|samples:1"
    assert drawn.made == "sampled|max_tokens:24|temperature:1|seed:0|samples:1"
    assert greedy.scoring == drawn.scoring


def test_what_the_training_text_has_is_counted(tmp_path: Path) -> None:
    words = " ".join(f"w{i}" for i in range(40))
    (tmp_path / "train.txt").write_text(f"before {words} after", "utf-8")
    human = "a b c d " + " ".join(f"h{i}" for i in range(40))
    made = " ".join(f"w{i}" for i in range(20)) + " x " + " ".join(f"w{i}" for i in range(5))
    task = TextGeneration(prompt_words=4, memorised=str(tmp_path))
    found = values(task.score([made], examples([human]), model="m"))
    assert found["memorised_share"] == pytest.approx(8 / 14)  # of 26 words, 8 of the first 20
    assert found["human_memorised_share"] == 0


def test_the_training_text_is_looked_for_first(opened_random: Callable[..., OpenModel]) -> None:
    task = TextGeneration(prompt_words=4, memorised="nowhere.txt")
    with pytest.raises(NotFoundError, match="nowhere"):
        task.evaluate(opened_random(), examples())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"samples": 2, "temperature": 0.0}, "are all the same"),
        ({"samples": 2, "beams": 2}, "are all the same"),
        ({"prompt_words": 0}, "prompt_words must be a whole number"),
        ({"top_p": 2.0}, "top_p must lie"),
        ({"temprature": 1.0}, "no option 'temprature'"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        with_options(task_class("generation"), options)


def test_counts_and_kinds_that_do_not_fit(opened_random: Callable[..., OpenModel]) -> None:
    task = TextGeneration(prompt_words=4)
    with pytest.raises(DataError, match="2 texts for 3 passages"):
        task.score(MADE[:2], examples(), model="m")
    with pytest.raises(UsageError, match="needs a model of kind decoder or encoder-decoder"):
        task.evaluate(opened_random("bert"), examples())
    with pytest.raises(DataError, match="no examples"):
        task.evaluate(opened_random(), [])


def test_nothing_written_is_no_crash() -> None:
    result = TextGeneration(prompt_words=4).score(["", "", ""], examples(), model="m")
    assert values(result)["words"] == 0
    document = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert document["metrics"]["distinct_1"]["value"] is None

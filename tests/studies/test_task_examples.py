"""Which examples a ladder is scored on, and a task's part of a spec."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from isoloss.architecture import config_for_width
from isoloss.corpus import Corpus, PairCorpus, prepare_pairs
from isoloss.errors import DataError, NotFoundError, UsageError
from isoloss.studies import load_spec
from isoloss.studies.folder import StudyFolder, settle_spec
from isoloss.studies.spec import StudySpec, TaskSpec, parse_spec
from isoloss.studies.task_examples import floor_of, study_examples
from isoloss.studies.task_scores import FORMAT, _read, settle_task
from isoloss.tasks.choices import Choices
from isoloss.tasks.summarisation import Summarisation
from isoloss.tasks.translation import Translation
from isoloss.training.finetuning import comparison, training_pairs


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> PairCorpus:
    home = tmp_path_factory.mktemp("pairs")
    lines = [f"number {i} of many\tNUMMER {i} VON VIELEN" for i in range(400)]
    (home / "pairs.tsv").write_text("source\ttarget\n" + "\n".join(lines) + "\n", "utf-8")
    return prepare_pairs(
        [home / "pairs.tsv"],
        home / "corpus",
        fields=("source", "target"),
        vocab_size=300,
        near_duplicates=None,
    )


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return str(path)


def test_held_out_pairs_are_told_word_for_word(pairs: PairCorpus) -> None:
    rows, notes = study_examples(Translation(), TaskSpec(name="translation", limit=3), pairs)
    assert len(rows) == min(3, len(pairs.validation))
    assert notes == []
    for row in rows:
        number = row["source"].split()[1]
        assert (row["source"], row["target"]) == (
            f"number {number} of many", f"NUMMER {number} VON VIELEN",
        )  # fmt: skip


def test_examples_of_the_training_pairs_are_left_out(pairs: PairCorpus, tmp_path: Path) -> None:
    everything = [
        {"source": f"number {i} of many", "target": f"NUMMER {i} VON VIELEN"} for i in range(400)
    ]
    data = write(tmp_path / "all.jsonl", everything)
    asked = TaskSpec(name="translation", data=[data], limit=1000)
    rows, notes = study_examples(Translation(), asked, pairs)
    held, _ = study_examples(Translation(), TaskSpec(name="translation", limit=1000), pairs)
    assert {row["source"] for row in rows} == {row["source"] for row in held}
    assert notes == [f"{400 - len(held)} of 400 examples stand in the training text: left out"]


def test_examples_that_are_all_in_the_training_pairs(pairs: PairCorpus, tmp_path: Path) -> None:
    source = training_pairs(pairs)[0]["source"]
    data = write(tmp_path / "seen.jsonl", [{"source": source, "target": "x"}] * 5)
    with pytest.raises(DataError, match="5 of 5 examples stand in the training text") as caught:
        study_examples(Translation(), TaskSpec(name="translation", data=[data]), pairs)
    assert "held-out pairs" in caught.value.hint


def test_long_texts_of_a_corpus_are_looked_up(
    tiny_corpus: Corpus, tiny_text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def row(question: str) -> dict[str, Any]:
        return {"question": question, "answer": True}

    long = max(tiny_text[:4000].splitlines(), key=len)
    data = write(tmp_path / "q.jsonl", [row(long), row("is it so?"), row("or not?")])
    asked = TaskSpec(name="choices", data=[data])
    rows, notes = study_examples(Choices(), asked, tiny_corpus)
    assert [one["question"] for one in rows] == ["is it so?", "or not?"]
    assert "1 of 3" in notes[0]
    monkeypatch.setattr(comparison, "MOST_TOKENS", 10)
    rows, notes = study_examples(Choices(), asked, tiny_corpus)
    assert len(rows) == 3
    assert "was not looked up" in notes[0]


def test_sources_of_several_sentences_are_looked_up(pairs: PairCorpus, tmp_path: Path) -> None:
    """Joined as evaluation joins them, with white space of any kind between words."""
    held, _ = study_examples(Translation(), TaskSpec(name="translation", limit=1000), pairs)
    new = {int(row["source"].split()[1]) for row in held}
    known = next(i for i in range(400) if i not in new)
    rows = [
        {"source": [f"number {known}", "of  many"], "target": "x"},
        {"source": ["number 7777", "of many"], "target": "x"},
        {"source": ["number 8888", "of many"], "target": "x"},
    ]
    asked = TaskSpec(name="summarisation", data=[write(tmp_path / "lists.jsonl", rows)])
    found, notes = study_examples(Summarisation(), asked, pairs)
    assert [row["source"] for row in found] == [row["source"] for row in rows[1:]]
    assert notes == ["1 of 3 examples stand in the training text: left out"]


def test_sources_of_several_sentences_are_looked_up_in_running_text(
    tiny_corpus: Corpus, tiny_text: str, tmp_path: Path
) -> None:
    ids = tiny_corpus.train.tolist()
    whole = tiny_corpus.tokenizer().decode(ids, skip_special_tokens=False)
    lines = whole[whole.index("\n", 500) + 1 :].splitlines()[:3]
    rows = [{"source": lines, "target": "x"}]
    rows += [{"source": [*lines, f"Not {i} there."], "target": "x"} for i in range(2)]
    asked = TaskSpec(name="summarisation", data=[write(tmp_path / "lists.jsonl", rows)])
    found, _ = study_examples(Summarisation(), asked, tiny_corpus)
    assert [row["source"] for row in found] == [row["source"] for row in rows[1:]]


def test_a_text_corpus_has_no_examples_of_its_own(tiny_corpus: Corpus) -> None:
    with pytest.raises(UsageError, match="the task choices has no examples"):
        study_examples(Choices(), TaskSpec(name="choices"), tiny_corpus)


def test_examples_that_were_settled_anew_are_read_anew(tmp_path: Path) -> None:
    for examples in ([], [{"source": "a"}]):
        document = {"format": FORMAT, "name": "x", "metrics": [], "examples": examples}
        (tmp_path / "task.json").write_text(json.dumps(document), "utf-8")
        assert _read(tmp_path / "task.json")["examples"] == examples


def test_guessing_among_choices_is_the_floor() -> None:
    rows: list[dict[str, Any]] = [{"choices": ["a", "b", "c", "d"]}, {}]
    assert floor_of(Choices(), "acc", rows) == (1 / 4 + 1 / 2) / 2
    assert floor_of(Choices(), "brier_score", rows) == 0
    assert floor_of(Translation(), "bleu", rows) == 0


@pytest.mark.parametrize(
    ("task", "error", "says"),
    [
        ({"name": "translatoin"}, NotFoundError, "Did you mean translation"),
        ({"name": "translation", "options": {"beam": 2}}, UsageError, "no option 'beam'"),
        ({"name": "translation", "options": {"seed": 2}}, UsageError, "'seed' is no option"),
        ({"name": "perplexity"}, UsageError, "needs models of kind decoder"),
        (
            {"name": "code", "options": {"allow_code_execution": True}},
            UsageError,
            "--allow-code-execution",
        ),
        (
            {"name": "translation", "allow_code_execution": True},
            UsageError,
            "the task translation runs no code",
        ),
        ({"name": "extractive-qa"}, UsageError, "needs models of kind encoder"),
        ({"name": "translation", "data": ["nowhere.tsv"]}, NotFoundError, "nowhere.tsv"),
    ],
)
def test_mistakes_come_before_anything_is_trained(
    pairs: PairCorpus, tmp_path: Path, task: dict[str, Any], error: type[Exception], says: str
) -> None:
    shape = config_for_width(
        16, vocab_size=pairs.vocab_size, context_length=32, family="encoder-decoder"
    )
    with pytest.raises(error) as caught:
        settle_task(StudyFolder(tmp_path), TaskSpec(**task), shape, pairs, level=0.9)
    assert says in f"{caught.value} {getattr(caught.value, 'hint', '')}"
    assert not (tmp_path / "task.json").exists()


def test_a_spec_names_task_and_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(
        '[task]\nname = "translation"\ndata = ["dev.tsv"]\ncolumns = {source = "1", target = "2"}'
        '\noptions = {beams = 2}\ncheck_on = ["../b"]\n',
        "utf-8",
    )
    spec = load_spec(tmp_path / "s.toml")
    assert spec.task is not None
    assert spec.task.data == [str(tmp_path / "dev.tsv")]
    assert spec.task.limit == 200
    assert spec.task.check_on == [str(tmp_path.parent / "b")]
    assert not spec.task.allow_code_execution
    allowed = spec.with_choices(allow_code_execution=True).task
    assert allowed is not None
    assert allowed.allow_code_execution
    with pytest.raises(UsageError, match="runs no code"):
        StudySpec().with_choices(allow_code_execution=True)
    kept = spec.with_choices(task="translation", task_data=["other.tsv"])
    assert kept.task is not None
    assert (kept.task.options, kept.task.data) == ({"beams": 2}, ["other.tsv"])
    assert spec.with_choices(task="choices").task == TaskSpec(name="choices")
    with pytest.raises(UsageError, match="examples of no task"):
        StudySpec().with_choices(task_data=["x.tsv"])
    with pytest.raises(UsageError, match=r"unknown key 'task\.limits'") as caught:
        parse_spec({"task": {"name": "choices", "limits": 3}}, "the test")
    assert caught.value.hint == "Did you mean 'limit'?"


def test_specs_without_a_task_stay_the_same(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    saved = {k: v for k, v in StudySpec().model_dump().items() if k != "task"}
    folder.spec.write_text(json.dumps(saved), "utf-8")
    folder.plan.write_text("{}", "utf-8")
    settle_spec(folder, StudySpec())
    assert folder.plan.exists()
    folder.task.write_text("{}", "utf-8")
    settle_spec(folder, StudySpec(task=TaskSpec(name="choices")))
    assert not folder.plan.exists()
    assert not folder.task.exists()


def test_another_list_of_studies_to_try_on_is_no_other_study(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    settle_spec(folder, StudySpec(task=TaskSpec(name="choices")))
    folder.plan.write_text("{}", "utf-8")
    settle_spec(folder, StudySpec(task=TaskSpec(name="choices", check_on=["b"])))
    assert folder.plan.exists()
    assert json.loads(folder.spec.read_text("utf-8"))["task"]["check_on"] == ["b"]
    settle_spec(folder, StudySpec(task=TaskSpec(name="choices", limit=9, check_on=["b"])))
    assert not folder.plan.exists()

"""Texts scored as the field scores them: against the libraries' own entry points."""

from __future__ import annotations

import re
import string
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sacrebleu
from rouge_score import rouge_scorer

from isoloss.errors import DataError, UsageError
from isoloss.tasks import OpenModel, TaskResult, compare_results, task_class
from isoloss.tasks.answers import Answers
from isoloss.tasks.languages import by_characters, character_tokens, check_language
from isoloss.tasks.squad import exact_match, f1
from isoloss.tasks.summarisation import Summarisation, sentences
from isoloss.tasks.translation import Translation, TranslationMemory

ENGLISH = ["The cat sat on the mat.", "He doesn't like it, does he?", "Rain fell all night long."]
MADE = ["The cat is on the mat.", "He does not like it, doesn't he?", "It rained all night."]
CHINESE = ["我会讲英语。", "父母爱自己的孩子。", "他在那次意外中失去了视力。"]
MADE_CHINESE = ["我会说英语。", "父母都爱孩子。", "他在意外中失去了他的视力。"]


def pairs(targets: list[Any]) -> list[dict[str, Any]]:
    return [
        {"place": f"row {i}", "source": f"source {i}", "target": target}
        for i, target in enumerate(targets)
    ]


@pytest.mark.parametrize(
    ("targets", "made", "tokenize"),
    [(ENGLISH, MADE, "13a"), (CHINESE, MADE_CHINESE, "zh")],
)
def test_translation_is_scored_as_sacrebleu_does(
    targets: list[str], made: list[str], tokenize: str
) -> None:
    found = Translation().score(made, pairs(targets), model="m")
    assert found.metrics["bleu"].value == pytest.approx(
        sacrebleu.corpus_bleu(made, [targets], tokenize=tokenize).score
    )
    assert found.metrics["chrf"].value == pytest.approx(
        sacrebleu.corpus_chrf(made, [targets]).score
    )
    assert found.metrics["ter"].value == pytest.approx(sacrebleu.corpus_ter(made, [targets]).score)
    assert f"tok:{tokenize}|smooth:exp|version:{sacrebleu.__version__}" in found.signature
    bleu = found.metrics["bleu"]
    assert bleu.low < bleu.value < bleu.high


def test_translation_is_scored_as_the_command_line_does(tmp_path: Path) -> None:
    (tmp_path / "ref").write_text("\n".join(CHINESE) + "\n", "utf-8")
    (tmp_path / "hyp").write_text("\n".join(MADE_CHINESE) + "\n", "utf-8")
    told = subprocess.run(
        [sys.executable, "-m", "sacrebleu", "ref", "-i", "hyp", "-l", "en-zh", "-b", "-w", "4"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = Translation(language="zh").score(MADE_CHINESE, pairs(CHINESE), model="m")
    assert f"{found.metrics['bleu'].value:.4f}" == told.stdout.strip()


def test_several_references_some_missing() -> None:
    references = [[ENGLISH[0], "A cat sat there."], [ENGLISH[1]], [ENGLISH[2], "Night rain."]]
    found = Translation().score(MADE, pairs(references), model="m")
    streams = [ENGLISH, ["A cat sat there.", None, "Night rain."]]
    wanted = sacrebleu.corpus_bleu(MADE, streams).score  # type: ignore[arg-type]
    assert found.metrics["bleu"].value == pytest.approx(wanted)
    assert "nrefs:var" in found.signature


def test_intervals_of_bleu_are_those_of_sacrebleu() -> None:
    rng = np.random.default_rng(0)
    words = ["the", "a", "cat", "dog", "sat", "ran", "on", "in", "mat", "house", "big", "small"]
    targets = [" ".join(rng.choice(words, 12)) for _ in range(150)]
    made = [
        " ".join(w if rng.random() < 0.8 else str(rng.choice(words)) for w in target.split())
        for target in targets
    ]
    from sacrebleu.metrics.bleu import BLEU

    theirs = BLEU().corpus_score(made, [targets], n_bootstrap=1000)
    ours = Translation(level=0.95).score(made, pairs(targets), model="m").metrics["bleu"]
    half = (ours.high - ours.low) / 2
    assert half == pytest.approx(theirs._ci, rel=0.1)
    assert (ours.high + ours.low) / 2 == pytest.approx(theirs._mean, abs=0.15 * half)


def test_a_better_system_is_found_better(tmp_path: Path) -> None:
    task = Translation()
    examples = pairs(ENGLISH * 30)
    bad, good = (
        task.score(MADE * 30, examples, model="a"),
        task.score(ENGLISH * 30, examples, model="b"),
    )
    bad.save(tmp_path / "bad.json")
    again = TaskResult.load(tmp_path / "bad.json")
    assert again.to_dict() == bad.to_dict()
    metrics = {metric.name: metric for metric in task.metrics}
    found = {one.metric: one for one in compare_results(again, good, metrics)}
    assert found["bleu"].difference.low > 0
    assert found["bleu"].p_value < 0.01
    assert found["ter"].difference.high < 0
    other = task.score(MADE, pairs(ENGLISH), model="c")
    with pytest.raises(UsageError, match="of other examples"):
        compare_results(bad, other, metrics)


def test_a_memory_finds_the_nearest() -> None:
    memory = TranslationMemory(ENGLISH, ["1", "2", "3"])
    assert memory.translate(["the cats on a mat", "rain at night", "like it"]) == ["1", "3", "2"]


@pytest.mark.parametrize("stem", [True, False])
def test_rouge_is_that_of_rouge_score(stem: bool) -> None:
    references = [["Cats were sitting on mats. They slept."], ["No.", "He dislikes it."], ["Rain."]]
    found = Summarisation(stem=stem).score(MADE, pairs(references), model="m")
    kinds = {"rouge1": "rouge1", "rouge2": "rouge2", "rouge_l": "rougeL", "rouge_lsum": "rougeLsum"}
    scorer = rouge_scorer.RougeScorer(list(kinds.values()), use_stemmer=stem)
    for ours, theirs in kinds.items():
        wanted = [
            max(scorer.score(sentences(r), sentences(text))[theirs].fmeasure for r in row)
            for row, text in zip(references, MADE, strict=True)
        ]
        assert found.metrics[ours].value == pytest.approx(np.mean(wanted))
    assert f"stem:{'yes' if stem else 'no'}|tokens:rouge_score" in found.signature


def test_rouge_of_chinese_counts_characters() -> None:
    found = Summarisation().score(["我会说英语"], pairs([["我会讲英语。"]]), model="m")
    assert found.metrics["rouge1"].value == pytest.approx(4 / 5)
    assert "tokens:characters" in found.signature


def test_lead_baselines() -> None:
    examples = [{"place": "x", "source": "One. Two! Three? Four.", "target": "One."}]
    task = Summarisation()
    assert task.baseline("lead-1", examples) == ["One."]
    assert task.baseline("lead-3", examples) == ["One. Two! Three?"]
    listed = [{**examples[0], "source": ["A b.", "C d.", "E."]}]
    assert task.baseline("lead-1", listed) == ["A b."]
    with pytest.raises(UsageError, match="no baseline 'lead-9'"):
        task.baseline("lead-9", examples)


def official_f1(prediction: str, truth: str) -> float:
    """The definition of SQuAD 1.1's evaluation, written from its paper."""

    def tokens(text: str) -> list[str]:
        text = "".join(c for c in text.lower() if c not in set(string.punctuation))
        return re.sub(r"\b(a|an|the)\b", " ", text).split()

    own, other = tokens(prediction), tokens(truth)
    same = sum((Counter(own) & Counter(other)).values())
    if same == 0:
        return 0.0
    precision, recall = same / len(own), same / len(other)
    return 2 * precision * recall / (precision + recall)


def test_f1_and_exact_match_are_those_of_squad() -> None:
    rng = np.random.default_rng(1)
    words = ["x", "Panthers", "308", "points,", "in", "League.", "won", "(NFL)"]
    for _ in range(200):
        one, two = (" ".join(["The", *rng.choice(words, 4)]) for _ in range(2))
        assert f1(one, [two]) == pytest.approx(official_f1(one, two))
        assert exact_match(one, [one.upper() + "!"]) == 1
    assert exact_match("308", ["the 308", "x"]) == 1
    assert f1("308 points", ["308", "nothing"]) == pytest.approx(2 / 3)


def test_chinese_answers_by_characters() -> None:
    assert f1("踢爆了", ["踢爆"], characters=True) == pytest.approx(4 / 5)
    assert exact_match("2008年。", ["2008年"], characters=True) == 1
    assert by_characters(None, ["我会讲英语。"])
    assert not by_characters("en", ["我会"])
    assert character_tokens("GPU很快, 真的") == ["gpu", "很", "快", "真", "的"]


def test_questions_of_one_text_are_drawn_together() -> None:
    examples = [
        {"place": f"row {i}", "question": f"q{i}", "context": f"text {i // 10}", "answers": ["yes"]}
        for i in range(200)
    ]
    texts = ["yes" if (i // 10) % 2 else "no" for i in range(200)]
    found = Answers().score(texts, examples, model="m")
    apart = Answers().score(texts, [{**e, "context": ""} for e in examples], model="m")
    width = [r.metrics["f1"].high - r.metrics["f1"].low for r in (found, apart)]
    assert width[0] > 2 * width[1]


@pytest.mark.parametrize("task", ["translation", "summarisation", "question-answering"])
def test_bad_references_and_counts(task: str) -> None:
    kind = task_class(task)()
    good = {"place": "row 7", "source": "s", "target": "t", "question": "q", "answers": "a"}
    with pytest.raises(DataError, match="2 texts for 1 examples"):
        kind.score(["a", "b"], [good], model="m")  # type: ignore[attr-defined]
    for empty in ("", [], [""], None):
        with pytest.raises(DataError, match="row 7: "):
            kind.score(["a"], [{**good, "target": empty, "answers": empty}], model="m")  # type: ignore[attr-defined]


def test_an_unknown_language() -> None:
    with pytest.raises(UsageError, match="unknown language 'english'"):
        Translation(language="english")
    assert check_language("zh-CN") == "zh"


@pytest.mark.parametrize("family", ["llama", "bart"])
@pytest.mark.parametrize("task", ["translation", "summarisation", "question-answering"])
def test_models_of_both_kinds_answer(
    opened_random: Callable[..., OpenModel], family: str, task: str
) -> None:
    opened = opened_random(family)
    kind = task_class(task)(max_tokens=6)
    examples = [
        {
            "place": f"row {i}",
            "source": text,
            "target": "abc",
            "question": text,
            "context": "",
            "asked": text,
            "answers": ["abc"],
        }
        for i, text in enumerate(["hello", "a longer one, which is cut as it has too many letters"])
    ]
    result = kind.evaluate(opened, examples)
    assert result.n_examples == 2
    assert all(isinstance(one["output"], str) for one in result.outputs)
    assert "1 of 2 inputs were longer than the model reads" in result.notes
    with pytest.raises(UsageError, match="needs a model of kind decoder or encoder-decoder"):
        kind.evaluate(opened_random("encoder"), examples)


def test_a_template_that_does_not_fit(opened_random: Callable[..., OpenModel]) -> None:
    with pytest.raises(UsageError, match=r"the template '\{sauce\}' does not fit"):
        Translation(template="{sauce}").evaluate(opened_random("llama"), pairs(["x"]))

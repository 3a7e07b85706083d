"""Texts scored as the field scores them: against the libraries' own entry points."""

from __future__ import annotations

import json
import re
import string
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sacrebleu
from rouge_score import rouge_scorer

from isoloss.errors import DataError, EnvironmentProblem, NotFoundError, UsageError
from isoloss.tasks import OpenModel, TaskResult, compare_results, task_class
from isoloss.tasks.answers import Answers
from isoloss.tasks.given_texts import read_texts
from isoloss.tasks.languages import by_characters, character_tokens, check_language
from isoloss.tasks.squad import exact_match, f1
from isoloss.tasks.summarisation import Summarisation, sentences
from isoloss.tasks.task import baseline_result
from isoloss.tasks.translation import Translation, TranslationMemory
from isoloss.training.finetuning.examples import asked_answer

ENGLISH = ["The cat sat on the mat.", "He doesn't like it, does he?", "Rain fell all night long."]
MADE = ["The cat is on the mat.", "He does not like it, doesn't he?", "It rained all night."]
CHINESE = ["我会讲英语。", "父母爱自己的孩子。", "他在那次意外中失去了视力。"]
THAI = ["ฉันพูดภาษาอังกฤษได้", "พ่อแม่รัก ลูกของตน"]
MADE_THAI = ["ฉันพูดภาษาไทยได้", "พ่อแม่รักลูก"]
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
    asian = tokenize == "zh"
    ter = sacrebleu.corpus_ter(made, [targets], normalized=asian, asian_support=asian)
    assert found.metrics["ter"].value == pytest.approx(ter.score)
    assert f"tok:{tokenize}|smooth:exp|version:{sacrebleu.__version__}" in found.signature
    bleu = found.metrics["bleu"]
    assert bleu.low < bleu.value < bleu.high


@pytest.mark.parametrize(
    ("language", "targets", "made", "flags"),
    [
        ("zh", CHINESE, MADE_CHINESE, ["-l", "en-zh", "--ter-asian-support", "--ter-normalized"]),
        ("en", ENGLISH, MADE, ["-l", "de-en"]),
        ("th", THAI, MADE_THAI, ["-tok", "char"]),
    ],
)
def test_translation_is_scored_as_the_command_line_does(
    language: str, targets: list[str], made: list[str], flags: list[str], tmp_path: Path
) -> None:
    (tmp_path / "ref").write_text("\n".join(targets) + "\n", "utf-8")
    (tmp_path / "hyp").write_text("\n".join(made) + "\n", "utf-8")
    told = json.loads(
        subprocess.run(
            [sys.executable, "-m", "sacrebleu", "ref", "-i", "hyp", "-w", "6",
             "-m", "bleu", "chrf", "ter", *flags],
            cwd=tmp_path, capture_output=True, text=True, check=True,
        ).stdout
    )  # fmt: skip
    wanted = {one["name"].lower().removesuffix("2"): one["score"] for one in told}
    found = Translation(language=language).score(made, pairs(targets), model="m")
    assert found.signature == Translation().score(made, pairs(targets), model="m").signature
    if language == "th":  # of words between spaces; that of characters is of texts cut by hand
        cut = [[" ".join(text.replace(" ", "")) for text in texts] for texts in (made, targets)]
        wanted["ter"] = sacrebleu.corpus_ter(cut[0], [cut[1]]).score
        assert "ter|tok:char|" in found.signature
    assert {n: round(s.value, 6) for n, s in found.metrics.items()} == pytest.approx(
        wanted, abs=2e-6
    )


@pytest.mark.skipif(find_spec("MeCab") is not None, reason="MeCab is installed")
def test_japanese_and_korean_without_mecab(opened_random: Callable[..., OpenModel]) -> None:
    for language in ("ja", "ko-KR"):
        with pytest.raises(EnvironmentProblem, match="MeCab is missing") as caught:
            Translation(language=language)
        assert f"sacrebleu[{language[:2]}]" in str(caught.value.hint)
    japanese = ["彼は学生です。", "私は猫が好きです。"]
    with pytest.raises(EnvironmentProblem, match="MeCab is missing"):  # before the work
        Translation().evaluate(opened_random("llama"), pairs(japanese))
    found = Translation(tokenize="char").score(japanese, pairs(japanese), model="m")
    assert found.metrics["bleu"].value == pytest.approx(100)
    assert "norm:yes|punct:yes|asian:yes" in found.signature
    korean = ["그는 학생이다."]
    assert "tok:13a" in Translation().score(korean, pairs(korean), model="m").signature
    with pytest.raises(UsageError, match="unknown tokenize 'flores200'"):
        Translation(tokenize="flores200")


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


def test_what_made_the_answers_may_differ_and_is_told(tmp_path: Path) -> None:
    """Old files have one signature, whose beginning says how a model would have answered."""
    task = Translation()
    examples = pairs(ENGLISH * 5)
    given = task.score(MADE * 5, examples, model="a.txt")
    copied = baseline_result(task, "copy", examples)
    assert (given.made, copied.made) == ("given", "baseline copy")
    assert copied.signature == f"baseline copy|{given.scoring}"
    metrics = {metric.name: metric for metric in task.metrics}
    assert compare_results(copied, given, metrics)[0].difference.value > 0
    given.save(tmp_path / "new.json")
    old = json.loads((tmp_path / "new.json").read_text("utf-8"))
    del old["made"]
    old["signature"] = f"greedy|max_tokens:128|{given.scoring}"
    (tmp_path / "old.json").write_text(json.dumps(old), "utf-8")
    loaded = TaskResult.load(tmp_path / "old.json")
    assert (loaded.made, loaded.scoring) == ("greedy|max_tokens:128", given.scoring)
    assert compare_results(loaded, given, metrics)[0].difference.value == 0
    old["signature"] = "context:32|stride:16"
    (tmp_path / "old.json").write_text(json.dumps(old), "utf-8")
    loaded = TaskResult.load(tmp_path / "old.json")
    assert (loaded.made, loaded.scoring) == ("context:32|stride:16", "")
    other = Translation(tokenize="char").score(MADE * 5, examples, model="a.txt")
    with pytest.raises(UsageError, match="not the same task scored in the same way"):
        compare_results(other, given, metrics)


def test_a_memory_finds_the_nearest() -> None:
    memory = TranslationMemory(ENGLISH, ["1", "2", "3"])
    asked = ["the cats on a mat", "rain at night", "like it"]
    assert memory.translate(asked) == ["1", "3", "2"]
    train = [{"place": "t", "source": s, "target": t} for s, t in zip(ENGLISH, "123", strict=True)]
    rows = [{"place": "x", "source": text, "target": "1"} for text in asked]
    task = Translation()
    assert task.baseline("memory", rows, train) == ["1", "3", "2"]
    with pytest.raises(UsageError, match="among training pairs, and there are none"):
        task.baseline("memory", rows)
    with pytest.raises(UsageError, match="copy does not learn from examples"):
        task.baseline("copy", rows, train)
    with pytest.raises(UsageError, match="no baseline 'memo'") as caught:
        task.baseline("memo", rows)
    assert caught.value.hint == "It has: copy, memory."


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


@pytest.mark.parametrize(
    "words",
    [
        "кошка сидела на ковре и спала ёж",
        "बिल्ली चटाई पर बैठी और सो गई",
        "고양이가 매트 위에 앉아서 잠을 잔 날",
    ],
)
def test_rouge_of_other_scripts_is_that_of_as_many_english_words(words: str) -> None:
    """Words that stand for words: the figures are rouge-score's own of the Latin ones."""
    given = words.split()
    latin = dict(zip(given, [f"word{i}" for i in range(len(given))], strict=True))
    rng = np.random.default_rng(2)
    texts = [[" ".join(rng.choice(given, 6)) + "." for _ in range(4)] for _ in range(2)]
    theirs = [[" ".join(latin[w.strip(".")] for w in t.split()) for t in side] for side in texts]
    found = Summarisation().score(texts[0], pairs(texts[1]), model="m")
    wanted = Summarisation().score(theirs[0], pairs(theirs[1]), model="m")
    assert found.metrics["rouge1"].value > 0.2
    for name, score in wanted.metrics.items():
        assert found.metrics[name].value == pytest.approx(score.value)
    assert "tokens:letters" in found.signature
    assert "tokens:rouge_score" in wanted.signature
    stemmed = Summarisation(stem=True).score(texts[0], pairs(texts[1]), model="m")
    assert stemmed.signature == found.signature
    assert stemmed.notes == ("nothing was stemmed: the stemmer knows words of a to z alone",)


def test_rouge_of_accents_is_that_of_rouge_score() -> None:
    french = ["L'été dernier, où étiez-vous ?"]
    found = Summarisation().score(["L'été, où ?"], pairs(french), model="m")
    scorer = rouge_scorer.RougeScorer(["rouge1"])
    wanted = scorer.score(french[0], "L'été, où ?")["rouge1"].fmeasure
    assert found.metrics["rouge1"].value == pytest.approx(wanted)


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


def official_two(prediction: str, answers: list[str]) -> tuple[float, float]:
    """Exact match and F1 of SQuAD 2.0's evaluation: no answer is the one reference ""."""

    def tokens(text: str) -> list[str]:
        text = "".join(c for c in text.lower() if c not in set(string.punctuation))
        return re.sub(r"\b(a|an|the)\b", " ", text).split()

    def one(own: list[str], other: list[str]) -> float:
        same = sum((Counter(own) & Counter(other)).values())
        if not own or not other:
            return float(own == other)
        return 2 * same / (len(own) + len(other)) if same else 0.0

    gold = [answer for answer in answers if tokens(answer)] or [""]
    own = tokens(prediction)
    return (
        max(float(own == tokens(answer)) for answer in gold),
        max(one(own, tokens(answer)) for answer in gold),
    )


@pytest.mark.parametrize("task", ["question-answering", "extractive-qa"])
def test_unanswerable_questions_are_scored_as_in_squad_2(task: str, tmp_path: Path) -> None:
    asked = [(["1889"], "in 1889"), ([], ""), ([], "1889"), (["the"], "x"), (["Paris"], "")]
    asked[3] = ([], "The")
    document = {
        "data": [
            {
                "paragraphs": [
                    {
                        "context": "Built in 1889 in Paris.",
                        "qas": [
                            {
                                "question": f"q{i}",
                                "is_impossible": not answers,
                                "plausible_answers": [],
                                "answers": [
                                    {"text": t, "answer_start": "Built in 1889 in Paris.".index(t)}
                                    for t in answers
                                ],
                            }
                            for i, (answers, _) in enumerate(asked)
                        ],
                    }
                ]
            }
        ]
    }
    (tmp_path / "dev.json").write_text(json.dumps(document), "utf-8")
    kind: Any = task_class(task)()
    rows = kind.read([tmp_path / "dev.json"])
    found = kind.score([text for _, text in asked], rows, model="m")
    wanted = np.mean([official_two(text, answers) for answers, text in asked], axis=0)
    assert found.metrics["exact_match"].value == pytest.approx(wanted[0])
    assert found.metrics["f1"].value == pytest.approx(wanted[1])
    assert found.signature == "given|squad-2|words"
    told = "3 of 5 questions have no answer in their text: exact match 0.6667 on these, 0 on"
    assert any(note.startswith(told) for note in found.notes)
    assert kind.score(["1889"], rows[:1], model="m").scoring == "squad|words"
    rows[1]["is_impossible"] = False
    with pytest.raises(DataError, match="row 2: no answer"):
        kind.score([""] * 5, rows, model="m")
    rows[0]["is_impossible"] = True
    with pytest.raises(DataError, match="row 1: is_impossible is true, and there are answers"):
        kind.score(["1889"], rows[:1], model="m")
    rows[0]["is_impossible"] = "maybe"
    with pytest.raises(DataError, match="row 1: expected true or false"):
        kind.score(["1889"], rows[:1], model="m")


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


LONG = "the first words of a long text that goes on and on and on until nobody reads it any more"


@pytest.mark.parametrize(
    ("task", "names"),
    [
        (Summarisation(max_tokens=6), "source"),
        (Translation(max_tokens=6, template="say {source} now:"), "source"),
        (Translation(max_tokens=6, template="{source} or {source}"), "source"),
        (Answers(max_tokens=6, template="{context} what is {question} it is:"), "context"),
    ],
)
def test_a_long_prompt_keeps_its_beginning_and_its_end(
    task: Any, names: str, opened_random: Callable[..., OpenModel]
) -> None:
    """Letters are tokens here, so that the longest beginning is known; training cuts alike."""
    opened = opened_random("llama", context_length=50)
    row: dict[str, Any] = {"place": "row 1", "question": "it", "target": "x", "answers": ["x"]}
    row |= {"source": LONG, "context": LONG}
    ids, cut = task.prompt_tokens(opened, row)
    fits = [task.prompt({**row, names: LONG[:n]}) for n in range(len(LONG))]
    letters = [opened.encode(text) for text in fits]
    assert cut
    assert ids == max((one for one in letters if len(one) <= 44), key=len)
    trained = asked_answer(task, opened, row, "x")
    assert (trained.asked, trained.text.strip(), trained.cut) == (ids, "x", True)
    assert asked_answer(task, opened, row, "").answer == []  # no answer: the end of text alone
    assert task.prompt_tokens(opened, {**row, names: "ab"}) == (
        opened.encode(task.prompt({**row, names: "ab"})),
        False,
    )


@pytest.mark.parametrize("context", [24, 40])
def test_the_default_of_max_tokens_is_at_most_half_of_the_context(
    context: int, opened_random: Callable[..., OpenModel]
) -> None:
    opened = opened_random("llama", context_length=context)
    row: dict[str, Any] = {"place": "row 1", "source": LONG, "target": "x"}
    task = Translation()  # 128
    ids, cut = task.prompt_tokens(opened, row)
    assert (len(ids), cut) == (context // 2, True)
    assert asked_answer(task, opened, row, "x").asked == ids
    assert len(task.prompt_tokens(replace(opened, bos=1), row)[0]) == context // 2 - 1
    result = task.evaluate(opened, [row])
    assert result.made == f"greedy|max_tokens:{context // 2}"
    assert any(n.startswith(f"max_tokens is {context // 2}, half of") for n in result.notes)
    assert all(len(opened.encode(o["output"])) <= context // 2 for o in result.outputs)
    wide = opened_random("llama", context_length=300)
    result = task.evaluate(wide, [row])
    assert result.made == "greedy|max_tokens:128"
    assert not any("half of" in note for note in result.notes)


@pytest.mark.parametrize("chosen", [40, 200])
def test_a_chosen_max_tokens_leaves_room_for_a_prompt(
    chosen: int, opened_random: Callable[..., OpenModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = opened_random("llama", context_length=40)
    row: dict[str, Any] = {"place": "row 1", "source": LONG, "target": "x"}
    monkeypatch.setattr("isoloss.tasks.task.generate", lambda *_, **__: pytest.fail("generated"))
    for ask in (
        lambda: Translation(max_tokens=chosen).evaluate(opened, [row]),
        lambda: asked_answer(Translation(max_tokens=chosen), opened, row, "x"),
    ):
        with pytest.raises(UsageError, match=f"max_tokens={chosen} leaves no room") as caught:
            ask()
        assert "--set max_tokens=20" in str(caught.value.hint)
    assert len(Translation(max_tokens=30).prompt_tokens(opened, row)[0]) == 10
    with pytest.raises(UsageError, match="leaves no room"):
        Translation(max_tokens=39).prompt_tokens(replace(opened, bos=1), row)


def test_what_an_encoder_decoder_reads_and_writes_is_told(
    opened_random: Callable[..., OpenModel], tmp_path: Path
) -> None:
    opened = opened_random("bart")
    row: dict[str, Any] = {"place": "row 1", "source": "a b c", "target": "x"}
    result = Translation().evaluate(opened, [row])
    assert result.made == f"greedy|max_tokens:39|source:{opened.source_length}"
    result.save(tmp_path / "result.json")
    loaded = TaskResult.load(tmp_path / "result.json")
    assert (loaded.made, loaded.scoring) == (result.made, result.scoring)


def test_a_question_that_is_too_long_itself_keeps_its_end(
    opened_random: Callable[..., OpenModel],
) -> None:
    opened = opened_random("llama")
    row = {"place": "row 1", "context": "", "question": LONG, "answers": ["x"]}
    task = Answers(max_tokens=6, template="{context} {question}")
    ids, cut = task.prompt_tokens(opened, row)
    assert cut
    assert opened.decode(ids) == LONG[-34:]


def test_a_source_in_parts_is_read_whole(opened_random: Callable[..., OpenModel]) -> None:
    row = {"place": "row 1", "source": ["one two.", "three."], "target": "x"}
    task = Summarisation()
    assert task.prompt(row) == "one two. three.\nTL;DR:"
    ids, _ = Summarisation(max_tokens=6).prompt_tokens(opened_random("bart"), row)
    assert opened_random("bart").decode(ids) == "one two. three."
    with pytest.raises(DataError, match="row 1: an empty text"):
        task.prompt({**row, "source": []})


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        ("translation", {"batch_rows": 0}, "batch_rows must be a whole number of at least 1"),
        ("translation", {"max_tokens": 0}, "max_tokens must be a whole number"),
        ("summarisation", {"beams": 0}, "beams must be a whole number"),
        ("question-answering", {"seed": -1}, "seed must be a whole number of at least 0"),
        ("translation", {"length_penalty": float("nan")}, "length_penalty must be a number"),
        ("translation", {"stop": ("",)}, "a stop text must not be empty"),
        ("perplexity", {"stride": 0}, "stride must be a whole number of at least 1, found 0"),
        ("perplexity", {"batch_rows": 1.5}, "batch_rows must be a whole number"),
        ("choices", {"batch_rows": 0}, "batch_rows must be a whole number"),
        ("extractive-qa", {"batch_rows": 0}, "batch_rows must be a whole number"),
        ("extractive-qa", {"null_below": float("nan")}, "null_below must be a number"),
        ("code", {"batch_rows": 0}, "batch_rows must be a whole number"),
        ("code", {"seconds": 0.0}, "seconds must be positive"),
        ("translation", {"level": 1.0}, "level must lie between 0 and 1"),
    ],
)
def test_options_out_of_range(task: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        task_class(task)(**options)


def test_texts_of_files(tmp_path: Path) -> None:
    lines, rows = tmp_path / "a.txt", tmp_path / "a.jsonl"
    lines.write_text("\ufeffone\r\n\r\nthree\u2028\n", "utf-8", newline="")
    assert read_texts(lines) == ["one", "", "three\u2028"]
    rows.write_text('"a\\nb"\n\n{"output": "c"}\n{"text": ""}\n', "utf-8")
    assert read_texts(rows) == ["a\nb", "c", ""]
    rows.write_text('"a"\n{"texts": "c"}\n', "utf-8")
    with pytest.raises(DataError, match=r"a.jsonl, line 2: expected a text, found \{'texts'"):
        read_texts(rows)
    rows.write_text('"a"\nb\n', "utf-8")
    with pytest.raises(DataError, match=r"a.jsonl, line 2: not JSON"):
        read_texts(rows)
    lines.write_bytes(b"caf\xe9\n")
    with pytest.raises(DataError, match=r"a.txt: not UTF-8 text"):
        read_texts(lines)
    with pytest.raises(NotFoundError, match=r"b.txt: no such file"):
        read_texts(tmp_path / "b.txt")

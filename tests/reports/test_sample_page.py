"""The page of a task's result: what is on it, in which order, safe from what it shows."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from isoloss.errors import DataError, UsageError
from isoloss.reports import build_sample_page, read_task_document, write_sample_page
from isoloss.reports._samples import marked_text
from isoloss.reports.task_document import scores_of, selected

HOSTILE = "</style></p><script>window.hurt = 1</script><img src=x onerror='window.hurt = 2'>"


def metric(value: float, better: bool = True, unit: str = "share") -> dict[str, Any]:
    return {
        "value": value,
        "low": value - 0.1,
        "high": value + 0.1,
        "unit": unit,
        "higher_is_better": better,
    }


def document(**parts: Any) -> dict[str, Any]:
    return {
        "format": "isoloss-task-1",
        "task": "generation",
        "model": "runs/small",
        "run_id": "c0ffee",
        "metrics": {
            "seq_rep_4": metric(0.5, better=False),
            "human_seq_rep_4": metric(0.125),
        },
        "n_examples": 2,
        "signature": "prompt_words:4|max_tokens:8",
        "level": 0.9,
        "notes": ["texts by greedy choice"],
        "statistics": {},
        "clusters": None,
        "outputs": [
            {
                "input": "Once upon",
                "output": " a time a time",
                "repeated": [[8, 14]],
                "pieces": [" a", " time", " a", " time"],
                "log_probs": [-0.1, -3.0, -5.0, -9.0],
                "ended": "length",
                "references": [" a hill"],
                "references_repeated": [[]],
                "scores": {"seq_rep_4": 0.25},
            },
            {
                "input": "There was",
                "output": " a man",
                "repeated": [],
                "references": [" a dog"],
                "scores": {"seq_rep_4": 0.75},
            },
        ],
        **parts,
    }


def plain(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page.split("</style>")[1]).split())


def test_scores_stand_beside_the_human_ones() -> None:
    told = plain(build_sample_page(document()))
    assert "seq_rep_4 0.5 human text 0.125" in told
    assert "seq_rep_4 0.5 0.4 to 0.6 0.125 0.025 to 0.225 share" in told
    assert "human_seq_rep_4" not in told
    assert "Example 1 seq_rep_4 0.25, ended length Prompt Once upon Output" in told
    assert "What a person wrote a hill" in told
    assert "(arXiv:1908.04319)" in told
    assert "prompt_words:4|max_tokens:8" in told


def test_repeated_parts_are_marked_and_unlikely_tokens_shaded() -> None:
    one = document()["outputs"][0]
    found = marked_text(one["output"], one["repeated"], one["pieces"], one["log_probs"])
    assert found == (
        ' a<span class="p1"> time</span><span class="p2"> </span>'
        '<mark class="p2">a</mark><mark class="p3"> time</mark>'
    )
    for pieces, log_probs in (([" b"], [-1.0]), ([" a"], [-1.0]), (None, [-1.0]), ("x", "y")):
        assert "class" not in marked_text(one["output"], None, pieces, log_probs)
    assert marked_text("ab", [["x", 1], [1], 7, [-5, 1], [1, 99]]) == "<mark>ab</mark>"


def test_the_worst_stands_first() -> None:
    page = plain(build_sample_page(document()))
    assert page.index("There was") < page.index("Once upon")
    assert "2 of 2 examples, ordered by seq_rep_4" in page


def test_of_many_examples_the_worst_the_middle_and_the_best() -> None:
    outputs = [{"input": f"i{n}", "output": "x", "scores": {"f1": n / 20}} for n in range(20)]
    many = document(metrics={"f1": metric(0.5)}, outputs=outputs)
    chosen = selected(many, most=6)
    assert [numbers for _, numbers in chosen.groups] == [(0, 1), (9, 10), (18, 19)]
    assert (chosen.by, chosen.shown, chosen.total) == ("f1", 6, 20)
    with pytest.raises(UsageError, match="no metric 'f_1'") as error:
        selected(many, most=6, by="f_1")
    assert "Did you mean f1?" in str(error.value.hint)


def test_scores_of_single_examples_are_ratios_that_make_the_whole() -> None:
    outputs = [{"input": "a", "output": "b"}, {"input": "c", "output": "d"}]
    found = scores_of(
        document(
            outputs=outputs,
            metrics={
                "exact_match": metric(0.5),
                "ter": metric(40.0, better=False, unit="percent"),
                "bleu": metric(12.0, unit="percent"),
                "odd": metric(0.3),
            },
            statistics={
                "exact_match": [[1.0, 1.0], [0.0, 1.0]],
                "ter": [[1.0, 5.0], [3.0, 5.0]],
                "bleu": [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]],
                "odd": [[1.0, 1.0], [0.0, 1.0]],
            },
        )
    )
    assert found == {"exact_match": [1.0, 0.0], "ter": [20.0, 60.0]}


def test_pages_of_other_tasks() -> None:
    choices = document(
        task="choices",
        metrics={"acc": metric(1.0)},
        statistics={"acc": [[1.0, 1.0]]},
        outputs=[{"input": "Q", "choices": ["x<y", "z"], "answer": 0, "log_probs": [-1.25, -9.0]}],
    )
    told = build_sample_page(choices)
    assert '<span class="right">x&lt;y</span> (-1.25 nats, likeliest, right)' in told
    code = document(
        task="code",
        metrics={"pass_at_1": metric(0.5)},
        outputs=[
            {
                "input": "def f():",
                "completions": ["pass", "return"],
                "endings": ["passed", "NameError"],
                "task_id": "T/1",
            }
        ],
    )
    told = plain(build_sample_page(code))
    assert "task_id T/1" in told
    assert "Program 1: passed pass Program 2: NameError return" in told
    bare = document(task="perplexity", metrics={}, outputs=[{"input": "Text", "tokens": 3}])
    assert "tokens 3" in plain(build_sample_page(bare))
    assert "Empty: the result has no metrics." in plain(build_sample_page(bare))


def test_half_a_character_and_long_texts(tmp_path: Path) -> None:
    outputs = [{"input": "\ud800 " + "word " * 400, "output": "\udfff", "references": [""]}]
    page = tmp_path / "page.html"
    write_sample_page(document(outputs=outputs, model="\ud800"), page)
    told = page.read_text("utf-8")
    assert "<details><summary>? word" in told
    assert "(empty)" in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"format": "isoloss-task-1"}', "'metrics' is None"),
        ('{"format": "isoloss-task-1", "metrics": {"a": 1}}', "'metrics' is"),
    ],
)
def test_a_damaged_result_is_named(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "result.json").write_text(text, "utf-8")
    with pytest.raises(DataError, match=told):
        read_task_document(tmp_path / "result.json")


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"format": "isoloss-model-1"}', "a,b\n1,2\n"])
def test_other_files_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "file").write_text(text, "utf-8")
    assert read_task_document(tmp_path / "file") is None
    assert read_task_document(tmp_path) is None
    assert read_task_document("example") is None


def hostile() -> dict[str, Any]:
    """Hostile wherever a text may stand."""
    one = {
        "input": HOSTILE,
        "output": HOSTILE,
        "ended": HOSTILE[:40],
        "repeated": [[3, 30]],
        "pieces": [HOSTILE],
        "log_probs": [-9.0],
        "references": [HOSTILE],
        "choices": [HOSTILE, "b"],
        "scores": {HOSTILE: 0.5},
        HOSTILE: HOSTILE[:39],
    }
    code = {"input": "i", "completions": [HOSTILE], "endings": [HOSTILE], "scores": {HOSTILE: 1}}
    return document(
        task=HOSTILE,
        model=HOSTILE,
        signature=HOSTILE,
        notes=[HOSTILE],
        metrics={HOSTILE: metric(0.5, unit=HOSTILE)},
        outputs=[one, code],
    )


def test_hostile_texts_stay_text() -> None:
    page = build_sample_page(hostile())
    body = page.split("</style>", 1)[1]
    assert "<script" not in page
    assert "<img" not in body
    assert "script-src &#x27;none&#x27;" in page


def _browser_class() -> Any:
    spec = importlib.util.spec_from_file_location(
        "browser_of_pages", Path(__file__).with_name("test_browser.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Browser


@pytest.fixture(scope="module")
def browser(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    opened = _browser_class()(chromium, tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("made", [document, hostile])
def test_the_page_in_a_browser(
    browser: Any, tmp_path: Path, made: Any, width: int, scheme: str
) -> None:
    path = tmp_path / "page.html"
    path.write_text(build_sample_page(made()), "utf-8")
    browser.events.clear()
    browser.call(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=900,
        deviceScaleFactor=1,
        mobile=False,
    )
    browser.scheme(scheme)
    browser.call("Page.navigate", url=path.as_uri())
    here = json.dumps(path.as_uri())
    browser.until(f"location.href === {here} && document.readyState === 'complete'")
    assert browser.complaints() == []
    assert [u for u in browser.requests() if not u.startswith(("data:", path.as_uri()))] == []
    assert browser.evaluate("window.hurt") is None
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    dark = browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
    assert dark == (scheme == "dark")
    worst = browser.evaluate("""
      (() => {
        const light = text => {
          const parts = text.match(/[\\d.]+/g).slice(0, 3).map(Number).map(v => v / 255)
            .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
          return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
        };
        const behind = node => {
          for (; node; node = node.parentElement) {
            const colour = getComputedStyle(node).backgroundColor;
            if (colour !== 'rgba(0, 0, 0, 0)') return colour;
          }
          return 'rgb(255, 255, 255)';
        };
        const ratio = (a, b) =>
          (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
        return Math.min(...[...document.querySelectorAll('body *')]
          .filter(n => n.textContent.trim()).map(n => ratio(getComputedStyle(n).color, behind(n))));
      })()""")
    assert worst >= 4.5
    if folder := os.environ.get("ISOLOSS_PICTURES"):
        browser.picture(Path(folder) / f"samples-{made.__name__}-{width}-{scheme}.png")


def test_a_missing_interval_has_its_reason() -> None:
    one = {"value": 0.5, "unit": "share", "higher_is_better": True}
    page = build_sample_page(
        document(metrics={"accuracy": {**one, "interval_reason": "all examples score alike"}})
    )
    assert "No metric has an interval. No interval of accuracy: all examples score alike." in page
    assert "Intervals of" not in page
    assert "No interval of" not in build_sample_page(document())


def test_a_json_file_that_is_no_result(tmp_path: Path) -> None:
    from isoloss.cli._inputs import read_report

    (tmp_path / "e.json").write_text("{}", "utf-8")
    with pytest.raises(DataError, match="neither the result of a task nor of a study") as caught:
        read_report(str(tmp_path / "e.json"))
    assert "isoloss evaluate" in caught.value.hint

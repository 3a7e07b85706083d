"""The adapter against the harness's own class for models of Hugging Face, on one tiny model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from isoloss.errors import UsageError
from isoloss.tasks import GenerationSettings, OpenModel, generate, open_model
from isoloss.tasks.harness import harness_model
from isoloss.tasks.harness.choosing import load_tasks
from isoloss.tasks.harness.guarding import guarded
from isoloss.tasks.harness.requests import settings_of
from isoloss.tasks.hub_models import HubModel
from isoloss.tasks.likelihood import continuations

Export = Callable[..., Path]


def theirs(folder: Path) -> Any:
    """The harness's own model."""
    pytest.importorskip("accelerate", reason="accelerate, which HFLM needs, is not installed")
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=str(folder), device="cpu", dtype="float32", batch_size=3)


def scored(model: Any, task_folder: Path) -> dict[str, Any]:
    from lm_eval.evaluator import evaluate

    with guarded():
        loaded = load_tasks(["tiny_group", "tiny_rolling"], task_folder)
        found = evaluate(lm=model, task_dict=loaded, bootstrap_iters=50, log_samples=True)
    assert found is not None
    return found


def request(kind: str, *arguments: Any) -> Any:
    from lm_eval.api.instance import Instance

    return Instance(request_type=kind, doc={}, arguments=arguments, idx=0)


@pytest.mark.filterwarnings("ignore")  # of the harness's own class
@pytest.mark.parametrize(
    ("family", "start"),
    [
        ("llama", "end"),
        ("gpt2", "end"),
        ("llama", "named"),
        ("llama", "added"),
        ("gpt_neox", "end"),
    ],
)
def test_every_figure_is_that_of_the_harness(
    exported: Export, task_folder: Path, family: str, start: str
) -> None:
    folder = exported(family, start=start)
    opened = open_model(folder)
    assert isinstance(opened.model, HubModel) == (family == "gpt_neox")
    ours = scored(harness_model(opened, batch_rows=4), task_folder)
    wanted = scored(theirs(folder), task_folder)
    for task in ("tiny_choice", "tiny_rolling", "tiny_texts"):
        pairs = zip(ours["samples"][task], wanted["samples"][task], strict=True)
        for one, other in pairs:
            assert one["arguments"] == other["arguments"]
            if task == "tiny_texts":
                assert one["resps"] == other["resps"]
            elif task == "tiny_rolling":
                assert one["resps"][0][0] == pytest.approx(other["resps"][0][0], abs=1e-3)
            else:
                for a, b in zip(one["resps"], other["resps"], strict=True):
                    assert a[0][0] == pytest.approx(b[0][0], abs=1e-3)
                    assert a[0][1] == b[0][1]
    texts = [row["resps"][0][0] for row in ours["samples"]["tiny_texts"]]
    assert any(len(text) < 12 for text in texts), "some text ends before its last token"
    assert any(len(text) == 12 for text in texts), "some text has all its tokens"
    for task, values in wanted["results"].items():
        for name, value in values.items():
            if isinstance(value, float):
                assert ours["results"][task][name] == pytest.approx(value, rel=1e-4), (task, name)


@pytest.mark.filterwarnings("ignore")
def test_greedy_continuations_are_told_as_such(exported: Export, task_folder: Path) -> None:
    folder = exported("gpt2")
    opened = open_model(folder)
    contexts = ["the old man", "a hill", "x"]
    made = generate(opened, contexts, GenerationSettings(max_tokens=3, temperature=0.0))
    pairs = [(one.prompt, one.text) for one in made] + [("the old man", "zz")]
    requests = [request("loglikelihood", *pair) for pair in pairs]
    ours = harness_model(opened).loglikelihood(requests)
    wanted = theirs(folder).loglikelihood(requests)
    assert [greedy for _, greedy in ours] == [greedy for _, greedy in wanted]
    assert [greedy for _, greedy in ours] == [True, True, True, False]


def test_a_folder_of_isoloss_answers_as_its_export(
    exported: Export, task_folder: Path, tmp_path: Path
) -> None:
    out = exported("llama")
    found = [scored(harness_model(open_model(f)), task_folder) for f in (tmp_path / "trained", out)]
    for task, rows in found[0]["samples"].items():
        for one, other in zip(rows, found[1]["samples"][task], strict=True):
            assert one["resps"] == other["resps"]


def test_an_encoder_is_refused(exported: Export, task_folder: Path, opened_random: Any) -> None:
    encoder: OpenModel = opened_random("encoder")
    with pytest.raises(UsageError, match="needs a model of kind decoder or encoder-decoder"):
        harness_model(encoder)


def test_sampled_texts_of_one_prompt_differ(opened_random: Any, task_folder: Path) -> None:
    model = harness_model(opened_random("llama"), batch_rows=2)
    given = {"until": [], "do_sample": True, "temperature": 1.0, "max_gen_toks": 8}
    found = model.generate_until([request("generate_until", "abc", given) for _ in range(20)])
    again = model.generate_until([request("generate_until", "abc", given) for _ in range(20)])
    assert found == again
    assert len(set(found)) == 20


@pytest.mark.parametrize("length", [38, 39, 40, 41, 120])
def test_a_source_loses_its_beginning(
    opened_random: Any, task_folder: Path, tmp_path: Path, length: int
) -> None:
    opened: OpenModel = opened_random("bart")
    (tmp_path / "tokenizer_config.json").write_text('{"bos_token": "<|start|>"}', "utf-8")
    assert opened.source_length == 40
    prompt = ("ab cd ef, gh. " * 10)[:length]
    kept = prompt[-39:]  # and the end of a text
    model = harness_model(opened)
    given = {"until": ["."], "max_gen_toks": 4}
    (text,) = model.generate_until([request("generate_until", prompt, given)])
    settings = GenerationSettings(max_tokens=4, temperature=0.0, stop=(".",))
    assert text == generate(opened, [kept], settings)[0].text
    ((share, greedy),) = model.loglikelihood([request("loglikelihood", prompt, "de")])
    (wanted,) = continuations(opened, [(kept, "de")])
    assert (share, greedy) == (pytest.approx(wanted.total), wanted.greedy)
    assert model.responder.cut == (2 if length > 39 else 0)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, {"max_tokens": 256, "temperature": 0.0}),
        ({"until": ["\n", ""], "max_new_tokens": 5}, {"max_tokens": 5, "stop": ("\n",)}),
        ({"until": "x", "temperature": 0.7}, {"temperature": 0.7, "stop": ("x",)}),
        (
            {"do_sample": False, "temperature": 0.7, "top_p": 0.9},
            {"temperature": 0.0, "top_p": None},
        ),
        ({"do_sample": True, "top_p": 0.9, "top_k": 0}, {"temperature": 1.0, "top_p": 0.9}),
        ({"num_beams": 3, "length_penalty": 0.5}, {"beams": 3, "length_penalty": 0.5}),
        ({"max_gen_toks": 7, "max_tokens": 9, "early_stopping": None}, {"max_tokens": 7}),
    ],
)
def test_settings_of_the_harness(given: dict[str, Any], wanted: dict[str, Any]) -> None:
    found = settings_of(given, seed=3)
    assert found.seed == 3
    assert {name: getattr(found, name) for name in wanted} == wanted


def test_a_setting_that_is_not_known() -> None:
    with pytest.raises(UsageError, match="sets 'no_repeat_ngram_size'"):
        settings_of({"no_repeat_ngram_size": 3})

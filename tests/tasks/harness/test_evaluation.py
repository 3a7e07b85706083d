"""Tasks of the harness as results: names, intervals, what they depend on, and the command."""

from __future__ import annotations

import json
import math
import os
import random
import sys
from pathlib import Path
from statistics import NormalDist
from types import ModuleType
from typing import Any

import pytest

from isoloss.cli import main
from isoloss.cli._evaluation import Asked
from isoloss.cli._harness import harnessed
from isoloss.errors import DataError, EnvironmentProblem, NotFoundError, UsageError
from isoloss.runs import RunStore
from isoloss.tasks import TaskResult
from isoloss.tasks.harness import evaluate_harness, harness_model
from isoloss.tasks.harness.evaluation import result_of


def asked(model: str | None, folder: Path | None, *names: str, **others: Any) -> Asked:
    values: dict[str, Any] = {
        "data": (), "columns": {}, "options": {}, "limit": None, "predictions": None,
        "baseline": None, "against": None, "output": None, "device": "cpu", "level": 0.9,
        "seed": 0, "task": None, "model": model, "harness": names, "include_path": folder,
    }  # fmt: skip
    return Asked(**(values | others))


def test_scores_with_the_intervals_of_their_standard_errors(
    opened_random: Any, task_folder: Path
) -> None:
    opened = opened_random("llama")
    found = evaluate_harness(opened, ["tiny_group"], include_path=task_folder, level=0.8)
    assert list(found.metrics) == [
        "tiny_choice_acc",
        "tiny_choice_acc_norm",
        "tiny_texts_exact_match",
    ]
    assert found.task == "tiny_choice,tiny_texts"
    assert found.n_examples == 20
    one = found.metrics["tiny_choice_acc"]
    shares = [row["scores"]["acc"] for row in found.outputs if row["task"] == "tiny_choice"]
    assert one.value == pytest.approx(sum(shares) / 10)
    variance = sum((share - one.value) ** 2 for share in shares) / 9
    half = NormalDist().inv_cdf(0.9) * math.sqrt(variance / 10)
    assert (one.low, one.high) == pytest.approx((one.value - half, one.value + half))
    texts = found.metrics["tiny_texts_exact_match"]
    assert math.isnan(texts.low)
    assert texts.reason == "all examples score alike"
    assert "lm-eval:" in found.signature
    assert "tiny_choice:version 1.5,0-shot,10 of 10," in found.signature
    assert any("contexts were cut" in note for note in found.notes)


def test_a_metric_without_a_standard_error(opened_random: Any, task_folder: Path) -> None:
    found = evaluate_harness(
        opened_random("llama"), ["tiny_rolling"], include_path=task_folder, limit=3
    )
    one = found.metrics["tiny_rolling_bits_per_byte"]
    assert one.reason == "lm-eval gives no standard error"
    assert not one.higher_is_better
    assert found.n_examples == 3
    assert "3 of 7" in found.signature
    assert found.to_dict()["metrics"]["tiny_rolling_bits_per_byte"]["low"] is None


def test_the_random_generators_and_settings_are_put_back(
    opened_random: Any, task_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lm_eval import utils

    def now() -> tuple[Any, ...]:
        held = sys.modules.get("evaluate")
        load = getattr(held, "load", None)
        return random.getstate(), utils.env, held, load, dict(os.environ)

    monkeypatch.delitem(sys.modules, "evaluate", raising=False)
    real = ModuleType("evaluate")
    real.load = print  # type: ignore[attr-defined]
    for module in (None, real):
        if module is not None:
            monkeypatch.setitem(sys.modules, "evaluate", module)
        before = now()
        evaluate_harness(opened_random("llama"), ["tiny_texts"], include_path=task_folder, limit=1)
        assert now() == before


def test_examples_in_the_prompt(opened_random: Any, task_folder: Path) -> None:
    path = task_folder / "choice.yaml"
    path.write_text(path.read_text("utf-8") + "fewshot_split: test\n", "utf-8")
    found = evaluate_harness(
        opened_random("llama"), ["tiny_choice"], include_path=task_folder, num_fewshot=2
    )
    assert "2-shot" in found.signature
    assert all(row["input"].count("Answer:") == 3 for row in found.outputs)


def test_the_signature_is_of_the_task_and_not_of_its_place(
    opened_random: Any, task_folder: Path, tmp_path: Path
) -> None:
    opened = opened_random("llama")
    first = evaluate_harness(opened, ["tiny_choice"], include_path=task_folder)
    moved = task_folder.rename(tmp_path / "moved")
    path = moved / "choice.yaml"
    path.write_text(path.read_text("utf-8").replace(str(task_folder), str(moved)), "utf-8")
    again = evaluate_harness(opened, ["tiny_choice"], include_path=moved)
    assert again.signature == first.signature
    path.write_text(path.read_text("utf-8").replace("Answer:", "So:"), "utf-8")
    other = evaluate_harness(opened, ["tiny_choice"], include_path=moved)
    assert other.signature != first.signature


def test_the_command_saves_and_compares(exported: Any, task_folder: Path, tmp_path: Path) -> None:
    folder, saved = str(exported("llama")), tmp_path / "result.json"
    names = ("tiny_choice", "tiny_rolling")
    answer = harnessed(asked(folder, task_folder, *names, output=saved))
    document = json.loads(json.dumps(answer.document))
    assert {"value", "low", "high"} <= document["metrics"]["tiny_choice_acc"].keys()
    assert document["n_examples"] == 17
    loaded = TaskResult.load(saved)
    assert loaded.metrics == pytest.approx(loaded.metrics)
    assert (
        loaded.columns()["metric_tiny_choice_acc"]
        == document["metrics"]["tiny_choice_acc"]["value"]
    )
    options = {"batch_rows": "3", "num_fewshot": "0"}
    other = harnessed(
        asked(str(tmp_path / "trained"), task_folder, *names, against=saved, options=options)
    )
    compared = {one["metric"]: one for one in other.document["compared_with"]["metrics"]}
    assert compared.keys() == {"tiny_choice_acc", "tiny_choice_acc_norm"}, "means over examples"
    assert compared["tiny_choice_acc"]["difference"]["value"] == 0


def test_scores_go_to_a_store(
    exported: Any, task_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, store = exported("llama"), tmp_path / "s.sqlite"
    run = {"run_id": "0123456789abcdef", "params_total": 1e6, "tokens": 1e6, "loss": 2.5}
    with RunStore.open(store) as opened:
        opened.add_run(run)
    for model in (folder, tmp_path / "trained", folder):
        words = ["--harness", "tiny_choice", "--include-path", task_folder, "--store", store]
        assert main(["evaluate", *map(str, (model, *words))]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert f"Added to {store}, in a row of scores alone (model-" in out
    assert f"Added to the row of run 0123456789abcdef, which {store} has: metric_tiny_" in out
    assert "has these scores already" in out
    with RunStore.open(store) as opened:
        first, second = opened.runs().rows()
    for name in ("metric_tiny_choice_acc", "metric_tiny_choice_acc_low", "meta_scores"):
        assert first[name] == second[name]
    assert first["loss"] == 2.5
    assert second["name"] == str(folder)
    assert "scores without a training run" in second["reason"]


def test_an_unknown_task_has_close_ones(
    opened_random: Any, task_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And none of them is looked for in lm-eval's own list, which takes seconds to minutes."""
    import lm_eval.tasks

    plain = lm_eval.tasks.TaskManager

    def small(include_path: Any = None, include_defaults: bool = True) -> Any:
        assert not include_defaults
        return plain(include_path=include_path, include_defaults=False)

    monkeypatch.setattr(lm_eval.tasks, "TaskManager", small)
    with pytest.raises(NotFoundError, match="no task named 'tiny_chioce'") as caught:
        evaluate_harness(opened_random("llama"), ["tiny_chioce"], include_path=task_folder)
    assert caught.value.hint.startswith("Did you mean tiny_choice")
    (task_folder / "torn.yaml").write_text("task: torn\ndoc_to_text: [\n", "utf-8")
    with pytest.raises(DataError, match=r"torn\.yaml: not YAML, so that 'torn' .*line 3"):
        evaluate_harness(opened_random("llama"), ["torn"], include_path=task_folder)
    with pytest.raises(NotFoundError, match="no such folder"):
        evaluate_harness(opened_random("llama"), ["x"], include_path=task_folder / "no")
    with pytest.raises(UsageError, match="no task given"):
        evaluate_harness(opened_random("llama"), [], include_path=task_folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("dataset_path: json\n", ""), "dataset_path is missing, so that tiny_choice has no"),
        (("{{question}}", "{{quest}}"), "UndefinedError: 'quest' is undefined"),
        (("choice.jsonl", "none.jsonl"), "FileNotFoundError"),
        (("multiple_choice", "singular_choice"), "singular_choice"),
        (("test_split: test", "test_split: dev"), "KeyError"),
    ],
)
def test_a_task_that_is_broken(
    opened_random: Any, task_folder: Path, change: tuple[str, str], message: str
) -> None:
    path = task_folder / "choice.yaml"
    path.write_text(path.read_text("utf-8").replace(*change), "utf-8")
    with pytest.raises(DataError, match=message):
        evaluate_harness(opened_random("llama"), ["tiny_choice"], include_path=task_folder)


def test_no_score_at_all() -> None:
    with pytest.raises(DataError, match="no score"):
        result_of({"results": {"group": {"alias": "group"}}}, model="m", level=0.9)


def test_without_lm_eval(opened_random: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    from isoloss.tasks.harness import adapter

    adapter._adapter_class.cache_clear()
    with pytest.raises(EnvironmentProblem, match="need lm-eval") as caught:
        evaluate_harness(opened_random("llama"), ["x"])
    assert caught.value.hint == "pip install 'isoloss[hf]'"
    with pytest.raises(EnvironmentProblem):
        harness_model(opened_random("llama"))
    with pytest.raises(EnvironmentProblem):
        harnessed(asked("anything", None, "x"))


@pytest.mark.parametrize(
    ("model", "others", "message"),
    [
        (None, {}, "no model given"),
        ("m", {"task": "choices"}, "--task does not go with --harness"),
        ("m", {"data": ("f",)}, "--data does not go"),
        ("m", {"options": {"shots": "2"}}, "no option 'shots'"),
        ("m", {"options": {"num_fewshot": "two"}}, "expects a whole number"),
    ],
)
def test_flags_that_do_not_fit(model: str | None, others: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        harnessed(asked(model, None, "x", **others))

"""`isoloss plan` through the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from isoloss.cli._dispatch import run
from isoloss.planning import Plan, hardware_choice, measured_utilisation
from isoloss.runs import example_runs


def answer(words: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert run([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_budget_of_hardware_with_plan_and_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan_file, figure = tmp_path / "plan.json", tmp_path / "valley.svg"
    words = ["plan", "published:epoch", "--days", "10", "--hardware", "h100-sxm", "--devices", "64",
             "--utilisation", "0.35", "-o", str(plan_file), "--figure", str(figure)]  # fmt: skip
    document = answer(words, capsys)
    assert document["hardware"]["training"]["days"]["value"] == pytest.approx(10, rel=0.1)
    assert document["hardware"]["choice"]["count"] == 64
    assert "hardware_reason" not in document
    assert document["paths"] == {"plan": str(plan_file), "figure": str(figure)}
    assert Plan.load(plan_file).n.value == document["n"]["value"]
    assert figure.read_text("utf-8").startswith("<svg")
    assert run(words) == 0
    assert f"Saved {figure}" in capsys.readouterr().out


def test_every_variant_by_flags(capsys: pytest.CaptureFixture[str]) -> None:
    law = ["plan", "published:epoch"]
    budget = [*law, "--flops", "1e22"]
    assert answer([*budget, "--max-n", "1B"], capsys)["n"]["value"] <= 1e9 * (1 + 1e-9)
    assert answer([*budget, "--n", "2B"], capsys)["n"]["value"] == pytest.approx(2e9)
    ratio = answer([*budget, "--min-tokens-per-parameter", "100"], capsys)["tokens_per_parameter"]
    assert ratio == pytest.approx(100)
    assert answer([*budget, "--unique-tokens", "10B"], capsys)["epochs"]["value"] > 1
    assert answer([*budget, "--inference-tokens", "1T"], capsys)["inference"]["saved"]["value"] > 0
    assert answer([*law, "--loss", "2.0"], capsys)["loss"]["value"] == 2.0
    served = answer([*budget, "--serve-on", "rtx-4090", "--serve-bits", "4"], capsys)
    assert served["serving"]["fits"]
    assert served["asked"]["max_n"] > 1e9


def test_laws_are_averaged_by_held_out_error(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plan", "example", "--average", "chinchilla,skaling", "--flops", "1e13"]
    document = answer(words, capsys)
    weights = document["weights"]
    assert sum(weights.values()) == pytest.approx(1)
    assert any("skaling" in name for name in weights)


def test_a_metric_of_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plan", "example", "--metric", "bits_per_byte=1.6", "--metric-law", "a + b*loss"]
    document = answer(words, capsys)
    assert document["metric"]["name"] == "bits_per_byte"
    assert document["metric"]["value"] == pytest.approx(1.6)


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (["published:epoch"], "one budget or target, found none", 2),
        (["published:epoch", "--flops", "1e20", "--loss", "2"], "found --flops, --loss", 2),
        (["published:epoch", "--days", "1"], "needs hardware", 2),
        (["published:epoch", "--days", "1", "--hardware", "h100-sxn"], "h100-sxn", 5),
        (["published:epoch", "--metric", "acc=0.5"], "published:epoch has none", 2),
        (["published:epoch", "--flops", "1e20", "--law", "kaplan"], "--law: for laws", 2),
        (["example", "--flops", "1e13", "--metric-law", "a + b*loss"], "law of --metric", 2),
        (["published:epoch", "--metric", "acc"], "--metric expects NAME=VALUE", 2),
        (["published:epohc", "--flops", "1e20"], "no published law named 'epohc'", 5),
        (["published:kaplan-d", "--loss", "0.01"], "loss", 2),
        (["example", "--average", "a", "--law", "b", "--flops", "1e13"], "excludes", 2),
        (["published:epoch", "--flops", "1e20", "--figure", "x.png"], "SVG", 2),
    ],
)  # fmt: skip
def test_wrong_words(
    words: list[str], said: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["plan", *words]) == code
    assert said in capsys.readouterr().err


def test_utilisation_as_the_runs_measured_it(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plan", "example", "--days", "1", "--hardware", "laptop-cpu", "--utilisation"]
    told = answer([*words, "measured"], capsys)
    wanted = measured_utilisation(example_runs(), hardware_choice("laptop-cpu").device)
    assert told["hardware"]["choice"]["utilisation"]["value"] == pytest.approx(wanted.value)
    assert run([*words, "much"]) == 2
    assert run(["plan", "published:epoch", *words[2:], "measured"]) == 2

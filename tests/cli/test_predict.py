"""`isoloss predict` from published laws, for a loss, and as a table of budgets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from isoloss.cli._dispatch import run

POINT = ["published:epoch", "--n", "1B", "--d", "1T"]


def answer(words: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert run(["predict", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_published_law_in_both_spellings(capsys: pytest.CaptureFixture[str]) -> None:
    point = ["--n", "70e9", "--d", "2e12"]
    first = answer(["published:epoch", *point], capsys)
    assert first["loss"] == pytest.approx(1.9647, abs=5e-5)
    assert first["n_convention"] == "params_total"
    assert first["extrapolation"]["D"] == pytest.approx(4)
    assert answer(["--law", "published:epoch", "--n", "70B", "--d", "2T"], capsys) == first


def test_repeated_data(capsys: pytest.CaptureFixture[str]) -> None:
    point = ["published:muennighoff", "--n", "6.34e9", "--d", "242e9"]
    assert answer([*point, "--at", "U=25e9"], capsys)["loss"] == 2.2256440889984477
    assert answer([*point, "--unique-tokens", "25B"], capsys)["loss"] == 2.2256440889984477


def test_the_cheapest_run_for_a_loss(capsys: pytest.CaptureFixture[str]) -> None:
    document = answer(["published:epoch", "--loss", "1.9"], capsys)
    assert document["loss"]["value"] == pytest.approx(1.9)
    assert run(["predict", "published:epoch", "--loss", "1.9"]) == 0
    shown = capsys.readouterr().out
    assert "Plan for a loss of 1.9" in shown
    assert "params_total" in shown
    assert "Besiroglu" in shown
    assert "Shape" not in shown


def test_a_table_of_budgets(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["published:epoch", "--from", "1e21", "--to", "1e25", "--points", "5"]
    rows = answer(words, capsys)["rows"]
    assert [row["flops"] for row in rows] == [1e21, 1e22, 1e23, 1e24, 1e25]
    assert rows[0]["n"]["value"] < rows[-1]["n"]["value"]
    fitted = answer(["example", "--from", "1e12", "--to", "1e13", "--points", "2"], capsys)
    assert fitted["rows"][0]["loss"]["low"] < fitted["rows"][0]["loss"]["high"]


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        ([], "needs a fit, a run table or a published law", 2),
        (["example", "--law", "published:epoch"], "not fitted to example", 2),
        (["published:epoch", "--n", "1B"], "missing D", 2),
        (["published:epoch", "--scale", "2"], "a published law has none", 2),
        (["published:epoch", "--from", "1e20"], "go together", 2),
        (["published:epoch", "--from", "1e20", "--to", "1e19"], "must rise", 2),
        (["published:epoch", "--n", "1B", "--d", "1T", "--loss", "2"], "cannot go with --loss", 2),
        (["example", "--unique-tokens", "1B", "--n", "1M", "--d", "1M"], "goes with", 2),
        (["example", "--law", "power", "--loss", "2"], "splits no budget", 2),
        ([*POINT, "--level", "0.5"], "--level would change nothing", 2),
        ([*POINT, "--kind", "run", "--law", "kaplan"], "--law, --kind would change nothing", 2),
        ([*POINT, "--target", "acc", "--map", "a=b"], "--target, --map would change nothing", 2),
        (["example", "--loss", "2.5", "--kind", "run"], "--kind cannot go with --loss", 2),
        (["example", "--loss", "2.5", "--scale", "2"], "--loss cannot go with --scale", 2),
        (["example", "--loss", "2.5", "-o", "x.svg"], "-o writes the figure of --scale", 2),
        (["example", "--n", "1M", "--d", "1M", "--points", "3"], "--points goes with", 2),
        (["published:nobody", "--n", "1B", "--d", "1T"], "no published law", 5),
    ],
)
def test_wrong_words(
    words: list[str], said: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["predict", *words]) == code
    assert said in capsys.readouterr().err

"""`isoloss fit` beyond its defaults: constraints, targets, groups."""

from __future__ import annotations

import json

import pytest

from isoloss.cli import main


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict]:
    """Exit code and JSON document of a command."""
    code = main(["fit", *words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_fixed_and_tied_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("example", "--fix", "E=0", "--tie", "beta=alpha", "--bootstrap", "20")
    code, document = answer(capsys, *words)
    assert code == 0
    params = document["params"]
    assert params["E"]["value"] == 0
    assert params["E"]["low"] is None
    assert params["E"]["low_reason"] == "fixed, not fitted"
    assert params["alpha"]["value"] == params["beta"]["value"]
    assert params["beta"]["tied_to"] == "alpha"


def test_groups_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("example", "--by", "seed", "--law", "E + A/D**beta", "--bootstrap", "0")
    _, document = answer(capsys, *words)
    assert len(document["groups"]) >= 1


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--fix", "Q=1"), 2, "no parameter 'Q'"),
        (("--fix", "E=much"), 2, "expects a number"),
        (("--fix", "E=-1"), 2, "outside its domain"),
        (("--tie", "beta"), 2, "NAME=VALUE"),
        (("--objective", "cubic"), 2, "unknown objective"),
        (("--resample", "jackknife"), 2, "unknown resampling"),
        (("--by", "nosuch"), 3, "nosuch"),
        (("--by", "seed", "-o", "x.json"), 2, "--by"),
        (("--target", "metric_x"), 3, "metric_x"),
        (("--weights", "nosuch"), 3, "nosuch"),
    ],
)
def test_mistakes(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, said: str
) -> None:
    assert main(["fit", "example", *words]) == code
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told

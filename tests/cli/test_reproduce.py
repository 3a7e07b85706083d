"""`isoloss reproduce` and `isoloss runs published`, and published:NAME where runs are expected."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from isoloss.cli import main


@pytest.fixture(autouse=True)
def copies(shared_data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ISOLOSS_PUBLISHED_DIR", str(shared_data / "runs"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def answer(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict:
    assert main([*words, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_both_ways_as_json(capsys) -> None:
    words = ("reproduce", "routed_moe_clark", "--bootstrap", "50", "--level", "0.8")
    document = answer(capsys, *words)
    assert document["table"] == "routed_moe_clark"
    assert document["passed"] is True
    (fit,) = document["fits"]
    by_name = {figure["name"]: figure for figure in fit["figures"]}
    assert by_name["rms_dex"]["paper"] == pytest.approx(0.00323, abs=5e-6)
    assert by_name["a"]["ours_low"] < by_name["a"]["ours"] < by_name["a"]["ours_high"]
    assert by_name["a"]["passed"] is True
    assert document["level"] == 0.8


def test_one_way_as_text(capsys) -> None:
    assert main(["reproduce", "chinchilla_epoch", "--as", "paper", "--fit", "245"]) == 0
    said = capsys.readouterr()
    assert "2 of 2 published fits reproduced" in said.out
    assert "caveat: The source states no licence." in said.out
    assert said.err.splitlines() == [
        "1 of 2: 245 runs, Huber 1e-3",
        "2 of 2: 245 runs, absolute errors",
    ]


def test_the_list(capsys) -> None:
    document = answer(capsys, "reproduce", "--list")
    names = {table["name"]: len(table["fits"]) for table in document["tables"]}
    assert names["porian_kaplan_chinchilla"] == 15
    assert main(["reproduce", "--list"]) == 0
    text = capsys.readouterr().out
    assert "chinchilla_epoch: The runs of Chinchilla" in text
    assert "  S-Base (Clark et al. 2022, eq. 10)" in text


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["reproduce"], 2, "needs the name"),
        (["reproduce", "x", "--list"], 2, "takes no name"),
        (["reproduce", "chinchilla"], 5, "no public run table named 'chinchilla'"),
        (["reproduce", "olmo_ladder", "--as", "mine"], 2, "unknown way 'mine'"),
        (["reproduce", "olmo_ladder", "--dir", "/nowhere"], 5, "no copy of olmo_ladder"),
        (["runs", "published", "olmo"], 5, "no public run table named 'olmo'"),
        (["runs", "show", "published:olmo"], 5, "no public run table named 'olmo'"),
    ],
)
def test_mistakes(capsys, words: list[str], code: int, message: str) -> None:
    error = answer(capsys, *words, code=code)["error"]
    assert message in error["message"]
    assert error["hint"]


def test_a_missed_figure_exits_with_4(capsys, monkeypatch) -> None:
    from isoloss.fitting.reproducing import reproduction
    from isoloss.fitting.reproducing.figures import Measured

    wrong = ((lambda runs, settings, seed: {"a": Measured(value=0.9)}), None)
    monkeypatch.setitem(reproduction.METHODS, "isoflop", wrong)  # type: ignore[arg-type]
    words = ("reproduce", "porian_kaplan_chinchilla", "--fit", "tuned")
    assert answer(capsys, *words, code=4)["passed"] is False


def test_the_catalogue_is_listed(capsys) -> None:
    document = answer(capsys, "runs", "published")
    tables = {table["name"]: table for table in document["tables"]}
    assert tables["chinchilla_epoch"]["rows"] == 245
    assert tables["chinchilla_epoch"]["at_hand"] == "copy"
    assert tables["scalebench_farseer"]["at_hand"] == ""
    assert main(["runs", "published"]) == 0
    text = capsys.readouterr().out
    assert text.splitlines()[0].split() == ["name", "rows", "paper", "licence", "at", "hand"]
    assert main(["runs", "published", "porian_kaplan_chinchilla"]) == 0
    assert "pickles, which isoloss does not open" in " ".join(capsys.readouterr().out.split())


def test_a_published_table_is_a_table(capsys) -> None:
    document = answer(capsys, "runs", "show", "published:bnsl_addition")
    assert document["n_rows"] == 17
    words = ("fit", "published:gemstones/cool_begin", "--bootstrap", "0")
    assert answer(capsys, *words)["n_rows"] == 199

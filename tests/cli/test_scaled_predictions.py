"""`isoloss predict --scale` and `--law power`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from isoloss.cli._dispatch import run


def test_a_table_and_a_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figure = tmp_path / "scaled.svg"
    words = ["predict", "example", "--law", "power", "--scale", "2,4,8", "-o", str(figure)]
    assert run(words) == 0
    shown = capsys.readouterr().out
    assert "b + 0.91·d" in shown
    assert "What C does alone is not identified" in shown
    assert f"Saved {figure}" in shown
    first = figure.read_bytes()
    assert first.startswith(b"<svg")
    assert b"Times the largest run" in first
    assert run(words) == 0
    assert figure.read_bytes() == first


def test_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "example", "--law", "power", "--scale", "2", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["factor"] for row in document["scaled"]] == [1.0, 2.0]
    assert document["scaled"][1]["low"] < document["scaled"][1]["loss"]
    assert document["fit"]["params"]["d"]["value"] is None
    assert document["target"] == "loss"


def test_any_law_scales(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "example", "--law", "compute", "--scale", "x2,x4", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["scaled"][2]["at"]["C"] == pytest.approx(16 * document["base"]["C"])


def test_a_metric_of_a_mapped_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["size,tokens,flops,loss,acc"]
    for i in range(12):
        n, d = 10 ** (6 + i / 4), 10 ** (8 + (i % 4) / 2)
        lines.append(f"{n},{d},{6 * n * d},{3 - 0.1 * i},{0.02 * n**0.2}")
    table = tmp_path / "runs.csv"
    table.write_text("\n".join(lines), "utf-8")
    words = ["predict", str(table), "--map", "params_total=size", "--map", "metric_acc=acc",
             "--law", "power", "--target", "metric_acc"]  # fmt: skip
    assert run([*words, "--scale", "10"]) == 0
    assert "is no accuracy" in capsys.readouterr().out
    assert run([*words, "--n", "1M", "--d", "1e9", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["loss"] == pytest.approx(0.02 * 1e6**0.2, rel=1e-6)
    assert document["fit"]["metric"] == "accuracy"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--scale", "two"], "--scale expects factors such as 2,4,8, found 'two'"),
        (["--scale", "2", "--n", "1M"], "--scale starts from the largest run, not from N"),
        (["--law", "power", "--scale", "0"], "a factor must be a positive number"),
        (["--n", "1M", "--d", "1M", "-o", "x.svg"], "-o writes the figure of --scale"),
        (["--law", "power", "--scale", "2", "-o", "x.pdf"], "the figure is an SVG file"),
        (["--law", "power", "--n", "1M", "--d", "1M", "--at", "C=1"], "do not say what loss is"),
    ],
)
def test_wrong_words(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "example", *words]) == 2
    assert said in capsys.readouterr().err

"""`isoloss compare` through the real command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from isoloss.cli import main

LAWS = ["--law", "chinchilla", "--law", "skaling", "--bootstrap", "0"]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of the Chinchilla law, under other names and without C."""
    path = tmp_path_factory.mktemp("compare") / "runs.csv"
    rng = np.random.default_rng(0)
    lines = ["Size,Data,loss"]
    for n in np.geomspace(2e7, 6e8, 5):
        for m in (5, 20, 80, 320):
            loss = (1.7 + 400 / n**0.34 + 1200 / (n * m) ** 0.36) * np.exp(0.002 * rng.normal())
            lines.append(f"{n:.0f},{n * m:.0f},{loss}")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def words(table: Path, *more: str) -> list[str]:
    names = ["--map", "params_total=Size", "--map", "tokens=Data"]
    return ["compare", str(table), *names, *LAWS, *more]


def test_one_json_document(table: Path, capsys) -> None:
    assert main(words(table, "--json")) == 0
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert document["schema_version"] == 1
    assert {row["law"] for row in document["laws"]} == {"chinchilla", "skaling"}
    assert document["best"] == document["laws"][0]["law"]
    assert document["compute"] == "6nd"
    assert document["naive_percent"] > document["laws"][0]["mean_absolute_error_percent"]["value"]
    assert sum(document["weights"].values()) == pytest.approx(1)
    assert document["fits"]["chinchilla"]["law"] == "chinchilla"


def test_a_table_for_people(table: Path, capsys) -> None:
    assert main(words(table, "--holdout", "N > 3e8")) == 0
    text = capsys.readouterr().out
    assert "fitted to" in text
    assert "N <= 3e+08" in text
    assert "6·N·D" in text
    assert max(map(len, text.splitlines())) <= 80


def test_no_law_better_than_the_lowest_loss_exits_with_4(tmp_path: Path, capsys) -> None:
    lines = ["params_total,tokens,loss"]
    lines += [
        f"{n:.0f},{20 * n:.0f},{max(2.0, 9 - 0.9 * i)}"
        for i, n in enumerate(np.geomspace(1e6, 1e9, 16))
    ]
    (tmp_path / "flat.csv").write_text("\n".join(lines), "utf-8")
    assert main(["compare", str(tmp_path / "flat.csv"), "--law", "A/N**alpha"]) == 4
    assert "lowest loss seen" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "code", "told"),
    [
        (["--holdout", "computte"], 2, "compute"),
        (["--law", "chinchila"], 5, "chinchilla"),
        (["--law", "skaling"], 2, "twice"),
        (["--level", "3"], 2, "level"),
        (["--holdout", "C > 1e99"], 3, "held out"),
        (["--holdout", "width > 3"], 3, "width"),
    ],
    ids=lambda item: str(item),
)
def test_mistakes(table: Path, more: list[str], code: int, told: str, capsys) -> None:
    assert main(words(table, *more)) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert told in said.err
    assert "Traceback" not in said.err


def test_a_missing_column_is_bad_data(table: Path, capsys) -> None:
    assert main(["compare", str(table)]) == 3
    assert "--map" in capsys.readouterr().err

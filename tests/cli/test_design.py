"""`isoloss design` through the real command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from isoloss.cli import main
from isoloss.errors import DataError
from isoloss.planning import Design


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of the Chinchilla law."""
    path = tmp_path_factory.mktemp("design") / "runs.csv"
    rng = np.random.default_rng(0)
    lines = ["params_total,tokens,loss"]
    for n in np.geomspace(2e7, 2e8, 4):
        for m in (5, 20, 80):
            loss = (1.7 + 400 / n**0.34 + 1200 / (n * m) ** 0.36) * np.exp(0.002 * rng.normal())
            lines.append(f"{n:.0f},{n * m:.0f},{loss}")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


@pytest.fixture(scope="module")
def candidates(table: Path) -> Path:
    """Runs that may be made, under other names."""
    path = table.parent / "candidates.csv"
    lines = ["label,Size (M),D"]
    for i, n in enumerate(np.geomspace(20, 2000, 7)):
        lines += [f"run-{i}-{m},{n},{n * 1e6 * m}" for m in (10, 20, 40)]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def words(table: Path, *more: str | Path) -> list[str]:
    return ["design", str(table), "--budget", "1e20", *map(str, more)]


def test_one_json_document(table: Path, candidates: Path, tmp_path: Path, capsys) -> None:
    saved, jobs = tmp_path / "design.json", tmp_path / "jobs.jsonl"
    asked = words(
        table, "--candidates", candidates, "--map", "params_total=Size (M):1e6", "--map",
        "tokens=D", "--target", "N=7e9", "--target", "D=1.4e11", "--batch", "2", "-o", saved,
        "--jobs", jobs, "--json",
    )  # fmt: skip
    assert main(asked) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["after"] < document["now"]
    assert document["spent"] <= document["budget"] == 1e20
    assert [run["now"] for run in document["runs"]][:3] == [True, True, False]
    assert document["runs"][0]["job"]["label"].startswith("run-")
    assert document["unit"] == "relative"
    assert document["paths"] == {"design": str(saved), "jobs": str(jobs)}
    assert len(Design.load(saved).runs) == len(document["runs"])
    lines = [json.loads(line) for line in jobs.read_text("utf-8").splitlines()]
    assert lines == [run["job"] for run in document["runs"]]


def test_a_summary_for_people(table: Path, capsys) -> None:
    assert main(words(table, "--target-flops", "1e22")) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    for part in ("Runs to make next", "loss at 1e+22 FLOP", "cheapest", "Caveats"):
        assert part in text


@pytest.mark.parametrize(
    "more",
    [
        ["--target-optimum", "1e22"],
        ["--target-exponent", "--strategy", "D-optimal"],
        ["--target-parameter", "E", "--law", "chinchilla", "--law", "skaling"],
        ["--target-flops", "1e22", "--spread", "draws", "--most", "3", "--least-flops", "1e18"],
    ],
)
def test_other_targets_and_beliefs(table: Path, capsys, more: list[str]) -> None:
    assert main(words(table, *more, "--json")) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["after"] <= document["now"]
    assert document["runs"]


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        ([], 2, "needs one target"),
        (["--target-flops", "1e22", "--target-exponent"], 2, "one target, found 2"),
        (["--target-flops", "1e22", "--strategy", "greedy"], 2, "no strategy"),
        (["--target", "N=7e9"], 2, "lacks 'D'"),
        (["--target-flops", "1e22", "--candidates", "no.csv"], 5, "no such file"),
        (["--target-flops", "1e22", "--map", "tokens=D"], 2, "mapping of columns"),
    ],
)
def test_mistakes_are_told_without_a_traceback(
    table: Path, capsys, more: list[str], code: int, said: str
) -> None:
    assert main(words(table, *more)) == code
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told


@pytest.mark.parametrize("laws", [(), ("chinchilla",), ("chinchilla", "skaling")])
def test_the_seed_reaches_every_fit(table: Path, monkeypatch, laws: tuple[str, ...]) -> None:
    seeds: list[int] = []

    def noted(runs, law, *, seed=0):
        seeds.append(seed)
        raise DataError(law, hint="Enough was seen.")

    monkeypatch.setattr("isoloss.fitting.fit", noted)
    given = [word for law in laws for word in ("--law", law)]
    assert main(words(table, "--target-flops", "1e22", "--seed", "7", *given)) == 3
    assert seeds == [7]

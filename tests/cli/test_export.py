"""`isoloss export`: from a budget to a folder, through the real command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from isoloss.cli import main


def answer(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, dict]:
    code = main([*map(str, words), "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def plan_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plan") / "plan.json"
    assert main(["plan", "published:hoffmann", "--flops", "1e20", "-o", str(path)]) == 0
    return path


@pytest.mark.parametrize("target", ["hf", "nemo", "megatron", "torchtitan"])
def test_every_target(target: str, plan_file: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    words = ("export", plan_file, "--to", target, "-o", out, "--family", "llama")
    code, document = answer(capsys, *words)
    assert code == 0, document
    assert document["paths"] == {"folder": str(out)}
    assert document["target"] == target
    asked = json.loads(plan_file.read_text("utf-8"))["n"]["value"]
    assert document["parameters"]["params_total"] == pytest.approx(asked, rel=0.05)
    assert document["off"] == pytest.approx(document["parameters"]["params_total"] / asked - 1)
    assert set(document["files"]) < {path.name for path in out.iterdir()}


def test_for_people(plan_file: Path, tmp_path: Path, capsys) -> None:
    assert main(["export", str(plan_file), "--to", "hf", "-o", str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    assert text.startswith("hf: no weights, a model of")
    assert "qk_norm='scaled' becomes 'none'" in text


@pytest.mark.parametrize(
    ("words", "code", "message", "hint"),
    [
        (("--to", "nemo"), 2, "NeMo has no counterpart of norm_weights=False", "--family llama"),
        (("--to", "nmeo"), 2, "no such target: 'nmeo'", "Did you mean 'nemo'"),
        (("--to", "hf", "--family", "lama"), 2, "no such family", "Did you mean 'llama'"),
    ],
)
def test_mistakes(
    words, code: int, message: str, hint: str, plan_file: Path, tmp_path: Path, capsys
) -> None:
    found, document = answer(capsys, "export", plan_file, *words, "-o", tmp_path / "out")
    assert found == code
    assert message in document["error"]["message"]
    assert hint in document["error"]["hint"]
    assert not (tmp_path / "out").exists()


def test_plans_and_folders_that_are_none(plan_file: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    code, _ = answer(capsys, "export", tmp_path / "none.json", "--to", "hf", "-o", out)
    assert code == 5
    (tmp_path / "text.json").write_text("{}", "utf-8")
    code, document = answer(capsys, "export", tmp_path / "text.json", "--to", "hf", "-o", out)
    assert (code, document["error"]["code"]) == (3, "bad_data")
    code, document = answer(capsys, "export", plan_file, "--to", "hf", "-o", plan_file.parent)
    assert (code, document["error"]["code"]) == (2, "usage")
    assert plan_file.is_file()


def test_help_loads_nothing_heavy(python) -> None:
    done = python(
        "from isoloss.cli import main\nassert main(['export', '--help']) == 0\n"
        "heavy = {'torch', 'numpy', 'transformers'} & set(sys.modules)\nassert not heavy, heavy"
    )
    assert done.returncode == 0, done.stderr


def test_it_works_without_pytorch(plan_file: Path, tmp_path: Path, python) -> None:
    words = ["export", str(plan_file), "--to", "hf", "-o", str(tmp_path / "out")]
    done = python(
        f"from isoloss.cli import main\nassert main({words!r}) == 0",
        blocked=("torch", "transformers", "yaml"),
    )
    assert done.returncode == 0, done.stderr

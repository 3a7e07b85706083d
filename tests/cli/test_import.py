"""`isoloss runs import`: looking first, confirming units, writing once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from isoloss.cli import main
from isoloss.runs import RunStore

GOLDEN = Path(__file__).parents[1] / "runs" / "importers" / "golden"
BILLIONS = GOLDEN / "tables/billions.csv"
CONFIRMED = ["--map", "params_total=Model Size (M):M", "--map", "tokens=Tokens (B):1e9"]


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main(["runs", "import", *map(str, words)])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_dry_run_shows_ten_rows_and_writes_nothing(capsys, tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    rows = [f"{n}e6,{n}e8,{3 - n / 100}" for n in range(1, 13)]
    path.write_text("n_params,tokens,Validation Loss\n" + "\n".join(rows) + "\n", "utf-8")
    code, out, _ = run(capsys, path, "--dry-run", "--to", tmp_path / "s.sqlite")
    assert code == 0
    assert "params_total           <- 'n_params' (guessed: the source does not say" in out
    assert "loss                   <- 'Validation Loss' (guessed)" in out
    assert "by our own name: tokens" in out
    assert "flops                  in 12 rows" in out
    assert out.count("row-") == 10
    assert "and 2 more" in out
    assert "Nothing was written" in out
    assert not (tmp_path / "s.sqlite").exists()


def test_units_are_confirmed_before_anything_is_written(capsys, tmp_path: Path) -> None:
    store = tmp_path / "s.sqlite"
    code, _, err = run(capsys, BILLIONS, "--to", store)
    assert code == 3
    assert '--map "tokens=Tokens (B):1e9"' in err
    assert not store.exists()
    code, out, _ = run(capsys, BILLIONS, "--dry-run")
    assert code == 0
    assert "units to confirm" in out
    code, out, _ = run(capsys, BILLIONS, "--to", store, *CONFIRMED)
    assert code == 0
    assert "Imported 3 runs" in out
    with RunStore.open(store) as opened:
        assert [row["tokens"] for row in opened.rows()] == [1.4e9, 3.2e9, 8.2e9]


def test_the_same_import_again_adds_nothing(capsys, tmp_path: Path) -> None:
    words = (GOLDEN / "nanogpt", "--to", tmp_path / "s.sqlite", "--json")
    first, again = run(capsys, *words), run(capsys, *words)
    document = json.loads(again[1])
    assert json.loads(first[1])["imported"] == 2
    assert (document["imported"], document["already_there"]) == (0, 2)
    assert document["paths"] == {"store": str(tmp_path / "s.sqlite")}
    assert document["sources"][0]["format"] == "nanogpt"


def test_json_of_a_dry_run(capsys) -> None:
    code, out, _ = run(capsys, GOLDEN / "hf", "--dry-run", "--points", "all", "--json")
    document = json.loads(out)
    assert code == 0
    assert document["dry_run"] is True
    assert [row["tokens"] for row in document["runs"]] == [640, 1280, 1920, 2560]
    how = {one["ours"]: one["how"] for one in document["sources"][0]["mapping"]}
    assert (how["loss"], how["vocab_size"]) == ("guessed", "same name")


def test_which_loss(capsys) -> None:
    code, _, err = run(capsys, GOLDEN / "olmo/olmo.txt", "--dry-run")
    assert code == 3
    assert "eval/pile-validation/CrossEntropyLoss" in err
    name = "eval/pile-validation/CrossEntropyLoss"
    for flag in (["--loss", name], ["--map", f"loss={name}"]):
        code, out, _ = run(capsys, GOLDEN / "olmo/olmo.txt", "--dry-run", *flag)
        assert code == 0
        assert f"<- '{name}' (given)" in out


def test_a_shape_from_a_public_model(capsys, tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("tokens,loss\n1e9,3.2\n", "utf-8")
    code, out, _ = run(capsys, path, "--dry-run", "--config", "gpt2")
    assert code == 0
    assert "1.2444e+08" in out


def test_where_to_is_asked_for(capsys) -> None:
    code, _, err = run(capsys, BILLIONS)
    assert code == 2
    assert "--dry-run" in err


def test_the_bundled_runs_are_imported_alone(capsys, tmp_path: Path) -> None:
    code, out, _ = run(capsys, "example", "--to", tmp_path / "s.sqlite")
    assert code == 0
    assert "Imported 28 runs" in out
    code, _, err = run(capsys, "example", BILLIONS, "--dry-run")
    assert code == 2
    assert "alone" in err


def test_published_tables_are_named_and_laws_are_not_tables(
    capsys, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISOLOSS_PUBLISHED_DIR", str(shared_data / "runs"))
    code, out, _ = run(capsys, "published:chinchilla_epoch", "--dry-run")
    assert code == 0
    assert "245 rows" in out
    code, _, err = run(capsys, "published:hoffmann", "--dry-run")
    assert code == 5
    assert "isoloss plan published:hoffmann" in err


@pytest.mark.parametrize("command", ["show", "fit"])
def test_units_in_the_other_commands(capsys, tmp_path: Path, command: str) -> None:
    words = ["runs", "show"] if command == "show" else ["fit"]
    rest = [] if command == "show" else ["--bootstrap", "0", "--law", "E + A/N**alpha"]
    path = tmp_path / "runs.csv"
    rows = [f"{n},{20 * n},{1.7 + n**-0.3}" for n in (0.07, 0.2, 0.5, 1.1, 2.5, 7.0)]
    path.write_text("N (B),D (B),L\n" + "\n".join(rows) + "\n", "utf-8")
    maps = ["--map", "params_total=N (B):B", "--map", "tokens=D (B):1e9", "--map", "loss=L"]
    code = main([*words, str(path), *maps, *rest, "--json"])
    document = json.loads(capsys.readouterr().out)
    assert code in (0, 4)
    if command == "show":
        assert document["runs"][0]["params_total"] == 70_000_000
        assert document["runs"][-1]["tokens"] == 140_000_000_000
    else:
        assert document["n_rows"] == 6

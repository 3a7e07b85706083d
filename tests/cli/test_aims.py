"""Ladders of other objectives through the same command as the causal one."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

import isoloss as il


@pytest.fixture(scope="module")
def masked(spec_file: Path, isoloss: Any) -> dict[str, Any]:
    """The smoke study, masked."""
    folder = spec_file.parent / "masked"
    done = isoloss("study", spec_file, "--objective", "masked:rate=0.2", "--out", folder, "--json")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def translated(spec_file: Path, isoloss: Any) -> dict[str, Any]:
    """The smoke study on pairs: a word list, and the same with its words reversed."""
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghij", k=4)) for _ in range(300)]
    lines = ["source\ttarget"]
    for _ in range(600):
        source = draw.choices(words, k=draw.randint(3, 7))
        lines.append(" ".join(source) + "\t" + " ".join(reversed(source)))
    home = spec_file.parent
    (home / "pairs.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    text = spec_file.read_text("utf-8").replace("text.txt", "pairs.tsv")
    (home / "pairs.toml").write_text(
        text.replace("[ladder]", "[ladder]\nmax_epochs = 20.0"), "utf-8"
    )
    done = isoloss(
        *("study", home / "pairs.toml", "--fields", "source,target", "--out", home / "pairs"),
        "--json",
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return json.loads(done.stdout)


def test_a_masked_ladder_predicts_and_checks(masked: dict[str, Any]) -> None:
    assert (masked["study"]["objective"], masked["study"]["architecture"]) == ("masked", "encoder")
    for row in masked["runs"]:
        assert row["objective"] == "masked"
        assert row["meta_tokens_predicted"] == pytest.approx(0.2 * row["tokens"], rel=0.1)
    check = masked["verification"]
    assert check["measured"] > 0
    assert check["registered_at"] <= check["trained_at"]
    assert "hidden ones" in masked["definitions"]["L"]
    assert not any("bits_per_byte" in row for row in masked["runs"])


def test_plans_of_a_masked_ladder_are_of_its_family(masked: dict[str, Any]) -> None:
    fit = il.Fit.load(masked["paths"]["fit"])
    assert fit.family["architecture"] == "encoder"
    assert fit.family["predicted_share"] == pytest.approx(0.2, rel=0.1)
    shape = il.plan(fit, flops=1e12).architecture
    assert (shape.kind, shape.n_layer) == ("encoder", 3)


def test_a_translation_ladder_predicts_and_checks(translated: dict[str, Any]) -> None:
    assert translated["study"]["objective"] == "sequence_to_sequence"
    for row in translated["runs"]:
        assert row["architecture"] == "encoder_decoder"
        assert row["meta_tokens_encoder"] + row["meta_tokens_decoder"] == row["tokens"]
        assert row["tokens"] < row["steps"] * row["batch_tokens"]  # padding is not counted
        assert row["unique_tokens"] <= row["tokens"]
    check = translated["verification"]
    verified = next(row for row in translated["runs"] if row["role"] == "verification")
    assert (check["d"], check["flops"]) == (verified["tokens"], verified["flops"])
    assert any("see their text up to" in warning for warning in translated["warnings"])
    assert translated["plans"][0]["architecture"]["kind"] == "encoder_decoder"


def test_objective_and_family_must_suit_each_other(spec_file: Path, isoloss: Any) -> None:
    done = isoloss(
        *("study", spec_file, "--objective", "masked", "--family", "llama"),
        *("--out", spec_file.parent / "wrong"),
    )
    assert done.returncode == 2
    assert "trains a model of kind 'encoder'" in done.stderr
    assert "bert" in done.stderr

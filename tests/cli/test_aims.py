"""A ladder of another objective through the same command as the causal one.

One of pairs is in tests/studies/test_task_study.py, where it is scored too.
"""

from __future__ import annotations

import json
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


def test_objective_and_family_must_suit_each_other(spec_file: Path, isoloss: Any) -> None:
    done = isoloss(
        *("study", spec_file, "--objective", "masked", "--family", "llama"),
        *("--out", spec_file.parent / "wrong"),
    )
    assert done.returncode == 2
    assert "trains a model of kind 'encoder'" in done.stderr
    assert "bert" in done.stderr

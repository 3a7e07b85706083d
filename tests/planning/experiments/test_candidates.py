"""Candidates from tables without losses, and grids of a fit's family."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from isoloss.architecture import config_for_width, count_parameters, training_flops
from isoloss.errors import DataError, NotFoundError, UsageError
from isoloss.laws import get_law
from isoloss.planning.experiments import candidates, grid_of, read_candidates


def fit_of(**more: Any) -> Any:
    values = {
        "law": get_law("chinchilla"),
        "ranges": {"N": (1e5, 1e6), "D": (1e6, 1e7), "C": (6e11, 6e13)},
        "family": {},
        "n_convention": "params_matmul",
        "flops_convention": "",
    }
    return SimpleNamespace(**{**values, **more})


def test_a_table_needs_no_loss(tmp_path: Path) -> None:
    path = tmp_path / "candidates.csv"
    path.write_text("name,Size (M),tokens,flops\na,10,2e8,1.3e16\nb,20,2e8,2.6e16\n", "utf-8")
    found = read_candidates(path, ["N", "D"], columns={"Size (M)": "params_total:1e6"})
    assert found.columns["N"].tolist() == [1e7, 2e7]
    assert found.flops.tolist() == [1.3e16, 2.6e16]
    assert [row["name"] for row in found.rows] == ["a", "b"]
    assert "loss" not in found.rows[0]
    assert found.note == ""


def test_losses_in_a_table_are_not_looked_at() -> None:
    frame = pd.DataFrame({"params_total": [1e7], "tokens": [1e8], "loss": [np.nan]})
    found = read_candidates(frame, ["N", "D"])
    assert found.flops.tolist() == [6e15]
    assert found.note == "Costs are 6 N D."


def test_rows_with_a_reason_against_them_are_left_out() -> None:
    rows = [
        {"params_total": 1e7, "tokens": 1e8, "reason": "no machine"},
        {"params_total": 2e7, "tokens": 1e8},
    ]
    assert read_candidates(rows, ["N", "D"]).columns["N"].tolist() == [2e7]
    with pytest.raises(DataError, match="no candidate"):
        read_candidates(rows[:1], ["N", "D"])


def test_what_a_table_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'unique_tokens'"):
        read_candidates([{"params_total": 1e7, "tokens": 1e8}], ["N", "D", "U"])
    with pytest.raises(NotFoundError, match="no such file"):
        read_candidates(tmp_path / "none.csv", ["N", "D"])


def test_too_many_candidates_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "MOST", 3)
    with pytest.raises(DataError, match="at most 3"):
        read_candidates([{"params_total": 1e7, "tokens": 1e8 + i} for i in range(4)], ["N", "D"])


def test_a_plain_grid_costs_6nd_and_stays_within_the_budget() -> None:
    found = grid_of(fit_of(), 1e14)
    n, d = found.columns["N"], found.columns["D"]
    np.testing.assert_allclose(found.flops, 6 * n * d)
    assert found.flops.max() <= 1e14
    assert ((d / n >= 2) & (d / n <= 500)).all()
    assert n.max() > 1e6  # beyond the runs
    assert found.rows[0]["params_matmul"] == int(n[0])


def test_a_grid_of_a_family_has_exact_counts() -> None:
    family = {"vocab_size": 1024, "context_length": 128, "n_layer": 3}
    found = grid_of(fit_of(family=family, flops_convention="palm"), 1e14)
    row = found.rows[len(found) // 2]
    shape = config_for_width(row["d_model"], **family)
    assert found.columns["N"][len(found) // 2] == count_parameters(shape).matmul
    exact = training_flops(shape, row["tokens"], "palm")
    assert found.flops[len(found) // 2] == pytest.approx(exact)


def test_what_no_grid_is_made_for() -> None:
    with pytest.raises(UsageError, match="pays for no run"):
        grid_of(fit_of(), 1.0)
    with pytest.raises(UsageError, match="'meta_streams'"):
        grid_of(fit_of(law=get_law("parallel")), 1e14)

"""Influence against refits from scratch and closed forms."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from isoloss.errors import DataError, UsageError
from isoloss.fitting import Fit, fit
from isoloss.fitting.diagnosis._grouping import budgets
from isoloss.runs import Runs


def _runs(noise: float = 0.004, outlier: int | None = None) -> Runs:
    rng = np.random.default_rng(0)
    rows = []
    for c in np.geomspace(1e15, 1e18, 6):
        for m in (4, 12, 30, 90, 200):
            n = math.sqrt(c / 6 / m)
            loss = 1.7 + 60 / n**0.3 + 90 / (n * m) ** 0.28
            rows.append(
                {
                    "run_id": f"run{len(rows)}",
                    "params_total": n,
                    "tokens": n * m,
                    "loss": loss * math.exp(noise * rng.normal() + 0.2 * (len(rows) == outlier)),
                    "parent_id": f"trunk{len(rows) // 2}",
                    "group": f"batch {len(rows) // 10}",
                }
            )
    return Runs.from_rows(rows)


@pytest.fixture(scope="module")
def fitted() -> Fit:
    return fit(_runs(), bootstrap=0)


@pytest.mark.parametrize("objective", ["huber", "squared"])
def test_each_refit_is_the_fit_without_the_run(objective: str) -> None:
    whole = fit(_runs(), objective=objective, bootstrap=0)  # type: ignore[arg-type]
    found = whole.influence()
    assert len(found.removals) == 30
    for removal in (found.removals[0], found.removals[1], found.removals[-1]):
        left = _runs().where(lambda r, gone=removal: r["run_id"] != gone.run_ids[0])
        again = fit(left, objective=objective, bootstrap=0)  # type: ignore[arg-type]
        assert removal.objective == pytest.approx(again.objective.value, rel=1e-6)
        for name, value in removal.params.items():
            assert value == pytest.approx(
                again.params[name].value, rel=2e-2 if name in "AB" else 5e-3
            )
        at = dict(found.at)
        assert removal.loss == pytest.approx(again.predict(**at).loss, rel=1e-4)


def test_the_plan_is_the_closed_form(fitted: Fit) -> None:
    found = fitted.influence(budget=1e20)
    e = {name: estimate.value for name, estimate in fitted.params.items()}
    g = (e["alpha"] * e["A"] / e["beta"] / e["B"]) ** (1 / (e["alpha"] + e["beta"]))
    n_star = g * (1e20 / 6) ** (e["beta"] / (e["alpha"] + e["beta"]))
    assert found.n_star == pytest.approx(n_star, rel=1e-4)
    assert found.d_star == pytest.approx(1e20 / 6 / n_star, rel=1e-4)
    assert fitted.influence().budget == pytest.approx(1e19)
    assert found.loss == pytest.approx(fitted.predict(**dict(found.at)).loss)
    at = found.at
    assert 6 * at["N"] * at["D"] == pytest.approx(1e19)


def test_order_groups_and_labels(fitted: Fit) -> None:
    for by, count in (("run", 30), ("cluster", 15), ("group", 3), ("budget", 6)):
        found = fitted.influence(by=by)  # type: ignore[arg-type]
        assert len(found.removals) == count
        sizes = [removal.displacement for removal in found.removals]
        assert sizes == sorted(sizes, reverse=True)
        assert min(sizes) >= 0
        assert sum(removal.rows for removal in found.removals) == 30
    assert found.removals[0].label.startswith("C about")


def test_a_group_is_what_the_table_calls_one(tmp_path: Path) -> None:
    """Groups and clusters differ: 3 batches of 10 runs, 15 trunks of 2."""
    whole = fit(_runs(), objective="squared", bootstrap=0)
    found = whole.influence(by="group")
    assert {removal.label for removal in found.removals} == {"batch 0", "batch 1", "batch 2"}
    assert {len(removal.run_ids) for removal in found.removals} == {10}
    for removal in found.removals:
        left = _runs().where(lambda r, gone=removal: r["group"] != gone.label)
        again = fit(left, objective="squared", bootstrap=0)
        assert removal.objective == pytest.approx(again.objective.value, rel=1e-6)
    assert "cluster" in whole.influence(by="cluster").removals[0].label
    whole.save(tmp_path / "fit.json")
    loaded = Fit.load(tmp_path / "fit.json")
    assert loaded.influence(by="group").to_dict() == found.to_dict()
    assert whole.data is not None
    old = replace(whole, data=replace(whole.data, groups=()))  # as fits were saved before
    old.save(tmp_path / "old.json")
    assert Fit.load(tmp_path / "old.json").predict(N=1e8, D=1e9).loss > 0
    with pytest.raises(DataError, match="no groups"):
        Fit.load(tmp_path / "old.json").influence(by="group")


def test_budgets_are_told_apart() -> None:
    rng = np.random.default_rng(0)
    c = np.repeat([1e18, 3e18, 1e19], 8) * np.exp(0.01 * rng.standard_normal(24))
    assert budgets(c).tolist() == [0] * 8 + [1] * 8 + [2] * 8
    chained = np.geomspace(1e18, 1e20, 200)
    assert 8 <= len(set(budgets(chained).tolist())) <= 9


def test_a_bad_run_comes_first_and_is_flagged() -> None:
    whole = fit(_runs(outlier=29), objective="squared", bootstrap=0)
    found = whole.influence()
    assert found.removals[0].label == "run29"
    assert found.removals[0].displacement > found.much
    assert [outlier.run_id for outlier in found.outliers] == ["run29"]
    assert "below the law" not in found.outliers[0].reason
    assert "robust standard deviations above the law" in found.outliers[0].reason
    assert "run29" in found.summary()


def test_good_runs_are_not_flagged(fitted: Fit) -> None:
    assert fitted.influence().outliers == ()


def test_constraints_stay(fitted: Fit) -> None:
    fixed = fit(_runs(), fixed={"E": 1.7}, tied={"beta": "alpha"}, bootstrap=0)
    for removal in fixed.influence(by="budget").removals:
        assert removal.params["E"] == 1.7
        assert removal.params["alpha"] == removal.params["beta"]


def test_what_cannot_be_said_has_a_reason() -> None:
    frame = _runs().to_frame()
    few = Runs.from_frame(frame.assign(parent_id=["big"] * 26 + [""] * 4))
    found = fit(few, bootstrap=0).influence(by="cluster")
    assert "too few rows" in found.removals[-1].reason
    assert math.isnan(found.removals[-1].displacement)
    assert found.removals[-1].to_dict()["displacement_reason"]
    assert "too few rows" in found.summary()
    only_n = fit(_runs(), "E + A/N**alpha", bootstrap=0)
    alone = only_n.influence()
    assert "N and D cannot be traded off" in alone.plan_reason
    assert "no larger run" in alone.loss_reason
    assert alone.to_dict()["loss"] is None
    assert alone.to_dict()["d_star_reason"]
    with pytest.raises(DataError, match="compute of a run"):
        only_n.influence(by="budget")


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"by": "row"}, "unknown 'row'"),
        ({"budget": 0.0}, "budget"),
        ({"budget": math.inf}, "budget"),
    ],
)
def test_refusals(fitted: Fit, arguments: dict[str, object], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        fitted.influence(**arguments)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="without its rows"):
        replace(fitted, data=None).influence()


def test_what_an_influence_shows(fitted: Fit) -> None:
    found = fitted.influence(by="cluster")
    assert all(len(line) <= 80 for line in found.summary().splitlines())
    assert "D* =" in found.summary()
    assert found._repr_html_().startswith("<pre>")
    assert "Influence(by cluster" in repr(found)
    json.dumps(found.to_dict(), allow_nan=False)
    frame = found.to_frame()
    assert {"left_out", "displacement", "loss_change", "d_star_factor", "alpha_change"} <= {
        *frame.columns
    }
    assert len(frame) == 15

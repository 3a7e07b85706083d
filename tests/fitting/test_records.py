"""Results in files: what is written reads back and still works; what is damaged says so."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import isoloss as il
from isoloss.errors import DataError, NotFoundError, UsageError
from isoloss.fitting import (
    Allocation,
    ArmComparison,
    ChainedFit,
    Comparison,
    CurveFit,
    Fit,
    FitTable,
    Influence,
    PowerFit,
    Profile,
    ScaledPredictions,
    fit_chain,
    isoflop,
    scale_fit,
)
from isoloss.laws import Curve, LearningRates, Points, annealing_area, point_columns

RATES = LearningRates.two_stage(900, 1e-3, 2e-4, switch=500)
OTHER = LearningRates.linear(900, 1e-3, 1e-4)
AREA = np.array([2.5, 0.6, 0.5, 0.4])


@cache
def runs(arms: int = 2) -> il.Runs:
    """Five budgets of six sizes, and two arms of which the second has 1.3 times the tokens."""
    rng = np.random.default_rng(0)
    rows = []
    for c in np.geomspace(1e15, 1e17, 5):
        for t in (0.2, 0.4, 0.8, 1.6, 3.2, 6.4):
            for arm in range(arms):
                n = math.sqrt(c / 120) * t
                d = c / (6 * n)
                loss = 1.7 + 60 / n**0.3 + 90 / (d * 1.3**arm) ** 0.28
                rows.append(
                    {"params_matmul": n, "tokens": d, "flops": c, "group": f"arm {arm}",
                     "loss": loss * math.exp(0.003 * rng.standard_normal())}
                )  # fmt: skip
    return il.Runs.from_rows(rows)


def comparison() -> Comparison:
    return il.compare(runs(1), ["chinchilla", "E + A/N**x + B/D**x"], bootstrap=40)


def curve_fit() -> CurveFit:
    curves = []
    for name, schedule in (("stage", RATES), ("linear", OTHER)):
        points = Points(schedule, np.arange(100, 900, 20))
        loss = annealing_area([points]).value(AREA, point_columns([points]))
        noise = np.random.default_rng(len(name)).standard_normal(len(points))
        curves.append(Curve(name, schedule, points.steps, loss * np.exp(0.002 * noise)))
    return il.fit_curves(curves, "annealing", starts=4, bootstrap=40)


def arms() -> ArmComparison:
    return il.compare_arms(runs(), tied={"beta": "alpha"}, bootstrap=40)


def chain() -> ChainedFit:
    frame = runs(1).to_frame()
    frame["metric_score"] = 2 * frame["loss"] + 0.1
    table = il.Runs.from_frame(frame)
    second = il.fit(table, "a + b*loss", target="metric_score", bootstrap=40)
    return fit_chain(il.fit(table, bootstrap=40), second)


def groups() -> FitTable:
    table = il.Runs.from_rows([*runs().rows(), {**runs().rows()[0], "group": "c", "run_id": "z"}])
    return il.fit_groups(table, by="group", bootstrap=40)


CASES: dict[str, tuple[type[Any], Callable[[], Any], Callable[[Any], Any]]] = {
    "comparison": (Comparison, comparison, lambda r: r.predict(N=1e9, D=1e10, kind="run")),
    "curve_fit": (
        CurveFit, curve_fit, lambda r: r.predict_curve(OTHER, [200, 899], level=0.8).to_dict(),
    ),
    "power_fit": (
        PowerFit, lambda: il.fit_power(runs(1)), lambda r: [r.predict(N=1e9, D=1e10), r.scale(2)],
    ),
    "arms": (ArmComparison, arms, lambda r: r.shared.predict(N=1e9, D=1e10, meta_arm_index=1)),
    "fit_table": (FitTable, groups, lambda r: r["arm 1"].predict(N=1e9, D=1e10)),
    "allocation": (
        Allocation, lambda: isoflop(runs(1), bootstrap=100), lambda r: r.at(1e19),
    ),
    "chain": (ChainedFit, chain, lambda r: r.predict(N=1e9, D=1e10)),
    "influence": (Influence, lambda: il.fit(runs(1), bootstrap=0).influence(), repr),
    "profile": (
        Profile, lambda: il.fit(runs(1), bootstrap=0).profile("E"), lambda r: r.statistic.tolist(),
    ),
    "scaled": (
        ScaledPredictions, lambda: scale_fit(il.fit(runs(1), bootstrap=40), (2, 4)), repr,
    ),
}  # fmt: skip
NEED_NO_ARRAYS = {"power_fit", "influence", "profile", "scaled"}
"""Small enough to stand in the JSON altogether."""


@cache
def result(case: str) -> Any:
    return CASES[case][1]()


@pytest.mark.parametrize("case", CASES)
def test_round_trip(case: str, tmp_path: Path) -> None:
    cls, _, use = CASES[case]
    made, path = result(case), tmp_path / "result.json"
    made.save(path)
    loaded = cls.load(path)
    assert type(loaded) is cls
    assert loaded.to_dict() == made.to_dict()
    assert loaded.summary() == made.summary()
    assert repr(loaded) == repr(made)
    assert loaded._repr_html_() == made._repr_html_()
    assert loaded.to_frame().equals(made.to_frame())
    assert use(loaded) == use(made)
    assert path.with_suffix(".npz").exists() == (case not in NEED_NO_ARRAYS)
    first = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    loaded.save(path)
    assert first == {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    document = json.loads(path.read_text("utf-8"))
    read = {k: v for k, v in document.items() if k not in ("fields", "format", "arrays_sha256")}
    told = json.loads(json.dumps(made.to_dict()))
    told.pop("format", None)
    assert read == told  # scripts find in a file what `to_dict` says


def test_fits_inside_keep_their_draws_and_rows(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    result("arms").save(path)
    loaded = ArmComparison.load(path)
    assert loaded.law.names == ("E", "A", "B", "alpha")  # beta is tied
    for mine, theirs in (
        (loaded.shared, result("arms").shared),
        (loaded.separate["arm 1"], result("arms").separate["arm 1"]),
    ):
        np.testing.assert_array_equal(mine.theta, theirs.theta)
        assert mine.data is not None
        np.testing.assert_array_equal(mine.data.values, theirs.data.values)
        assert mine.data.groups == theirs.data.groups
    np.testing.assert_array_equal(loaded.shared.draws, result("arms").shared.draws)
    assert loaded.shared.profile("alpha", points=5).verdict
    result("arms").shared.save(tmp_path / "shared.json")
    again = Fit.load(tmp_path / "shared.json")
    assert again.law.names == result("arms").shared.law.names


@pytest.mark.parametrize("damage", ["missing", "cut", "other"])
def test_without_arrays_intervals_are_missing_with_the_reason(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "result.json"

    def damaged(case: str) -> Any:
        result(case).save(path)
        beside = path.with_suffix(".npz")
        content = beside.read_bytes()
        beside.unlink()
        if damage == "cut":
            beside.write_bytes(content[:-7])
        elif damage == "other":
            np.savez(beside, draws=np.zeros((40, 5)))
        return CASES[case][0]

    found = damaged("comparison").load(path)
    assert "result.npz" in found.fits["chinchilla"].draws_reason
    assert found.predict(N=1e9, D=1e10).loss == result("comparison").predict(N=1e9, D=1e10).loss
    best = damaged("allocation").load(path)
    assert best.at(1e19).n.value == result("allocation").at(1e19).n.value
    assert math.isnan(best.at(1e19).n.low)
    assert "result.npz" in best.at(1e19).n.reason
    table = damaged("fit_table").load(path)
    assert "result.npz" in table["arm 0"].predict(N=1e9, D=1e10).reason
    with pytest.raises(DataError, match=r"result\.npz.* cannot be read without it"):
        damaged("curve_fit").load(path)


def test_a_file_of_another_kind_says_so(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    for case, (cls, _, _) in CASES.items():
        result(case).save(path)
        for other in (c for c, _, _ in CASES.values() if c is not cls):
            with pytest.raises(DataError, match=r"result\.json holds a .*, not a ") as caught:
                other.load(path)
            assert caught.value.hint == f"Read it with isoloss.fitting.{cls.__name__}.load."
        with pytest.raises(DataError, match=r"not a fit$"):
            Fit.load(path)
    result("chain").first.save(path)
    with pytest.raises(DataError, match="holds a fit, not a power law"):
        PowerFit.load(path)


def _edited(document: dict[str, Any], edit: str) -> Any:
    fields = document["fields"]
    if edit == "list":
        return [document]
    if edit == "format":
        document["format"] = "isoloss-comparison-9"
    elif edit == "missing":
        del fields["growth"]
    elif edit == "text":
        fields["growth"] = "much"
    elif edit == "number":
        fields["holdout"] = 3
    elif edit == "row":
        fields["rows"] = {"law": "chinchilla"}
    elif edit == "law":
        fields["fits"]["chinchilla"]["fit"]["formula"] = "().__class__"
        fields["fits"]["chinchilla"]["fit"]["law"] = "none"
    else:
        del document[edit]
    return document


@pytest.mark.parametrize(
    "edit", ["list", "format", "missing", "text", "number", "row", "law", "fields"]
)
def test_damaged_json(tmp_path: Path, edit: str) -> None:
    path = tmp_path / "result.json"
    result("comparison").save(path)
    path.write_text(json.dumps(_edited(json.loads(path.read_text("utf-8")), edit)), "utf-8")
    with pytest.raises(DataError, match=r"result\.json"):
        Comparison.load(path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"null", b"[" * 5000, b"loss\n1"])
def test_files_that_are_no_result(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"result\.json"):
        PowerFit.load(path)


def test_paths(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such comparison of laws"):
        Comparison.load(tmp_path / "none.json")
    with pytest.raises(DataError):
        Comparison.load(tmp_path)
    with pytest.raises(UsageError, match="JSON"):
        result("power_fit").save(tmp_path / "power.npz")


def test_files_older_than_a_field_still_load(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    result("allocation").save(path)
    document = json.loads(path.read_text("utf-8"))
    del document["fields"]["draws_reason"]
    path.write_text(json.dumps(document), "utf-8")
    assert Allocation.load(path).draws_reason == ""

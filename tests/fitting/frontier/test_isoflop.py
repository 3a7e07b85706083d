"""Approach 2: Porian's exponents, closed forms, SciPy's own interpolant, and what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import Akima1DInterpolator
from scipy.optimize import minimize_scalar

import isoloss as il
from isoloss.errors import DataError, UsageError
from isoloss.fitting.frontier._frontier_line import weighted_line
from isoloss.fitting.frontier._minima import akima_minima, parabola_minima

BUDGETS = 1e18 * 4.0 ** np.arange(6)


def chinchilla(n: float, d: float, alpha: float, beta: float) -> float:
    return 1.7 + 406.0 / n**alpha + 411.0 / d**beta


def optimum(c: float, alpha: float, beta: float) -> float:
    """N* of the law at a budget (Hoffmann et al. 2022, eq. 4)."""
    ratio = (alpha * 406.0 / (beta * 411.0)) ** (1 / (alpha + beta))
    return ratio * (c / 6) ** (beta / (alpha + beta))


def curves(
    alpha: float = 0.34,
    beta: float = 0.34,
    steps: int = 7,
    factor: float = 2.0,
    centre: float = 1.0,
    noise: float = 0.0,
    budgets: np.ndarray = BUDGETS,
    seed: int = 0,
) -> il.Runs:
    rng = np.random.default_rng(seed)
    rows = []
    for c in budgets:
        for step in range(steps):
            n = optimum(c, alpha, beta) * centre * factor ** (step - (steps - 1) / 2)
            loss = chinchilla(n, c / 6 / n, alpha, beta) * math.exp(noise * rng.standard_normal())
            rows.append({"params_total": n, "tokens": c / 6 / n, "flops": c, "loss": loss})
    return il.Runs.from_rows(rows)


PORIAN = {
    "rw|hp=base|warmup=long|decay=kaplan|count=kaplan|train": 0.8353,
    "rw|hp=base|warmup=long|decay=kaplan|count=standard|val": 0.7065,
    "rw|hp=base|warmup=short|decay=kaplan|count=standard|val": 0.6020,
    "rw|hp=base|warmup=short|decay=chinchilla|count=standard|val": 0.5715,
    "rw|hp=tuned|warmup=short|decay=const|count=standard|val": 0.4969,
    "owt2|hp=base|warmup=long|decay=kaplan|count=kaplan|train": 0.8635,
    "owt2|hp=base|warmup=long|decay=kaplan|count=standard|val": 0.6985,
    "owt2|hp=base|warmup=short|decay=kaplan|count=standard|val": 0.6032,
    "owt2|hp=base|warmup=short|decay=chinchilla|count=standard|val": 0.5743,
    "owt2|hp=tuned|warmup=short|decay=const|count=standard|val": 0.5185,
}
"""Weighted exponents of N* (Porian et al. 2024, arXiv:2406.19146, table of their repository)."""
SEED_NOISE = {"rw": 0.002, "owt2": 0.01}
"""Theirs, in nats."""


@pytest.fixture(scope="module")
def porian(shared_data: Path) -> il.Runs:
    return il.Runs.read(
        shared_data / "runs" / "porian_kaplan_chinchilla" / "runs.csv",
        columns={"n_as_counted": "params_counted"},
    )


@pytest.mark.parametrize("experiment", list(PORIAN))
def test_porian_exponents_are_reached(porian: il.Runs, experiment: str) -> None:
    part = porian.where(lambda r: r["experiment"] == experiment, "another experiment")
    found = il.isoflop(part, n="params_counted", noise=SEED_NOISE[experiment.split("|")[0]])
    assert found.a.value == pytest.approx(PORIAN[experiment], abs=0.003)
    assert found.a.low < PORIAN[experiment] < found.a.high
    assert found.a.value + found.b.value == pytest.approx(1, abs=1e-6)
    for flagged in (point for point in found.points if point.flag):
        assert "lies outside" in flagged.flag or "noise puts" in flagged.flag


def test_equal_exponents_give_exactly_one_half() -> None:
    """The curve is symmetric about N*, so both ways of finding its minimum are exact."""
    for minimum in ("akima", "parabola"):
        found = il.isoflop(curves(), noise=0, minimum=minimum)
        assert found.a.value == pytest.approx(0.5, abs=1e-9)
        assert [p.n for p in found.points] == pytest.approx(
            [optimum(c, 0.34, 0.34) for c in BUDGETS], rel=1e-9
        )
        assert math.isnan(found.a.low)
        assert "on the line" in found.a.reason


@settings(max_examples=12, deadline=None)
@given(alpha=st.floats(0.25, 0.45), beta=st.floats(0.25, 0.45), centre=st.floats(0.8, 1.25))
def test_the_closed_form_is_met_by_fine_sizes(alpha: float, beta: float, centre: float) -> None:
    runs = curves(alpha, beta, steps=25, factor=1.25, centre=centre)
    found = il.isoflop(runs, noise=0)
    assert found.a.value == pytest.approx(beta / (alpha + beta), abs=2e-3)
    assert found.b.value == pytest.approx(alpha / (alpha + beta), abs=2e-3)
    at = found.at(1e24)
    assert at.n.value == pytest.approx(optimum(1e24, alpha, beta), rel=0.03)
    assert 6 * at.n.value * at.d.value == pytest.approx(1e24, rel=1e-3)
    assert at.extrapolation == pytest.approx(1e24 / BUDGETS[-1])


def test_a_parabola_is_off_where_sizes_are_off_centre() -> None:
    """The bias that the result names, and that Akima's interpolant does not have."""
    runs = curves(0.25, 0.45, steps=9, factor=2.2, centre=2.5)
    exact = optimum(BUDGETS[0], 0.25, 0.45)
    by = il.isoflop(runs, noise=0).points[0].n_by
    assert abs(by["akima"] / exact - 1) < 0.05
    assert abs(by["parabola"] / exact - 1) > 2 * abs(by["akima"] / exact - 1)


def test_minima_are_those_of_scipys_interpolant() -> None:
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(0, 10, 9))
    y = (x - 5) ** 2 / 20 + 0.1 * rng.standard_normal((40, 9))
    place, value = akima_minima(x, y)
    for row in range(len(y)):
        curve = Akima1DInterpolator(x, y[row])
        fine = np.linspace(x[0], x[-1], 4001)
        start = fine[np.argmin(curve(fine))]
        near = minimize_scalar(
            curve, bounds=(max(start - 0.01, x[0]), min(start + 0.01, x[-1])), method="bounded"
        )
        assert value[row] <= float(near.fun) + 1e-9
        assert curve(place[row]) == pytest.approx(value[row], abs=1e-12)


def test_a_parabola_that_opens_downwards_has_no_minimum() -> None:
    x = np.arange(5.0)
    place, _ = parabola_minima(x, np.stack([-((x - 2) ** 2), (x - 1.5) ** 2]))
    assert math.isnan(place[0])
    assert place[1] == pytest.approx(1.5)


def test_the_line_is_that_of_numpy() -> None:
    rng = np.random.default_rng(1)
    x, y, w = rng.random(8), rng.random(8), rng.random(8) + 0.1
    slope, intercept = weighted_line(x, y, w)
    assert np.polyfit(x, y, 1, w=np.sqrt(w)) == pytest.approx([float(slope), float(intercept)])
    gap = y.copy()
    gap[3] = math.nan
    kept = np.arange(8) != 3
    assert weighted_line(x, gap, w)[0] == pytest.approx(weighted_line(x[kept], y[kept], w[kept])[0])


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    inside = 0
    for seed in range(60):
        runs = curves(0.34, 0.30, steps=8, factor=1.8, noise=0.003, seed=seed)
        found = il.isoflop(runs, noise=0.003 * 2.5, bootstrap=200, seed=seed, level=0.8)
        inside += found.a.low < 0.30 / 0.64 < found.a.high
    assert 38 <= inside <= 58  # 80% of 60 is 48


def test_budgets_are_found_or_given() -> None:
    runs = curves()
    jittered = il.Runs.from_rows(
        [
            row | {"flops": row["flops"] * (1.03 if i % 2 else 0.98)}
            for i, row in enumerate(runs.rows())
        ]
    )
    assert len(il.isoflop(jittered, noise=0).points) == len(BUDGETS)
    given_ = il.isoflop(runs, noise=0, budgets=BUDGETS[1:])
    assert [p.flops for p in given_.points] == pytest.approx(BUDGETS[1:])
    assert given_.a.value == pytest.approx(0.5)


def test_without_flops_c_is_six_n_d_and_said_so() -> None:
    rows = [{k: v for k, v in row.items() if k != "flops"} for row in curves().rows()]
    found = il.isoflop(il.Runs.from_rows(rows), noise=0)
    assert found.a.value == pytest.approx(0.5, abs=1e-6)
    assert "6·N·D" in found.notes[0]
    assert "6·N·D" in found.summary()


def test_minima_outside_the_sizes_are_flagged() -> None:
    rows = [
        row
        for row in curves(steps=9).rows()
        if row["flops"] != BUDGETS[0] or row["params_total"] < optimum(BUDGETS[0], 0.34, 0.34) * 0.9
    ]
    found = il.isoflop(il.Runs.from_rows(rows), noise=0)
    assert not found.points[0].used
    assert "largest size" in found.points[0].flag
    assert found.a.value == pytest.approx(0.5, abs=1e-9)


def test_what_it_says() -> None:
    found = il.isoflop(curves(noise=0.002), seed=3)
    assert il.isoflop(curves(noise=0.002), seed=3).to_dict() == found.to_dict()
    text = found.summary()
    assert max(map(len, text.splitlines())) <= 80
    assert "2603.22339" in text
    assert "assumed" in found.noise
    assert "<pre>" in found._repr_html_()
    assert len(found.to_frame()) == len(BUDGETS)
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert document["method"] == "isoflop"
    assert set(document["a"]) >= {"value", "stderr", "low", "high"}
    assert document["points"][0]["n_by"].keys() == {"akima", "parabola"}
    assert found.a.low < found.a.value < found.a.high
    assert repr(found).startswith("Allocation(isoflop: a=0.")


def test_what_is_refused() -> None:
    runs = curves()
    with pytest.raises(DataError, match="2 of 2 points can be used, 3 are needed"):
        il.isoflop(curves(budgets=BUDGETS[:2]), noise=0)
    with pytest.raises(DataError, match="3 sizes, 4 are needed"):
        il.isoflop(curves(steps=3), noise=0)
    with pytest.raises(DataError, match="tokens"):
        il.isoflop(il.Runs.from_rows([{"params_total": 1e6, "loss": 3.0}]))
    with pytest.raises(DataError, match="no usable runs"):
        il.isoflop(runs.where(lambda r: r["loss"] < 0))
    with pytest.raises(UsageError, match="unknown minimum"):
        il.isoflop(runs, minimum="cubic")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="tolerance"):
        il.isoflop(runs, tolerance=0)
    with pytest.raises(UsageError, match="budgets must be positive"):
        il.isoflop(runs, budgets=[])
    with pytest.raises(UsageError, match="noise"):
        il.isoflop(runs, noise=-1)
    with pytest.raises(UsageError, match="bootstrap"):
        il.isoflop(runs, bootstrap=3)
    with pytest.raises(UsageError, match="level"):
        il.isoflop(runs, level=2)
    with pytest.raises(UsageError, match="positive"):
        il.isoflop(runs, noise=0).at(-1.0)

"""Profiles against SciPy, closed forms, reparametrised laws and synthetic truth."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from isoloss.errors import UsageError
from isoloss.fitting import Fit, fit
from isoloss.fitting.diagnosis._calibration import chi_square_quantile, student_quantile
from isoloss.runs import Runs


def _table(noise: float = 0.004, seed: int = 0, sizes: int = 6) -> Runs:
    rng = np.random.default_rng(seed)
    points = [(n, n * m) for n in np.geomspace(2e5, 2e8, sizes) for m in (4, 10, 25, 60, 150)]
    return Runs.from_rows(
        {
            "params_total": n,
            "tokens": d,
            "loss": (1.7 + 60 / n**0.3 + 90 / d**0.28) * math.exp(noise * rng.normal()),
        }
        for n, d in points
    )


def _power(law: str = "E + A/N**alpha", seed: int = 0, noise: float = 0.004, rows: int = 40) -> Fit:
    rng = np.random.default_rng(seed)
    n = np.geomspace(1e5, 1e9, rows)
    loss = (1.7 + 60 / n**0.3) * np.exp(noise * rng.standard_normal(rows))
    rows_ = ({"params_total": x, "tokens": 1e9, "loss": y} for x, y in zip(n, loss, strict=True))
    return fit(Runs.from_rows(rows_), law, bootstrap=0)


@pytest.fixture(scope="module")
def fitted() -> Fit:
    return fit(_table(), objective="squared", bootstrap=100)


def test_quantiles_without_scipy() -> None:
    from scipy import stats

    for freedom in (1, 2, 3, 5, 10, 40, 500):
        for share in (0.75, 0.9, 0.95, 0.975, 0.995):
            exact = stats.t.ppf(share, freedom)
            assert student_quantile(share, freedom) == pytest.approx(exact, rel=0.02)
            assert chi_square_quantile(share, freedom) == pytest.approx(
                stats.chi2.ppf(share, freedom), rel=0.05
            )


def test_a_linear_law_has_the_closed_form() -> None:
    rng = np.random.default_rng(3)
    x = np.linspace(1.0, 9.0, 25)
    y = 40 + 3 * x + rng.standard_normal(25)
    rows = ({"params_total": n, "tokens": 1.0, "loss": v} for n, v in zip(x, y, strict=True))
    found = fit(Runs.from_rows(rows), "a + b*N", objective="squared", residual="raw", bootstrap=0)
    design = np.stack([np.ones_like(x), x], axis=1)
    inverse = np.linalg.inv(design.T @ design)
    theta = inverse @ design.T @ y
    leverage = np.einsum("ij,jk,ik->i", design, inverse, design)
    scores = design * ((y - design @ theta) / (1 - leverage))[:, None]
    jackknife = inverse @ (scores.T @ scores) @ inverse * 24 / 25
    for k, name in enumerate(("a", "b")):
        reach = student_quantile(0.95, 23) * math.sqrt(jackknife[k, k])
        profile = found.profile(name)
        assert profile.value == pytest.approx(theta[k], rel=1e-6)
        assert profile.low == pytest.approx(theta[k] - reach, abs=2e-3 * reach)
        assert profile.high == pytest.approx(theta[k] + reach, abs=2e-3 * reach)


def test_the_curve_is_scipys(fitted: Fit) -> None:
    from scipy.optimize import least_squares

    profile = fitted.profile("E", points=9)
    runs = _table()
    log_n, log_d = np.log(runs.vector("N")), np.log(runs.vector("D"))
    log_loss = np.log(runs.vector("loss"))
    for k in range(0, len(profile.grid), 6):
        held = profile.grid[k]

        def residual(v: np.ndarray, held: float = held) -> np.ndarray:
            terms = np.exp(v[0] - v[2] * log_n) + np.exp(v[1] - v[3] * log_d)
            return np.log(held + terms) - log_loss

        best = min(
            2 * least_squares(residual, start, xtol=1e-14, ftol=1e-14, gtol=1e-14).cost
            for start in ([4.1, 4.5, 0.3, 0.28], [3.0, 6.0, 0.2, 0.4], [6.0, 3.0, 0.4, 0.2])
        )
        assert profile.objective[k] == pytest.approx(best, rel=1e-6)


def test_the_bounds_are_where_the_objective_has_risen(fitted: Fit) -> None:
    for name in ("E", "A", "beta"):
        profile = fitted.profile(name)
        assert profile.low < profile.value < profile.high
        at = np.interp([profile.low, profile.high], profile.grid, profile.objective)
        assert at == pytest.approx(profile.minimum + profile.limit, abs=0.01 * profile.limit)
        assert profile.minimum == pytest.approx(fitted.objective.value, rel=1e-9)
        narrow = fitted.profile(name, level=0.5)
        assert profile.low < narrow.low < narrow.high < profile.high


def test_a_function_of_parameters_is_a_parameter_of_another_law(fitted: Fit) -> None:
    a = fitted.profile("beta/(alpha+beta)")
    other = "E + A/N**alpha + B/D**(alpha*a/(1-a))"
    again = fit(_table(), other, objective="squared", bootstrap=0).profile("a")
    assert a.value == pytest.approx(again.value, abs=1e-4)
    width = again.high - again.low
    assert a.low == pytest.approx(again.low, abs=0.01 * width)
    assert a.high == pytest.approx(again.high, abs=0.01 * width)
    assert a.verdict.startswith("beta/(alpha+beta) in [")


@pytest.mark.parametrize(
    ("law", "name", "verdict"),
    [
        ("A*(1 + N/R)**-alpha", "R", "no lower bound"),
        ("A*(1 + N*K)**-alpha", "K", "no upper bound"),
    ],
)
def test_one_sided(law: str, name: str, verdict: str) -> None:
    rng = np.random.default_rng(0)
    n = np.geomspace(1e5, 1e9, 30)
    rows = (
        {"params_total": x, "tokens": 1e9, "loss": 60 / x**0.1 * math.exp(0.004 * rng.normal())}
        for x in n
    )
    profile = fit(Runs.from_rows(rows), law, bootstrap=0).profile(name)
    assert verdict in profile.verdict
    assert math.isnan(profile.low) == ("lower" in verdict)
    assert math.isnan(profile.high) == ("upper" in verdict)
    side = "low" if "lower" in verdict else "high"
    assert "of what a bound needs" in profile.to_dict()[f"{side}_reason"]
    assert profile.to_dict()[side] is None


def test_not_identified() -> None:
    profile = _power("E + A*B/N**alpha").profile("A")
    assert profile.verdict == "A is not identified: no bound on either side"
    assert math.isnan(profile.low)
    assert math.isnan(profile.high)
    assert "domain of B" in profile.high_reason


def test_noise_free_runs_give_no_interval() -> None:
    profile = _power(noise=0.0).profile("E")
    assert math.isnan(profile.low)
    assert "rounding" in profile.low_reason
    assert "no interval" in profile.summary()
    json.dumps(profile.to_dict(), allow_nan=False)


def test_a_better_optimum_is_named(fitted: Fit) -> None:
    worse = replace(fitted, theta=fitted.theta * np.array([0.8, 1.3, 1.2, 0.97, 1.04]))
    profile = worse.profile("E")
    assert "lower" in profile.notes[0]
    assert profile.minimum == pytest.approx(fitted.objective.value, rel=1e-6)
    assert profile.high == pytest.approx(fitted.profile("E").high, rel=0.02)


def test_constraints() -> None:
    tied = fit(_table(), fixed={"E": 1.7}, tied={"beta": "alpha"}, bootstrap=0)
    of_tied, of_other = tied.profile("beta"), tied.profile("alpha")
    assert of_tied.low == pytest.approx(of_other.low)
    np.testing.assert_allclose(of_tied.theta[:, 3], of_tied.theta[:, 4])
    np.testing.assert_allclose(of_tied.theta[:, 0], 1.7)
    with pytest.raises(UsageError, match="E is fixed"):
        tied.profile("E")


def test_clusters_widen_a_profile() -> None:
    frame = _table(noise=0.001).to_frame()
    shock = 0.006 * np.random.default_rng(1).standard_normal(15)
    frame["loss"] *= np.exp(np.tile(np.repeat(shock, 2), 1))
    alone = fit(Runs.from_frame(frame), bootstrap=0).profile("beta")
    frame["parent_id"] = [f"trunk{i // 2}" for i in range(30)]
    together = fit(Runs.from_frame(frame), bootstrap=0).profile("beta")
    assert together.freedom == 14
    assert "15 clusters" in together.calibration
    assert together.high - together.low > alone.high - alone.low


@pytest.mark.parametrize("objective", ["huber", "absolute", "student", "asymmetric"])
def test_robust_objectives_know_their_scale(objective: str) -> None:
    squared = fit(_table(), objective="squared", bootstrap=0).profile("alpha")
    options = {"delta": 0.004} if objective == "student" else {}
    if objective == "asymmetric":
        options = {"tau": 0.6}
    robust = fit(_table(), objective=objective, bootstrap=0, **options).profile("alpha")  # type: ignore[arg-type]
    ratio = (robust.high - robust.low) / (squared.high - squared.low)
    assert 0.6 < ratio < 2.2


def test_coverage_of_the_profile() -> None:
    held = 0
    for seed in range(30):
        profile = _power(seed=seed, rows=30).profile("alpha", points=5)
        held += profile.low <= 0.3 <= profile.high
    assert 0.8 <= held / 30 < 1.0


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"name": "gamma"}, "no parameter 'gamma'"),
        ({"name": "alpha/gamma"}, "gamma, which is no free"),
        ({"name": "alpha*D"}, "D, which is no free"),
        ({"name": "E", "level": 1.0}, "level"),
        ({"name": "E", "points": 3}, "5 points"),
    ],
)
def test_refusals(fitted: Fit, arguments: dict[str, object], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        fitted.profile(**arguments)  # type: ignore[arg-type]


def test_a_fit_without_rows(fitted: Fit) -> None:
    with pytest.raises(UsageError, match="without its rows"):
        replace(fitted, data=None).profile("E")


def test_what_a_profile_shows(fitted: Fit) -> None:
    profile = fitted.profile("E")
    text = profile.summary()
    assert all(len(line) <= 80 for line in text.splitlines())
    assert text.startswith("E in [")
    assert "#" in text
    assert "|" in text
    assert profile._repr_html_().startswith("<pre>")
    assert repr(profile).startswith("Profile(E in [")
    document = json.loads(json.dumps(profile.to_dict(), allow_nan=False))
    assert document["low"] == profile.low
    frame = profile.to_frame()
    assert list(frame.columns) == ["E", "objective", "statistic"]
    assert frame["statistic"].min() == pytest.approx(0, abs=1e-6)
    assert (np.diff(frame["E"]) > 0).all()

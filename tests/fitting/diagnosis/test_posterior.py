"""The posterior that emcee draws: in the form of a fit, reproducible, near the profile."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from isoloss.errors import EnvironmentProblem, UsageError
from isoloss.fitting import Fit, fit
from isoloss.runs import Runs


@pytest.fixture(scope="module")
def fitted() -> Fit:
    rng = np.random.default_rng(0)
    rows = [
        {"params_total": n, "tokens": 1e9, "loss": (1.7 + 60 / n**0.3) * math.exp(0.004 * e)}
        for n, e in zip(np.geomspace(1e5, 1e9, 40), rng.standard_normal(40), strict=True)
    ]
    return fit(Runs.from_rows(rows), "E + A/N**alpha", objective="squared", bootstrap=0)


@pytest.fixture(scope="module")
def drawn(fitted: Fit) -> Fit:
    pytest.importorskip("emcee", reason='a posterior needs emcee: pip install "isoloss[bayes]"')
    return fitted.posterior(steps=3000, draws=500)


def test_a_posterior_is_a_fit(fitted: Fit, drawn: Fit, tmp_path: Path) -> None:
    assert drawn.draws is not None
    assert drawn.draws.shape == (500, 3)
    np.testing.assert_array_equal(drawn.theta, fitted.theta)
    for name, estimate in drawn.params.items():
        assert estimate.value == fitted.params[name].value
        assert estimate.low < estimate.value < estimate.high
    assert drawn.evidence["draws"] == "posterior"
    assert "emcee" in drawn.evidence["posterior"]["sampler"]
    assert drawn.checks[-1].name == "posterior"
    assert drawn.checks[-1].passed
    prediction = drawn.predict(N=1e9)
    assert prediction.low < prediction.loss < prediction.high
    drawn.save(tmp_path / "fit.json")
    again = Fit.load(tmp_path / "fit.json")
    assert again.evidence["draws"] == "posterior"
    np.testing.assert_array_equal(again.draws, drawn.draws)


def test_it_is_as_wide_as_the_profile_of_normal_residuals(fitted: Fit, drawn: Fit) -> None:
    for name in ("E", "alpha"):
        profile, estimate = fitted.profile(name), drawn.params[name]
        ratio = (estimate.high - estimate.low) / (profile.high - profile.low)
        assert 0.7 < ratio < 1.35
        assert estimate.low == pytest.approx(profile.low, abs=0.35 * (profile.high - profile.low))
    assert drawn.evidence["posterior"]["scale"] == pytest.approx(0.0035, rel=0.35)


def test_the_seed_decides(fitted: Fit) -> None:
    pytest.importorskip("emcee", reason='a posterior needs emcee: pip install "isoloss[bayes]"')
    first, again, other = (fitted.posterior(steps=60, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.draws, again.draws)
    assert not np.array_equal(first.draws, other.draws)
    assert not first.checks[-1].passed
    assert "steps" in first.checks[-1].cure


def test_fixed_and_tied_parameters_stay(fitted: Fit) -> None:
    pytest.importorskip("emcee", reason='a posterior needs emcee: pip install "isoloss[bayes]"')
    assert fitted.data is not None
    frame = Runs.from_rows(
        {"params_total": n, "tokens": d, "loss": 1.7 + 60 / n**0.3 + 90 / d**0.3 + e}
        for (n, d), e in zip(
            [(n, d) for n in (1e5, 1e6, 1e7, 1e8) for d in (1e7, 1e8, 1e9)],
            0.01 * np.random.default_rng(1).standard_normal(12),
            strict=True,
        )
    )
    bound = fit(frame, fixed={"E": 1.7}, tied={"beta": "alpha"}, bootstrap=0)
    found = bound.posterior(steps=200, draws=50)
    assert found.draws is not None
    np.testing.assert_allclose(found.draws[:, 0], 1.7)
    np.testing.assert_allclose(found.draws[:, 3], found.draws[:, 4])
    assert found.params["E"].reason == "fixed, not fitted"
    assert found.params["beta"].tied_to == "alpha"


def test_without_emcee_one_line_says_what_to_install(
    fitted: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "emcee", None)
    with pytest.raises(EnvironmentProblem, match="emcee") as caught:
        fitted.posterior()
    assert 'pip install "isoloss[bayes]"' in caught.value.hint


def test_refusals(fitted: Fit) -> None:
    with pytest.raises(UsageError, match="draws"):
        fitted.posterior(draws=0)
    with pytest.raises(UsageError, match="steps"):
        fitted.posterior(steps=-1)
    pytest.importorskip("emcee", reason='a posterior needs emcee: pip install "isoloss[bayes]"')
    with pytest.raises(UsageError, match="without its rows"):
        replace(fitted, data=None).posterior()

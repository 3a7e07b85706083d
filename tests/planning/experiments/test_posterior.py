"""What runs say of a law: known truths, few runs, runs that went wrong, and modes."""

from __future__ import annotations

import numpy as np
import pytest

from isoloss.laws import get_law
from isoloss.planning.experiments._prior import Prior
from isoloss.planning.experiments.beliefs import Belief, belief_of, log_places
from isoloss.planning.experiments.posterior import (
    Mode,
    Observations,
    Scatter,
    kernel,
    posterior_of,
)

LAW = get_law("chinchilla")
TRUTH = np.array([1.7, 400.0, 1200.0, 0.34, 0.36])


def observations(noise: float = 0.003, *, sizes: int = 6, seed: int = 0) -> Observations:
    rng = np.random.default_rng(seed)
    n, d = (
        a.ravel() for a in np.meshgrid(np.geomspace(1e7, 1e9, sizes), np.geomspace(1e9, 3e10, 5))
    )
    columns = {"N": n, "D": d}
    loss = LAW.value(TRUTH, columns) * np.exp(noise * rng.normal(size=len(n)))
    places = log_places(columns, ["N", "D"])
    return Observations(columns=columns, values=loss, places=places / places.std(axis=0))


def error_at(theta: np.ndarray, n: float = 4e9, d: float = 1e11) -> float:
    point = {"N": np.array([n]), "D": np.array([d])}
    return float(np.log(LAW.value(theta, point) / LAW.value(TRUTH, point))[0])


def test_many_runs_give_the_truth_and_the_noise() -> None:
    found = posterior_of(LAW, observations())
    assert abs(error_at(found.best.theta)) < 0.01
    assert 0.0005 < found.scatter.noise < 0.006
    assert sum(mode.weight for mode in found.modes) == pytest.approx(1)


def test_fewer_runs_than_parameters_are_allowed() -> None:
    seen = observations().rows(np.array([0, 12, 29]))
    found = posterior_of(LAW, seen)
    told = LAW.value(found.best.theta, seen.columns)
    assert np.abs(np.log(told / seen.values)).max() < 0.03
    assert np.isfinite(found.best.root).all()


def test_the_same_seed_gives_the_same_modes() -> None:
    first, second = (posterior_of(LAW, observations(), seed=3) for _ in range(2))
    assert np.array_equal(first.best.theta, second.best.theta)


def test_a_run_that_went_wrong_has_little_say() -> None:
    seen = observations()
    values = seen.values.copy()
    values[-1] *= 1.3
    spoilt = Observations(columns=seen.columns, values=values, places=seen.places)
    found = posterior_of(LAW, spoilt)
    assert found.scatter.trust[-1] < 0.2 * np.median(found.scatter.trust)
    assert abs(error_at(found.best.theta)) < 0.03


def test_a_law_that_is_wrong_shows_as_discrepancy() -> None:
    seen = observations(noise=0.001, sizes=10)
    wave = 0.02 * np.sin(2 * seen.places[:, 0]) * np.cos(2 * seen.places[:, 1])
    wrong = Observations(
        columns=seen.columns, values=seen.values * np.exp(wave), places=seen.places
    )
    found = posterior_of(LAW, wrong).scatter
    assert found.discrepancy > 2 * found.noise
    straight = posterior_of(LAW, seen).scatter
    assert straight.discrepancy < 0.3 * found.discrepancy


def test_slopes_of_the_prior_are_its_differences() -> None:
    seen = observations()
    prior = Prior.of(LAW, seen.columns, seen.values)
    slopes = prior.slope(TRUTH)
    for position in range(5):
        step = np.zeros(5)
        step[position] = 1e-6 * TRUTH[position]
        measured = (prior.residual(TRUTH + step) - prior.residual(TRUTH - step)) / 2
        np.testing.assert_allclose(
            slopes[:, position], measured / step[position], rtol=1e-5, atol=1e-7
        )


def test_a_mixture_has_the_mean_and_covariance_of_its_modes() -> None:
    rng = np.random.default_rng(1)
    roots = [0.02 * rng.normal(size=(5, 5)) for _ in range(2)]
    other = TRUTH * np.array([1.05, 0.8, 1.3, 0.98, 1.03])
    modes = tuple(
        (w, Mode(law=LAW, theta=theta, root=root, weight=w))
        for w, theta, root in zip((0.3, 0.7), (TRUTH, other), roots, strict=True)
    )
    scatter = Scatter(noise=1.0, discrepancy=0.0, trust=np.ones(1))
    belief = Belief(modes=modes, scatter=scatter, residual="log")
    columns = {"N": np.array([1e8, 1e9, 3e9]), "D": np.array([1e9, 1e11, 5e11])}
    mean, features = belief.mean_and_features(belief.predicted(columns))
    # By sampling the linearised mixture.
    draws = []
    for weight, mode in modes:
        u = rng.normal(size=(int(200_000 * weight), 5)) @ mode.root.T
        draws.append(mode.values(columns, "log") + u @ mode.slopes(columns, "log").T)
    sample = np.concatenate(draws)
    np.testing.assert_allclose(mean, sample.mean(axis=0), atol=2e-3)
    np.testing.assert_allclose(features @ features.T, np.cov(sample.T), rtol=0.05, atol=1e-5)


def test_several_laws_share_the_weight() -> None:
    seen = observations()
    posteriors = [posterior_of(get_law(name), seen) for name in ("chinchilla", "skaling")]
    belief = belief_of(posteriors, [0.25, 0.75])
    assert sum(weight for weight, _ in belief.modes) == pytest.approx(1)
    assert sum(w for w, mode in belief.modes if mode.law.name == "skaling") == pytest.approx(0.75)
    assert len(belief.best.modes) == 1


def test_the_kernel_is_a_correlation() -> None:
    places = np.random.default_rng(0).normal(size=(20, 3))
    shared = kernel(places, places)
    np.testing.assert_allclose(np.diag(shared), 1)
    assert np.linalg.eigvalsh(shared).min() > -1e-10

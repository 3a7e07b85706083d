"""The optimum: published values, known truths, and SciPy's on small problems."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from isoloss.fitting import Objective, Problem, fit, solve
from isoloss.fitting.coordinates import Coordinates
from isoloss.fitting.descent import descend
from isoloss.laws import get_law, law_names
from isoloss.runs import Runs

TRUTH = {
    "E": 1.7, "A": 60.0, "B": 90.0, "alpha": 0.3, "beta": 0.28, "k": 0.8, "gamma": 0.05,
    "c": 1.3, "n": -0.07, "d": -0.09, "nd": -0.01, "nn": 0.004, "dd": 0.005,
}  # fmt: skip


def grid(law_name: str, noise: float = 0.0, seed: int = 0) -> Problem:
    """30 runs of a law with known parameters."""
    law = get_law(law_name)
    n, m = np.meshgrid(np.geomspace(2e5, 2e7, 6), [4, 10, 25, 60, 150])
    data = {"N": n.ravel(), "D": (n * m).ravel(), "C": 6 * (n * n * m).ravel()}
    theta = np.array([TRUTH[name] for name in law.names])
    loss = law.value(theta, data)
    loss = loss * np.exp(noise * np.random.default_rng(seed).standard_normal(len(loss)))
    return Problem(
        law=law,
        data={v: data[v] for v in law.variables},
        loss=loss,
        objective=Objective(),
    )


@pytest.fixture(scope="module")
def chinchilla_runs(shared_data: Path) -> Runs:
    return Runs.read(
        shared_data / "runs" / "chinchilla_epoch" / "runs.csv", columns={"params": "params_total"}
    )


PUBLISHED = [
    (240, "huber", 1.0182740e-3, 0.34731, 0.36717, 1.81722),
    (240, "absolute", 1.12949466, 0.347812, 0.365853, 1.81686),
    (240, "squared", 1.1461887e-2, 0.360253, 0.405883, 1.86455),
    (245, "huber", 1.82601052e-3, 0.349313, 0.453049, 1.89134),
    (245, "absolute", 1.93991556, 0.345361, 0.451893, 1.88538),
]


@pytest.mark.parametrize(("rows", "objective", "value", "alpha", "beta", "e"), PUBLISHED)
def test_published_optima(
    chinchilla_runs: Runs,
    rows: int,
    objective: str,
    value: float,
    alpha: float,
    beta: float,
    e: float,
) -> None:
    runs = chinchilla_runs
    if rows == 240:
        runs = runs.where(lambda r: ~r["epoch_excluded_outlier"].astype(bool))
    result = fit(runs, objective=objective, bootstrap=0)  # type: ignore[arg-type]
    assert result.n_rows == rows
    assert result.n_convention == "params_total"
    assert result.objective.value == pytest.approx(value, rel=1e-6)
    assert result.params["alpha"].value == pytest.approx(alpha, abs=1e-3)
    assert result.params["beta"].value == pytest.approx(beta, abs=1e-3)
    assert result.params["E"].value == pytest.approx(e, abs=1e-3)
    assert result.trusted


@pytest.mark.parametrize(
    ("formula", "names"),
    [
        ("E + A/N**alpha + B/D**beta", ("alpha", "beta")),
        ("exp(a)/N**x + exp(b - y*log(D)) + exp(e)", ("x", "y")),
        ("irreducible + Nc*N**-p + q*tokens**-r", ("p", "r")),
    ],
)
def test_a_formula_reaches_the_optimum_of_the_library(
    chinchilla_runs: Runs, formula: str, names: tuple[str, str]
) -> None:
    runs = chinchilla_runs.where(lambda r: ~r["epoch_excluded_outlier"].astype(bool))
    result = fit(runs, formula, bootstrap=0)
    assert result.objective.value == pytest.approx(1.0182740e-3, rel=1e-6)
    assert result.params[names[0]].value == pytest.approx(0.34731, abs=1e-3)
    assert result.params[names[1]].value == pytest.approx(0.36717, abs=1e-3)
    assert result.trusted


@pytest.mark.parametrize("name", law_names())
@pytest.mark.parametrize("objective", ["huber", "squared", "absolute"])
def test_truth_is_recovered_without_noise(name: str, objective: str) -> None:
    problem = grid(name)
    problem = Problem(
        law=problem.law,
        data=problem.data,
        loss=problem.loss,
        objective=Objective(name=objective),  # type: ignore[arg-type]
    )
    found = solve(problem)
    fitted = problem.law.value(found.theta, problem.data)
    np.testing.assert_allclose(fitted, problem.loss, rtol=1e-5)
    truth = [TRUTH[n] for n in problem.law.names]
    np.testing.assert_allclose(found.theta, truth, rtol=0.02)
    assert found.agreeing >= 2
    assert found.gradient_norm < 1e-3


@pytest.mark.parametrize("residual", ["log", "raw"])
@pytest.mark.parametrize("name", law_names())
def test_scipy_finds_nothing_better(name: str, residual: str) -> None:
    from scipy.optimize import minimize

    problem = grid(name, noise=0.005)
    problem = Problem(
        law=problem.law,
        data=problem.data,
        loss=problem.loss,
        objective=Objective(name="squared", residual=residual),  # type: ignore[arg-type]
    )
    found = solve(problem)
    coordinates = Coordinates.of(problem.law)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        start = coordinates.u(np.array([TRUTH[n] for n in problem.law.names]))
        start = start + 0.1 * rng.standard_normal(len(start))
        other = minimize(
            lambda u: float(problem.total(u[None])[0]),
            start,
            jac=lambda u: problem.gradient_and_hessian(u[None])[0][0],
            method="L-BFGS-B",
            bounds=list(zip(coordinates.low, coordinates.high, strict=True)),
            options={"maxiter": 2000},
        )
        assert found.value <= other.fun * (1 + 1e-9)


def test_gradient_is_that_of_the_objective() -> None:
    problem = grid("skaling", noise=0.02)
    u = Coordinates.of(problem.law).u(np.array([[TRUTH[n] for n in problem.law.names]])) + 0.05
    exact = problem.gradient_and_hessian(u)[0][0]
    for i in range(u.shape[1]):
        step = np.zeros_like(u)
        step[0, i] = 1e-6
        numeric = (problem.total(u + step) - problem.total(u - step))[0] / 2e-6
        assert exact[i] == pytest.approx(numeric, rel=1e-4, abs=1e-8)


def test_descent_never_rises_and_does_not_depend_on_its_batch() -> None:
    problem = grid("chinchilla", noise=0.01)
    rng = np.random.default_rng(1)
    truth = Coordinates.of(problem.law).u(np.array([TRUTH[n] for n in problem.law.names]))
    starts = truth + rng.standard_normal((12, 5))
    before = problem.total(Coordinates.of(problem.law).inside(starts))
    together, value = descend(problem, starts)
    assert (value <= before).all()
    np.testing.assert_allclose(problem.total(together), value, rtol=1e-12)
    for i in (0, 7):
        np.testing.assert_allclose(descend(problem, starts[i : i + 1])[1], value[i], rtol=1e-6)


def test_descent_with_one_loss_a_start_keeps_them_apart() -> None:
    problem = grid("chinchilla", noise=0.01)
    losses = np.stack([problem.loss, 2 * problem.loss, problem.loss * 1.1])
    batch = Problem(law=problem.law, data=problem.data, loss=losses, objective=problem.objective)
    truth = Coordinates.of(problem.law).u(np.array([TRUTH[n] for n in problem.law.names]))
    _, value = descend(batch, np.repeat(truth[None], 3, axis=0), iterations=200)
    np.testing.assert_allclose(value, value[0], rtol=1e-5)


def test_a_start_without_value_stays_infinite() -> None:
    problem = Problem(
        law=get_law("E + A*log(N - b)"),
        data={"N": np.array([1.0, 2.0, 3.0, 4.0])},
        loss=np.ones(4),
        objective=Objective(),
    )
    u = np.array([[0.0, 0.0, np.log(50.0)]])
    point, value = descend(problem, u)
    assert value[0] == np.inf
    np.testing.assert_array_equal(point, u)


def test_near_may_lie_outside_the_domain() -> None:
    problem = grid("chinchilla", noise=0.01)
    found = solve(problem, near=np.array([[-1.0, 0.0, 10.0, 9.0, 0.3]]), starts=16)
    assert found.starts == 17
    assert found.value == pytest.approx(solve(problem).value, rel=1e-9)

"""The optimum: known truths, and SciPy's on small problems."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from isoloss.fitting import Objective, Problem, fit, solve
from isoloss.fitting.solver.coordinates import Coordinates
from isoloss.fitting.solver.descent import descend
from isoloss.fitting.solver.starts import draw_starts
from isoloss.laws import get_law
from isoloss.runs import Runs

LAWS = ("chinchilla", "skaling", "interaction", "surface", "compute")
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


@pytest.mark.parametrize("name", LAWS)
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
    np.testing.assert_allclose(found.theta, truth, rtol=1e-6)
    assert found.agreeing >= 2
    assert found.gradient_norm < 1e-3


@pytest.mark.parametrize("residual", ["log", "raw"])
@pytest.mark.parametrize("name", LAWS)
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


@pytest.mark.parametrize("accelerated", [False, True])
def test_descent_never_rises_and_does_not_depend_on_its_batch(accelerated: bool) -> None:
    problem = grid("chinchilla", noise=0.01)
    rng = np.random.default_rng(1)
    truth = Coordinates.of(problem.law).u(np.array([TRUTH[n] for n in problem.law.names]))
    starts = truth + rng.standard_normal((12, 5))
    before = problem.total(Coordinates.of(problem.law).inside(starts))
    together, value = descend(problem, starts, accelerated=accelerated)
    assert (value <= before).all()
    np.testing.assert_allclose(problem.total(together), value, rtol=1e-12)
    for i in (0, 7):
        alone = descend(problem, starts[i : i + 1], accelerated=accelerated)[1]
        np.testing.assert_allclose(alone, value[i], rtol=1e-6)


def test_acceleration_needs_fewer_rounds() -> None:
    problem = grid("skaling", noise=0.005)
    u = Coordinates.of(problem.law).u(
        draw_starts(problem.law, problem.data, problem.loss, count=32, seed=3)
    )
    best = solve(problem).value
    reached = [
        int((descend(problem, u, iterations=40, accelerated=yes)[1] < best * (1 + 1e-6)).sum())
        for yes in (False, True)
    ]
    assert reached[1] > 1.5 * reached[0]


def test_a_start_on_a_bound_leaves_it() -> None:
    problem = grid("chinchilla", noise=0.01)
    low = np.array([[p.low for p in problem.law.parameters]])
    found = solve(problem, near=low, starts=0)
    assert found.value == pytest.approx(solve(problem).value, rel=1e-9)
    assert not found.at_bound.any()


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

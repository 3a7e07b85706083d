"""`il.design`: from a fit to the runs that take most off the target's uncertainty."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import isoloss as il
from isoloss.errors import DataError, NotFoundError, UsageError
from isoloss.laws import get_law
from isoloss.planning.experiments import STRATEGIES, Design

LAW = get_law("chinchilla")
TRUTH = np.array([1.7, 400.0, 1200.0, 0.34, 0.36])
TARGET = {"N": 7e9, "D": 1.4e11}


def loss_of(n: np.ndarray, d: np.ndarray) -> np.ndarray:
    return LAW.value(TRUTH, {"N": n, "D": d})


def rows_of(n: np.ndarray, d: np.ndarray, *, noise: float, seed: int) -> list[dict[str, float]]:
    scatter = np.exp(noise * np.random.default_rng(seed).normal(size=len(n)))
    return [
        {"params_total": float(a), "tokens": float(b), "flops": float(6 * a * b), "loss": float(c)}
        for a, b, c in zip(n, d, loss_of(n, d) * scatter, strict=True)
    ]


def mesh(low: float, high: float, count: int, ratios: tuple[float, ...]) -> tuple:
    n, r = (a.ravel() for a in np.meshgrid(np.geomspace(low, high, count), ratios))
    return n, n * r


@pytest.fixture(scope="module")
def fit() -> il.Fit:
    n, d = mesh(1e7, 1e8, 4, (5, 20, 80))
    return il.fit(il.Runs.from_rows(rows_of(n, d, noise=0.003, seed=0)), bootstrap=100)


@pytest.fixture(scope="module")
def candidates() -> list[dict[str, float]]:
    n, d = mesh(1e7, 1e9, 9, (5, 10, 20, 40, 80))
    return [{"params_total": a, "tokens": b, "flops": 6 * a * b} for a, b in zip(n, d, strict=True)]


@pytest.fixture(scope="module")
def found(fit, candidates) -> Design:
    return il.design(fit, candidates, budget=5e19, target=TARGET, batch=2)


def test_the_target_gets_surer_within_the_budget(found: Design) -> None:
    assert found.runs
    assert found.after < 0.7 * found.now
    assert found.spent <= found.budget
    errors = [found.now, *(run.standard_error for run in found.runs)]
    assert errors == sorted(errors, reverse=True)
    assert found.runs[-1].cumulative_flops == pytest.approx(found.spent)
    assert [run.now for run in found.runs[:3]] == [True, True, False][: len(found.runs)]
    assert found.target_value == pytest.approx(
        loss_of(np.array([7e9]), np.array([1.4e11])), rel=0.2
    )


def test_no_alternative_does_much_better(found: Design) -> None:
    assert {other.strategy for other in found.alternatives} == set(STRATEGIES) - {"targeted"}
    assert found.after <= 1.02 * min(other.standard_error for other in found.alternatives)
    by_name = {other.strategy: other for other in found.alternatives}
    assert found.after < 0.8 * by_name["cheapest"].standard_error


def test_the_same_call_gives_the_same_design(fit, candidates, found: Design) -> None:
    again = il.design(fit, candidates, budget=5e19, target=TARGET, batch=2)
    assert again == found


def test_expected_errors_are_those_that_come_true(fit, candidates, found: Design) -> None:
    """Make the chosen runs with many draws of their noise: the law's error shrinks as told."""
    truth = float(loss_of(np.array([7e9]), np.array([1.4e11]))[0])
    positions = [run.position for run in found.runs]
    n, d = (np.array([candidates[i][k] for i in positions]) for k in ("params_total", "tokens"))
    first = mesh(1e7, 1e8, 4, (5, 20, 80))
    errors: list[float] = []
    for seed in range(6):
        rows = rows_of(*first, noise=0.003, seed=seed) + rows_of(n, d, noise=0.003, seed=99 + seed)
        refitted = il.fit(il.Runs.from_rows(rows), bootstrap=0)
        errors.append(np.log(refitted.predict(**TARGET).loss / truth))
    rms = float(np.sqrt(np.mean(np.square(errors))))
    assert rms < 1.5 * found.after
    assert rms < 0.5 * found.now


def test_runs_under_way_are_counted_as_made(fit, candidates, found: Design) -> None:
    first = [candidates[run.position] for run in found.runs]
    later = il.design(fit, candidates, budget=5e19, target=TARGET, running=first)
    assert later.running == len(first)
    assert later.now == pytest.approx(found.after, rel=0.03)  # places are scaled by all rows
    assert later.after < later.now


def test_draws_and_several_laws_are_beliefs_too(fit, candidates) -> None:
    by_draws = il.design(fit, candidates, budget=5e19, target=TARGET, spread="draws")
    assert by_draws.after < by_draws.now
    assert by_draws.modes == 100
    assert fit.data is not None
    other = il.fit(
        il.Runs.from_rows(rows_of(*mesh(1e7, 1e8, 4, (5, 20, 80)), noise=0.003, seed=0)),
        "skaling",
        bootstrap=0,
    )
    both = il.design(
        [fit, other], candidates, budget=5e19, target=TARGET,
        weights={"chinchilla": 3.0, "skaling": 1.0},
    )  # fmt: skip
    assert both.laws == {"chinchilla": 0.75, "skaling": 0.25}
    assert both.after < both.now


@pytest.mark.parametrize("settings", [{"tied": {"beta": "alpha"}}, {"residual": "raw"}])
def test_tied_parameters_and_raw_residuals(candidates, settings) -> None:
    n, d = mesh(1e7, 1e8, 4, (5, 20, 80))
    runs = il.Runs.from_rows(rows_of(n, d, noise=0.003, seed=0))
    found = il.design(il.fit(runs, bootstrap=0, **settings), candidates, budget=5e19, target=TARGET)
    assert found.after < found.now
    assert found.unit == ("loss" if "residual" in settings else "relative")
    truth = float(loss_of(np.array([7e9]), np.array([1.4e11]))[0])
    assert found.target_value == pytest.approx(truth, rel=0.2)


def test_a_grid_and_a_budget_as_target(fit) -> None:
    found = il.design(fit, budget=1e19, target={"flops": 1e21})
    assert "1e+21 FLOP" in found.target
    assert found.candidates > 20
    assert found.after < found.now


@pytest.mark.parametrize("wish", [{"optimum": 1e21}, {"exponent": "a"}, {"parameter": "E"}])
def test_numbers_that_follow_from_the_law(fit, candidates, wish) -> None:
    found = il.design(fit, candidates, budget=5e19, target=wish)
    assert found.after < 0.9 * found.now


def test_dear_candidates_and_few_runs(fit, candidates) -> None:
    found = il.design(fit, candidates, budget=5e19, target=TARGET, least_flops=1e18, most=2)
    assert len(found.runs) <= 2
    assert min(run.flops for run in found.runs) >= 1e18


def test_it_saves_and_loads(found: Design, tmp_path: Path) -> None:
    found.save(tmp_path / "design.json")
    assert Design.load(tmp_path / "design.json") == found
    document = json.loads((tmp_path / "design.json").read_text("utf-8"))
    assert document["runs"][0]["job"]["params_total"] > 0
    assert found.jobs()[0] == document["runs"][0]["job"]
    assert len(found.to_frame()) == len(found.runs)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "isoloss-design-1"}', "{"])
def test_damaged_files_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "design.json").write_text(text, "utf-8")
    with pytest.raises(DataError):
        Design.load(tmp_path / "design.json")
    with pytest.raises(NotFoundError):
        Design.load(tmp_path / "none.json")


def test_the_summary_fits_80_columns(found: Design) -> None:
    text = found.summary()
    assert max(map(len, text.splitlines())) <= 80
    for words in ("Runs to make next", "Target", "now", "V-optimal", "Caveats"):
        assert words in text
    assert "candidates" in repr(found)
    assert "\n" not in repr(found)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"budget": 1.0}, "pays for no candidate"),
        ({"budget": -1.0}, "positive"),
        ({"strategy": "targetted"}, "no strategy"),
        ({"spread": "mode"}, "no spread"),
        ({"batch": 0}, "batch must be 1"),
        ({"weights": {"chinchila": 1.0}}, "no fit of 'chinchila'"),
        ({"weights": {"chinchilla": 0.0}}, "all zero"),
        ({"target": {"N": 1e9}}, "lacks 'D'"),
    ],
)
def test_mistakes_are_named(fit, candidates, more, words) -> None:
    with pytest.raises(UsageError, match=words):
        il.design(fit, candidates, **{"budget": 5e19, "target": TARGET, **more})


def test_a_fit_that_lost_its_rows_is_refused(fit, candidates, tmp_path: Path) -> None:
    fit.save(tmp_path / "fit.json")
    kept = il.Fit.load(tmp_path / "fit.json")
    told = il.design(kept, candidates, budget=5e19, target=TARGET)
    assert told.after == pytest.approx(
        il.design(fit, candidates, budget=5e19, target=TARGET).after, rel=1e-6
    )
    (tmp_path / "fit.npz").unlink()
    with pytest.raises(DataError, match="lost its rows"):
        il.design(il.Fit.load(tmp_path / "fit.json"), candidates, budget=5e19, target=TARGET)

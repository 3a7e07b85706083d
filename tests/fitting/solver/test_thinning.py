"""Very many rows: starts see a sample, and the optimum is that of all rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from isoloss.fitting import Objective, Problem, fit, solve
from isoloss.fitting.noise import run_noise
from isoloss.fitting.solver.thinning import MANY, SAMPLE, thinned
from isoloss.laws import get_law
from isoloss.runs import Runs

TRUTH = np.array([1.7, 60.0, 90.0, 0.3, 0.28])


def problem(rows: int, seed: int = 0) -> Problem:
    rng = np.random.default_rng(seed)
    n, d = 10 ** rng.uniform(6, 10, rows), 10 ** rng.uniform(8, 12, rows)
    law, data = get_law("chinchilla"), {"N": n, "D": d}
    loss = law.value(TRUTH, data) * np.exp(0.003 * rng.standard_normal(rows))
    return Problem(law=law, data=data, loss=loss, objective=Objective())


def test_a_sample_looks_like_all_rows() -> None:
    whole = replace(problem(MANY + 5000), weights=np.arange(1.0, MANY + 5001.0))
    part = thinned(whole, 0)
    assert SAMPLE <= len(part.loss) <= SAMPLE + 4
    for name, column in whole.data.items():
        kept = part.data[name]
        assert (kept.min(), kept.max()) == (column.min(), column.max())
        for share in (0.1, 0.25, 0.5, 0.75, 0.9):
            cut = np.quantile(column, share)
            assert float((kept <= cut).mean()) == pytest.approx(share, abs=0.01)
    assert part.weights is not None
    rows = (part.weights - 1).astype(int)
    np.testing.assert_array_equal(part.loss, whole.loss[rows])
    np.testing.assert_array_equal(part.data["D"], whole.data["D"][rows])


def test_fewer_rows_are_all_seen() -> None:
    small = problem(MANY)
    assert thinned(small, 0) is small
    assert solve(problem(200), starts=16).start_rows == 200


def test_the_optimum_is_that_of_all_rows() -> None:
    """No start on all rows ends lower, and it is not the sample's optimum."""
    whole = problem(MANY + 1)
    found = solve(whole, starts=16)
    assert found.start_rows < len(whole.loss)
    assert found.agreeing >= 2
    assert found.gradient_norm < 1e-6
    without_sample = solve(whole, starts=0, near=TRUTH[None])
    assert without_sample.start_rows == len(whole.loss)
    assert found.value == pytest.approx(without_sample.value, rel=1e-10)
    sampled = solve(thinned(whole, 0), starts=16)
    assert not np.allclose(sampled.theta, found.theta, rtol=1e-6)
    np.testing.assert_allclose(found.theta, TRUTH, rtol=0.05)


def test_a_fit_says_on_how_many_rows_it_began() -> None:
    rows = problem(MANY + 1)
    table = Runs.from_rows(
        {"params_total": n, "tokens": d, "loss": loss}
        for n, d, loss in zip(
            rows.data["N"].tolist(), rows.data["D"].tolist(), rows.loss.tolist(), strict=True
        )
    )
    found = fit(table, bootstrap=0)
    assert found.trusted
    assert SAMPLE <= found.evidence["start_rows"] <= SAMPLE + 4
    told = found.checks[0].message
    assert f"on a sample of {found.evidence['start_rows']:,} of the 20,001 rows" in told


def test_run_noise_of_many_rows_is_the_pooled_one() -> None:
    rng = np.random.default_rng(0)
    n, d = rng.integers(1, 40, 3000).astype(float), rng.integers(1, 40, 3000).astype(float)
    loss = np.exp(0.01 * rng.standard_normal(3000))
    squares, freedom = 0.0, 0
    for point in {*zip(n.tolist(), d.tolist(), strict=True)}:
        same = np.log(loss[(n == point[0]) & (d == point[1])])
        squares += float(((same - same.mean()) ** 2).sum())
        freedom += len(same) - 1
    found = run_noise(n, d, loss)
    assert found.degrees_of_freedom == freedom
    assert found.sd == pytest.approx(np.sqrt(squares / freedom), rel=1e-10)

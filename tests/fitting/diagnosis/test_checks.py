"""Each check fails on an example built to fail it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from isoloss.fitting import Fit, Objective, Problem, fit, solve
from isoloss.fitting.diagnosis.checks import gradient_is_small, starts_agree
from isoloss.fitting.solver.optimum import Optimum
from isoloss.laws import get_law
from isoloss.runs import Runs


def _frame_of(loss, sizes=6, ratios=(4, 10, 25, 60, 150), noise=0.003, seed=0):  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(seed)
    rows = [(n, n * m) for n in np.geomspace(2e5, 2e7, sizes) for m in ratios]
    return Runs.from_rows(
        {"params_total": n, "tokens": d, "loss": float(loss(n, d) * np.exp(noise * rng.normal()))}
        for n, d in rows
    )


def _law(n: float, d: float) -> float:
    return 1.7 + 60 / n**0.3 + 90 / d**0.28


def _check(result: Fit, name: str):  # type: ignore[no-untyped-def]
    found = next(check for check in result.checks if check.name == name)
    assert found.passed or found.cure
    return found


def test_too_few_configurations() -> None:
    few = fit(_frame_of(_law, sizes=2, ratios=(5, 50, 5, 50)), "E + A/N**alpha", bootstrap=0)
    check = _check(few, "configurations")
    assert not check.passed
    assert "2 distinct points" in check.message


def test_rows_of_one_trunk_are_one_group() -> None:
    frame = _frame_of(_law).to_frame()
    frame["parent_id"] = [f"trunk{i % 3}" for i in range(len(frame))]
    result = fit(Runs.from_frame(frame), bootstrap=40)
    assert not _check(result, "configurations").passed
    assert "3 independent groups" in _check(result, "configurations").message
    assert result.status.startswith("converged, with doubts")
    assert result.trusted


@pytest.mark.parametrize("formula", ["E + A*B/N**alpha", "E + F + A/N**alpha"])
def test_parameters_that_trade_off(formula: str) -> None:
    result = fit(_frame_of(_law), formula, bootstrap=0)
    assert not _check(result, "identifiability").passed
    assert not result.trusted
    assert "not identified" in result.status


def test_one_size_does_not_identify_its_exponent() -> None:
    result = fit(_frame_of(_law, sizes=1, ratios=np.geomspace(2, 500, 12)), bootstrap=0)
    assert not _check(result, "identifiability").passed
    assert not result.trusted


def test_at_a_bound() -> None:
    bent = _frame_of(lambda n, d: 40 / n**0.3 - 0.1)
    result = fit(bent, "E + A/N**alpha", bootstrap=60)
    assert result.params["E"].at_bound
    assert not _check(result, "bounds").passed
    assert "E" in _check(result, "bounds").message
    assert np.isnan(result.params["E"].low)
    assert "bound" in result.params["E"].reason


def test_a_trend_with_a_variable_that_the_law_leaves_out() -> None:
    rows = [(n, d) for n in np.geomspace(2e5, 2e7, 6) for d in np.geomspace(1e7, 1e9, 5)]
    runs = Runs.from_rows({"params_total": n, "tokens": d, "loss": _law(n, d)} for n, d in rows)
    result = fit(runs, "E + B/D**beta", bootstrap=0)
    assert not _check(result, "residual_trend").passed
    assert "N (" in _check(result, "residual_trend").message
    assert result.status.startswith("converged, with doubts")


def test_a_trend_with_the_distance_from_the_middle() -> None:
    curved = _frame_of(lambda n, d: 2 + 0.1 * (np.log10(n) - 6.3) ** 2, noise=0.001)
    result = fit(curved, "E + A/N**alpha", objective="squared", bootstrap=0)
    assert "|log N|" in _check(result, "residual_trend").message


def test_a_dominant_run() -> None:
    frame = _frame_of(_law, noise=0.001, sizes=1, ratios=(10,) * 12).to_frame()
    far = frame.iloc[[0]].assign(tokens=1e12, params_total=2e7, loss=2.5, run_id="far")
    mid = frame.iloc[[0]].assign(tokens=2.2e6, loss=float(frame["loss"].mean()) - 0.02, run_id="m")
    import pandas as pd

    result = fit(
        Runs.from_frame(pd.concat([frame, far, mid])), "E + B/D**beta", objective="squared",
        bootstrap=0,
    )  # fmt: skip
    assert not _check(result, "influence").passed


def test_copies_are_named() -> None:
    import pandas as pd

    frame = _frame_of(_law).to_frame()
    assert _check(fit(Runs.from_frame(frame), bootstrap=0), "copies").passed
    again = frame.iloc[[3]].assign(run_id="again")
    result = fit(Runs.from_frame(pd.concat([frame, again])), bootstrap=0)
    check = _check(result, "copies")
    assert not check.passed
    assert f"again of {frame['run_id'][3]}" in check.message
    seed = again.assign(loss=again["loss"] * 1.001)
    other = fit(Runs.from_frame(pd.concat([frame, seed])), bootstrap=0)
    assert _check(other, "copies").passed


def test_outliers_are_named_and_weighed() -> None:
    frame = _frame_of(_law).to_frame()
    frame.loc[29, "loss"] *= 1.15
    frame.loc[29, "run_id"] = "diverged"
    robust = _check(fit(Runs.from_frame(frame), bootstrap=0), "outliers")
    assert robust.passed
    assert "diverged" in robust.message
    pulled = fit(Runs.from_frame(frame), objective="squared", bootstrap=0)
    assert not _check(pulled, "outliers").passed
    assert "diverged" in _check(pulled, "outliers").message
    assert pulled.status.startswith("converged, with doubts")
    clean = fit(_frame_of(_law), objective="squared", bootstrap=0)
    assert _check(clean, "outliers").message == "no residual is an outlier"


def test_outliers_of_the_chinchilla_rows(shared_data) -> None:  # type: ignore[no-untyped-def]
    path = shared_data / "runs" / "chinchilla_epoch" / "runs.csv"
    runs = Runs.read(path, columns={"params": "params_total"})
    with_them = fit(runs, bootstrap=0)
    assert not _check(with_them, "outliers").passed
    outliers = with_them.influence(by="budget").outliers
    frame = runs.used().to_frame()
    excluded = set(frame["run_id"][frame["epoch_excluded_outlier"].astype(bool)])
    assert len(excluded & {one.run_id for one in outliers}) >= 4
    kept = fit(runs.where(lambda r: ~r["epoch_excluded_outlier"].astype(bool)), bootstrap=0)
    assert all(check.passed for check in kept.checks)


def _checkpoints(high: float) -> Runs:
    rows = []
    rng = np.random.default_rng(0)
    for k, n in enumerate(np.geomspace(2e5, 2e7, 8)):
        for share in (0.25, 0.5, 1.0):
            d = n * 40 * share
            loss = _law(n, d) * np.exp(0.002 * rng.normal() + high * (share < 1))
            rows.append({"params_total": n, "tokens": d, "loss": loss, "parent_id": f"run{k}"})
        for m in (10, 20, 40, 80):
            loss = _law(n, m * n) * np.exp(0.002 * rng.normal())
            rows.append({"params_total": n, "tokens": m * n, "loss": loss, "parent_id": ""})
    return Runs.from_rows(rows)


def test_checkpoints_among_finished_runs() -> None:
    mixed = _check(fit(_checkpoints(0.05), bootstrap=0), "checkpoints")
    assert not mixed.passed
    assert "16 rows lie on the way of a longer run" in mixed.message
    annealed = _check(fit(_checkpoints(0.0), bootstrap=0), "checkpoints")
    assert annealed.passed
    assert "16 rows" in annealed.message
    assert "no row" in _check(fit(_frame_of(_law), bootstrap=0), "checkpoints").message


def test_an_irreducible_loss_that_is_open_below() -> None:
    power = _frame_of(lambda n, d: 20 / n**0.05 + 20 / d**0.05, noise=0.003)
    check = _check(fit(power, bootstrap=0), "irreducible_loss")
    assert not check.passed
    assert "down to E = 0" in check.message
    known = _check(fit(_frame_of(_law), bootstrap=0), "irreducible_loss")
    assert known.passed
    assert "both sides" in known.message
    names = {check.name for check in fit(power, "A/N**alpha + B/D**beta", bootstrap=0).checks}
    assert "irreducible_loss" not in names


@pytest.mark.parametrize(("vocabulary", "passed"), [(1000, True), (400_000, False)])
def test_the_share_of_the_head(vocabulary: int, passed: bool) -> None:
    frame = _frame_of(_law).to_frame()
    frame["d_model"] = 1
    frame["vocab_size"] = (frame["params_total"] * vocabulary / 1e6).astype(int)
    check = _check(fit(Runs.from_frame(frame), bootstrap=0), "head_share")
    assert check.passed == passed
    assert "of params_total" in check.message
    body = frame.rename(columns={"params_total": "params_non_embedding"})
    names = {check.name for check in fit(Runs.from_frame(body), bootstrap=0).checks}
    assert "head_share" not in names


def _optimum(agreeing: int, gradient: float) -> Optimum:
    return Optimum(
        theta=np.ones(1), value=1.0, gradient_norm=gradient, starts=64, agreeing=agreeing,
        others=(2.0,), at_bound=np.zeros(1, dtype=bool), start_rows=9,
    )  # fmt: skip


def test_starts_and_gradient() -> None:
    assert starts_agree(_optimum(2, 0), 9).passed
    lonely = starts_agree(_optimum(1, 0), 9)
    assert not lonely.passed
    assert "other optima at 2" in lonely.message
    assert gradient_is_small(_optimum(2, 1e-6)).passed
    assert not gradient_is_small(_optimum(2, 0.1)).passed
    assert not gradient_is_small(_optimum(2, float("inf"))).passed


def test_not_converged_is_not_trusted() -> None:
    from isoloss.fitting.estimation import _status

    status, trusted = _status((starts_agree(_optimum(1, 0), 9),))
    assert not trusted
    assert status.startswith("not converged")


@pytest.mark.parametrize(
    ("columns", "convention", "passed", "told"),
    [
        (("params_total",), "", True, "C is 6·params_total·D"),
        (("params_total", "params_non_embedding"), "", False, "C is 6·params_total·D"),
        (("params_non_embedding",), "6nd_total", False, "C is counted as 6nd_total"),
        (("params_total",), "6nd_total", True, "params_total"),
        (("params_non_embedding",), "palm", None, ""),
    ],
)
def test_n_and_c_must_count_the_same(
    columns: tuple[str, ...], convention: str, passed: bool | None, told: str
) -> None:
    rng = np.random.default_rng(0)
    rows = []
    for n in np.geomspace(1e6, 1e8, 5):
        for m in (5, 20, 80):
            loss = 1.7 + 60 / n**0.3 + 90 / (n * m) ** 0.28
            counts = {"params_total": n, "params_non_embedding": 0.9 * n - 2e5}
            rows.append(
                {**{c: counts[c] for c in columns}, "tokens": n * m, "flops": 6 * n * n * m,
                 "loss": loss * (1 + 0.003 * rng.normal()), "flops_convention": convention}
            )  # fmt: skip
    found = {c.name: c for c in fit(Runs.from_rows(rows), bootstrap=0).checks}
    if passed is None:
        assert "counts" not in found
        return
    assert found["counts"].passed == passed
    assert told in found["counts"].message
    assert ("n=params_total" in found["counts"].cure) == (not passed)


def test_a_wide_domain_has_no_wide_ends() -> None:
    """`E` near 1 is not at the end of [0, 1e12], which is a million times wider."""
    law = get_law("chinchilla")
    wide = replace(law, parameters=(replace(law.parameters[0], high=1e12), *law.parameters[1:]))
    truth, rng = np.array([1.7, 60.0, 90.0, 0.3, 0.28]), np.random.default_rng(0)
    n, d = 10 ** rng.uniform(6, 9, 40), 10 ** rng.uniform(7, 11, 40)
    loss = law.value(truth, {"N": n, "D": d})
    problem = Problem(law=wide, data={"N": n, "D": d}, loss=loss, objective=Objective())
    found = solve(problem, starts=16)
    assert found.theta[0] == pytest.approx(1.7, rel=1e-6)
    assert not found.at_bound.any()
    without = replace(problem, loss=loss - 1.69)  # E would be .01, then below 0
    assert not solve(without, starts=16).at_bound[0]
    below = replace(problem, loss=loss - 1.75)
    assert solve(below, starts=16).at_bound[0]


def test_a_law_that_is_flat_at_every_run_is_not_identified() -> None:
    """A sigmoid held at its top by bits far above 1 has no slope in two of its parameters."""
    frame = _frame_of(_law).to_frame()
    frame["bits_per_byte"] = 2 + frame["loss"]
    runs = Runs.from_frame(frame)
    found = fit(runs, "accuracy_sigmoid", target="bits_per_byte", bootstrap=10)
    assert not found.trusted
    assert "not identified" in found.status
    assert not _check(found, "identifiability").passed

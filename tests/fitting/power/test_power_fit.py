"""The plain power law: numpy's least squares, what is not identified, and scaling up."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import isoloss as il
from isoloss.errors import DataError, UsageError
from isoloss.fitting import fit_power, scale_fit

TRUTH = {"a": 40.0, "b": -0.06, "c": -0.08, "d": 0.01}


def _runs(
    n_rows: int = 40, *, noise: float = 0.01, tie: float = 0.0, seed: int = 0, **more: object
) -> il.Runs:
    """Runs of a known power law; `tie` is how far C strays from 6ND, in logarithms."""
    rng = np.random.default_rng(seed)
    n, d = 10 ** rng.uniform(6, 9, n_rows), 10 ** rng.uniform(8, 11, n_rows)
    c = 6 * n * d * np.exp(tie * rng.standard_normal(n_rows))
    value = TRUTH["a"] * n ** TRUTH["b"] * d ** TRUTH["c"] * c ** TRUTH["d"]
    frame = pd.DataFrame({"params_total": n, "tokens": d, "flops": c})
    frame["loss"] = value * np.exp(noise * rng.standard_normal(n_rows))
    return il.Runs.from_frame(frame.assign(**more))


def _design(runs: il.Runs) -> tuple[np.ndarray, np.ndarray]:
    columns = [np.log(runs.vector(v)) for v in "NDC"]
    return np.stack([np.ones(len(runs)), *columns], axis=1), np.log(runs.vector("loss"))


def test_it_is_numpys_least_squares() -> None:
    runs = _runs(tie=1.0)
    fit = fit_power(runs)
    x, y = _design(runs)
    theta, rest, *_ = np.linalg.lstsq(x, y, rcond=None)
    found = np.array([math.log(fit.params["a"].value), *(fit.params[k].value for k in "bcd")])
    np.testing.assert_allclose(found, theta, rtol=1e-9)
    covariance = rest[0] / 36 * np.linalg.inv(x.T @ x)
    stderr = [fit.params[k].stderr for k in "bcd"]
    np.testing.assert_allclose(stderr, np.sqrt(np.diag(covariance))[1:], rtol=1e-7)
    assert fit.scatter == pytest.approx(math.sqrt(rest[0] / 36))
    b = fit.params["b"]
    # 1.6883 is the 95% point of Student's t with 36 degrees of freedom.
    assert b.high - b.value == pytest.approx(1.6882977 * b.stderr, rel=1e-6)
    assert not fit.relations
    assert not fit.combinations


def test_clusters_widen_as_the_sandwich_says() -> None:
    runs = _runs(tie=1.0, parent_id=[f"trunk{i // 4}" for i in range(40)])
    fit = fit_power(runs)
    x, y = _design(runs)
    theta = np.linalg.lstsq(x, y, rcond=None)[0]
    bread = np.linalg.inv(x.T @ x)
    scores = (x * (y - x @ theta)[:, None]).reshape(10, 4, 4).sum(axis=1)
    meat = 10 / 9 * 39 / 36 * scores.T @ scores
    robust = np.sqrt(np.diag(bread @ meat @ bread))
    np.testing.assert_allclose([fit.params[k].stderr_robust for k in "bcd"], robust[1:], rtol=1e-6)
    d = fit.params["d"]
    # 1.8331 is the 95% point with 9 degrees of freedom: 10 groups.
    assert d.high - d.value == pytest.approx(1.8331129 * robust[3], rel=1e-6)
    assert "cluster-robust, 10 groups" in fit.summary()


@pytest.mark.parametrize("tie", [0.0, 0.003])
def test_c_as_a_multiple_of_nd_leaves_two_sums(tie: float) -> None:
    fit = fit_power(_runs(tie=tie, noise=0.0))
    for name in "abcd":
        assert math.isnan(fit.params[name].value)
        assert "C = " in fit.params[name].reason
    assert set(fit.combinations) == {"b + d", "c + d"}
    tolerance = 1e-10 if tie == 0 else 2e-4
    assert fit.combinations["b + d"].value == pytest.approx(-0.05, abs=tolerance)
    assert fit.combinations["c + d"].value == pytest.approx(-0.07, abs=tolerance)
    assert "not identified" in fit.summary()
    assert all(len(line) <= 80 for line in fit.summary().splitlines())
    document = json.loads(json.dumps(fit.to_dict(), allow_nan=False))
    assert document["params"]["b"]["value"] is None
    assert "not identified" in document["params"]["b"]["value_reason"]
    assert "b + d" in fit.to_frame()["name"].tolist()
    assert "not identified" in fit._repr_html_()


def test_sums_are_those_of_the_law_of_n_and_d() -> None:
    runs = _runs(noise=0.02)
    three, two = fit_power(runs), fit_power(runs, variables=("N", "D"))
    for sums, alone in (("b + d", "b"), ("c + d", "c")):
        for part in ("value", "stderr", "stderr_robust", "low", "high"):
            ours = getattr(three.combinations[sums], part)
            assert ours == pytest.approx(getattr(two.params[alone], part), rel=1e-8)


def test_one_ratio_of_tokens_to_parameters_leaves_one_sum() -> None:
    frame = _runs().to_frame()
    n = frame["params_total"]
    frame = frame.assign(tokens=20 * n, flops=120 * n**2, loss=3 * n**-0.1)
    fit = fit_power(il.Runs.from_frame(frame))
    assert list(fit.combinations) == ["b + c + 2.00·d"]
    assert fit.combinations["b + c + 2.00·d"].value == pytest.approx(-0.1)
    assert fit.scale(2).rows[1].prediction.at["C"] == pytest.approx(4 * fit.largest["C"])


def test_a_variable_that_never_changes_is_said() -> None:
    frame = _runs().to_frame().assign(params_total=1e7)
    frame["loss"] = 5 * frame["tokens"] ** -0.1
    fit = fit_power(il.Runs.from_frame(frame), variables=("N", "D"))
    assert fit.params["c"].value == pytest.approx(-0.1)
    assert math.isnan(fit.params["b"].value)
    assert fit.relations[0].startswith("N = 1e+07")
    with pytest.raises(UsageError, match="do not say what loss is at N = 2e"):
        fit.predict(N=2e7, D=1e9)


def test_predictions_and_their_intervals() -> None:
    runs = _runs(tie=1.0, noise=0.02)
    fit = fit_power(runs)
    x, _ = _design(runs)
    at = np.array([1.0, math.log(1e9), math.log(1e11), math.log(6e20)])
    spread = fit.scatter * math.sqrt(at @ np.linalg.inv(x.T @ x) @ at)
    found = fit.predict(N=1e9, D=1e11, C=6e20)
    assert math.log(found.high / found.loss) == pytest.approx(1.6882977 * spread, rel=1e-6)
    run = fit.predict(N=1e9, D=1e11, C=6e20, kind="run")
    both = math.hypot(spread, fit.scatter)
    assert math.log(run.high / run.loss) == pytest.approx(1.6882977 * both, rel=1e-6)


def test_what_follows_may_be_left_out_but_not_contradicted() -> None:
    fit = fit_power(_runs())
    given_c, without = fit.predict(N=1e8, D=1e10, C=6e18), fit.predict(N=1e8, D=1e10)
    assert given_c.loss == pytest.approx(without.loss)
    assert without.at["C"] == pytest.approx(6e18)
    with pytest.raises(UsageError, match="do not say what loss is at C = 1e"):
        fit.predict(N=1e8, D=1e10, C=1e20)
    with pytest.raises(UsageError, match="missing D"):
        fit.predict(N=1e8)
    with pytest.raises(UsageError, match="unknown X"):
        fit.predict(N=1e8, D=1e9, X=1.0)
    with pytest.raises(UsageError, match="positive number"):
        fit.predict(N=-1.0, D=1e9)


def test_scaling_multiplies_every_variable_that_is_free() -> None:
    fit = fit_power(_runs(tie=1.0, noise=0.0))
    scaled = fit.scale(2, 4, 8)
    assert [row.factor for row in scaled.rows] == [1.0, 2.0, 4.0, 8.0]
    first, last = scaled.rows[0].prediction, scaled.rows[-1].prediction
    assert last.loss / first.loss == pytest.approx(8 ** (-0.06 - 0.08 + 0.01), rel=1e-8)
    assert last.at["C"] == pytest.approx(8 * first.at["C"])
    assert "were C = 6ND" in scaled.assumption
    assert all(len(line) <= 80 for line in scaled.summary().splitlines())
    assert json.dumps(scaled.to_dict(), allow_nan=False)
    assert len(scaled.to_frame()) == 4


def test_scaling_lets_c_follow_where_it_must() -> None:
    scaled = fit_power(_runs(noise=0.0)).scale(4)
    first, last = (row.prediction for row in scaled.rows)
    assert last.at["C"] == pytest.approx(16 * first.at["C"])
    assert last.loss / first.loss == pytest.approx(4 ** (-0.05 - 0.07), rel=1e-8)
    assert "to the power 2" in scaled.assumption
    assert "What C does alone is not identified" in scaled.assumption


def test_an_accuracy_above_one_is_a_warning() -> None:
    runs = _runs()
    accuracy = 0.02 * runs.vector("N") ** 0.18
    table = il.Runs.from_frame(runs.to_frame().assign(metric_accuracy=accuracy))
    fit = fit_power(table, "metric_accuracy")
    assert "ceiling" in fit.summary()
    scaled = fit.scale(10)
    assert "is no accuracy" in scaled.summary()
    assert any("is no accuracy" in note for note in scaled.rows[-1].prediction.notes)
    assert not any("is no accuracy" in note for note in scaled.rows[0].prediction.notes)
    percent = il.Runs.from_frame(runs.to_frame().assign(metric_accuracy=100 * accuracy))
    assert "per cent" in fit_power(percent, "metric_accuracy").summary()


def test_perplexity_follows_another_law_and_a_wrong_way_is_said() -> None:
    runs = _runs(noise=0.001)
    table = il.Runs.from_frame(
        runs.to_frame().assign(
            metric_perplexity=np.exp(runs.vector("loss")), metric_f1=1 / runs.vector("N") ** 0.1
        )
    )
    fit = fit_power(table, "metric_perplexity")
    assert "exp(loss)" in fit.summary()
    assert fit.scatter > 5 * fit_power(table).scatter  # the loss was made a power law
    assert "gets worse" in fit_power(table, "metric_f1").scale(2).summary()


def test_what_cannot_be_fitted_is_said() -> None:
    runs = _runs(4)
    with pytest.raises(DataError, match="3 usable runs cannot fix"):
        fit_power(runs.where([True, True, True, False]))
    with pytest.raises(DataError, match="metric_x is 0; a power law needs positive values"):
        fit_power(il.Runs.from_frame(runs.to_frame().assign(metric_x=0.0)), "metric_x")
    with pytest.raises(UsageError, match="different variables"):
        fit_power(runs, variables=("N", "N"))
    with pytest.raises(UsageError, match="no factor"):
        fit_power(_runs()).scale()
    with pytest.raises(UsageError, match="factor must be a positive number"):
        fit_power(_runs()).scale(-2)


@settings(max_examples=25, deadline=None)
@given(
    st.floats(-0.3, 0.3), st.floats(-0.3, 0.3), st.floats(-0.3, 0.3), st.floats(-6, 6),
    st.floats(1, 2),
)  # fmt: skip
def test_units_do_not_matter(b: float, c: float, d: float, unit: float, tie: float) -> None:
    runs = _runs(12, tie=tie, noise=0.0)
    n, t, f = (runs.vector(v) for v in "NDC")
    frame = runs.to_frame().assign(loss=10.0**unit * n**b * t**c * f**d)
    fit = fit_power(il.Runs.from_frame(frame))
    found = [fit.params[k].value for k in "bcd"]
    np.testing.assert_allclose(found, [b, c, d], atol=1e-8)
    assert fit.params["a"].value == pytest.approx(10.0**unit, rel=1e-6)


def test_any_law_scales_from_its_largest_run() -> None:
    runs = il.example_runs()
    fit = il.fit(runs, "chinchilla", bootstrap=0)
    scaled = scale_fit(fit, [2, 4])
    at = scaled.rows[-1].prediction.at
    assert at == {name: 4 * value for name, value in scaled.base.items()}
    assert scaled.rows[-1].prediction.loss == pytest.approx(fit.predict(**at).loss)
    assert math.isnan(scaled.rows[-1].prediction.low)
    assert "no interval" in scaled.summary()
    over = scale_fit(il.fit(runs, "overtraining", bootstrap=0), [3])
    moved = over.rows[-1].prediction.at
    assert moved["C"] == pytest.approx(9 * over.base["C"])
    assert moved["M"] == over.base["M"]


def test_a_law_without_size_cannot_scale() -> None:
    frame = _runs().to_frame()
    frame["batch_tokens"] = 2e8 / frame["loss"] ** 4.76
    fit = il.fit(il.Runs.from_frame(frame), "critical_batch", bootstrap=0, objective="squared")
    with pytest.raises(UsageError, match="no variable of the law 'critical_batch' grows"):
        scale_fit(fit, [2])

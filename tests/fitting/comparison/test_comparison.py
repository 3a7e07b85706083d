"""Laws ranked by held-out error: against plain loops, SciPy, and laws that made the runs."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import f as f_distribution

import isoloss as il
from isoloss.errors import DataError, NotFoundError, UsageError
from isoloss.fitting.backtesting import log_predictions
from isoloss.fitting.comparison._goodness import aicc, trend_p
from isoloss.fitting.comparison._held_out import HeldOut
from isoloss.fitting.comparison._holding_out import splits_of
from isoloss.fitting.comparison.compared_laws import INTERPOLATION
from isoloss.fitting.comparison.comparison import growth, weights_of
from isoloss.fitting.forecasting import PRIOR_ERROR, PRIOR_TARGETS
from isoloss.laws import get_law

TWO = ["chinchilla", "skaling"]


def made(noise: float = 0.0, k: float = 0.6, seed: int = 0, flops: bool = True) -> il.Runs:
    """30 runs of Skaling's law."""
    rng = np.random.default_rng(seed)
    rows = []
    for n in np.geomspace(2e7, 6e8, 6):
        for m in (5, 12, 25, 60, 130):
            loss = 1.3 + (900 / n**0.45 + 3000 / (n * m) ** 0.45) ** k
            row = {
                "params_total": n,
                "tokens": n * m,
                "loss": loss * math.exp(noise * rng.standard_normal()),
            }
            rows.append(row | ({"flops": 6.6 * n * n * m} if flops else {}))
    return il.Runs.from_rows(rows)


@pytest.fixture(scope="module")
def found() -> il.fitting.Comparison:
    return il.compare(made(noise=0.001), TWO, bootstrap=100)


def test_the_law_that_made_the_runs_wins(found: il.fitting.Comparison) -> None:
    assert [row.law for row in found.rows] == ["skaling", "chinchilla"]
    first, second = found.rows
    assert first.error.low < first.error.value < first.error.high < second.error.low
    assert second.error.value < found.naive
    assert first.best_share > 0.95
    assert first.delta_aicc == 0
    assert second.delta_aicc > 20
    assert second.trend_p < 0.02 < first.trend_p
    assert sum(found.weights.values()) == pytest.approx(1)
    assert found.best == "skaling"
    assert found.trusted


def test_errors_are_those_of_a_plain_loop(found: il.fitting.Comparison) -> None:
    used = made(noise=0.001).used()
    columns = {name: used.vector(name) for name in ("N", "D", "C")}
    loss = used.vector("loss")
    law = get_law("skaling")
    means, naive = [], []
    order = np.sort(columns["C"])
    for window in found.windows:
        fitted = columns["C"] <= order[window.rows - 1]
        assert fitted.sum() == window.rows
        assert (~fitted).sum() == window.held_out
        seen = {name: values[fitted] for name, values in columns.items()}
        asked = {name: values[~fitted] for name, values in columns.items()}
        near = found.fits["skaling"].theta
        predicted = np.exp(log_predictions(law, seen, loss[fitted], asked, near))
        means.append(100 * np.abs(predicted / loss[~fitted] - 1).mean())
        naive.append(100 * np.abs(loss[fitted].min() / loss[~fitted] - 1).mean())
        assert window.errors["skaling"] == pytest.approx(means[-1])
        assert window.reach == pytest.approx(order[-1] / order[window.rows - 1])
    assert found.rows[0].error.value == pytest.approx(np.mean(means))
    assert found.naive == pytest.approx(np.mean(naive))
    assert [w.rows for w in found.windows] == [15, 18, 21, 24, 27]


def test_a_prediction_is_the_weighed_mean_with_the_widest_part(
    found: il.fitting.Comparison,
) -> None:
    at = {"N": 2e9, "D": 4e10}
    mixed = found.predict(**at)
    logs = {law: math.log(f.predict(**at).loss) for law, f in found.fits.items()}
    mean = sum(found.weights[law] * value for law, value in logs.items())
    assert math.log(mixed.loss) == pytest.approx(mean)
    apart = sum(found.weights[law] * (value - mean) ** 2 for law, value in logs.items())
    assert mixed.parts["laws"] == pytest.approx(math.sqrt(apart))
    far = math.log(max(mixed.extrapolation["D"], mixed.extrapolation["N"], 6.6 * 8e19 / c_max()))
    assert mixed.parts["discrepancy"] == pytest.approx(
        found.growth * math.hypot(INTERPOLATION, far), rel=1e-6
    )
    widest = max(mixed.parts[name] for name in ("parameters", "laws", "discrepancy"))
    reach = NormalDist().inv_cdf(0.95) * widest
    assert (mixed.low, mixed.high) == pytest.approx(
        (mixed.loss * math.exp(-reach), mixed.loss * math.exp(reach))
    )
    one = found.predict(**at, kind="run")
    assert one.low < mixed.low < mixed.high < one.high
    assert one.loss == mixed.loss
    truth = 1.3 + (900 / 2e9**0.45 + 3000 / 4e10**0.45) ** 0.6
    assert mixed.low < truth < mixed.high
    assert found.predict(**at, level=0.5).high < mixed.high
    assert "weight" in mixed.summary()
    assert mixed.to_dict()["weights"] == dict(found.weights)


def c_max() -> float:
    return float(made().used().vector("C").max())


def test_disagreement_of_the_laws_widens_the_interval(found: il.fitting.Comparison) -> None:
    even = replace(found, rows=tuple(replace(row, weight=0.5) for row in found.rows))
    inside, outside = even.predict(N=1e8, D=3e9), even.predict(N=1e13, D=1e10)
    assert outside.parts["laws"] > 3 * inside.parts["laws"]
    assert outside.high / outside.low > inside.high / inside.low


def test_what_it_says(found: il.fitting.Comparison) -> None:
    text = found.summary()
    assert max(map(len, text.splitlines())) <= 80
    assert "n ln(RSS/n)" in text
    assert found._repr_html_().startswith("<pre>")
    assert list(found.to_frame()["law"]) == ["skaling", "chinchilla"]
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert document["laws"][0]["mean_absolute_error_percent"]["value"] > 0
    assert document["best"] == "skaling"
    assert document["compute"] == "as given"
    assert repr(found).startswith("Comparison(skaling 0.")


def test_the_same_seed_gives_the_same_comparison() -> None:
    first, again = (il.compare(made(0.002), "chinchilla", bootstrap=0, seed=4) for _ in range(2))
    assert first.to_dict() == again.to_dict()


def test_without_flops_c_is_six_n_d_and_said_so() -> None:
    runs = made(flops=False)
    plain = il.compare(runs, ["chinchilla", "compute"], bootstrap=0)
    assert plain.six_nd
    assert plain.flops_convention == "6nd_total"
    assert "6·N·D" in plain.summary()
    assert plain.to_dict()["compute"] == "6nd"
    assert plain.runs_hash == runs.hash()
    assert plain.predict(N=1e9, D=2e10).at["C"] == pytest.approx(1.2e20)


def test_one_explicit_hold_out() -> None:
    runs = made(0.001)
    by_text = il.compare(runs, TWO, holdout="N > 2e8", bootstrap=0)
    by_function = il.compare(runs, TWO, holdout=lambda r: r["params_total"] > 2e8, bootstrap=0)
    mask = runs.to_frame()["params_total"] > 2e8
    by_mask = il.compare(runs, TWO, holdout=mask, bootstrap=0)
    assert len(by_text.windows) == 1
    assert by_text.windows[0].held_out == int(mask.sum())
    assert by_text.windows[0].fitted_to == "N <= 2e+08"
    errors = [[row.error.value for row in c.rows] for c in (by_text, by_function, by_mask)]
    assert errors[0] == errors[1] == errors[2]
    few = il.compare(runs, TWO, holdout="C > 5e19", bootstrap=0)
    assert math.isnan(few.rows[0].error.low)
    assert "too few" in few.rows[0].error.reason
    assert "too few" in few.summary()


def test_rows_left_out_stay_out() -> None:
    runs = made(0.001).where(lambda r: r["tokens"] < 3e10, "too long")
    held = il.compare(runs, "chinchilla", holdout=lambda r: r["params_total"] > 2e8, bootstrap=0)
    frame = runs.used().to_frame()
    assert held.n_rows == len(frame) < 30
    assert held.windows[0].held_out == int((frame["params_total"] > 2e8).sum())


def test_larger_models_and_longer_runs_can_be_held_out() -> None:
    columns = {name: made().used().vector(name) for name in ("N", "D", "C")}
    for word, axis in (("n", "N"), ("d", "D"), ("compute", "C")):
        for split in splits_of(made(), columns, word, 6, None):
            assert columns[axis][split.fitted].max() < columns[axis][split.held].min()
            assert (split.fitted ^ split.held).all()
            assert split.fitted.sum() >= 8


def test_a_constant_guess_is_not_trusted() -> None:
    """Loss that stops falling: the laws go on, and the lowest loss seen is right."""
    rows = [
        {"params_total": n, "tokens": 20 * n, "loss": max(2.0, 9.0 - 0.9 * i)}
        for i, n in enumerate(np.geomspace(1e6, 1e9, 16))
    ]
    found = il.compare(il.Runs.from_rows(rows), "A/N**alpha", bootstrap=0)
    assert not found.trusted
    assert "lowest loss seen" in found.summary()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.01, 50), min_size=1, max_size=6))
def test_weights_fall_with_the_error_and_sum_to_one(errors: list[float]) -> None:
    weights = weights_of({str(i): error for i, error in enumerate(errors)})
    assert sum(weights.values()) == pytest.approx(1)
    order = sorted(range(len(errors)), key=lambda i: errors[i])
    assert all(weights[str(a)] >= weights[str(b)] for a, b in itertools.pairwise(order))


def test_a_law_without_a_value_gets_no_weight() -> None:
    assert weights_of({"a": 1.0, "b": math.nan}) == {"a": 1.0, "b": 0.0}


def test_the_growth_is_that_of_its_definition() -> None:
    held = HeldOut(
        window=np.array([0, 0, 1]),
        row=np.array([0, 1, 1]),
        distance=np.array([1.0, 2.0, 3.0]),
        errors={"a": np.array([0.02, 0.04, -0.03])},
        baseline=np.zeros(3),
        naive=np.zeros(3),
    )
    fit = replace(il.fit(made(0.001), "chinchilla", bootstrap=0), scatter=0.01)
    seen = (0.02**2 + 0.04**2) / 2 + 0.03**2 - 2 * 0.01**2
    far = (1 + 4) / 2 + 9 + 2 * INTERPOLATION**2
    prior = PRIOR_TARGETS * (INTERPOLATION**2 + math.log(3) ** 2)
    expected = math.sqrt((seen + PRIOR_TARGETS * PRIOR_ERROR**2) / (far + prior))
    assert growth(held, {"a": 1.0}, {"a": fit}) == pytest.approx(expected)
    assert held.average(np.array([1.0, 3.0, 5.0])) == pytest.approx((2 + 5) / 2)
    draws = held.resampled(np.array([1.0, 3.0, 5.0]), np.arange(2), 0)
    assert set(np.round(draws, 9)) == {1.0, (3 + 5) / 2, (2 + 5) / 2}


def test_aicc_is_that_of_ordinary_least_squares() -> None:
    rng = np.random.default_rng(0)
    residual = rng.standard_normal(20)
    n, k = 20, 4
    expected = n * math.log((residual**2).mean()) + 2 * k * n / (n - k - 1)
    assert aicc(residual, 3) == pytest.approx(expected)  # the other form of the correction
    assert math.isnan(aicc(residual[:5], 3))
    assert math.isnan(aicc(np.zeros(20), 3))


def test_the_trend_test_agrees_with_the_f_test_under_normal_noise() -> None:
    rng = np.random.default_rng(2)
    x = np.exp(rng.uniform(0, 3, 80))
    jacobian = np.stack([np.ones(80), np.log(x)], axis=1)
    for bend in (0.0, 0.05, 0.15):
        y = bend * np.log(x) ** 2 + 0.1 * rng.standard_normal(80)
        residual = y - jacobian @ np.linalg.lstsq(jacobian, y, rcond=None)[0]
        p, _ = trend_p(residual, jacobian, {"N": x}, np.arange(80), 0)
        wider = np.concatenate([jacobian, np.log(x)[:, None] ** 2], axis=1)
        left = y - wider @ np.linalg.lstsq(wider, y, rcond=None)[0]
        ratio = ((residual**2).sum() - (left**2).sum()) / ((left**2).sum() / 77)
        assert p == pytest.approx(float(f_distribution.sf(ratio, 1, 77)), abs=0.05)


def test_a_trend_needs_rows_and_noise() -> None:
    x, jacobian = np.geomspace(1, 9, 6), np.ones((6, 1))
    p, reason = trend_p(np.ones(6) * 0.1, jacobian, {"N": x}, np.arange(6), 0)
    assert math.isnan(p)
    assert "too few" in reason
    p, reason = trend_p(np.zeros(6), jacobian, {"N": x}, np.arange(6), 0)
    assert math.isnan(p)
    assert "exactly" in reason


def test_what_is_refused() -> None:
    runs = made()
    same = il.Runs.from_rows(
        [{"params_total": n, "tokens": 1e18 / n, "loss": 3.0} for n in np.geomspace(1e6, 1e9, 20)]
    )
    with pytest.raises(DataError, match="no part of these 20 runs"):
        il.compare(same, "chinchilla", bootstrap=0)
    with pytest.raises(DataError, match="usable runs cannot fix"):
        il.compare(il.Runs.from_rows(runs.rows()[:4]), TWO)
    with pytest.raises(DataError, match="no usable runs"):
        il.compare(runs.where(lambda r: r["loss"] < 0), TWO)
    with pytest.raises(DataError, match="no usable run is held out"):
        il.compare(runs, TWO, holdout="C > 1e30", bootstrap=0)
    with pytest.raises(DataError, match="left to fit"):
        il.compare(runs, TWO, holdout="C > 1", bootstrap=0)
    with pytest.raises(DataError, match="tokens"):
        il.compare(il.Runs.from_rows([{"params_total": 1e6 * i, "loss": 3.0} for i in range(1, 9)]))
    with pytest.raises(DataError, match="does not give C"):
        il.compare(
            il.Runs.from_rows(
                [
                    {"params_total": 1e6 * i, "loss": 1 + 3 / i, ("flops", "tokens")[i % 2]: 1e18}
                    for i in range(1, 20)
                ]
            ),
            "E + A/N**alpha",
            bootstrap=0,
        )
    with pytest.raises(UsageError, match="unknown holdout 'computte'"):
        il.compare(runs, TWO, holdout="computte", bootstrap=0)
    with pytest.raises(UsageError, match="expected a number, found 'lots'"):
        il.compare(runs, TWO, holdout="C > lots", bootstrap=0)
    with pytest.raises(UsageError, match="given twice"):
        il.compare(runs, ["chinchilla", "chinchilla"])
    with pytest.raises(UsageError, match="no law"):
        il.compare(runs, [])
    with pytest.raises(UsageError, match="level"):
        il.compare(runs, TWO, level=1.0)
    with pytest.raises(NotFoundError, match="chinchila"):
        il.compare(runs, ["chinchila"])


def test_predictions_refuse_what_they_do_not_know(found: il.fitting.Comparison) -> None:
    with pytest.raises(UsageError, match="missing D"):
        found.predict(N=1e9)
    with pytest.raises(UsageError, match="unknown X"):
        found.predict(N=1e9, D=1e10, X=3.0)
    with pytest.raises(UsageError, match="positive"):
        found.predict(N=1e9, D=-1.0)
    with pytest.raises(UsageError, match="kind"):
        found.predict(N=1e9, D=1e10, kind="median")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="level"):
        found.predict(N=1e9, D=1e10, level=0.0)

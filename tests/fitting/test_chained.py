"""Two fits in a chain: the point, the interval, and what is refused."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pandas as pd
import pytest

import isoloss as il
from isoloss.errors import UsageError
from isoloss.fitting.chained import fit_chain

E, A, ALPHA = 1.7, 60.0, 0.25
FLOOR, TOP, K, MIDDLE = 0.25, 0.95, 3.0, 2.6
NOISE = 0.004


def accuracy_of(loss: np.ndarray) -> np.ndarray:
    return FLOOR + (TOP - FLOOR) / (1 + np.exp(K * (loss - MIDDLE)))


def table(seed: int, noise: float = NOISE, rows: int = 30) -> il.Runs:
    rng = np.random.default_rng(seed)
    n = np.geomspace(1e6, 1e9, rows)
    loss = (E + A / n**ALPHA) * np.exp(noise * rng.standard_normal(rows))
    accuracy = accuracy_of(loss) * np.exp(2 * noise * rng.standard_normal(rows))
    frame = {"run_id": [f"run {i}" for i in range(rows)], "params_total": n, "tokens": 1e10}
    return il.Runs.from_frame(pd.DataFrame({**frame, "loss": loss, "metric_accuracy": accuracy}))


@cache
def fits(seed: int = 0, noise: float = NOISE, bootstrap: int = 300) -> tuple[il.Fit, il.Fit]:
    runs = table(seed, noise)
    first = il.fit(runs, "E + A/N**alpha", objective="squared", bootstrap=bootstrap)
    second = il.fit(
        runs, "accuracy_sigmoid", objective="squared", residual="raw", bootstrap=bootstrap
    )
    return first, second


def test_without_noise_it_is_one_law_after_the_other() -> None:
    chain = fit_chain(*fits(noise=1e-9, bootstrap=0))
    predicted = chain.predict(N=1e10)
    loss = E + A / 1e10**ALPHA
    assert predicted.loss == pytest.approx(accuracy_of(np.array([loss]))[0], rel=1e-6)
    assert predicted.at == pytest.approx({"N": 1e10, "loss": loss}, rel=1e-6)
    assert predicted.extrapolation["N"] == pytest.approx(10.0)
    assert 1 < predicted.extrapolation["loss"] < 1.2
    assert np.isnan(predicted.low)
    assert "bootstrap=0" in predicted.reason


def test_the_interval_has_the_errors_of_both_steps() -> None:
    first, second = fits()
    chain = fit_chain(first, second)
    point = chain.predict(N=1e11)
    alone = second.predict(loss=first.predict(N=1e11).loss)
    assert point.high - point.low > alone.high - alone.low
    one = chain.predict(N=1e11, kind="run", discrepancy=False)
    assert one.high - one.low > point.high - point.low
    narrow = chain.predict(N=1e11, level=0.5)
    assert point.low < narrow.low < narrow.high < point.high
    assert chain.predict(N=1e11) == point  # the same draws every time


def test_intervals_cover_the_truth() -> None:
    truth = accuracy_of(np.array([E + A / 1e10**ALPHA]))[0]
    inside = 0
    for seed in range(30):
        runs = table(seed + 100, rows=24)
        first = il.fit(runs, "E + A/N**alpha", objective="squared", bootstrap=80, level=0.8)
        second = il.fit(
            runs, "accuracy_sigmoid", objective="squared", residual="raw", bootstrap=80, level=0.8
        )
        predicted = fit_chain(first, second).predict(N=1e10)
        inside += predicted.low <= truth <= predicted.high
    assert 18 <= inside <= 30  # 24 expected, three standard deviations


def test_draws_of_one_table_are_paired() -> None:
    first, second = fits()
    assert fit_chain(first, second).paired
    other = il.fit(table(1), "accuracy_sigmoid", residual="raw", bootstrap=200, seed=3)
    chain = fit_chain(first, other)
    assert not chain.paired
    predicted = chain.predict(N=1e9)
    assert predicted.low < predicted.loss < predicted.high
    assert "independent" in chain.summary()
    assert "same resamples" in fit_chain(first, second).summary()


def test_a_cause_of_both_errors_can_cancel() -> None:
    """With bits = loss/3.3 exactly, paired draws give the first step's interval and no more."""
    frame = table(0).to_frame().assign(bits_per_byte=lambda rows: rows["loss"] / 3.3)
    runs = il.Runs.from_frame(frame)
    first = il.fit(runs, "E + A/N**alpha", objective="squared", bootstrap=200)
    second = il.fit(runs, "k*loss", target="bits_per_byte", objective="squared", bootstrap=200)
    chained, alone = fit_chain(first, second).predict(N=1e10), first.predict(N=1e10)
    assert chained.low == pytest.approx(alone.low / 3.3, rel=1e-3)
    assert chained.high == pytest.approx(alone.high / 3.3, rel=1e-3)


def test_further_variables_of_the_second_step() -> None:
    runs = table(0, noise=1e-6)
    first = il.fit(runs, "E + A/N**alpha", bootstrap=0)
    second = il.fit(
        runs, "a - b*loss + c*log(N)", target="metric_accuracy", residual="raw", bootstrap=0
    )
    chain = fit_chain(first, second)
    assert chain.variables == ("N",)
    predicted = chain.predict(N=1e8)
    expected = second.predict(N=1e8, loss=first.predict(N=1e8).loss)
    assert predicted.loss == pytest.approx(expected.loss)


def test_json() -> None:
    chain = fit_chain(*fits())
    document = json.loads(json.dumps(chain.to_dict()))
    assert document["link"] == "loss"
    assert document["paired_draws"] is True
    assert [step["target"] for step in document["steps"]] == ["loss", "metric_accuracy"]
    assert repr(chain) == (
        "ChainedFit(E + A/N**alpha to loss, accuracy_sigmoid to metric_accuracy)"
    )


def test_what_is_refused() -> None:
    first, second = fits()
    with pytest.raises(UsageError, match="predicts 'metric_accuracy'"):
        fit_chain(second, first)
    chain = fit_chain(first, second)
    with pytest.raises(UsageError, match="missing N"):
        chain.predict()
    with pytest.raises(UsageError, match="unknown loss") as caught:
        chain.predict(N=1e9, loss=2.0)
    assert "first step" in caught.value.hint
    with pytest.raises(UsageError, match="unknown kind"):
        chain.predict(N=1e9, kind="both")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="level"):
        chain.predict(N=1e9, level=1.5)


def test_a_sample_carries_the_scatter_of_the_steps_that_are_asked_for() -> None:
    first, second = fits()
    chain = fit_chain(first, second)
    plain = chain.sample(N=1e10)
    point = chain.predict(N=1e10, level=0.8)
    assert np.quantile(plain, [0.1, 0.9]) == pytest.approx([point.low, point.high])
    one_loss = chain.sample(N=1e10, kinds=("run", "mean"), discrepancy=False)
    one_run = chain.sample(N=1e10, kinds=("run", "run"), discrepancy=False)
    assert plain.std() < one_loss.std() < one_run.std()
    with pytest.raises(UsageError, match="no draws of loss"):
        fit_chain(*fits(noise=1e-9, bootstrap=0)).sample(N=1e10)

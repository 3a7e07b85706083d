"""The mixing law of any number of domains."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import isoloss as il
from isoloss.errors import UsageError
from isoloss.laws.formula import parse_law
from isoloss.laws.mixing import mixing_law

SHARES = ["share_web", "share_code", "share_books", "share_papers"]
THETA = np.array([1.9, 0.4, 1.3, -0.6, 0.1])


def mixtures(rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    drawn = np.random.default_rng(seed).dirichlet(np.ones(len(SHARES)), rows)
    return dict(zip(SHARES, drawn.T, strict=True))


def test_by_hand() -> None:
    pure = {name: np.eye(4)[i] for i, name in enumerate(SHARES)}
    found = mixing_law(SHARES).value(THETA, pure)
    np.testing.assert_allclose(found, 1.9 + np.exp(THETA[1:]), rtol=1e-14)


def test_a_factor_before_exp_is_a_shift_of_every_slope() -> None:
    data = mixtures(20)
    k = 3.7
    theirs = 1.9 + k * np.exp(sum(t * data[s] for t, s in zip(THETA[1:], SHARES, strict=True)))
    ours = THETA + np.array([0, *[np.log(k)] * 4])
    np.testing.assert_allclose(mixing_law(SHARES).value(ours, data), theirs, rtol=1e-12)


def test_value_and_jacobian_are_those_of_the_text() -> None:
    law = mixing_law(SHARES)
    text = parse_law(law.formula, SHARES)
    assert text.names == law.names
    batch, data = np.stack([THETA, 0.9 * THETA]), mixtures(7)
    assert law.value(batch, data).shape == (2, 7)
    assert law.jacobian(batch, data).shape == (2, 7, 5)
    np.testing.assert_allclose(law.value(batch, data), text.value(batch, data), rtol=1e-13)
    np.testing.assert_allclose(law.jacobian(batch, data), text.jacobian(batch, data), rtol=1e-13)
    assert law.linear == text.linear == ("c",)


def test_it_pickles_and_takes_a_target() -> None:
    law = mixing_law(SHARES, target="metric_loss_code")
    assert law.target == "metric_loss_code"
    again = pickle.loads(pickle.dumps(law))  # noqa: S301 (our own bytes)
    np.testing.assert_array_equal(again.value(THETA, mixtures(3)), law.value(THETA, mixtures(3)))


@pytest.mark.parametrize(
    "shares",
    [["share_web"], ["share_web", "share_web"], ["c", "share_web"], ["t_1", "a"], ["a b", "a"]],
)
def test_columns_that_make_no_mixture_are_refused(shares: list[str]) -> None:
    with pytest.raises(UsageError):
        mixing_law(shares)


def test_a_fit_predicts_a_domain_that_is_left_out_and_survives_saving(tmp_path: Path) -> None:
    law, data = mixing_law(SHARES), mixtures(60)
    for i, name in enumerate(SHARES):  # and a run of each domain alone
        data[name][:4] = np.arange(4) == i
    noise = np.exp(0.002 * np.random.default_rng(1).standard_normal(60))
    rows = pd.DataFrame(data).assign(
        params_total=1e6, tokens=1e9, loss=law.value(THETA, data) * noise
    )
    fit = il.fit(il.Runs.from_frame(rows), law, bootstrap=100)
    point = {"share_web": 0.7, "share_code": 0.3, "share_books": 0.0, "share_papers": 0.0}
    predicted = fit.predict(**point)
    truth = 1.9 + np.exp(0.7 * 0.4 + 0.3 * 1.3)
    assert predicted.low < truth < predicted.high
    assert predicted.loss == pytest.approx(truth, rel=0.005)
    fit.save(tmp_path / "fit.json")
    again = il.Fit.load(tmp_path / "fit.json").predict(**point)
    assert (again.loss, again.low, again.high) == pytest.approx(
        (predicted.loss, predicted.low, predicted.high)
    )

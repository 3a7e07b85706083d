"""The multi-power law on the 27 public loss curves that its authors fitted.

Luo et al. (arXiv:2503.12811; figures of github.com/thu-yao-01-luo/MultiPowerLaw) fit three
schedules of each model size and foretell six others. Their constants come from 200 steps of
AdamW on the objective, from one start: they are no optimum of it. Ours lies at less than half of
their objective on every size, and so elsewhere in the valley: L0 and alpha agree to a few per
cent, while beta and gamma do not. The lower objective foretells the schedules of the fitted
length better and cosine_72000, three times as long, worse; the mean over the six is worse.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from isoloss.fitting import CurveFit, Objective, fit_curves
from isoloss.laws import Curve, Curves, LearningRates, multi_power, point_columns

FITTED = ("cosine_24000", "constant_24000", "wsdcon_9")
SAME_LENGTH = ("wsd_20000_24000", "wsdld_20000_24000")
HELD_OUT = ("constant_72000", "cosine_72000", *SAME_LENGTH, "wsdcon_3", "wsdcon_18")
PUBLISHED = {
    25: (3.04045406, 0.52468604, 0.50786857, 363.78751622, 2.06560812, 0.58279013, 0.64142257),
    100: (2.6514477, 0.60115152, 0.45295811, 437.9464276, 2.13245612, 0.59785199, 0.65523644),
    400: (2.37474466, 0.65421216, 0.42878731, 523.42464371, 2.02462735, 0.59350493, 0.63472457),
}
"""L0, A, alpha, B, C, beta, gamma by millions of parameters."""
PUBLISHED_ERROR = {25: 0.0011022318, 100: 0.0014248396, 400: 0.0016797826}
"""Mean relative error on the six held-out schedules, from the authors' logs."""
PUBLISHED_OBJECTIVE = {25: 2.912231e-4, 100: 2.809624e-4, 400: 5.769852e-4}
"""At the published constants: three times the mean over the fitted schedules of the logs."""
OPTIMUM = {25: 1.384320e-4, 100: 2.133133e-5, 400: 7.883412e-5}
OPTIMUM_ERROR = {25: 0.001371, 100: 0.001647, 400: 0.002159}
"""Found here; mean over the six held-out schedules."""


def schedule(name: str) -> LearningRates:
    """Warm-up 2160 steps, peak 3e-4, end 3e-5 (shared/data/README.md)."""
    kind, _, rest = name.partition("_")
    if kind == "cosine":
        return LearningRates.cosine(int(rest), 3e-4, 3e-5, warmup=2160)
    if kind == "constant":
        return LearningRates.constant(int(rest), 3e-4, warmup=2160)
    if kind == "wsdcon":
        return LearningRates.two_stage(16000, 3e-4, int(rest) * 1e-5, switch=8000, warmup=2160)
    return LearningRates.stable_decay(
        24000,
        3e-4,
        3e-5,
        decay_from=20000,
        warmup=2160,
        shape="linear" if kind == "wsdld" else "exponential",
    )


@pytest.fixture(scope="module")
def table(shared_data: Path) -> pd.DataFrame:
    return pd.read_csv(shared_data / "runs" / "lr_anneal_mpl" / "curves.csv")


@pytest.fixture(scope="module")
def fit_25(table: pd.DataFrame) -> CurveFit:
    return fit_curves(curves(table, 25, FITTED), bootstrap=0)


def curves(table: pd.DataFrame, millions: int, names: tuple[str, ...]) -> Curves:
    kept = []
    for name in names:
        rows = table[table["run_id"] == f"{millions}M|{name}"]
        kept.append(Curve(name, schedule(name), rows["step"], rows["loss"]))
    return Curves(kept)


def mean_error(predicted: np.ndarray, measured: Curves) -> float:
    """Mean over curves of the mean relative error."""
    ends = np.cumsum([len(curve) for curve in measured])[:-1]
    off = np.split(np.abs(predicted / measured.losses - 1), ends)
    return float(np.mean([part.mean() for part in off]))


def test_schedules_are_those_of_the_table(table: pd.DataFrame) -> None:
    """The table rounds learning rates to 1e-6."""
    for run, rows in table.groupby("run_id"):
        rates = schedule(str(run).split("|")[1]).values[rows["step"].to_numpy()]
        np.testing.assert_allclose(rates, rows["learning_rate"], atol=5.1e-7)


@pytest.mark.parametrize("millions", PUBLISHED)
def test_published_constants_give_the_published_errors(table: pd.DataFrame, millions: int) -> None:
    theta = np.array(PUBLISHED[millions])
    held_out = curves(table, millions, HELD_OUT)
    predicted = multi_power(held_out).value(theta, point_columns(held_out))
    assert mean_error(predicted, held_out) == pytest.approx(PUBLISHED_ERROR[millions], abs=1e-8)
    fitted = curves(table, millions, FITTED)
    predicted = multi_power(fitted).value(theta, point_columns(fitted))
    objective = Objective().loss(np.log(predicted / fitted.losses)).sum()
    assert objective == pytest.approx(PUBLISHED_OBJECTIVE[millions], rel=1e-6)


def check_optimum(fit: CurveFit, millions: int) -> None:
    assert fit.trusted
    assert fit.evidence["agreeing"] >= 4
    assert fit.objective.value < 0.5 * PUBLISHED_OBJECTIVE[millions]
    assert fit.objective.value == pytest.approx(OPTIMUM[millions], rel=1e-5)
    l0, a, alpha = PUBLISHED[millions][:3]
    assert fit.params["L0"].value == pytest.approx(l0, rel=0.04)
    assert fit.params["A"].value == pytest.approx(a, rel=0.08)
    assert fit.params["alpha"].value == pytest.approx(alpha, rel=0.04)


def test_the_optimum_of_25m(table: pd.DataFrame, fit_25: CurveFit) -> None:
    check_optimum(fit_25, 25)
    errors = {c.name: fit_25.error(c) for c in curves(table, 25, HELD_OUT)}
    assert np.mean(list(errors.values())) == pytest.approx(OPTIMUM_ERROR[25], abs=2e-6)
    # Half the authors' .000957 where the length is that of the fitted curves.
    assert np.mean([errors[name] for name in SAME_LENGTH]) < 5e-4


def test_the_annealing_law_is_the_coarser_one(table: pd.DataFrame, fit_25: CurveFit) -> None:
    fit = fit_curves(curves(table, 25, FITTED), "annealing", bootstrap=0)
    assert fit.trusted
    assert fit.objective.value == pytest.approx(3.873062e-4, rel=1e-5)
    assert fit.objective.value > fit_25.objective.value
    assert max(fit.errors.values()) < 0.003


def test_seeds_agree(table: pd.DataFrame, fit_25: CurveFit) -> None:
    other = fit_curves(curves(table, 25, FITTED), starts=8, bootstrap=0, seed=1)
    assert other.objective.value == pytest.approx(fit_25.objective.value, rel=1e-9)
    np.testing.assert_allclose(other.theta, fit_25.theta, rtol=1e-3)

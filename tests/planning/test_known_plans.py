"""Plans whose figures are published, or follow from published constants by another route."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar

import isoloss as il
from isoloss.planning import plan, published_law
from isoloss.planning.optima import optimal_splits

SARDANA = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.336, "beta": 0.283}
N_13B, D_13B, USE = 13e9, 5.765e11, 2e12


@pytest.mark.parametrize("by", ["quality of a budget", "loss"])
def test_inference_aware(by: str) -> None:
    """arXiv:2401.00448: 13B of Chinchilla quality and 2e12 tokens of use."""
    budget = 6 * N_13B * D_13B
    if by == "loss":
        loss = SARDANA["E"] + SARDANA["A"] / N_13B ** SARDANA["alpha"]
        loss += SARDANA["B"] / D_13B ** SARDANA["beta"]
        assert loss == pytest.approx(2.0453, abs=5e-5)
        found = plan("published:sardana", loss=loss, inference_tokens=USE)
    else:
        found = plan("published:sardana", flops=budget, inference_tokens=USE)
    use = found.inference
    assert use is not None
    assert found.n.value == pytest.approx(6.969e9, rel=1e-4)
    assert found.d.value == pytest.approx(1.248e12, rel=5e-4)
    assert use.total == pytest.approx(8.005e22, rel=1e-4)
    assert use.optimal_total == pytest.approx(9.697e22, rel=1e-4)
    assert use.saved.value == pytest.approx(0.1745, abs=5e-5)
    assert use.unit == "flops"
    assert found.inference.training + found.inference.use == pytest.approx(use.total)


def test_inference_aware_against_scalar_minimisation() -> None:
    e, a, b, alpha, beta = SARDANA.values()
    loss = 2.1

    def total(log_n: float) -> float:
        n = math.exp(log_n)
        left = loss - e - a / n**alpha
        if left <= 0:
            return math.inf
        return 6 * n * (b / left) ** (1 / beta) + 2 * n * 5e12

    best = minimize_scalar(total, bounds=(math.log(2e9), math.log(1e11)), method="bounded",
                           options={"xatol": 1e-10})  # fmt: skip
    found = plan("published:sardana", loss=loss, inference_tokens=5e12)
    assert math.log(found.n.value) == pytest.approx(best.x, abs=1e-4)
    assert found.inference is not None
    assert found.inference.total == pytest.approx(best.fun, rel=1e-8)


def test_more_use_wants_a_smaller_model() -> None:
    sizes = [
        plan("published:sardana", flops=1e22, inference_tokens=use).n.value
        for use in (1e6, 1e11, 1e12, 1e13)
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == pytest.approx(plan("published:sardana", flops=1e22).n.value, rel=1e-3)


@pytest.mark.parametrize(
    ("n", "d", "loss"),
    [(6.34e9, 242e9, 2.2256440889984477), (8.67e9, 178e9, 2.2269634075087867)],
)
def test_repeated_data_losses(n: float, d: float, loss: float) -> None:
    """The two losses that the authors' code prints for 25e9 unique tokens."""
    assert published_law("muennighoff").predict(N=n, D=d, U=25e9) == loss
    found = plan("published:muennighoff", flops=6 * n * d, n=n, unique_tokens=25e9)
    assert found.d.value == pytest.approx(d, rel=1e-12)
    assert found.loss.value == pytest.approx(loss, rel=1e-12)


def test_repeated_data_plan_is_the_optimum_of_the_law() -> None:
    law, budget, unique = published_law("muennighoff"), 5.76e23, 1e11

    def loss(log_n: float) -> float:
        n = math.exp(log_n)
        return law.predict(N=n, D=budget / (6 * n), U=unique)

    best = minimize_scalar(loss, bounds=(20, 28), method="bounded", options={"xatol": 1e-10})
    found = plan("published:muennighoff", flops=budget, unique_tokens=unique)
    assert found.loss.value == pytest.approx(best.fun, rel=1e-12)
    assert math.log(found.n.value) == pytest.approx(best.x, abs=1e-4)
    epochs = found.epochs
    assert epochs is not None
    assert epochs.epochs.value == pytest.approx(found.d.value / unique)
    assert epochs.epochs.value > 10, "the plan repeats its text"
    fifth = next(part for part in epochs.worth if part.epoch == 5)
    r = 15.387756
    assert fifth.fresh_share.value == pytest.approx(r * (math.exp(-3 / r) - math.exp(-4 / r)))
    n = found.n.value
    gain = law.predict(N=n, D=4e11, U=1e11) - law.predict(N=n, D=5e11, U=1e11)
    assert fifth.loss_gain.value == pytest.approx(gain, rel=1e-9)
    assert 0 < fifth.loss_gain.value < fifth.fresh_gain.value
    assert epochs.most == pytest.approx(1 + r)
    share = [r * (1 - math.exp(-1 / r)) * math.exp(-(k - 2) / r) for k in range(2, 40)]
    assert epochs.half_worth == 2 + next(k for k, s in enumerate(share) if s < 0.5)
    text = found.summary()
    assert "read 19.9 times" in text
    assert any(line.split()[:2] == ["5", "79.7%"] for line in text.splitlines())
    assert any("profile is open" in caveat for caveat in found.caveats)


def test_enough_text_repeats_nothing() -> None:
    plain = plan("published:muennighoff", flops=1e21)
    ample = plan("published:muennighoff", flops=1e21, unique_tokens=1e13)
    assert ample.n.value == pytest.approx(plain.n.value)
    assert ample.loss.value == pytest.approx(plain.loss.value)
    assert "nothing is repeated" in ample.summary()
    assert any("read once" in caveat for caveat in plain.caveats)
    assert not any("read once" in caveat for caveat in ample.caveats)


def test_a_fit_without_repetition_borrows_its_constants() -> None:
    found = plan("published:epoch", flops=5.76e23, unique_tokens=1e11)
    law = published_law("epoch")
    e, a, b, alpha, beta = law.theta
    data_constrained = il.get_law("data_constrained")
    theta = np.array([e, a, b, alpha, beta, 15.387756, 5.309743])
    at = {"N": found.n.value, "D": found.d.value, "U": 1e11}
    loss = data_constrained.value(theta, {k: np.array([v]) for k, v in at.items()})[0]
    assert found.loss.value == pytest.approx(loss, rel=1e-12)
    assert any("borrowed" in caveat for caveat in found.caveats)
    assert found.epochs is not None
    assert found.epochs.borrowed
    assert "borrowed" in found.epochs.r_d.reason


def test_a_target_is_the_budget_turned_round() -> None:
    for name in ("hoffmann", "epoch", "kaplan"):
        spent = plan(f"published:{name}", flops=3e22)
        reached = plan(f"published:{name}", loss=spent.loss.value)
        assert reached.flops == pytest.approx(3e22, rel=1e-7)
        assert reached.n.value == pytest.approx(spent.n.value, rel=1e-3)


def test_other_sizes_against_the_law() -> None:
    law = published_law("hoffmann")
    found = plan("published:hoffmann", flops=5.76e23)
    best = found.loss.value
    assert [part.factor for part in found.deadweight] == [0.25, 0.5, 2.0, 4.0]
    for part in found.deadweight:
        n = part.factor * found.n.value
        loss = law.predict(N=n, D=5.76e23 / (6 * n))
        assert part.n == pytest.approx(n)
        assert part.loss_more.value == pytest.approx(loss - best, abs=1e-9)
        d = brentq(lambda d, n=n: law.predict(N=n, D=d) - best, 1e9, 1e18, xtol=1.0)
        assert part.flops_more.value == pytest.approx(6 * n * d / 5.76e23 - 1, rel=1e-6)
    assert found.valley is not None
    for part in found.valley.within:
        for n in (part.low, part.high):
            if part.of == "loss":
                loss = law.predict(N=n, D=5.76e23 / (6 * n))
                assert 100 * (loss / best - 1) == pytest.approx(part.percent, rel=0.02)
            else:
                d = 5.76e23 * (1 + part.percent / 100) / (6 * n)
                assert law.predict(N=n, D=d) == pytest.approx(best, rel=1e-5)


@pytest.fixture(scope="module")
def epoch_fit(shared_data: Path) -> il.Fit:
    runs = il.Runs.read(
        shared_data / "runs" / "chinchilla_epoch" / "runs.csv", columns={"params": "params_total"}
    ).where(lambda r: ~r["epoch_excluded_outlier"].astype(bool))
    return il.fit(runs, "chinchilla", bootstrap=300)


def test_epochs_ratio_with_interval(epoch_fit: il.Fit) -> None:
    """a = .513 with a standard error of .020 (arXiv:2404.10102), and D/N at Chinchilla's budget."""
    table = optimal_splits(epoch_fit, [5.76e21, 5.76e23])
    ratio, a = table.rows[1].tokens_per_parameter, table.exponent
    assert a.value == pytest.approx(0.513, abs=2e-3)
    assert (a.high - a.low) / (2 * 1.645) == pytest.approx(0.020, abs=3e-3)
    assert 17 < ratio.value < 20
    assert ratio.low < 18.4 < ratio.high
    found = plan(epoch_fit, flops=5.76e23)
    assert found.n.low < 7.0e10 < found.n.high
    assert found.tokens_per_parameter == pytest.approx(ratio.value)
    draws = epoch_fit.draws
    assert draws is not None
    alpha, beta = draws[:, 3], draws[:, 4]
    exponents = beta / (alpha + beta)
    assert [a.low, a.high] == pytest.approx(list(np.quantile(exponents, [0.05, 0.95])), abs=1e-6)


def test_a_target_has_an_interval_on_flops(epoch_fit: il.Fit) -> None:
    found = plan(epoch_fit, loss=2.0)
    assert found.flops_interval is not None
    assert found.flops_interval.low < found.flops < found.flops_interval.high
    assert found.loss.low < 2.0 < found.loss.high
    assert plan(epoch_fit, flops=found.flops).loss.value == pytest.approx(2.0, rel=1e-7)


def test_a_target_that_some_draws_never_reach_has_no_upper_end(epoch_fit: il.Fit) -> None:
    draws = epoch_fit.draws
    assert draws is not None
    floor = float(np.quantile(draws[:, 0], 0.8))
    found = plan(epoch_fit, loss=max(floor, epoch_fit.params["E"].value + 1e-3))
    assert found.flops_interval is not None
    assert math.isnan(found.flops_interval.high)
    assert "never reach" in found.flops_interval.reason
    assert any("no model that reaches the target" in caveat for caveat in found.caveats)
    assert "no upper end" in found.summary()

"""The optimum: closed form, search and real shapes against independent computations."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from isoloss.architecture import config_for_width, count_parameters, training_flops
from isoloss.errors import UntrustedError, UsageError
from isoloss.planning import plan
from isoloss.planning.allocation import searched
from isoloss.planning.candidates import sizes_to_choose
from isoloss.planning.chinchilla_optimum import chinchilla_columns, closed_form
from isoloss.planning.goals import Spend
from isoloss.planning.limits import Limits
from isoloss.planning.search import Search
from isoloss.planning.sources import Setting, read_source

MakeFit = Callable[..., Any]


@given(
    alpha=st.floats(0.1, 0.8),
    beta=st.floats(0.1, 0.8),
    a=st.floats(10, 1e4),
    b=st.floats(10, 1e4),
    log_c=st.floats(16, 26),
)
def test_closed_form_is_the_minimum(
    alpha: float, beta: float, a: float, b: float, log_c: float
) -> None:
    flops = 10**log_c
    n, d, loss = closed_form(np.array([1.5, a, b, alpha, beta]), flops)
    assert 6 * n * d == pytest.approx(flops, rel=1e-9)
    for factor in (0.5, 0.9, 1.1, 2.0):
        assert 1.5 + a / (n * factor) ** alpha + b / (d / factor) ** beta > loss
    # The derivative by log N vanishes: alpha A N^-alpha = beta B D^-beta.
    assert alpha * a * n**-alpha == pytest.approx(beta * b * d**-beta, rel=1e-9)


@pytest.mark.parametrize("flops", [1e15, 1e19, 5.76e23])
@pytest.mark.parametrize("name", ["hoffmann", "hoffmann-unrounded", "epoch"])
def test_search_agrees_with_the_closed_form(name: str, flops: float) -> None:
    source = read_source(f"published:{name}")
    (belief,) = source.beliefs
    assert chinchilla_columns(belief) == [0, 1, 2, 3, 4]
    n, d, loss = closed_form(belief.theta, flops)
    search = Search(
        source=source,
        candidates=sizes_to_choose(flops, vocab_size=1, convention="6nd_total"),
        setting=Setting(n_convention="params_total", vocab_size=1),
        limits=Limits(),
    )
    found = searched(search, Spend(flops=flops))
    assert found.edge == ""
    assert found.n == pytest.approx(n, rel=1e-5)
    assert found.d == pytest.approx(d, rel=1e-5)
    assert found.loss == pytest.approx(loss, rel=1e-12)


def test_a_law_that_only_shares_the_names_is_searched(make_fit: MakeFit, make_law: MakeFit) -> None:
    def skewed(theta: Any, data: Any) -> Any:
        e, a, b, alpha, beta = (theta[..., i, None] for i in range(5))
        return e + (a / data["N"] ** alpha + b / data["D"] ** beta) ** 0.8 + 1e-12 * data["N"]

    fit = make_fit(law=make_law(function=skewed), family={}, n_convention="params_total")
    assert chinchilla_columns(read_source(fit).beliefs[0]) is None
    found = plan(fit, flops=1e20)

    def loss(log_n: float) -> float:
        n = np.exp(log_n)
        return float(skewed(fit.theta, {"N": n, "D": 1e20 / (6 * n)})[0])

    reference = minimize_scalar(loss, bounds=(10, 35), method="bounded", options={"xatol": 1e-9})
    assert found.loss.value == pytest.approx(reference.fun, rel=1e-12)
    assert np.log(found.n.value) == pytest.approx(reference.x, abs=1e-4)


def test_parameters_in_another_order_give_the_same_plan(
    make_fit: MakeFit, make_law: MakeFit
) -> None:
    def reordered(theta: Any, data: Any) -> Any:
        alpha, beta, a, b, e = (theta[..., i, None] for i in range(5))
        return e + a / data["N"] ** alpha + b / data["D"] ** beta

    ours = make_fit(family={})
    params = {name: ours.params[name] for name in ("alpha", "beta", "A", "B", "E")}
    theirs = make_fit(law=make_law(function=reordered), params=params, family={})
    assert plan(theirs, flops=1e18).n == plan(ours, flops=1e18).n
    assert plan(theirs, flops=1e18).method.startswith("closed form")


@pytest.mark.parametrize("n_convention", ["params_matmul", "params_total", "params_non_embedding"])
@pytest.mark.parametrize("flops", [3e12, 1e14, 1e16])
def test_real_shapes_against_brute_force(
    make_fit: MakeFit, flops: float, n_convention: str
) -> None:
    fit = make_fit(n_convention=n_convention)
    found = plan(fit, flops=flops)
    best = (np.inf, 0, 0.0, 0.0)
    for width in range(16, 4096, 16):
        config = config_for_width(width, vocab_size=1024, context_length=128, n_layer=3)
        counts = count_parameters(config)
        n = getattr(counts, n_convention.removeprefix("params_"))
        d = flops / training_flops(config, 1, "palm")
        loss = float(fit.law.value(fit.theta, {"N": np.array([n]), "D": np.array([d])})[0])
        best = min(best, (loss, width, float(n), d))
    assert found.architecture.d_model == best[1]
    assert found.n.value == pytest.approx(best[2], rel=1e-12)
    assert found.d.value == pytest.approx(best[3], rel=1e-12)
    assert found.loss.value == pytest.approx(best[0], rel=1e-12)
    assert found.flops_by_convention["palm"] == pytest.approx(flops, rel=1e-5)
    assert found.parameters[n_convention] == found.n.value


def test_flags_override_the_family_and_say_so(make_fit: MakeFit) -> None:
    found = plan(make_fit(), flops=1e15, n_layer=6, vocab_size=2048, context_length=256)
    shape = found.architecture
    assert (shape.n_layer, shape.vocab_size, shape.context_length) == (6, 2048, 256)
    for name in ("n_layer 3", "vocab_size 1,024", "context_length 128"):
        assert any(name in caveat for caveat in found.caveats)


def test_a_family_of_many_depths_follows_the_rule(make_fit: MakeFit) -> None:
    fit = make_fit(family={"vocab_size": 32000, "context_length": 1024})
    found = plan(fit, flops=1e20)
    assert found.method.endswith("real shapes")
    assert 50 < found.architecture.d_model / found.architecture.n_layer < 140
    assert found.parameters["params_matmul"] == found.n.value
    assert any("depth follows the width by rule" in caveat for caveat in found.caveats)


def test_intervals_are_percentiles_of_every_draws_optimum(
    make_fit: MakeFit, ladder_draws: Any
) -> None:
    found = plan(make_fit(family={}, draws=ladder_draws), flops=1e14, level=0.8)
    optima = closed_form(ladder_draws, 1e14)
    for part, row in zip((found.n, found.d, found.loss), optima, strict=True):
        assert [part.low, part.high] == pytest.approx(list(np.quantile(row, [0.1, 0.9])))
        assert part.low < part.value < part.high


def test_search_draws_agree_with_the_closed_form(
    make_fit: MakeFit, make_law: MakeFit, ladder_draws: Any
) -> None:
    def chinchilla(theta: Any, data: Any) -> Any:
        e, a, b, alpha, beta = (theta[..., i, None] for i in range(5))
        return e + a / data["N"] ** alpha + b / data["D"] ** beta

    params = dict(zip("eabcd", make_fit().params.values(), strict=True))
    fit = make_fit(law=make_law(function=chinchilla), params=params, family={}, draws=ladder_draws)
    searched = plan(fit, flops=1e14)
    assert searched.method.startswith("search")
    closed = plan(make_fit(family={}, draws=ladder_draws), flops=1e14)
    for name in ("n", "d", "loss"):
        ours, theirs = getattr(searched, name), getattr(closed, name)
        assert [ours.low, ours.high] == pytest.approx([theirs.low, theirs.high], rel=1e-4)


def test_intervals_of_real_shapes_are_finer_than_the_shapes(
    make_fit: MakeFit, ladder_draws: Any
) -> None:
    flops = 1e16
    found = plan(make_fit(draws=ladder_draws), flops=flops)
    n, losses = _optima_of_continuous_widths(ladder_draws, flops)
    assert [found.n.low, found.n.high] == pytest.approx(
        list(np.quantile(n, [0.05, 0.95])), rel=1e-3
    )
    assert [found.loss.low, found.loss.high] == pytest.approx(
        list(np.quantile(losses, [0.05, 0.95])), rel=1e-6
    )
    assert not any("coarser" in caveat for caveat in found.caveats)


def test_coarse_shapes_widen_the_interval_and_say_so(make_fit: MakeFit, ladder_draws: Any) -> None:
    flops = 1e13
    found = plan(make_fit(draws=ladder_draws), flops=flops)
    n, _ = _optima_of_continuous_widths(ladder_draws, flops)
    low, high = np.quantile(n, [0.05, 0.95])
    assert high < found.n.value, "the nearest width lies beyond every likely optimum"
    assert found.n.high == found.n.value
    assert found.n.low == pytest.approx(low, rel=1e-3)
    assert any("coarser" in caveat for caveat in found.caveats)


def _optima_of_continuous_widths(draws: Any, flops: float) -> Any:
    """N and loss (2, R) by scalar minimisation over the width, with counts written out."""

    def at(width: float, theta: Any) -> tuple[float, float]:
        n = 12 * 3 * width**2 + 1024 * width
        d = flops / (6 * n + 3 * 3 * 4 * 128 * width)
        return n, float(theta[0] + theta[1] / n ** theta[3] + theta[2] / d ** theta[4])

    optima: list[tuple[float, float]] = []
    for theta in draws:
        best = minimize_scalar(
            lambda log_width, theta=theta: at(np.exp(log_width), theta)[1],
            bounds=(np.log(16), np.log(5000)),
            method="bounded",
            options={"xatol": 1e-8},
        )
        optima.append(at(np.exp(best.x), theta))
    return np.array(optima).T


def test_a_law_without_an_inner_optimum_says_so(make_fit: MakeFit, make_law: MakeFit) -> None:
    def only_n(theta: Any, data: Any) -> Any:
        return theta[..., 0, None] + theta[..., 1, None] / data["N"] ** theta[..., 2, None]

    draws = np.tile([1.5, 50.0, 0.3], (100, 1))
    law = make_law(function=only_n, name="only_n", variables=("N",))
    for family in ({}, make_fit().family):
        fit = make_fit(law=law, params={"E": 1.5, "A": 50.0, "a": 0.3}, draws=draws, family=family)
        found = plan(fit, flops=1e16)
        assert any("edge of the search" in caveat for caveat in found.caveats)
        assert np.isnan(found.n.low)
        assert "edge" in found.n.reason


def test_a_budget_below_the_smallest_model_is_refused(make_fit: MakeFit) -> None:
    with pytest.raises(UsageError, match="smallest model"):
        plan(make_fit(), flops=1e6)
    smallest = config_for_width(16, vocab_size=1024, context_length=128, n_layer=3)
    barely = plan(make_fit(), flops=training_flops(smallest, 128, "palm"))
    assert (barely.architecture, barely.d.value) == (smallest, 128)
    assert any("edge of the search" in caveat for caveat in barely.caveats)
    with pytest.raises(UsageError, match="less than one"):
        plan("published:hoffmann", flops=1.0)


def test_a_law_with_other_variables_is_refused(make_fit: MakeFit, make_law: MakeFit) -> None:
    with pytest.raises(UsageError, match="'lr'"):
        plan(make_fit(law=make_law(variables=("N", "D", "lr"))), flops=1e15)
    with pytest.raises(UsageError, match="neither N nor D"):
        plan(make_fit(law=make_law(name="compute", variables=("C",))), flops=1e15)


def test_a_law_of_ratio_and_compute_is_planned(make_fit: MakeFit, make_law: MakeFit) -> None:
    def gadre(theta: Any, data: Any) -> Any:
        e, a, b, eta = (theta[..., i, None] for i in range(4))
        return e + (a * data["M"] ** eta + b * data["M"] ** -eta) * data["C"] ** -eta

    law = make_law(function=gadre, name="gadre", variables=("M", "C"))
    fit = make_fit(law=law, params={"E": 1.8, "a": 100.0, "b": 300.0, "eta": 0.14}, family={})
    # The bracket is lowest where M^(2 eta) = b/a.
    found = plan(fit, flops=1e19)
    assert found.tokens_per_parameter == pytest.approx(3.0 ** (1 / 0.28), rel=1e-4)


def test_no_finite_loss_is_untrusted(make_fit: MakeFit) -> None:
    broken = dict(make_fit().params) | {"E": np.nan}
    for family in ({}, make_fit().family):
        with pytest.raises(UntrustedError):
            plan(make_fit(params=broken, family=family), flops=1e15)


def test_draws_without_an_optimum_are_left_out(make_fit: MakeFit, ladder_draws: Any) -> None:
    draws = ladder_draws.copy()
    draws[:60] = np.nan
    for family in ({}, make_fit().family):
        found = plan(make_fit(draws=draws, family=family), flops=1e14)
        kept = plan(make_fit(draws=draws[60:], family=family), flops=1e14)
        assert found.n == kept.n
        assert any("20% of the draws have no optimum" in caveat for caveat in found.caveats)
    few = plan(make_fit(draws=draws[:70]), flops=1e14)
    assert np.isnan(few.n.low)
    assert "only 10 draws" in few.n.reason


def test_a_plan_does_not_change_its_source(make_fit: MakeFit, ladder_draws: Any) -> None:
    fit = make_fit(draws=ladder_draws)
    before = dataclasses.replace(fit, draws=ladder_draws.copy())
    plan(fit, flops=1e14)
    np.testing.assert_array_equal(fit.draws, before.draws)


def test_a_law_of_narrow_domain_is_planned_without_warnings(
    make_fit: MakeFit, make_law: MakeFit, ladder_draws: Any
) -> None:
    def one_point(theta: Any, data: Any) -> Any:
        n = data["N"]
        inside = abs(n - n[len(n) // 2]) < 1e-9 * n
        return np.where(inside, theta[..., 0, None], np.nan)

    law = make_law(function=one_point, name="narrow")
    found = plan(make_fit(law=law, draws=ladder_draws, family={}), flops=1e15)
    assert found.loss.value == make_fit().params["E"]
    assert np.isnan(found.n.low)

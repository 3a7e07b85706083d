"""Limits, targets, averages, hardware and metrics: each against an independent computation."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isoloss.architecture import training_flops
from isoloss.errors import NotFoundError, UsageError
from isoloss.planning import Plan, cost_of, flops_of, hardware_choice, plan, serving_of
from isoloss.planning.published import published_law

MakeFit = Callable[..., Any]


def test_a_fixed_n_spends_the_budget_on_data() -> None:
    found = plan("published:hoffmann", flops=1e22, n=1e9)
    assert found.n.value == pytest.approx(1e9)
    assert found.d.value == pytest.approx(1e22 / 6e9)
    assert found.loss.value == pytest.approx(
        published_law("hoffmann").predict(N=1e9, D=1e22 / 6e9), rel=1e-12
    )
    best = plan("published:hoffmann", flops=1e22)
    assert found.best is not None
    assert found.best["n"] == pytest.approx(best.n.value, rel=1e-5)
    own = next(part for part in found.deadweight if part.n == pytest.approx(1e9))
    assert own.loss_more.value == pytest.approx(found.loss.value - best.loss.value, rel=1e-4)


def test_a_fixed_n_of_a_family_is_its_nearest_shape(make_fit: MakeFit, ladder_draws: Any) -> None:
    found = plan(make_fit(draws=ladder_draws), flops=1e15, n=1e6)
    assert found.parameters["params_matmul"] == found.n.value
    assert found.n.value == pytest.approx(1e6, rel=0.1)
    assert any("nearest real shape" in caveat for caveat in found.caveats)
    assert math.isnan(found.n.low)
    assert found.n.reason == "N was given"
    assert found.loss.low < found.loss.value < found.loss.high
    assert not any("no interval" in caveat for caveat in found.caveats)


@pytest.mark.parametrize(
    ("wish", "kept"),
    [
        ({"max_n": 1e9}, lambda p: p.n.value <= 1e9),
        ({"min_tokens_per_parameter": 200.0}, lambda p: p.tokens_per_parameter >= 200 * 0.999),
        ({"max_tokens_per_parameter": 5.0}, lambda p: p.tokens_per_parameter <= 5 * 1.001),
    ],
)
@pytest.mark.parametrize("aim", [{"flops": 1e22}, {"loss": 2.2}])
def test_limits_bind_where_the_optimum_lies_outside(
    wish: dict[str, float], kept: Callable[[Plan], bool], aim: dict[str, float]
) -> None:
    found, free = plan("published:hoffmann", **aim, **wish), plan("published:hoffmann", **aim)
    assert kept(found)
    assert found.best is not None
    assert found.best["n"] == pytest.approx(free.n.value, rel=1e-4)
    if "flops" in aim:
        assert found.loss.value > free.loss.value
        # The loss has one valley, so the best that is allowed lies at the limit.
        exact = math.sqrt(1e22 / (6 * next(iter(wish.values()))))
        n = wish.get("max_n", exact)
        assert found.n.value == pytest.approx(n, rel=1e-6)
    else:
        assert found.flops > free.flops
    assert "No limits" in found.summary()


def test_a_limit_that_does_not_bind_changes_nothing() -> None:
    found = plan("published:hoffmann", flops=1e22, max_n=1e12)
    assert found.n.value == pytest.approx(plan("published:hoffmann", flops=1e22).n.value, rel=1e-5)
    assert found.best is None


def test_draws_keep_the_limits(make_fit: MakeFit, ladder_draws: Any) -> None:
    free = plan(make_fit(draws=ladder_draws, family={}), flops=1e16)
    limit = free.n.value
    found = plan(make_fit(draws=ladder_draws, family={}), flops=1e16, max_n=limit)
    assert found.n.low == pytest.approx(free.n.low, rel=1e-3)
    assert found.n.high == pytest.approx(limit, rel=3e-4)
    tight = plan(make_fit(draws=ladder_draws, family={}), flops=1e16, max_n=free.n.low / 10)
    assert "all draws agree" in tight.n.reason
    assert tight.loss.low < tight.loss.high
    found = plan(make_fit(draws=ladder_draws, family={}), flops=1e16, min_tokens_per_parameter=100)
    assert found.d.low / found.n.high >= 100 * (1 - 1e-6)


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({}, "one budget or target, found none"),
        ({"flops": 1e20, "loss": 2.0}, "found flops, loss"),
        ({"flops": 1e20, "n": 1e10, "max_n": 1e9}, "above max_n"),
        ({"flops": 1e20, "min_tokens_per_parameter": 30, "max_tokens_per_parameter": 20}, "above"),
        ({"flops": 1e20, "max_n": -1}, "max_n must be a positive number"),
        ({"flops": 1e20, "unique_tokens": 0}, "unique_tokens must be a positive"),
        ({"flops": 1e20, "inference_tokens": math.nan}, "inference_tokens must be a positive"),
        ({"flops": 1e20, "inference_tokens": 1e12, "inference_cost": "euros"}, "euros"),
        ({"flops": 1e20, "inference_tokens": 1e12, "inference_cost": "money"}, "needs hardware"),
        ({"days": 3}, "needs hardware"),
        ({"loss": 1.7}, "no model reaches a loss of 1.7"),
        ({"loss": 2.0, "n": 1e6}, "no amount of data at N = 1e"),
        ({"metric": 0.5}, "two steps"),
        ({"flops": 1e20, "max_n": 1e3, "max_tokens_per_parameter": 10}, "no model keeps"),
        ({"flops": 1e20, "weights": "equal"}, "for several fits"),
        ({"flops": 1e20, "serve_on": "h100-sxm", "n": 1e12}, "does not fit"),
    ],
)
def test_wishes_that_cannot_be_met(wishes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        plan("published:epoch", **wishes)


def test_unknown_hardware_is_not_found() -> None:
    with pytest.raises(NotFoundError):
        plan("published:epoch", days=1, hardware="h100-sxn")


def test_a_laws_average_minimises_the_mean_loss(make_fit: MakeFit, ladder_draws: Any) -> None:
    other = {"E": 1.5, "A": 90.0, "B": 420.0, "alpha": 0.36, "beta": 0.33}
    shifted = ladder_draws * np.array([1, 1.5, 1, 1.05, 0.95])
    one = make_fit(family={}, draws=ladder_draws)
    two = make_fit(family={}, params=other, draws=shifted)
    both = plan([one, two], flops=1e15, weights=[3, 1])
    n = np.geomspace(1e4, 1e9, 20001)
    d = 1e15 / (6 * n)
    losses = [fit.law.value(fit.theta, {"N": n, "D": d}) for fit in (one, two)]
    mean = 0.75 * losses[0] + 0.25 * losses[1]
    assert both.loss.value == pytest.approx(mean.min(), rel=1e-8)
    assert both.n.value == pytest.approx(n[mean.argmin()], rel=1e-3)
    assert list(both.weights.values()) == [0.75, 0.25]
    ends = sorted(plan(fit, flops=1e15).n.value for fit in (one, two))
    assert ends[0] < both.n.value < ends[1]
    assert both.n.high - both.n.low > 0
    assert "average of" in both.source


def test_weights_of_one_law_are_that_law(make_fit: MakeFit, ladder_draws: Any) -> None:
    one = make_fit(family={}, draws=ladder_draws)
    two = make_fit(family={}, draws=ladder_draws * 1.1)
    alone, averaged = plan(one, flops=1e15), plan([one, two], flops=1e15, weights=[1, 0])
    assert (averaged.n, averaged.loss) == (alone.n, alone.loss)


def test_pooled_draws_count_by_weight(make_fit: MakeFit, ladder_draws: Any) -> None:
    """Equal weights pool 300 and 100 draws half and half."""
    far = ladder_draws[:100] * np.array([1, 1, 1, 1.3, 0.8])
    one = make_fit(family={}, draws=ladder_draws)
    two = make_fit(family={}, draws=far)
    both = plan([one, two], flops=1e15, level=0.8)
    from isoloss.planning.chinchilla_optimum import closed_form

    repeated = np.concatenate(
        [closed_form(ladder_draws, 1e15)[0], np.repeat(closed_form(far, 1e15)[0], 3)]
    )
    low, high = np.quantile(repeated, [0.1, 0.9])
    assert both.n.low == pytest.approx(low, rel=0.03)
    assert both.n.high == pytest.approx(high, rel=0.03)


def test_laws_that_count_differently_are_not_averaged(make_fit: MakeFit) -> None:
    with pytest.raises(UsageError, match="differ in n_convention"):
        plan([make_fit(), make_fit(n_convention="params_total")], flops=1e15)
    with pytest.raises(UsageError, match="expected 2 weights"):
        plan([make_fit(), make_fit()], flops=1e15, weights=[1])
    with pytest.raises(UsageError, match="no fit"):
        plan([], flops=1e15)


@pytest.mark.parametrize(
    "budget", [{"gpu_hours": 5e4}, {"money": 1e5}, {"days": 20.0}], ids=["hours", "money", "days"]
)
def test_a_budget_of_hardware_is_spent_by_palms_count(budget: dict[str, float]) -> None:
    choice = hardware_choice("h100-sxm", 64, mfu=(0.4, 0.3, 0.5))
    found = plan("published:epoch", **budget, hardware=choice, context_length=4096)
    bought = flops_of(choice, **budget)
    spent = training_flops(found.architecture, found.d.value, "palm")
    assert spent == pytest.approx(bought.value, rel=1e-9)
    # The law's own count is the smaller one: it leaves attention out.
    assert found.flops == pytest.approx(6 * found.n.value * found.d.value)
    assert found.flops < spent
    assert found.flops_convention == "6nd_total"
    assert found.hardware is not None
    cost = cost_of(found.architecture, round(found.d.value), choice).to_dict()
    assert found.hardware["training"]["flops"] == pytest.approx(cost["flops"])
    assert found.hardware["budget_flops"]["value"] == pytest.approx(bought.value)
    low, high = found.hardware["at_the_ends"]
    assert low["n"] <= found.n.value <= high["n"]
    assert all(math.isfinite(part.money_more) for part in found.deadweight)
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_familys_fit_in_palm_needs_no_other_count(make_fit: MakeFit) -> None:
    choice = hardware_choice("laptop-cpu", mfu=0.2)
    by_days = plan(make_fit(), days=1.0, hardware=choice)
    by_flops = plan(make_fit(), flops=flops_of(choice, days=1.0).value)
    assert by_days.architecture == by_flops.architecture
    assert by_days.flops == pytest.approx(by_flops.flops)


def test_the_largest_model_that_can_be_served() -> None:
    choice = hardware_choice("rtx-4090")
    found = plan("published:epoch", flops=1e24, serve_on=choice, serve_bits=8, serve_context=4096)
    assert found.architecture.context_length == 4096
    assert serving_of(found.architecture, choice, prompt=3277, output=819, weight_bits=8).fits
    assert found.n.value < found.best["n"] if found.best else False
    limit = found.asked["max_n"]
    assert found.n.value <= limit
    # An integer of bytes a weight: 24 GB hold less than 24e9 weights of 8 bits.
    assert 1e10 < limit < 2.4e10
    assert found.serving is not None
    assert found.serving["weight_bits"] == 8
    assert "Serving on" in found.summary()
    four = plan("published:epoch", flops=1e24, serve_on=choice, serve_bits=4, serve_context=4096)
    assert four.n.value > found.n.value


def test_use_can_be_priced_in_money() -> None:
    words = {"hardware": "h100-sxm", "devices": 64, "serve_on": "h100-sxm", "serve_devices": 8}
    found = plan("published:epoch", flops=1e22, inference_tokens=1e12, inference_cost="money",
                 **words)  # type: ignore[arg-type]  # fmt: skip
    use = found.inference
    assert use is not None
    assert use.unit == "money"
    assert found.hardware is not None
    assert use.training == pytest.approx(found.hardware["training"]["money"]["value"], rel=0.01)
    assert use.total == pytest.approx(use.training + use.use)
    assert 0 < use.saved.value < 1
    assert found.n.value < use.optimal_n
    assert "$" in found.summary()


@dataclass(frozen=True)
class Chain:
    first: Any
    second: Any
    link: str = "loss"
    paired: bool = True
    target: str = "metric_accuracy"


def test_a_target_metric_goes_through_its_loss(
    make_fit: MakeFit, make_law: MakeFit, ladder_draws: Any
) -> None:
    def line(theta: Any, data: Any) -> Any:
        return theta[..., 0, None] + theta[..., 1, None] * data["loss"]

    law = make_law(function=line, name="line", variables=("loss",))
    slopes = np.tile([1.0, -0.2], (300, 1)) * np.linspace(0.99, 1.01, 300)[:, None]
    second = make_fit(law=law, params={"a": 1.0, "b": -0.2}, draws=slopes)
    chain = Chain(first=make_fit(family={}, draws=ladder_draws), second=second)
    found = plan(chain, metric=0.5)
    assert found.loss.value == pytest.approx(2.5, rel=1e-9)
    assert found.metric is not None
    assert found.metric.name == "metric_accuracy"
    assert found.metric.value.value == pytest.approx(0.5, rel=1e-9)
    assert found.metric.value.low < 0.5 < found.metric.value.high
    direct = plan(chain.first, loss=2.5)
    assert found.n.value == pytest.approx(direct.n.value, rel=1e-6)
    assert found.flops_interval is not None
    assert direct.flops_interval is not None
    assert found.flops_interval.high > direct.flops_interval.high
    by_budget = plan(chain, flops=1e14)
    assert by_budget.metric is not None
    assert by_budget.metric.value.value == pytest.approx(1 - 0.2 * by_budget.loss.value)
    with pytest.raises(UsageError, match=r"no loss gives metric_accuracy = 1\.5"):
        plan(chain, metric=1.5)


def test_everything_survives_the_file(make_fit: MakeFit, ladder_draws: Any, tmp_path: Path) -> None:
    fit = make_fit(draws=ladder_draws)
    found = [
        plan(fit, flops=1e15, unique_tokens=5e6, max_n=1e6),
        plan(fit, flops=1e14, inference_tokens=1e9),
        plan(fit, loss=2.5, hardware="laptop-cpu"),
        plan([fit, make_fit()], flops=1e14),
        plan("published:epoch", flops=1e22, serve_on="h100-sxm"),
    ]
    for number, before in enumerate(found):
        path = tmp_path / f"{number}.json"
        before.save(path)
        assert Plan.load(path).to_dict() == before.to_dict()
        assert Plan.load(path).summary() == before.summary()
        assert max(map(len, before.summary().splitlines())) <= 80


def test_a_plan_of_the_first_version_is_read(make_fit: MakeFit, tmp_path: Path) -> None:
    found = plan(make_fit(), flops=1e14)
    path = tmp_path / "plan.json"
    found.save(path)
    old = json.loads(path.read_text())
    for name in ("asked", "flops_interval", "weights", "best", "deadweight", "valley", "epochs",
                 "inference", "metric", "serving", "serving_reason", "recipe"):  # fmt: skip
        old.pop(name)
    path.write_text(json.dumps(old | {"schema_version": 1}))
    read = Plan.load(path)
    assert (read.n, read.architecture) == (found.n, found.architecture)
    assert read.valley is None
    assert read.recipe is None
    assert "Another size" not in read.summary()


def test_draws_of_a_valley_lie_above_its_best(make_fit: MakeFit, ladder_draws: Any) -> None:
    valley = plan(make_fit(draws=ladder_draws), flops=1e15).valley
    assert valley is not None
    assert len(valley.n) == len(valley.more) == len(valley.low) == len(valley.high)
    assert min(valley.more) >= 0
    assert min(valley.low) >= 0
    assert all(low <= high for low, high in zip(valley.low, valley.high, strict=True))


def test_the_ladders_learning_rate_is_carried_over(make_fit: MakeFit) -> None:
    ladder = {
        "optimizer": "adamw",
        "parameterization": "mup",
        "base_learning_rate": 0.02,
        "base_width": 64,
    }
    planned = plan(make_fit(), flops=1e15, ladder_recipe=ladder)
    found, width = planned.recipe, planned.architecture.d_model
    assert found is not None
    assert found.learning_rate == pytest.approx(0.02 * 64 / width)
    plain = plan(make_fit(), flops=1e15).recipe
    assert plain is not None
    assert "Step Law" in plain.basis["learning_rate"]
    assert found.tokens == plain.tokens

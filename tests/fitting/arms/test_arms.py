"""Arms: known multipliers come back, nothing is found where nothing is, bad tables are named."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from isoloss.errors import DataError, UsageError
from isoloss.fitting import ArmComparison, compare_arms
from isoloss.fitting.arms._arm_law import (
    ARM,
    Arms,
    chosen_effect,
    refuse_other_laws,
    scaled,
    shared_law,
)
from isoloss.fitting.arms._arm_rows import arm_rows
from isoloss.laws import get_law
from isoloss.runs import Runs

THETA = np.array([1.7, 60.0, 90.0, 0.3, 0.28])
ALONE: Mapping[str, tuple[float, float]] = {"base": (1.0, 1.0)}


def loss(n: float, d: float, theta: np.ndarray = THETA) -> float:
    return float(get_law("chinchilla").value(theta, {"N": np.array([n]), "D": np.array([d])})[0])


def table(
    arms: Mapping[str, tuple[float, float]],
    noise: float = 0.003,
    seed: int = 0,
    shared_noise: float = 0.0,
    thetas: Mapping[str, np.ndarray] | None = None,
) -> Runs:
    """20 runs an arm at the same points; `arms` has c_N and c_D of each."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for n in np.geomspace(2e5, 2e7, 5):
        for m in (4, 12, 40, 120):
            common = shared_noise * rng.standard_normal()
            for arm, (c_n, c_d) in arms.items():
                theta = (thetas or {}).get(arm, THETA)
                value = loss(c_n * n, c_d * n * m, theta)
                value *= math.exp(common + noise * rng.standard_normal())
                rows.append({"params_matmul": n, "tokens": n * m, "loss": value, "group": arm})
    return Runs.from_rows(rows)


def budgets(multiplier: float, seed: int, points: int = 12) -> Runs:
    """Runs of L(C) in two arms, the second with a known multiplier."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for c in np.geomspace(1e14, 1e18, points):
        for arm, times in (("a", 1.0), ("b", multiplier)):
            value = (1.7 + 400 * (times * c) ** -0.16) * math.exp(0.004 * rng.standard_normal())
            rows.append(
                {
                    "params_total": 1e6, "tokens": 1e7, "flops": c, "flops_convention": "palm",
                    "loss": value, "group": arm, "seed": float(arm == "b"),
                }
            )  # fmt: skip
    return Runs.from_rows(rows)


@pytest.fixture(scope="module")
def three() -> ArmComparison:
    """Paired arms: one is worth 1.2 x 1.5 = 1.8 times the compute, one nothing more."""
    arms = {"base": (1.0, 1.0), "muon": (1.2, 1.5), "same": (1.0, 1.0)}
    return compare_arms(table(arms, 0.002, shared_noise=0.004), at={"flops": 1e17}, bootstrap=100)


def test_a_known_multiplier_is_recovered_with_its_interval(three: ArmComparison) -> None:
    muon = three["muon"]
    assert muon.multiplier.value == pytest.approx(1.8, rel=0.05)
    assert muon.multiplier.low < 1.8 < muon.multiplier.high
    assert muon.multiplier.high / muon.multiplier.low < 1.2
    assert muon.factors["parameters"].value * muon.factors["data"].value == pytest.approx(
        muon.multiplier.value, rel=1e-4
    )
    assert muon.probability_better > 0.99
    assert muon.source == "shared"
    assert (muon.pairs, muon.pairs_better, muon.pairs_worse) == (20, 20, 0)
    gap = loss(1.2 * three.at["N"], 1.5 * three.at["D"]) - loss(three.at["N"], three.at["D"])
    assert muon.loss_gap.value == pytest.approx(gap, rel=0.1)
    assert muon.loss_gap.low < gap < muon.loss_gap.high


def test_an_arm_without_effect_is_worth_one(three: ArmComparison) -> None:
    same = three["same"]
    assert same.multiplier.low < 1 < same.multiplier.high
    assert 0.02 < same.probability_better < 0.98
    assert three.test.tenable is True
    assert three.trusted
    assert "tenable" in three.status


def test_pairs_share_their_noise(three: ArmComparison) -> None:
    arms = {"base": (1.0, 1.0), "muon": (1.2, 1.5), "same": (1.0, 1.0)}
    frame = table(arms, 0.002, shared_noise=0.004).to_frame()
    frame["seed"] = [float(list(arms).index(arm)) for arm in frame["group"]]
    apart = compare_arms(Runs.from_frame(frame), at={"flops": 1e17}, bootstrap=60)
    width = math.log(apart["muon"].multiplier.high / apart["muon"].multiplier.low)
    paired = math.log(three["muon"].multiplier.high / three["muon"].multiplier.low)
    assert apart["muon"].pairs == 0
    assert apart["muon"].multiplier.value == pytest.approx(three["muon"].multiplier.value)
    assert paired < 0.85 * width


def test_what_a_comparison_says(three: ArmComparison) -> None:
    text = three.summary()
    assert max(map(len, text.splitlines())) <= 80
    assert "muon is worth" in text
    assert "compute at the target" in text
    assert "params_matmul" in text
    assert three.extrapolation == 1
    assert three.at["N"] * three.at["D"] * 6 == pytest.approx(1e17)
    document = json.loads(json.dumps(three.to_dict(), allow_nan=False))
    assert document["arms"][0]["multiplier"]["value"] == three["muon"].multiplier.value
    assert document["test"]["tenable"] is True
    frame = three.to_frame()
    assert len(frame) == 2 * 4 * 2
    assert set(frame["source"]) == {"shared", "separate"}
    assert "<pre>" in three._repr_html_()
    assert "muon" in repr(three)
    with pytest.raises(UsageError, match="no arm 'sam'"):
        three["sam"]


def test_the_same_seed_gives_the_same_answer() -> None:
    once, again = (
        compare_arms(budgets(1.3, 0), law="compute", bootstrap=30, level=0.5) for _ in range(2)
    )
    assert once.to_dict() == again.to_dict()


def test_arms_of_different_exponents_are_told_apart() -> None:
    steeper = {"b": np.array([1.7, 60.0, 250.0, 0.3, 0.36])}
    runs = table({"a": (1, 1), "b": (1, 1)}, thetas=steeper)
    result = compare_arms(runs, at={"flops": 1e19}, bootstrap=100)
    assert result.test.tenable is False
    assert result.test.p_value < 0.05
    effect = result["b"]
    assert effect.source == "separate"
    assert effect.by_scale[-1].separate.value > 1.3 * effect.by_scale[0].separate.value
    assert "not tenable" in result.summary()
    assert result.extrapolation == pytest.approx(1e19 / (6 * 120 * 2e7**2))
    assert "beyond the runs" in result.summary()
    assert result.to_frame().query("used")["source"].unique().tolist() == ["separate"]


def test_intervals_and_probabilities_over_many_tables() -> None:
    """Half the tables without effect, half with 1.3x; the truth must lie where it is said to."""
    inside, better = [], []
    for seed in range(8):
        truth = 1.0 if seed % 2 else 1.3
        result = compare_arms(budgets(truth, seed), law="compute", bootstrap=50, level=0.8)
        effect = result["b"]
        inside.append(effect.multiplier.low <= truth <= effect.multiplier.high)
        (better if truth == 1 else []).append(effect.probability_better)
        assert truth == 1 or effect.probability_better > 0.9
    assert sum(inside) >= 5
    assert 0.2 < float(np.mean(better)) < 0.8


def test_noise_free_arms_are_exact() -> None:
    for effect, c in (("data", (1.0, 2.5)), ("parameters", (0.4, 1.0)), ("compute", (1.3, 1.3))):
        result = compare_arms(
            table({"a": (1, 1), "b": c}, noise=0.0), at={"flops": 1e16}, bootstrap=0, effect=effect
        )
        assert result["b"].multiplier.value == pytest.approx(c[0] * c[1], rel=1e-4)
        assert result.test.tenable is None
        assert "leaves no residuals" in result.status


def test_without_bootstrap_there_is_no_interval_but_a_reason() -> None:
    effect = compare_arms(budgets(1.3, 0), law="compute", bootstrap=0)["b"]
    assert math.isnan(effect.multiplier.low)
    assert math.isnan(effect.probability_better)
    assert "bootstrap=0" in effect.multiplier.reason
    assert effect.to_dict()["probability_better"] is None
    assert "bootstrap=0" in effect.to_dict()["probability_better_reason"]


def test_an_arm_that_no_compute_of_the_baseline_reaches() -> None:
    lower = {"b": THETA - np.array([0.6, 0, 0, 0, 0])}
    runs = table({"a": (1, 1), "b": (1, 1)}, thetas=lower)
    effect = compare_arms(runs, at={"flops": 1e22}, bootstrap=40)["b"]
    assert effect.multiplier.value == math.inf
    assert effect.to_dict()["multiplier"]["value"] is None
    assert "1e6 times" in effect.to_dict()["multiplier"]["value_reason"]


def test_an_arm_of_few_runs_borrows_the_law_and_says_that_it_was_not_tested() -> None:
    runs = table({"a": (1, 1), "b": (1.5, 1.5)})
    keep = iter(range(20))
    few = runs.where([arm == "a" or next(keep) % 5 == 0 for arm in runs.to_frame()["group"]])
    result = compare_arms(few, effect="compute", bootstrap=60)
    assert result["b"].n_rows == 4
    assert result["b"].multiplier.value == pytest.approx(2.25, rel=0.15)
    assert result.resample == "wild"
    assert result.test.tenable is None
    assert "'b' has 4 runs for the 5 parameters" in result.status
    assert math.isnan(result["b"].by_scale[0].separate.value)


@pytest.mark.parametrize(
    ("change", "message", "hint"),
    [
        ({"group": "grup"}, "no column 'grup'", "Did you mean 'group'"),
        ({"baseline": "bse"}, "no arm .* 'bse'", "Did you mean 'base'"),
        ({"effect": "tokens"}, "unknown effect", "parameters"),
        ({"at": {"flps": 1e18}}, "unknown flps", "Did you mean 'flops'"),
        ({"at": {"N": 1e8}}, "missing D", "flops=…"),
        ({"at": {"N": 1e8, "D": -1}}, "positive number", ""),
        ({"law": "surface"}, "do more than", "chinchilla"),
        ({"law": "E + A/N**alpha", "effect": "data"}, "cannot show", "parameters"),
        ({"law": "E + A*lr**alpha"}, "no variable that grows", "chinchilla"),
        ({"level": 2}, "level", ""),
    ],
)
def test_wrong_arguments_are_named(change: dict[str, Any], message: str, hint: str) -> None:
    runs = table({"base": (1, 1), "b": (1, 1)})
    frame = runs.to_frame().assign(learning_rate=1e-3)
    with pytest.raises((DataError, UsageError), match=message) as caught:
        compare_arms(Runs.from_frame(frame), **{"bootstrap": 0, **change})
    assert hint in caught.value.hint


def test_wrong_tables_are_named() -> None:
    with pytest.raises(DataError, match="one value, 'base': a comparison needs two"):
        compare_arms(table(ALONE))
    runs = table({"a": (1, 1), "b": (1, 1)})
    keep = iter(range(20))
    few = runs.where([arm == "a" or next(keep) < 2 for arm in runs.to_frame()["group"]])
    with pytest.raises(DataError, match=r"arm 'b' has 2 usable run\(s\)") as caught:
        compare_arms(few)
    assert 'effect="compute"' in caught.value.hint
    frame = runs.to_frame()
    frame.loc[3, "group"] = ""
    with pytest.raises(DataError, match="is empty in 1 of 40"):
        compare_arms(Runs.from_frame(frame))


@pytest.mark.parametrize("name", ["chinchilla", "skaling", "interaction", "compute", "logs"])
def test_the_shared_law_has_exact_derivatives(name: str) -> None:
    law = get_law("E + exp(a)/N**alpha + b*D**-0.3" if name == "logs" else name)
    rng = np.random.default_rng(0)
    n, d = rng.uniform(0.5, 2, 9), rng.uniform(0.5, 2, 9)
    data = {"N": n, "D": d, "C": 6 * n * d, ARM: np.arange(9.0) % 3}
    arms = Arms(law, ("a", "b", "c"), chosen_effect(law, "auto"))
    stacked = shared_law(arms)
    theta = rng.uniform(0.5, 1.5, len(stacked.names))
    exact = stacked.jacobian(theta[None], data)[0]
    for i in range(len(theta)):
        step = np.zeros(len(theta))
        step[i] = 1e-5
        slope = (stacked.value(theta + step, data) - stacked.value(theta - step, data)) / 2e-5
        np.testing.assert_allclose(exact[:, i], slope, rtol=1e-6, atol=1e-9)
    refuse_other_laws(law, {v: data[v] for v in law.variables})
    moved = scaled(law, theta[: len(law.names)], ((1.0, 1.0), np.log(2.0)))
    grown = {"N": 2 * n, "D": 2 * d, "C": 4 * data["C"]}
    np.testing.assert_allclose(
        law.value(moved, data), law.value(theta[: len(law.names)], grown), rtol=1e-12
    )


def test_runs_of_one_trunk_and_pairs_are_drawn_together() -> None:
    rows = [
        {"params_total": 1e6, "tokens": t, "loss": 3.0, "group": arm, "parent_id": parent}
        for t, arm, parent in (
            (1e7, "a", "x"), (2e7, "a", "x"), (2e7, "b", ""), (4e7, "a", ""), (8e7, "b", ""),
        )
    ]  # fmt: skip
    found = arm_rows(Runs.from_rows(rows), "group", None, ("N", "D"), None)
    assert len(set(found.units[:3].tolist())) == 1
    assert len(set(found.units.tolist())) == 3

"""The plan as a result: its text, its JSON, its caveats and its mistakes."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isoloss.errors import DataError, NotFoundError, UsageError
from isoloss.planning import Plan, plan

MakeFit = Callable[..., Any]


@pytest.fixture
def plans(make_fit: MakeFit, ladder_draws: Any) -> list[Plan]:
    return [
        plan(make_fit(draws=ladder_draws), flops=1e13),
        plan(make_fit(), flops=1e18, n_layer=7),
        plan(make_fit(family={}, flops_convention="", ranges={}, trusted=False), flops=1e18),
        plan("published:hoffmann", flops=5.76e23),
        plan("published:kaplan", flops=1e21, vocab_size=50_257, context_length=1024),
    ]


def test_save_and_load_round_trip(plans: list[Plan], tmp_path: Path) -> None:
    for number, before in enumerate(plans):
        path = tmp_path / f"{number}.json"
        before.save(path)
        after = Plan.load(path)
        assert after == before
        assert after.to_dict() == before.to_dict()
    assert len(list(tmp_path.iterdir())) == len(plans)


def test_json_is_strict_and_has_the_keys_scripts_rely_on(plans: list[Plan]) -> None:
    for found in plans:
        document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
        assert {
            "flops", "flops_convention", "n_convention", "n", "d", "loss", "architecture",
            "hardware", "hardware_reason", "caveats", "extrapolation", "source",
        } <= document.keys()  # fmt: skip
        for key in ("n", "d", "loss"):
            assert {"value", "low", "high"} <= document[key].keys()
            assert (document[key]["low"] is None) == ("interval_reason" in document[key])
        assert (document["extrapolation"] is None) == ("extrapolation_reason" in document)
        assert document["hardware"] is None
        assert set(document["architecture"]) == {
            "d_model", "n_layer", "n_head", "d_ff", "vocab_size", "context_length",
        }  # fmt: skip
        assert len(document["flops_by_convention"]) == 4


def test_text_fits_the_terminal(plans: list[Plan]) -> None:
    for found in plans:
        assert max(map(len, found.summary().splitlines())) <= 80
        assert "\n" not in repr(found)
        assert found.n_convention in found.summary()
        assert found.summary().replace("<", "&lt;") in found._repr_html_().replace("&#x27;", "'")
        for caveat in found.caveats:
            assert caveat.split()[0] in found.summary()


def test_frame_has_one_row_a_quantity(plans: list[Plan]) -> None:
    frame = plans[0].to_frame()
    assert list(frame.index) == ["n", "d", "loss"]
    assert (frame["low"] <= frame["value"]).all()
    assert (frame["value"] <= frame["high"]).all()
    assert (frame["low"] < frame["high"]).all()


def test_plans_are_frozen(plans: list[Plan]) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        plans[0].flops = 1.0  # type: ignore[misc]


def test_extrapolation_is_the_budget_over_the_largest_run(make_fit: MakeFit) -> None:
    inside = plan(make_fit(), flops=1.2e12)
    assert inside.extrapolation == pytest.approx(0.5)
    assert not any("extrapolated" in caveat for caveat in inside.caveats)
    beyond = plan(make_fit(), flops=2.4e16)
    assert beyond.extrapolation == pytest.approx(1e4)
    assert beyond.beyond["N"] == pytest.approx(beyond.n.value / 4e5)
    assert beyond.beyond["D"] == pytest.approx(beyond.d.value / 4e6)
    assert any("extrapolated" in caveat for caveat in beyond.caveats)


def test_ranges_under_column_names_are_understood(make_fit: MakeFit) -> None:
    ranges = {"params_matmul": (4e4, 4e5), "tokens": (5e5, 4e6), "flops": (2e11, 2.4e12)}
    assert plan(make_fit(ranges=ranges), flops=1e13) == plan(make_fit(), flops=1e13)


def test_unknown_ranges_are_a_reason_not_a_number(make_fit: MakeFit) -> None:
    found = plan(make_fit(ranges={"N": (4e4, 4e5)}), flops=1e13)
    assert math.isnan(found.extrapolation)
    assert found.to_dict()["extrapolation"] is None
    assert any("unknown" in caveat for caveat in found.caveats)


def test_assumptions_are_caveats(make_fit: MakeFit) -> None:
    unnamed = plan(
        make_fit(family={}, flops_convention="", n_convention="params_total"), flops=1e20
    )
    assert unnamed.flops_convention == "6nd_total"
    assert any("C = 6 N D is assumed" in caveat for caveat in unnamed.caveats)
    assert any("32,000" in caveat for caveat in unnamed.caveats)
    palm = plan(make_fit(family={}), flops=1e20)
    assert palm.flops_convention == "palm"
    assert any("spent by C = 6 N D" in caveat for caveat in palm.caveats)
    untrusted = plan(make_fit(trusted=False, status="Two optima."), flops=1e13)
    assert untrusted.caveats[0].endswith("Two optima.")
    assert any("no interval" in caveat for caveat in untrusted.caveats)
    wide = plan(make_fit(), flops=1e20)
    assert any("Depth 3" in caveat for caveat in wide.caveats)


def test_a_family_without_the_fits_convention_names_its_shape(make_fit: MakeFit) -> None:
    found = plan(make_fit(flops_convention="reported"), flops=1e15)
    assert found.method.startswith("closed form")
    assert found.architecture.vocab_size == 1024
    assert found.architecture.n_layer == 3
    assert not any("assumes" in caveat for caveat in found.caveats)


@pytest.mark.parametrize("flops", [0, -1.0, math.nan, math.inf, 1e300])
def test_bad_budgets_are_refused(flops: float) -> None:
    with pytest.raises(UsageError, match="budget"):
        plan("published:hoffmann", flops=flops)


@pytest.mark.parametrize("level", [0, 1, -0.5, 90, math.nan])
def test_bad_levels_are_refused(level: float) -> None:
    with pytest.raises(UsageError, match="level"):
        plan("published:hoffmann", flops=1e20, level=level)


@pytest.mark.parametrize("name", ["n_layer", "vocab_size", "context_length"])
@pytest.mark.parametrize("value", [0, -3, 2.5])
def test_bad_sizes_are_refused(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=name):
        plan("published:hoffmann", flops=1e20, **{name: value})


def test_something_that_is_no_fit_is_refused() -> None:
    with pytest.raises(UsageError, match="int"):
        plan(7, flops=1e20)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "{}", '"x"', '{"flops": "many"}', b"\xff\xfe".decode("latin-1")]
)
def test_a_file_that_is_no_plan_is_bad_data(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text, "latin-1")
    with pytest.raises(DataError, match=r"plan\.json"):
        Plan.load(path)


def test_a_damaged_plan_is_bad_data(plans: list[Plan], tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    for key, value in (("architecture", {"d_model": 1}), ("n", 3), ("parameters", []), ("d", {})):
        plans[0].save(path)
        document = json.loads(path.read_text()) | {key: value}
        path.write_text(json.dumps(document))
        with pytest.raises(DataError):
            Plan.load(path)


def test_a_missing_plan_is_not_found(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(NotFoundError):
            Plan.load(path)


def test_planning_needs_no_torch_scipy_or_pandas(python: Any) -> None:
    result = python(
        "import isoloss.planning as p\nprint(p.plan('published:epoch', flops=1e20).n.value > 0)",
        blocked=("torch", "scipy", "pandas", "sympy"),
    )
    assert result.stdout.strip() == "True", result.stderr


def test_numpy_scalars_are_fine(make_fit: MakeFit, ladder_draws: Any) -> None:
    found = plan(make_fit(draws=ladder_draws), flops=np.float64(1e13), level=np.float64(0.5))
    json.dumps(found.to_dict(), allow_nan=False)

"""Choices of hardware: what is assumed, set and measured."""

from __future__ import annotations

import json
import math

import pytest

import isoloss as il
from isoloss.errors import DataError, UsageError
from isoloss.planning import (
    HardwareChoice,
    Range,
    device,
    hardware_choice,
    hardware_names,
    measured_utilisation,
)


@pytest.mark.parametrize("name", hardware_names())
def test_every_device_can_be_chosen_by_name_alone(name: str) -> None:
    choice = hardware_choice(name, 16)
    assert choice.utilisation.basis.startswith("assumed")
    assert choice.peak_flops == 16 * device(name).peak(choice.dtype)
    assert choice.hourly_cost.low > 0
    document = json.loads(json.dumps(choice.to_dict(), allow_nan=False))
    assert HardwareChoice.from_dict(document) == choice
    assert "\n" not in repr(choice)


def test_what_is_set_says_so() -> None:
    choice = hardware_choice("h100", 8, mfu=(0.4, 0.35, 0.45), price=2, pue=1.1)
    assert choice.utilisation == Range(value=0.4, low=0.35, high=0.45, basis="set")
    assert choice.price == Range.exactly(2.0, basis="set")
    assert "set" in choice.assumptions[0]
    assert "assumed" in choice.assumptions[2]


def test_electricity_is_added_only_where_the_price_leaves_it_out() -> None:
    rented = hardware_choice("h100", price=2.0, electricity_price=0.2, pue=1.0)
    owned = hardware_choice("h100", price=2.0, electricity_price=0.2, pue=1.0, owned=True)
    assert rented.hourly_cost.value == 2.0
    assert owned.watts.value == pytest.approx(1.3 * 700)
    assert owned.hourly_cost.value == pytest.approx(2.0 + 0.91 * 0.2)
    assert hardware_choice("laptop-cpu").owned


@pytest.mark.parametrize(
    "wrong",
    [
        {"mfu": 40}, {"mfu": 0}, {"mfu": -0.4}, {"mfu": math.nan}, {"mfu": (0.4, 0.5, 0.6)},
        {"mfu": "much"}, {"pue": 0.9}, {"price": -1}, {"count": 0}, {"count": 1.5},
        {"dtype": "fp8"}, {"count": True},
    ],
)  # fmt: skip
def test_wrong_figures_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        hardware_choice("a100", **wrong)  # type: ignore[arg-type]


def test_ranges_multiply_and_divide_corner_by_corner() -> None:
    a = Range(value=2, low=1, high=4)
    b = Range(value=10, low=5, high=20)
    assert a * b == Range(value=20, low=5, high=80)
    assert a / b == Range(value=0.2, low=0.05, high=0.8)
    assert a + b == Range(value=12, low=6, high=24)
    with pytest.raises(UsageError, match="zero"):
        _ = a / Range(value=1, low=0, high=2)


def rows(*, seconds: list[float], flops: list[float], **more: object) -> il.Runs:
    return il.Runs.from_rows(
        [
            {
                "params_matmul": 1e6 * (i + 1), "tokens": 1e7, "loss": 3.0, "flops": f,
                "flops_convention": "palm", "meta_seconds": s, "meta_precision": "float32", **more,
            }
            for i, (s, f) in enumerate(zip(seconds, flops, strict=True))
        ]
    )  # fmt: skip


def test_utilisation_is_measured_on_the_largest_models() -> None:
    """Eight runs; the largest two make 3.2e10 and 6.4e10 FLOP/s of a peak of 6.4e11."""
    runs = rows(seconds=[10] * 8, flops=[1e9] * 6 + [3.2e11, 6.4e11])
    found = measured_utilisation(runs, device("laptop-cpu"))
    assert found.low == pytest.approx(0.05)
    assert found.high == pytest.approx(0.10)
    assert found.value == pytest.approx(0.075)
    assert found.basis.startswith("measured: 2 rows of 7e+06 to 8e+06 parameters in fp32")
    assert hardware_choice("laptop-cpu", mfu=found).utilisation == found


def test_own_flops_are_what_the_seconds_went_into() -> None:
    runs = rows(seconds=[10], flops=[6.4e12], own_flops=3.2e11)
    assert measured_utilisation(runs, device("laptop-cpu")).value == pytest.approx(0.05)


def test_the_precision_of_the_rows_decides_the_peak() -> None:
    runs = rows(seconds=[1], flops=[9.894e13])
    assert measured_utilisation(runs, device("h100"), dtype="bf16").value == pytest.approx(0.1)
    with pytest.raises(DataError, match="more than the peak"):
        measured_utilisation(runs, device("h100"))


def test_the_bundled_runs_give_a_utilisation() -> None:
    found = measured_utilisation(il.example_runs(), device("laptop-cpu"))
    assert 0 < found.low <= found.value <= found.high < 1
    assert "measured" in found.basis


def test_runs_without_seconds_measure_nothing() -> None:
    runs = il.Runs.from_rows([{"params_total": 1e6, "tokens": 2e7, "loss": 3.5}])
    with pytest.raises(DataError, match="meta_seconds"):
        measured_utilisation(runs, device("h100"))

"""The sentence that keeps a metric's threshold from being taken for a jump."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from isoloss.studies.task_shapes import shape_of, shapes_sentence


def metric(
    values: Any, *, smooth: bool, higher: bool = True, half: float | None = None
) -> dict[str, Any]:
    points: list[dict[str, Any]] = [
        {"flops": 1.4 * 2.0**k, "value": float(v)} for k, v in enumerate(values)
    ]
    if half is not None:
        points = [{**p, "low": p["value"] - half, "high": p["value"] + half} for p in points]
    return {"smooth": smooth, "points": points, **shape_of(points, higher_is_better=higher)}


NATS = np.linspace(3.0, 1.0, 9)


def test_a_threshold_is_told_apart_from_a_jump() -> None:
    """Exact match of ten tokens: 0 until each is likely, although each gets likelier evenly."""
    exact = np.where(np.exp(-NATS) > 0.3, 1.0, 0.0)
    told = shapes_sentence(
        {
            "acc": metric(exact, smooth=False, half=0.2),
            "nats": metric(NATS, smooth=True, higher=False),
        }
    )
    assert "100% of its whole way for acc and 12% for nats" in told
    assert "threshold of the metric, not a jump of the models" in told


@pytest.mark.parametrize("half", [0.4, None])
def test_a_step_within_the_noise_of_its_examples_has_no_cause(half: float | None) -> None:
    """1 is less than twice 0.4 x sqrt(2); without an interval nothing is known of the noise."""
    exact = np.where(np.exp(-NATS) > 0.3, 1.0, 0.0)
    told = shapes_sentence(
        {
            "acc": metric(exact, smooth=False, half=half),
            "nats": metric(NATS, smooth=True, higher=False),
        }
    )
    assert "100% of its whole way for acc and 12% for nats" in told
    assert told.endswith("do not tell whether it jumps.")
    assert "threshold" not in told


def test_a_mean_without_an_interval_takes_the_widest_of_the_others() -> None:
    """At its floor all examples are alike, and there is no interval."""
    points: list[dict[str, Any]] = [{"flops": 2.0**k, "value": 0.0} for k in range(3)]
    for half, clear in ((0.2, True), (0.4, False)):
        last = {"flops": 8.0, "value": 1.0, "low": 1 - half, "high": 1 + half}
        assert shape_of([*points, last], higher_is_better=True)["clear"] is clear


def test_an_even_metric_is_no_jump() -> None:
    told = shapes_sentence(
        {"acc": metric(1 - NATS / 4, smooth=False),
         "nats": metric(NATS, smooth=True, higher=False)}
    )  # fmt: skip
    assert told.endswith("neither jumps.")


def test_a_metric_that_does_not_move() -> None:
    told = shapes_sentence(
        {"bleu": metric([0.0] * 9, smooth=False),
         "nats": metric(NATS, smooth=True, higher=False)}
    )  # fmt: skip
    assert told == (
        "bleu does not move, while nats goes from 3 to 1: the models improve before that metric"
        " shows it."
    )


def test_nothing_to_compare() -> None:
    assert shapes_sentence({"nats": metric(NATS, smooth=True)}) == ""
    assert shape_of([], higher_is_better=True) == {
        "means": [],
        "largest_step": None,
        "clear": False,
    }


def test_runs_of_about_one_compute_are_one_mean() -> None:
    points = [{"flops": c, "value": v} for c, v in ((4.0, 1), (5.0, 3), (9.0, 5), (17.0, 6))]
    found = shape_of(points, higher_is_better=True)
    assert [one["value"] for one in found["means"]] == [2, 5, 6]
    assert found["largest_step"] == pytest.approx(3 / 4)

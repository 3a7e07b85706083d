"""Figures beside published ones: what is met, missed or inside, as data and as text."""

from __future__ import annotations

import json
import math

import pytest

from isoloss.fitting.reproducing._by_law import optimum_of
from isoloss.fitting.reproducing.figures import Measured, ReproducedFit, Reproduction, figure_of


def made(*figures, **rest) -> Reproduction:
    fit = ReproducedFit(name="one", by="them", how="as they did", figures=tuple(figures), **rest)
    return Reproduction(
        table="t", paper="p", licence="l", source="s", n_rows=3, fits=(fit,), caveats=("careful",),
        level=0.9, seed=0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("published", "found", "passed"),
    [
        ({"value": 2.0, "atol": 0.1}, 2.09, True),
        ({"value": 2.0, "atol": 0.1}, 1.91, True),
        ({"value": 2.0, "atol": 0.1}, 2.11, False),
        ({"value": -2.0, "rtol": 0.1}, -2.19, True),
        ({"value": -2.0, "rtol": 0.1}, -2.21, False),
        ({"value": 2.0, "rtol": 0.1, "at_most": True}, 0.5, True),
        ({"value": 2.0, "rtol": 0.1, "at_most": True}, 2.3, False),
        ({"value": 2.0}, 99.0, True),
        ({"value": 2.0, "atol": 0.1}, math.nan, False),
    ],
)
def test_what_is_met(published: dict[str, float], found: float, passed: bool) -> None:
    figure = figure_of("x", published, {"x": Measured(value=found)}, None)
    assert figure.passed is passed
    assert made(figure).passed is passed


def test_a_figure_that_was_not_tried_is_neither_met_nor_missed() -> None:
    figure = figure_of("x", {"value": 1.0, "atol": 0.1}, {"y": Measured(value=9.0)}, None)
    assert figure.passed is None
    assert math.isnan(figure.difference)
    assert made(figure).passed
    json.dumps(made(figure).to_dict(), allow_nan=False)


def test_our_interval_holds_the_figure_or_not() -> None:
    def ours(low: float, high: float) -> bool | None:
        interval = {"x": Measured(value=1.0, low=low, high=high)}
        return figure_of("x", {"value": 2.0}, None, interval).inside

    assert ours(1.5, 2.5) is True
    assert ours(0.5, 1.5) is False
    assert ours(math.nan, math.nan) is None


def test_the_text_says_what_was_missed() -> None:
    paper = {"good": Measured(value=1.0), "bad": Measured(value=5.0), "shown": Measured(value=3.0)}
    ours = {"bad": Measured(value=5.1, low=5.0, high=5.2)}
    figures = [
        figure_of("good", {"value": 1.0, "atol": 0.1}, paper, ours),
        figure_of("bad", {"value": 2.0, "atol": 0.1}, paper, ours),
        figure_of("shown", {"value": 2.0}, paper, ours),
    ]
    result = made(*figures, status="converged", note="known " * 30)
    text = result.summary()
    assert max(map(len, text.splitlines())) <= 80
    assert "t: 3 rows, 0 of 1 published fits reproduced" in text
    lines = {line.split()[0]: line.split() for line in text.splitlines() if line.strip()}
    assert lines["good"][-1] == "met"
    assert lines["shown"][-1] == "+1"
    assert "  bad             2         5   +3  MISSED" in text
    assert "5 to 5.2  OUTSIDE" in text
    for part in ("ours: converged", "note: known", "caveat: careful"):
        assert part in text
    assert "MISSED" in result._repr_html_()
    assert repr(result) == "Reproduction(t: 0 of 1 fits reproduced)"
    assert list(result.to_frame()["passed"]) == [True, False, True]


def test_the_closed_form_agrees_with_a_search() -> None:
    theta = {"A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
    found = optimum_of(theta, 5.76e23)

    def loss(n: float) -> float:
        d = 5.76e23 / 6 / n
        return theta["A"] / n ** theta["alpha"] + theta["B"] / d ** theta["beta"]

    best = found["n_optimum"]
    assert loss(best) < min(loss(best * 1.001), loss(best / 1.001))
    assert found["tokens_per_parameter"] == pytest.approx(5.76e23 / 6 / best**2)
    assert set(optimum_of(theta, None)) == {"a"}

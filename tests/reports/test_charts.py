"""Figures: which there are, that they are the same each time, and what they draw."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

from isoloss.errors import NotFoundError
from isoloss.reports import figure_svg, figures
from isoloss.reports._contours import contour_segments, loss_along_n, nice_steps
from isoloss.reports._reading import head_share, ladder

NAMES = ["compute", "verification", "contours", "parameters", "tokens", "residuals", "backtest"]


def test_every_figure_has_a_spec_that_fills_its_container(results: dict[str, Any]) -> None:
    drawn = figures(results)
    assert list(drawn) == NAMES
    for name, spec in drawn.items():
        assert spec["width"] == "container", name
        assert spec["description"], name
        json.dumps(spec, allow_nan=False)
        assert "tooltip" in json.dumps(spec), name


@pytest.mark.parametrize("name", ["compute", "contours"])
def test_svg_is_reproducible(results: dict[str, Any], name: str) -> None:
    first = figure_svg(results, name)
    assert figure_svg(results, name) == first
    root = ElementTree.fromstring(first)
    assert root.tag.endswith("svg")


def test_svg_of_nothing_or_of_an_unknown_name(diverged: dict[str, Any]) -> None:
    with pytest.raises(NotFoundError, match="no figure 'computer'"):
        figure_svg(diverged, "computer")
    with pytest.raises(NotFoundError, match="Too few runs"):
        figure_svg(diverged, "backtest")


def test_the_compute_figure_holds_every_run_prediction_and_measurement(
    results: dict[str, Any],
) -> None:
    records = [row for rows in _data(figures(results)["compute"]) for row in rows]
    assert {row["loss"] for row in records if "run" in row} == {r.loss for r in ladder(results)}
    checked = [row for row in records if "predicted" in row]
    assert {(row["predicted"], row["low"], row["high"], row["measured"]) for row in checked} == {
        (3.0123, 2.9810, 3.0440, 3.0207)
    }
    assert any("low" in row and "predicted" not in row for row in records), "the band"


def test_a_diverged_run_has_no_measured_point(diverged: dict[str, Any]) -> None:
    drawn = figures(diverged)
    assert "backtest" not in drawn
    assert '"measured"' in json.dumps(figures(diverged)["compute"])
    assert not any(
        mark.get("style") == "measured"
        for mark in (layer["mark"] for layer in drawn["compute"]["layer"])
    )


def test_an_interval_that_is_missing_is_not_drawn(results: dict[str, Any]) -> None:
    results["verification"] |= {"low": None, "high": None, "inside": None}
    for row in results["curves"]["frontier"]:
        row |= {"low": None, "high": None}
    styles = [layer["mark"]["style"] for layer in figures(results)["compute"]["layer"]]
    assert "band" not in styles
    assert "prediction" not in styles


def test_many_sizes_get_a_gradient(results: dict[str, Any]) -> None:
    for i, row in enumerate(results["runs"]):
        row["params_matmul"] += 100 * i
    assert '"gradientLength"' in json.dumps(figures(results)["compute"])


def test_contours_lie_where_the_loss_is(results: dict[str, Any]) -> None:
    grid = results["curves"]["contours"]
    segments = contour_segments(grid["n"], grid["d"], grid["loss"], 3.4)
    assert len(segments) > 20
    for n, d in (point for segment in segments for point in segment):
        assert 2 + 38 / n**0.35 + 45 / d**0.3 == pytest.approx(3.4, abs=2e-3)


def test_contours_skip_cells_without_a_value() -> None:
    grid = [[1.0, math.nan, 1.0], [3.0, 3.0, 3.0]]
    assert contour_segments([1, 2, 3], [1, 2], grid, 2.0) == []


def test_a_law_line_between_the_rows_of_the_grid(results: dict[str, Any]) -> None:
    grid = results["curves"]["contours"]
    line = loss_along_n(grid["d"], grid["loss"], 700_000)
    assert line is not None
    for n, loss in zip(grid["n"], line, strict=True):
        assert loss == pytest.approx(2 + 38 / n**0.35 + 45 / 700_000**0.3, rel=2e-4)
    assert loss_along_n(grid["d"], grid["loss"], 1.0) is None


def test_nice_steps_of_nothing() -> None:
    assert nice_steps(3.0, 3.0, 5) == []
    assert nice_steps(math.nan, 3.0, 5) == []


def test_head_share_only_where_n_counts_the_head(results: dict[str, Any]) -> None:
    low, high = head_share(results) or (0, 0)
    assert (round(low, 2), round(high, 2)) == (0.23, 0.64)
    results["fit"]["n_convention"] = "params_non_embedding"
    assert head_share(results) is None


def _data(spec: dict[str, Any]) -> list[list[dict[str, Any]]]:
    inline = [layer["data"] for layer in spec["layer"]] + [spec.get("data") or {}]
    named = list((spec.get("datasets") or {}).values())
    return [data["values"] for data in inline if "values" in data] + named

"""The figure of a plan's valley."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

import isoloss as il
from isoloss.errors import UsageError
from isoloss.reports.valley_chart import valley_figure, write_valley_svg


@pytest.fixture(scope="module")
def with_draws() -> dict[str, Any]:
    fit = il.fit(il.example_runs(), "chinchilla", bootstrap=100)
    return il.plan(fit, flops=1e13).to_dict()


def test_a_band_where_there_are_draws(with_draws: dict[str, Any]) -> None:
    drawn = json.dumps(valley_figure(with_draws), allow_nan=False)
    plain = json.dumps(valley_figure(il.plan("published:epoch", flops=1e22).to_dict()))
    assert '"band"' in drawn
    assert '"band"' not in plain
    assert "params_matmul" in drawn
    assert "params_total" in plain
    assert "90% interval" in drawn


def test_equal_plans_give_equal_pictures(with_draws: dict[str, Any], tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        write_valley_svg(tmp_path / name, with_draws)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    root = ElementTree.fromstring((tmp_path / "a.svg").read_text("utf-8"))
    assert root.tag.endswith("svg")
    assert "Loss above the best" in (tmp_path / "a.svg").read_text("utf-8")


def test_nothing_to_draw(with_draws: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no valley"):
        valley_figure(with_draws | {"valley": None})
    with pytest.raises(UsageError, match="SVG"):
        write_valley_svg(tmp_path / "a.png", with_draws)

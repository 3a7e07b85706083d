"""The summary for the terminal: the answer, how far to trust it, the plans, in 80 columns."""

from __future__ import annotations

import doctest
import importlib
from typing import Any

import pytest

from isoloss.reports import summary_text
from isoloss.reports._columns import width


def _fits(text: str) -> bool:
    return all(width(line) <= 80 for line in text.split("\n"))


def test_says_the_answer(results: dict[str, Any]) -> None:
    text = summary_text(results)
    answer = "predicted 3.0123 [2.9810, 3.0440]  measured 3.0207  error -0.28%"
    assert f"{answer}\n  inside the 90% interval\n" in text
    assert "baseline L(C) predicted 3.0555, error +1.15%" in text
    assert "Best form: chinchilla, E + A/N**alpha + B/D**beta, weight 0.71" in text
    assert "Fit: Converged: all starts that matter agree on one optimum." in text
    assert "failed: extrapolation" in text
    for budget in ("C 1.00e13 FLOP", "C 1.00e15 FLOP", "C 1.00e18 FLOP"):
        assert budget in text
    assert "  N 538k [323k, 914k]  D 3.1M [1.86M, 5.27M]  loss 2.8830 [2.8330, 2.9430]" in text
    assert "- The output head is more than 30% of N in every rung." in text
    assert _fits(text)


def test_a_diverged_run(diverged: dict[str, Any]) -> None:
    text = summary_text(diverged)
    assert "predicted 3.0123 [2.9810, 3.0440]\n" in text
    assert "not measured: The run diverged at step 412: its loss was not finite." in text
    assert "Backtest: none. Too few runs" in text
    assert "inside the 90%" not in text
    assert _fits(text)


def test_outside_and_without_interval(results: dict[str, Any]) -> None:
    results["verification"] |= {"inside": False}
    assert "outside the 90% interval" in summary_text(results)
    results["verification"] |= {"low": None, "high": None, "inside": None}
    assert "predicted 3.0123 (no interval)" in summary_text(results)


@pytest.mark.parametrize("name", ["红楼梦" * 40, "long" * 60, "\x1b[31mred\x1b[0m\nline"])
def test_any_name_fits_and_steers_nothing(results: dict[str, Any], name: str) -> None:
    results["study"]["name"] = name
    results["fit"]["status"] = name
    results["warnings"] = [name * 3]
    results["plans"][0]["loss"] = {"value": 12.34567, "low": 11.1111, "high": 13.3333}
    text = summary_text(results)
    assert _fits(text)
    assert "\x1b" not in text


def test_nothing_at_all() -> None:
    text = summary_text({})
    assert "No prediction was registered." in text
    assert "No plan was made." in text


@pytest.mark.parametrize(
    "module", ["_numbers", "_columns", "_contours", "_axes", "_loss_figures", "charts", "tables"]
)
def test_examples(module: str) -> None:
    assert doctest.testmod(importlib.import_module(f"isoloss.reports.{module}")).failed == 0

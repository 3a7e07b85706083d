"""What a reader sees of a fit: golden text, HTML, and numbers rounded to their error."""

from __future__ import annotations

import math
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from isoloss.fitting import Estimate, Fit, fit
from isoloss.fitting.text import rounded
from isoloss.runs import Runs

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def fitted() -> Fit:
    rng = np.random.default_rng(0)
    rows = [
        {
            "params_total": n,
            "tokens": n * m,
            "loss": float((1.5 + 40 / n**0.3 + 50 / (n * m) ** 0.25) * (1 + 0.003 * rng.normal())),
        }
        for n in np.geomspace(1e5, 1e7, 5)
        for m in (5, 20, 80)
    ]
    return fit(Runs.from_rows(rows), fixed={"E": 1.5}, bootstrap=200)


@pytest.mark.parametrize("kind", ["txt", "html"])
def test_golden(fitted: Fit, kind: str) -> None:
    """`ISOLOSS_REWRITE_GOLDEN=1 pytest tests/fitting/test_text.py` rewrites; look at the diff."""
    told = fitted.summary() if kind == "txt" else fitted._repr_html_()
    told = re.sub(r"\d+ of 64 starts", "… of 64 starts", told)  # differs between processors
    if os.environ.get("ISOLOSS_REWRITE_GOLDEN"):
        (GOLDEN / f"fit.{kind}").write_text(told + "\n", "utf-8")
    assert told == (GOLDEN / f"fit.{kind}").read_text("utf-8").rstrip("\n")
    assert all(len(line) <= 80 for line in fitted.summary().splitlines())


def test_html_is_well_formed_and_escaped(fitted: Fit) -> None:
    opened: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag != "br":
                opened.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert opened.pop() == tag

    Reader().feed(fitted._repr_html_())
    assert opened == []


@pytest.mark.parametrize(
    ("value", "stderr", "expected"),
    [
        (1.81722, 0.0248, ("1.817", "0.025")),
        (2143.4, 1420.0, ("2100", "1400")),
        (0.34731, 0.0149, ("0.347", "0.015")),
        (7123.0, 2.9e10, ("7100", "2.9e+10")),
        (6.4e13, 1.2e12, ("6.40e+13", "1.2e+12")),
        (-0.05, 0.5, ("-0.050", "0.50")),
    ],
)
def test_numbers_show_two_digits_of_the_error(
    value: float, stderr: float, expected: tuple[str, str]
) -> None:
    estimate = Estimate(
        value=value, stderr=stderr, low=value - stderr, high=value + stderr, at_bound=False
    )
    assert rounded(estimate)[:2] == expected


def test_a_missing_interval_says_why() -> None:
    estimate = Estimate(
        value=1.69, stderr=math.nan, low=math.nan, high=math.nan, at_bound=False, reason="fixed"
    )
    assert rounded(estimate) == ("1.69", "", "no interval: fixed")

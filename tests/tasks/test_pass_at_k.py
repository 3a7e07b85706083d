"""pass@k against the closed form in exact arithmetic."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoloss.errors import UsageError
from isoloss.tasks.pass_at_k import pass_at_k


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int, int]:
    samples = draw(st.integers(1, 300))
    return samples, draw(st.integers(0, samples)), draw(st.integers(1, samples))


@given(counts())
def test_equals_the_closed_form(drawn: tuple[int, int, int]):
    samples, passed, k = drawn
    exact = 1 - Fraction(comb(samples - passed, k), comb(samples, k))
    assert pass_at_k(samples, passed, k) == pytest.approx(float(exact), rel=1e-12, abs=1e-14)


def test_needs_no_binomials_that_overflow():
    # 1 - C(n-1, k)/C(n, k) = k/n; the binomials have thousands of digits.
    assert pass_at_k(100_000, 1, 50_000) == pytest.approx(0.5, rel=1e-9)


@pytest.mark.parametrize(("samples", "passed", "k"), [(5, 1, 6), (5, 1, 0), (0, 0, 1)])
def test_refuses_more_than_the_samples(samples: int, passed: int, k: int):
    with pytest.raises(UsageError, match=rf"pass@{k} cannot be had from {samples} samples"):
        pass_at_k(samples, passed, k)


@pytest.mark.parametrize("passed", [-1, 6])
def test_refuses_impossible_counts(passed: int):
    with pytest.raises(UsageError, match="passed must lie in 0 to 5"):
        pass_at_k(5, passed, 1)

"""Approach 1: exact on curves of a known law, flags where the envelope is cut off."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import isoloss as il
from isoloss.errors import DataError, UsageError

SIZES = 1e7 * 2.0 ** np.arange(9)


def curves(
    alpha: float = 0.34,
    beta: float = 0.30,
    sizes: np.ndarray = SIZES,
    points: int = 240,
    noise: float = 0.0,
    seed: int = 0,
    tokens: tuple[float, float] = (1e7, 1e13),
) -> il.Runs:
    """Loss curves of a law: every size with tokens over the same range."""
    rng = np.random.default_rng(seed)
    rows = []
    for n in sizes:
        luck = math.exp(noise * rng.standard_normal())
        for d in np.geomspace(*tokens, points):
            loss = (1.7 + 406 / n**alpha + 411 / d**beta) * luck
            rows.append({"params_total": n, "tokens": d, "loss": loss})
    return il.Runs.from_rows(rows)


def crossing(n: float, m: float, alpha: float, beta: float) -> float:
    """The compute where the curves of two sizes cross: solved by hand."""
    gain = 406 * (n**-alpha - m**-alpha)
    return 6 * (411 * (m**beta - n**beta) / gain) ** (1 / beta)


@settings(max_examples=8, deadline=None)
@given(alpha=st.floats(0.28, 0.40), beta=st.floats(0.26, 0.36))
def test_the_exponent_is_that_of_the_law(alpha: float, beta: float) -> None:
    # Wide enough that neighbouring curves cross, whatever the exponents are.
    runs = curves(alpha, beta, points=360, tokens=(1e4, 1e15))
    found = il.envelope(runs, noise=0)
    assert found.a.value == pytest.approx(beta / (alpha + beta), abs=1e-3)
    assert found.b.value == pytest.approx(alpha / (alpha + beta), abs=1e-3)


def test_stretches_begin_and_end_where_curves_cross() -> None:
    found = il.envelope(curves(points=800), noise=0)
    inner = [point for point in found.points if point.used]
    assert len(inner) >= 6
    for point in inner:
        low = crossing(point.n / 2, point.n, 0.34, 0.30)
        high = crossing(point.n, point.n * 2, 0.34, 0.30)
        assert point.flops_range == pytest.approx((low, high), rel=5e-3)
        assert point.flops == pytest.approx(math.sqrt(low * high), rel=5e-3)
        assert 6 * point.n * point.d == pytest.approx(point.flops, rel=1e-4)


def test_the_ends_of_the_envelope_are_flagged() -> None:
    found = il.envelope(curves(), noise=0)
    assert "from the first compute on" in found.points[0].flag
    assert "to the last compute" in found.points[-1].flag
    assert found.points[0].n == pytest.approx(SIZES[0])


def test_curves_that_end_before_they_cross_are_flagged() -> None:
    whole = {p.n: p for p in il.envelope(curves(), noise=0).points}
    n = next(n for n in whole if n == pytest.approx(SIZES[4]))
    middle = whole[n].flops
    rows = [
        row
        for row in curves().rows()
        if row["params_total"] != SIZES[4] or 6 * SIZES[4] * row["tokens"] < middle
    ]
    found = il.envelope(il.Runs.from_rows(rows), noise=0)
    assert "do not cross" in next(p.flag for p in found.points if p.n == n)
    assert len([p for p in found.points if p.used]) >= 4


def test_both_approaches_agree_on_the_same_law() -> None:
    rows = [
        {"params_total": n, "tokens": c / 6 / n, "flops": c,
         "loss": 1.7 + 406 / n**0.34 + 411 / (c / 6 / n) ** 0.30}
        for c in np.geomspace(1e17, 1e21, 41) for n in SIZES
    ]  # fmt: skip
    runs = il.Runs.from_rows(rows)
    one = il.envelope(runs, noise=0)
    two = il.isoflop(runs, noise=0, tolerance=0.01)
    assert one.a.value == pytest.approx(two.a.value, abs=0.02)
    assert one.a.value == pytest.approx(0.30 / 0.64, abs=0.01)


def test_noise_widens_and_the_seed_repeats() -> None:
    runs = curves(noise=0.002, points=60)
    found = il.envelope(runs, noise=0.006, bootstrap=200, seed=1)
    again = il.envelope(runs, noise=0.006, bootstrap=200, seed=1)
    assert found.to_dict() == again.to_dict()
    assert found.a.low < 0.30 / 0.64 < found.a.high
    wide = il.envelope(runs, noise=0.02, bootstrap=200, seed=1)
    assert wide.a.high - wide.a.low > found.a.high - found.a.low


def test_what_it_says() -> None:
    found = il.envelope(curves(), bootstrap=100)
    text = found.summary()
    assert max(map(len, text.splitlines())) <= 80
    assert "schedule" in text
    assert "6·N·D" in text
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert document["method"] == "envelope"
    assert found.to_dict().keys() == il.isoflop(grid(), noise=0).to_dict().keys()
    assert len(found.to_frame()) == len(found.points)


def grid() -> il.Runs:
    """Symmetric curves of three budgets."""
    rows = [
        {"params_total": n, "tokens": c / 6 / n, "flops": c,
         "loss": 1.7 + 406 / n**0.34 + 411 / (c / 6 / n) ** 0.34}
        for c in (1e18, 4e18, 16e18) for n in (c / 6) ** 0.5 * 2.0 ** np.arange(-3, 4)
    ]  # fmt: skip
    return il.Runs.from_rows(rows)


def test_what_is_refused() -> None:
    with pytest.raises(DataError, match="4 sizes have runs at two budgets or more, 5 are needed"):
        il.envelope(curves(sizes=SIZES[:4]))
    one_each = il.Runs.from_rows(
        [{"params_total": n, "tokens": 1e9, "loss": 1 + 1e3 / n**0.3} for n in SIZES]
    )
    with pytest.raises(DataError, match="0 sizes have runs"):
        il.envelope(one_each)
    always = il.Runs.from_rows(
        [
            {"params_total": n, "tokens": d / n, "flops": 6 * d, "loss": 2 + 1e6 / n + 1e9 / d}
            for n in SIZES
            for d in np.geomspace(1e14, 1e18, 9)
        ]
    )
    with pytest.raises(DataError, match="of 1 points can be used"):
        il.envelope(always, noise=0)
    with pytest.raises(UsageError, match="seed"):
        il.envelope(curves(points=4), seed=-1)
    with pytest.raises(DataError, match="no usable runs"):
        il.envelope(curves(points=4).where(lambda r: r["loss"] < 0))

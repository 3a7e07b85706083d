"""Tables of compute-optimal splits."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from isoloss.errors import UsageError
from isoloss.planning import plan
from isoloss.planning.chinchilla_optimum import closed_form
from isoloss.planning.optima import budgets_between, optimal_splits

MakeFit = Callable[..., Any]


def test_rows_are_the_plans(make_fit: MakeFit, ladder_draws: Any) -> None:
    fit = make_fit(draws=ladder_draws, family={})
    table = optimal_splits(fit, [1e15, 1e14], level=0.8)
    for row, flops in zip(table.rows, (1e14, 1e15), strict=True):
        found = plan(fit, flops=flops, level=0.8)
        assert (row.n, row.d, row.loss) == (found.n, found.d, found.loss)
        n, d, _ = closed_form(ladder_draws, flops)
        low, high = np.quantile(d / n, [0.1, 0.9])
        assert [row.tokens_per_parameter.low, row.tokens_per_parameter.high] == pytest.approx(
            [low, high]
        )
    exponents = ladder_draws[:, 4] / (ladder_draws[:, 3] + ladder_draws[:, 4])
    assert table.exponent.low == pytest.approx(np.quantile(exponents, 0.1), abs=1e-9)


def test_a_family_has_rows_between_its_shapes(make_fit: MakeFit, ladder_draws: Any) -> None:
    table = optimal_splits(make_fit(draws=ladder_draws), budgets_between(1e13, 1e15, 5))
    sizes = [row.n.value for row in table.rows]
    ratios = [b / a for a, b in itertools.pairwise(sizes)]
    assert max(ratios) / min(ratios) < 1.02, "no steps of width"
    assert all(row.n.low < row.n.value < row.n.high for row in table.rows)


def test_text_and_json(make_fit: MakeFit, ladder_draws: Any) -> None:
    for table in (
        optimal_splits(make_fit(draws=ladder_draws), budgets_between(1e12, 1e16, 9)),
        optimal_splits("published:kaplan", [1e20]),
        optimal_splits("published:epoch", budgets_between(1e20, 1e26, 7), unique_tokens=1e12),
    ):
        text = table.summary()
        assert max(map(len, text.splitlines())) <= 80
        assert table.n_convention in text
        document = json.loads(json.dumps(table.to_dict(), allow_nan=False))
        assert len(document["rows"]) == len(table.rows) == len(table.to_frame())
        assert "\n" not in repr(table)
    assert "From C" in text
    assert "borrowed" in text
    assert math.isnan(optimal_splits("published:epoch", [1e20]).exponent.value)


@pytest.mark.parametrize(
    ("low", "high", "points"), [(1e20, 1e19, 3), (1e19, 1e20, 1), (1e19, 1e20, 1000)]
)
def test_bad_ranges(low: float, high: float, points: int) -> None:
    with pytest.raises(UsageError):
        budgets_between(low, high, points)


def test_bad_budgets() -> None:
    for budgets in ([], [-1.0], [math.nan]):
        with pytest.raises(UsageError, match="budgets"):
            optimal_splits("published:epoch", budgets)
    with pytest.raises(UsageError, match="level"):
        optimal_splits("published:epoch", [1e20], level=2)

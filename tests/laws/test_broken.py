"""Broken power laws: slopes before and after a break, any variable, and 4-digit addition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import isoloss as il
from isoloss.errors import UsageError
from isoloss.laws import get_law
from isoloss.laws.broken import broken_law
from isoloss.laws.formula import parse_law


def test_one_break_by_hand() -> None:
    law = get_law("broken1")
    theta = {"a": 1.0, "b": 8.0, "c0": 0.5, "c1": 1.0, "d1": 4.0, "f1": 0.5}
    value = law.value(np.array([theta[n] for n in law.names]), {"D": np.array([4.0, 16.0])})
    # 1 + 8/2 · (1 + 1)^-.5 and 1 + 8/4 · (1 + 16)^-.5
    np.testing.assert_allclose(value, [1 + 4 / np.sqrt(2), 1 + 2 / np.sqrt(17)])


@pytest.mark.parametrize("breaks", [1, 2, 3])
def test_slopes_add_up_at_every_break(breaks: int) -> None:
    law = get_law(f"broken{breaks}")
    values = {"a": 0.0, "b": 5.0, "c0": 0.1}
    for i in range(1, breaks + 1):
        values |= {f"c{i}": 0.2 * i, f"d{i}": 10.0 ** (8 * i), f"f{i}": 0.2}
    theta = np.array([values[name] for name in law.names])
    slope = 0.1
    for i in range(breaks + 1):
        middle = 10.0 ** (8 * i + 4)  # far from the breaks on both sides
        pair = law.value(theta, {"D": np.array([middle, 2 * middle])})
        assert np.log2(pair[0] / pair[1]) == pytest.approx(slope, abs=1e-9)
        slope += 0.2 * (i + 1)


def test_another_variable_is_the_same_law() -> None:
    law, of_d = broken_law(2, "meta_examples"), get_law("broken2")
    assert law.variables == ("meta_examples",)
    theta = np.array([0.2, 30.0, 0.1, 0.6, -0.4, 3e4, 1e7, 0.2, 0.4])
    x = np.geomspace(1e3, 1e9, 7)
    np.testing.assert_array_equal(
        law.value(theta, {"meta_examples": x}), of_d.value(theta, {"D": x})
    )
    # A saved fit reads it back from its formula, with the parameters in this order.
    again = parse_law(law.formula, ["meta_examples"])
    assert again.names == law.names
    np.testing.assert_allclose(
        again.jacobian(theta, {"meta_examples": x}),
        of_d.jacobian(theta, {"D": x}),
        rtol=1e-9,
        atol=1e-14,
    )
    assert broken_law(1) is get_law("broken1")


def test_what_is_no_broken_law() -> None:
    with pytest.raises(UsageError, match="1 to 3 breaks, found 4"):
        broken_law(4)
    with pytest.raises(UsageError, match="cannot be the variable"):
        broken_law(1, "d1")


def test_addition_of_four_digits_is_foreseen(shared_data: Path) -> None:
    """14 points of arXiv:2210.14891 fitted, the last 3 predicted: the loss halves beyond them."""
    table = pd.read_csv(shared_data / "runs/bnsl_addition/runs.csv")
    # A run table wants N and D: here they are unknown and the same in every run.
    frame = table.assign(params_total=1e6, tokens=1e6)
    runs = il.Runs.from_frame(frame, columns={"dataset_size_examples": "meta_examples"})
    law = broken_law(1, "meta_examples")
    fit = il.fit(runs.where(lambda r: r["split"] == "fit"), law, bootstrap=0)
    assert fit.n_rows == 14
    predicted = law.value(
        fit.theta, {"meta_examples": table["dataset_size_examples"].to_numpy(float)}
    )
    error = np.log(predicted) - np.log(table["loss"].to_numpy())
    assert np.sqrt((error[:14] ** 2).mean()) < 7e-4
    assert np.sqrt((error[14:] ** 2).mean()) < 0.013
    naive = np.log(table["loss"].to_numpy()[13] / table["loss"].to_numpy()[14:])
    assert np.sqrt((naive**2).mean()) > 0.3

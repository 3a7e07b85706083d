"""Parallel scaling by hand."""

from __future__ import annotations

import numpy as np
import pytest

from isoloss.laws import get_law

THETA = np.array([0.69, 1.13e7, 0.19, 0.39])


def test_one_stream_is_a_power_law_of_size() -> None:
    data = {"N": np.array([1e9]), "meta_streams": np.array([1.0])}
    expected = 0.69 + (1.13e7 / 1e9) ** 0.19
    assert get_law("parallel").value(THETA, data)[0] == pytest.approx(expected, rel=1e-14)


def test_streams_are_worth_parameters() -> None:
    law = get_law("parallel")
    streams = {"N": np.array([1e9]), "meta_streams": np.array([8.0])}
    larger = {"N": np.array([1e9 * (1 + 0.39 * np.log(8))]), "meta_streams": np.array([1.0])}
    assert law.value(THETA, streams)[0] == pytest.approx(law.value(THETA, larger)[0], rel=1e-14)

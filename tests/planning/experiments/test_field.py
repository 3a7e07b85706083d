"""Rank-one updates against conditioning a joint normal distribution all at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoloss.planning.experiments.field import Field, Points
from isoloss.planning.experiments.posterior import kernel


def field_of(seed: int, *, discrepancy: float = 0.7, targets: int = 3) -> Field:
    rng = np.random.default_rng(seed)
    return Field(
        candidates=Points(features=rng.normal(size=(7, 4)), places=rng.normal(size=(7, 2))),
        targets=Points(
            features=rng.normal(size=(targets, 4)), places=rng.normal(size=(targets, 2))
        ),
        noise=rng.uniform(0.3, 0.9, 7),
        weights=np.full(targets, 1 / targets),
        discrepancy=discrepancy,
    )


def conditioned(field: Field, rows: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Variances of candidates and targets after runs of `rows`, by one dense inverse."""
    features = np.concatenate([field.candidates.features, field.targets.features])
    places = np.concatenate([field.candidates.places, field.targets.places])
    whole = features @ features.T + field.discrepancy**2 * kernel(places, places)
    seen = whole[np.ix_(rows, rows)] + np.diag(field.noise[rows] ** 2)
    left = whole - whole[:, rows] @ np.linalg.solve(seen, whole[rows])
    return np.diag(left)[:7], np.diag(left)[7:]


@given(seed=st.integers(0, 10_000), rows=st.lists(st.integers(0, 6), max_size=9))
@settings(max_examples=60, deadline=None)
def test_updates_are_those_of_a_joint_normal(seed: int, rows: list[int]) -> None:
    field = field_of(seed)
    state = field.start()
    for row in rows:
        state = state.after(row)
    # A row that was run twice is two measurements of one candidate.
    wide = Field(
        candidates=field.candidates, targets=field.targets, noise=field.noise,
        weights=field.weights, discrepancy=field.discrepancy,
    )  # fmt: skip
    distinct = sorted(set(rows))
    noise = wide.noise.copy()
    for row in distinct:
        noise[row] /= np.sqrt(rows.count(row))
    merged = Field(
        candidates=field.candidates, targets=field.targets, noise=noise, weights=field.weights,
        discrepancy=field.discrepancy,
    )  # fmt: skip
    variance, target = conditioned(merged, distinct)
    np.testing.assert_allclose(state.variance, variance, atol=1e-9)
    np.testing.assert_allclose(state.target, target, atol=1e-9)


@given(seed=st.integers(0, 10_000), row=st.integers(0, 6))
@settings(max_examples=40, deadline=None)
def test_a_gain_is_what_the_run_takes_off(seed: int, row: int) -> None:
    state = field_of(seed).start().after(3)
    assert state.gains()[row] == pytest.approx(state.total - state.after(row).total, abs=1e-10)


def test_the_second_run_of_a_corner_teaches_less_than_the_first_elsewhere() -> None:
    features = np.ones((3, 1)) * 0.1
    places = np.array([[0.0], [0.0], [5.0]])
    field = Field(
        candidates=Points(features=features, places=places),
        targets=Points(features=features[:1], places=np.array([[2.5]])),
        noise=np.full(3, 0.01),
        weights=np.ones(1),
        discrepancy=1.0,
    )
    state = field.start().after(0)
    assert state.gains()[2] > 50 * state.gains()[1]


def test_a_number_that_lies_nowhere_has_no_discrepancy() -> None:
    field = Field(
        candidates=Points(features=np.ones((2, 1)), places=np.zeros((2, 1))),
        targets=Points(features=np.ones((1, 1)), places=np.full((1, 1), np.nan)),
        noise=np.ones(2),
        weights=np.ones(1),
        discrepancy=3.0,
    )
    state = field.start()
    assert state.total == pytest.approx(1.0)
    assert state.after(0).total == pytest.approx(1 - 1 / (1 + 9 + 1))

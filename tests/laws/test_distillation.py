"""Distillation by hand: both ends of the broken power law, and the teacher that is too good."""

from __future__ import annotations

import numpy as np
import pytest

from isoloss.laws import get_law

LAW = get_law("distillation")
TRUTH = {
    "A": 2e3, "alpha": 0.32, "B": 2e4, "beta": 0.44, "gamma": 0.76,
    "c0": 2.5, "c1": 6.0, "d1": 1.0, "f1": 0.1,
}  # fmt: skip
THETA = np.array([TRUTH[name] for name in LAW.names])


def student(teacher: float | np.ndarray, supervised: float = 2.6) -> np.ndarray:
    losses = np.atleast_1d(np.asarray(teacher, dtype=float))
    fixed = {"N": 5e8, "D": 1e10, "meta_supervised_loss": supervised}
    columns = {name: np.full(len(losses), x) for name, x in fixed.items()}
    return LAW.value(THETA, columns | {"meta_teacher_loss": losses})


def test_by_hand() -> None:
    own = (2e3 / 5e8**0.32 + 2e4 / 1e10**0.44) ** 0.76
    for teacher in (1.5, 2.4, 3.0):
        turn = (1 + (teacher / 2.6) ** 10) ** -0.6
        expected = teacher + own / teacher**2.5 * turn
        assert student(teacher)[0] == pytest.approx(expected, rel=1e-12)


def test_it_is_two_power_laws_of_the_teacher_far_from_the_turn() -> None:
    teacher = np.array([0.2, 0.21, 30.0, 31.5])
    log_gap = np.log(student(teacher) - teacher)
    slopes = (log_gap[1::2] - log_gap[::2]) / np.log(1.05)
    # (L_T/d1 L_S)^(1/f1 * -c1 f1) = (...)^-c1 above the turn, 1 below it.
    assert slopes == pytest.approx([-2.5, -8.5], rel=1e-3)


def test_a_teacher_can_be_too_good() -> None:
    teachers = np.linspace(1.2, 2.6, 200)
    best = int(np.argmin(student(teachers)))
    assert 0 < best < len(teachers) - 1

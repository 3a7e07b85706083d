"""The laws of Kaplan et al. against their closed forms and the paper's own numbers."""

from __future__ import annotations

import numpy as np
import pytest

from isoloss.laws import Law, get_law
from isoloss.planning.published import published_law


def _value(law: Law, source: str, **at: float) -> float:
    constants = next(c for name, c in law.constants.items() if source in name)
    theta = np.array([constants[name] for name in law.names])
    return float(law.value(theta, {name: np.array([x]) for name, x in at.items()})[0])


def test_each_law_is_one_at_its_scale() -> None:
    assert _value(get_law("kaplan_n"), "eq. 1.1", N=8.8e13) == pytest.approx(1.0)
    assert _value(get_law("kaplan-d"), "eq. 1.2", D=5.4e13) == pytest.approx(1.0)
    assert _value(get_law("Kaplan_C"), "eq. 1.3", C=3.1e8 * 8.64e19) == pytest.approx(1.0)
    assert _value(get_law("critical_batch"), "eq. 1.4", L=1.0) == pytest.approx(2e8)


def test_ten_times_more_is_a_known_factor() -> None:
    law = get_law("kaplan_n")
    ratio = _value(law, "eq. 1.1", N=1e10) / _value(law, "eq. 1.1", N=1e9)
    assert ratio == pytest.approx(10**-0.076)


def test_the_joint_law_tends_to_those_of_one_variable() -> None:
    law = get_law("kaplan")
    assert _value(law, "Table 2", N=1e9, D=1e40) == pytest.approx((6.4e13 / 1e9) ** 0.076)
    assert _value(law, "Table 2", N=1e40, D=1e10) == pytest.approx((1.8e13 / 1e10) ** 0.103)


def test_the_joint_law_is_the_published_one_that_plans_use() -> None:
    law, published = get_law("kaplan"), published_law("kaplan")
    assert law.formula == published.formula
    (constants,) = law.constants.values()
    assert constants == published.constants
    data = {"N": np.array([1e6, 1e9]), "D": np.array([1e9, 3e11])}
    ours = np.array([constants[name] for name in law.names])
    theirs = np.array([published.constants[name] for name in published.parameters])
    np.testing.assert_allclose(law.value(ours, data), published.value(theirs, data), rtol=1e-14)


def test_critical_batch_grows_as_the_loss_falls() -> None:
    law = get_law("critical_batch")
    assert law.target == "batch_tokens"
    at_3 = _value(law, "eq. 1.4", L=3.0)
    assert at_3 == pytest.approx(2e8 / 3 ** (1 / 0.21))
    assert _value(law, "eq. 1.4", L=1.5) / at_3 == pytest.approx(2 ** (1 / 0.21))

"""Published constants: their known optima, and what a wrong name says."""

from __future__ import annotations

import numpy as np
import pytest

from isoloss.errors import NotFoundError, UsageError
from isoloss.planning import plan, published_law, published_names


@pytest.mark.parametrize(
    ("name", "n", "tokens_per_parameter"),
    [
        ("hoffmann", 3.219e10, 92.7),
        ("hoffmann-unrounded", 4.036e10, 58.9),
        ("epoch", 7.225e10, 18.4),
    ],
)
def test_published_optima_at_chinchilla_budget(
    name: str, n: float, tokens_per_parameter: float
) -> None:
    found = plan(f"published:{name}", flops=5.76e23)
    assert found.n.value == pytest.approx(n, rel=1e-3)
    assert found.tokens_per_parameter == pytest.approx(tokens_per_parameter, rel=2e-3)
    assert 6 * found.n.value * found.d.value == pytest.approx(5.76e23, rel=1e-12)
    assert found.flops_convention == "6nd_total"
    assert found.extrapolation == pytest.approx(5.76e23 / 1.3e22)


def test_published_laws_have_no_interval_and_say_why() -> None:
    document = plan("published:epoch", flops=1e21).to_dict()
    for key in ("n", "d", "loss"):
        assert document[key]["low"] is None
        assert document[key]["high"] is None
        assert "no runs" in document[key]["interval_reason"]


def test_kaplan_optimum_grows_as_its_exponents_say() -> None:
    # On the frontier (N_c/N)^(aN/aD) ~ D_c/D up to a factor, so N* ~ C^(1/(1 + aN/aD)).
    low, high = (plan("published:kaplan", flops=flops).n.value for flops in (1e18, 1e22))
    exponent = np.log(high / low) / np.log(1e4)
    assert exponent == pytest.approx(1 / (1 + 0.076 / 0.103), abs=1e-6)


def test_every_name_has_a_reference_and_falls_with_size() -> None:
    n, d = np.array([1e8, 1e9]), np.array([1e10, 1e11])
    data = {"N": n, "D": d, "M": d / n, "C": 6 * n * d, "U": d}
    for name in published_names():
        law = published_law(name)
        assert "arXiv" in law.reference
        assert law.note
        assert list(law.constants) == list(law.parameters)
        value = law.value(law.theta, data)
        if law.target == "loss":
            assert 4 > value[0] > value[1] > 1, name
        else:
            assert (value > 0).all()
        stacked = law.value(np.stack([law.theta, law.theta]), data)
        np.testing.assert_array_equal(stacked, [value, value])


def test_a_misspelt_name_gets_its_closest_match() -> None:
    with pytest.raises(NotFoundError) as caught:
        plan("published:hofmann", flops=1e20)
    assert "published:hoffmann?" in caught.value.hint
    with pytest.raises(NotFoundError) as caught:
        published_law("nothing-like-it")
    assert "published:epoch" in caught.value.hint


def test_a_name_without_its_prefix_is_wrong_usage() -> None:
    with pytest.raises(UsageError) as caught:
        plan("hoffmann", flops=1e20)
    assert "published:hoffmann" in caught.value.hint

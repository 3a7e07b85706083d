"""Published laws at one point."""

from __future__ import annotations

import json
import math

import pytest

from isoloss.errors import NotFoundError, UsageError
from isoloss.planning import published_names
from isoloss.planning.published_prediction import predict_published


@pytest.mark.parametrize(
    ("name", "at", "value"),
    [
        ("epoch", {"N": 7e10, "D": 1e12}, 1.8172 + 482.01 / 7e10**0.3478 + 2085.43 / 1e12**0.3658),
        ("kaplan-n", {"N": 1e9}, (8.8e13 / 1e9) ** 0.076),
        ("kaplan-d", {"D": 1e10}, (5.4e13 / 1e10) ** 0.095),
        ("kaplan", {"N": 1e8, "D": 1e9}, (6.4e5 ** (0.076 / 0.103) + 1.8e4) ** 0.103),
        ("step-law-learning-rate", {"N": 1e9, "D": 1e11}, 1.79 * 1e9**-0.713 * 1e11**0.307),
        ("step-law-batch", {"D": 1e11}, 0.58 * 1e11**0.571),
        ("gadre-redpajama", {"N": 1.4e9, "D": 28e9},
         166.211 * 1.4e9**-0.272851 + 366.687 * 6 ** (-0.272851 / 2) * 28e9**-0.272851 + 1.836648),
        ("olmo-ladder", {"N": 1e10, "D": 1e12}, 0.9344 + 12.48 * 10**-1.036 + 33.48 * 10**-1.944),
        ("sardana", {"N": 13e9, "D": 5.765e11}, 2.0453),
        ("muennighoff", {"N": 6.34e9, "D": 242e9, "U": 25e9}, 2.2256440889984477),
    ],
)  # fmt: skip
def test_values_by_hand(name: str, at: dict[str, float], value: float) -> None:
    tolerance = 2e-5 if name == "sardana" else 1e-6
    assert predict_published(name, **at).value == pytest.approx(value, rel=tolerance)


def test_conventions_and_caveats_are_told() -> None:
    for name in published_names():
        found = predict_published(name, N=1e9, D=2e10) if "D" in _variables(name) else (
            predict_published(name, N=1e9)
        )  # fmt: skip
        text = found.summary()
        assert found.law.n_convention in text
        assert "arXiv" in text
        assert max(map(len, text.splitlines())) <= 80
        document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
        assert document["low"] is None
        assert document["interval_reason"]
        assert "\n" not in repr(found)


def _variables(name: str) -> tuple[str, ...]:
    return ("N",) if name == "kaplan-n" else ("N", "D")


def test_unique_tokens_default_to_all() -> None:
    once = predict_published("muennighoff", N=1e9, D=2e10)
    assert once.at["U"] == 2e10
    assert "read once" in once.summary()
    assert predict_published("muennighoff", N=1e9, D=2e10, U=1e10).value > once.value


def test_distance_from_the_papers_runs() -> None:
    found = predict_published("epoch", N=1.6e11, D=5e10)
    assert found.extrapolation["N"] == pytest.approx(10)
    assert found.extrapolation["D"] == 1
    assert "N 10x" in found.summary()
    assert "not known" in predict_published("step-law-batch", D=1e10).summary()


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ({"N": 1e9}, "missing D"),
        ({"N": 1e9, "D": 1e9, "lr": 1e-3}, "unknown lr"),
        ({"N": -1.0, "D": 1e9}, "positive"),
        ({"N": math.inf, "D": 1e9}, "positive"),
    ],
)
def test_points_that_are_none(at: dict[str, float], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        predict_published("epoch", **at)


def test_unknown_laws() -> None:
    with pytest.raises(NotFoundError) as caught:
        predict_published("epohc", N=1e9, D=1e9)
    assert "published:epoch?" in caught.value.hint

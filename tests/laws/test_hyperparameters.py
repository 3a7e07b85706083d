"""Best learning rates and batch sizes that were published and used."""

from __future__ import annotations

import numpy as np
import pytest

from isoloss.laws import get_law

# DeepSeek LLM, Table 2: parameters, tokens, learning rate, batch in tokens (sequences of 4096).
USED = [(7e9, 2e12, 4.2e-4, 2304 * 4096), (67e9, 2e12, 3.2e-4, 4608 * 4096)]


def value(name: str, **columns: float) -> float:
    law = get_law(name)
    constants = next(iter(law.constants.values()))
    theta = np.array([constants[parameter] for parameter in law.names])
    return float(law.value(theta, {k: np.array([v]) for k, v in columns.items()})[0])


def test_step_law_by_hand() -> None:
    rate = value("best_learning_rate", N=1e9, D=1e11)
    assert rate == pytest.approx(1.79 * 1e9**-0.713 * 1e11**0.307, rel=1e-12)
    assert value("best_batch", D=1e11) == pytest.approx(0.58 * 1e11**0.571, rel=1e-12)
    assert (
        value("best_learning_rate", N=1e10, D=1e11)
        < rate
        < value("best_learning_rate", N=1e9, D=1e12)
    )


@pytest.mark.parametrize(("n", "d", "rate", "batch"), USED)
def test_deepseek_chose_what_its_laws_say(n: float, d: float, rate: float, batch: float) -> None:
    flops = 6 * n * d
    assert value("best_learning_rate_compute", C=flops) == pytest.approx(rate, rel=0.05)
    assert value("best_batch_compute", C=flops) == pytest.approx(batch, rel=0.05)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("best_learning_rate", "learning_rate"),
        ("best_learning_rate_compute", "learning_rate"),
        ("best_batch", "batch_tokens"),
        ("best_batch_compute", "batch_tokens"),
    ],
)
def test_targets_are_columns_of_the_run_table(name: str, target: str) -> None:
    assert get_law(name).target == target

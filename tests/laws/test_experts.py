"""Laws of mixtures of experts against their papers' numbers and closed forms by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from isoloss.laws import Law, get_law

TABLE_4 = {  # experts: m, mu, n, nu of m N^mu + n D^nu + c, arXiv:2502.05172
    1: (30.3640, -0.1817, 53.9838, -0.1965),
    2: (27.7982, -0.1780, 66.8401, -0.2065),
    4: (24.8462, -0.1731, 87.7022, -0.2192),
    8: (21.8330, -0.1676, 119.9126, -0.2338),
    16: (19.0159, -0.1617, 167.5073, -0.2494),
    32: (16.5424, -0.1557, 234.6726, -0.2652),
}
TABLE_1 = [  # FLOP, experts, best active parameters
    (1e20, 1, 1.7e9), (1e20, 8, 990e6), (1e20, 32, 669e6),
    (1e21, 1, 5.7e9), (1e21, 8, 3.8e9), (1e21, 32, 2.85e9),
    (1e22, 1, 18.8e9), (1e22, 8, 14.4e9), (1e22, 32, 12.2e9),
]  # fmt: skip


def published(name: str) -> tuple[Law, np.ndarray]:
    law = get_law(name)
    constants = next(iter(law.constants.values()))
    return law, np.array([constants[parameter] for parameter in law.names])


def value(law: Law, theta: np.ndarray, **columns: float) -> float:
    data = {name: np.array([float(column)]) for name, column in columns.items()}
    return float(law.value(theta, data)[0])


def test_routed_by_hand() -> None:
    law, theta = published("routed")
    a, b, c, d, start, most = theta
    for experts, effective in (
        (1, start),
        (64, 1 / (1 / (63 + 1 / (1 / start - 1 / most)) + 1 / most)),
        (1e15, most),
    ):
        log_n, log_e = 8.0, np.log10(effective)
        expected = 10 ** (a * log_n + b * log_e + c * log_n * log_e + d)
        assert value(law, theta, N=1e8, meta_experts=experts) == pytest.approx(expected, rel=1e-9)


def test_experts_stop_helping_at_a_size() -> None:
    law, theta = published("routed")
    size = 10 ** (-theta[1] / theta[2])  # b + c log10 N = 0
    small, large = (
        value(law, theta, N=n, meta_experts=64) - value(law, theta, N=n, meta_experts=1)
        for n in (1e8, size)
    )
    assert small < -0.1
    assert large == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("experts", TABLE_4)
def test_joint_law_is_a_chinchilla_law_for_each_number_of_experts(experts: int) -> None:
    law, theta = published("joint_experts")
    m, mu, n, nu = TABLE_4[experts]
    floor, endless = theta[0], 1e300
    by_size = [
        value(law, theta, params_active=x, D=endless, meta_experts=experts) - floor
        for x in (1e8, 1e10)
    ]
    by_data = [
        value(law, theta, params_active=endless, D=x, meta_experts=experts) - floor
        for x in (1e8, 1e10)
    ]
    for (near, far), amplitude, exponent in ((by_size, m, mu), (by_data, n, nu)):
        found = np.log10(far / near) / 2
        # Tables 3 and 4 of the paper differ by up to .3%: E_start is rounded or an older fit's.
        assert found == pytest.approx(exponent, abs=3e-4)
        assert near / 1e8**found == pytest.approx(amplitude, rel=3e-3)


@pytest.mark.parametrize(("flops", "experts", "size"), TABLE_1)
def test_joint_law_has_the_published_compute_optima(
    flops: float, experts: int, size: float
) -> None:
    law, theta = published("joint_experts")

    def loss(log_n: float) -> float:
        n = np.exp(log_n)
        return value(law, theta, params_active=n, D=flops / (6 * n), meta_experts=experts)

    best = minimize_scalar(loss, bounds=np.log([1e8, 1e12]), method="bounded").x
    assert np.exp(best) == pytest.approx(size, rel=0.03)


def test_sparsity_by_hand() -> None:
    law, theta = published("sparsity")
    terms = [
        0.94,
        16612.5 / 1e9**0.5962,
        5455.67 / 2e10**0.3954,
        0.4598 * 0.1**0.1666,
        17.26 / (0.1**0.1603 * 1e9**0.1595),
    ]
    found = value(law, theta, N=1e9, D=2e10, meta_active_share=0.1)
    assert found == pytest.approx(sum(terms), rel=1e-12)


def test_optimal_sparsity_rises_with_size() -> None:
    law, theta = published("sparsity")
    shares = np.linspace(0.01, 1, 400)

    def best(n: float) -> float:
        data = {"N": np.full(400, n), "D": np.full(400, 1e11), "meta_active_share": shares}
        return float(shares[np.argmin(law.value(theta, data))])

    assert best(1e11) <= best(1e9) <= best(1e8)

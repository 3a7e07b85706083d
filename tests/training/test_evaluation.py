"""Held-out loss, bits per byte and the clustered standard error, in closed form."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from isoloss.training import clustered_standard_error, evaluate_loss


class Fixed(nn.Module):
    """Logits that depend on the current token alone."""

    def __init__(self, table_VV: Tensor) -> None:
        super().__init__()
        self.table_VV = table_VV

    def forward(self, tokens_BT: Tensor) -> Tensor:
        return self.table_VV[tokens_BT]


def test_loss_is_the_mean_of_the_targets_alone() -> None:
    table = torch.randn(7, 7, generator=torch.Generator().manual_seed(0))
    windows = np.random.default_rng(0).integers(0, 7, (10, 6))
    log_p = table.double().log_softmax(-1).numpy()
    expected = -np.mean([log_p[a, b] for row in windows for a, b in itertools.pairwise(row)])
    results = [
        evaluate_loss(Fixed(table), windows, np.arange(10), 123, batch_size=size)
        for size in (1, 4, 32)
    ]
    for result in results:
        assert result.loss == pytest.approx(expected, rel=1e-6)
        assert result.tokens == 50
        assert result.bits_per_byte == pytest.approx(expected * 50 / math.log(2) / 123, rel=1e-6)


def test_a_uniform_model_on_single_bytes_has_eight_bits() -> None:
    windows = np.zeros((4, 9), dtype=np.int64)
    result = evaluate_loss(Fixed(torch.zeros(256, 256)), windows, [0, 0, 1, 1], n_bytes=32)
    assert result.bits_per_byte == pytest.approx(8.0)
    assert result.loss_se == pytest.approx(0.0, abs=1e-7)


def test_singleton_clusters_give_the_ordinary_standard_error() -> None:
    sums = np.random.default_rng(1).normal(50, 4, 30)
    expected = np.std(sums / 10, ddof=1) / math.sqrt(30)
    got = clustered_standard_error(sums, 10, np.arange(30))
    assert got == pytest.approx(expected)


def test_equal_clusters_count_as_one_unit_each() -> None:
    means = np.random.default_rng(2).normal(5, 1, 12)
    sums = np.repeat(means * 10, 8)  # eight windows of a cluster, all alike
    got = clustered_standard_error(sums, 10, np.repeat(np.arange(12) * 7, 8))
    assert got == pytest.approx(np.std(means, ddof=1) / math.sqrt(12))


def test_unequal_clusters_follow_the_ratio_estimator() -> None:
    # Clusters of 1 and 3 windows of one token, losses 1 | 2, 2, 5: mean 2.5; residuals -1.5, 1.5.
    got = clustered_standard_error(np.array([1.0, 2.0, 2.0, 5.0]), 1, np.array([4, 9, 9, 9]))
    assert got == pytest.approx(math.sqrt(2 * (1.5**2 + 1.5**2)) / 4)


def test_its_intervals_cover() -> None:
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(300):
        sizes = rng.integers(1, 9, 40)
        clusters = np.repeat(np.arange(40), sizes)
        sums = 10 * (3 + rng.normal(0, 0.5, 40)[clusters] + rng.normal(0, 0.3, len(clusters)))
        error = clustered_standard_error(sums, 10, clusters)
        inside += abs(sums.sum() / (10 * len(clusters)) - 3) < 1.96 * error
    assert 0.9 < inside / 300 < 0.98


def test_one_cluster_has_no_standard_error() -> None:
    assert math.isnan(clustered_standard_error(np.ones(5), 1, np.zeros(5, dtype=int)))

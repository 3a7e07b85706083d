"""Held-out loss, bits per byte and the clustered standard error, in closed form."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from isoloss.architecture import TransformerConfig
from isoloss.models import build_model
from isoloss.training import clustered_standard_error, evaluate_loss
from isoloss.training.evaluation import evaluate
from isoloss.training.objectives import Batch, EvaluationSet, batch_loss

CONFIG = TransformerConfig(
    vocab_size=20, context_length=6, d_model=16, n_layer=1, n_head=2, d_ff=32, dropout=0.5
)


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


def test_units_of_different_lengths_follow_the_ratio_estimator() -> None:
    sums, counts = np.array([2.0, 9.0, 4.0]), np.array([1, 3, 2])
    residuals = sums - sums.sum() / 6 * counts
    expected = math.sqrt(3 / 2 * (residuals**2).sum()) / 6
    assert clustered_standard_error(sums, counts, np.arange(3)) == pytest.approx(expected)


def held_out(**more) -> tuple[EvaluationSet, np.ndarray]:
    """Two batches of rows that predict 1, 4, 2 and 3 tokens, and the unit of each token."""
    rng = np.random.default_rng(0)
    places = ([0, 6, 8, 9, 11], [1, 3, 6, 7, 11])
    units = (np.array([0, 1, 1, 1, 1]), np.array([0, 0, 1, 1, 1]))
    batches = tuple(
        Batch(
            inputs={"tokens": torch.from_numpy(rng.integers(0, 20, (2, 6)))},
            targets=torch.from_numpy(rng.integers(0, 20, 5)),
            places=torch.tensor(at),
            tokens=12,
        )
        for at in places
    )
    clusters = np.array([3, 3, 5, 9])
    return (
        EvaluationSet(batches=batches, units=units, clusters=clusters, **more),
        np.concatenate([units[0], units[1] + 2]),
    )


def losses_of(model, evaluation_set: EvaluationSet) -> np.ndarray:
    """The loss of each predicted token, from the logits of all positions, without dropout."""
    model.eval()
    found = []
    for batch in evaluation_set.batches:
        log_p = model(**batch.inputs).double().log_softmax(-1).flatten(0, 1)
        found.append(-log_p[batch.places, batch.targets].detach().numpy())
    return np.concatenate(found)


def test_an_evaluation_by_hand() -> None:
    model = build_model(CONFIG, seed=1)
    torch.nn.init.normal_(model.head.weight)
    evaluation_set, unit_N = held_out(unit_bytes=np.array([2, 8, 3, 7]))
    losses_N = losses_of(model, evaluation_set)
    result = evaluate(model, evaluation_set)
    assert result.tokens == evaluation_set.tokens == 10
    assert result.loss == pytest.approx(losses_N.mean(), rel=1e-6)
    assert result.bits_per_byte == pytest.approx(losses_N.sum() / math.log(2) / 20, rel=1e-6)
    cluster_N = evaluation_set.clusters[unit_N]
    residuals = [(losses_N[cluster_N == c] - losses_N.mean()).sum() for c in (3, 5, 9)]
    assert result.loss_se == pytest.approx(math.sqrt(1.5 * np.square(residuals).sum()) / 10)
    assert result.domains == {}


def test_each_domain_is_evaluated_apart() -> None:
    model = build_model(CONFIG, seed=1)
    torch.nn.init.normal_(model.head.weight)
    domains = np.array(["news", "news", "code", "news"])
    evaluation_set, unit_N = held_out(unit_bytes=np.array([2, 8, 3, 0]), domains=domains)
    losses_N = losses_of(model, evaluation_set)
    result = evaluate(model, evaluation_set)
    assert list(result.domains) == ["news", "code"]
    for name, domain in result.domains.items():
        own = losses_N[domains[unit_N] == name]
        assert domain.tokens == len(own)
        assert domain.loss == pytest.approx(own.mean(), rel=1e-6)
    news, code = result.domains.values()
    assert news.bits_per_byte == pytest.approx(news.loss * 8 / math.log(2) / 10)
    assert code.bits_per_byte == pytest.approx(code.loss * 2 / math.log(2) / 3)
    assert math.isnan(code.loss_se)  # one cluster
    assert math.isfinite(news.loss_se)


def test_dropout_is_off_and_every_part_is_left_in_its_mode() -> None:
    model = build_model(CONFIG, seed=1)
    torch.nn.init.normal_(model.head.weight)
    evaluation_set, _ = held_out(no_bytes="no text")
    model.train()
    model.head.eval()
    first = evaluate(model, evaluation_set)
    assert first.loss == evaluate(model, evaluation_set).loss
    assert "no text" in first.bits_per_byte_reason
    assert model.training
    assert model.stack.training
    assert not model.head.training
    windows = np.arange(14).reshape(2, 7)
    assert evaluate_loss(model, windows, [0, 1], 9) == evaluate_loss(model, windows, [0, 1], 9)
    batch = evaluation_set.batches[0]
    assert batch_loss(model, batch).item() != batch_loss(model, batch).item()  # dropout is back


def test_the_modes_come_back_after_an_error() -> None:
    model = build_model(CONFIG)
    tokens = torch.full((1, 6), 99)  # no such entry
    batch = Batch(inputs={"tokens": tokens}, targets=tokens.flatten(), tokens=6)
    units = (np.zeros(6, dtype=int),)
    with pytest.raises(IndexError):
        evaluate(model, EvaluationSet(batches=(batch,), units=units, clusters=np.zeros(1)))
    assert model.training

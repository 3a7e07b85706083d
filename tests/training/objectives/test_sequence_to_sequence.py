"""Sequence to sequence: packed pairs, padding that counts nowhere, exact token counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from isoloss.corpus.pairs import evaluation_pairs, pair_batch
from isoloss.corpus.pairs.packing import PairBatch
from isoloss.errors import UsageError
from isoloss.models import build_model
from isoloss.training.evaluation import evaluate
from isoloss.training.objectives import Masked, SequenceToSequence, batch_loss
from isoloss.training.objectives.sequence_to_sequence import batch_of_pairs

LENGTH = 64


@pytest.fixture
def config(pair_corpus, config_of):
    return config_of("encoder-decoder", vocab_size=pair_corpus.vocab_size, context_length=LENGTH)


def test_padding_is_not_predicted_and_not_counted(pair_corpus, config):
    batch = SequenceToSequence().batch(pair_corpus, config, seed=3, step=4, rows=5)
    pairs = pair_batch(
        pair_corpus, seed=3, step=4, batch_size=5, source_length=LENGTH, target_length=LENGTH
    )
    said = pairs.target_segments > 0
    assert np.array_equal(batch.targets.numpy(), pairs.target_out[said])
    assert pair_corpus.pad not in batch.targets.tolist()
    assert batch.predicted == said.sum() < said.size
    assert batch.encoder_tokens == (pairs.source_segments > 0).sum() < pairs.source.size
    assert batch.tokens == batch.encoder_tokens + batch.predicted
    assert pairs.target_segments.max() > 1  # several pairs in a row


def test_the_loss_of_packed_pairs_is_that_of_each_alone(pair_corpus, config, restless):
    model = restless(config)
    pairs = pair_batch(
        pair_corpus, seed=0, step=0, batch_size=3, source_length=LENGTH, target_length=LENGTH
    )
    total, count = 0.0, 0
    for row in range(3):
        for segment in range(1, pairs.target_segments[row].max() + 1):
            read = torch.from_numpy(pairs.source[row][pairs.source_segments[row] == segment])
            own = pairs.target_segments[row] == segment
            given, wanted = (
                torch.from_numpy(side[row][own]) for side in (pairs.target_in, pairs.target_out)
            )
            logits = model(read[None], given[None])[0]
            total += F.cross_entropy(logits, wanted, reduction="sum").item()
            count += len(wanted)
    packed = batch_loss(model, batch_of_pairs(pairs))
    assert packed.item() == pytest.approx(total / count, rel=1e-9)


@pytest.mark.parametrize("empty", ["source", "target"])
def test_a_side_without_padding_beside_one_with_it_keeps_gradients_finite(config, restless, empty):
    tokens = np.arange(2 * LENGTH).reshape(2, LENGTH) % config.vocab_size
    full = np.ones((2, LENGTH), dtype=np.int64)
    half = full.copy()
    half[:, LENGTH // 2 :] = 0
    source, target = (half, full) if empty == "source" else (full, half)
    batch = batch_of_pairs(
        PairBatch(
            source=tokens,
            target_in=tokens,
            target_out=tokens,
            source_segments=source,
            target_segments=target,
        )
    )
    for model in (restless(config), restless(config).float()):
        loss = batch_loss(model, batch)
        loss.backward()
        assert math.isfinite(loss.item())
        assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_smoothing_is_in_the_training_loss_alone(pair_corpus, config, restless):
    model = restless(config)
    smooth, plain = SequenceToSequence(), SequenceToSequence(label_smoothing=0.0)
    batch = smooth.batch(pair_corpus, config, seed=0, step=0, rows=2)
    assert torch.equal(smooth.loss(model, batch), batch_loss(model, batch, label_smoothing=0.1))
    assert torch.equal(plain.loss(model, batch), batch_loss(model, batch))
    assert not torch.equal(smooth.loss(model, batch), plain.loss(model, batch))
    results = [evaluate(model, o.evaluation(pair_corpus, config, 500)) for o in (smooth, plain)]
    assert results[0] == results[1]


@pytest.mark.parametrize(("first", "steps"), [(0, 3), (2, 7), (0, 40), (13, 58)])
def test_tokens_are_counted_without_the_batches(pair_corpus, config, first, steps):
    objective = SequenceToSequence()
    batches = [
        objective.batch(pair_corpus, config, seed=9, step=step, rows=7)
        for step in range(first, steps)
    ]
    count = objective.tokens_in(pair_corpus, config, rows=7, seed=9, steps=steps, first=first)
    assert count.tokens == sum(batch.tokens for batch in batches)
    assert count.encoder_tokens == sum(batch.encoder_tokens for batch in batches)
    assert count.predicted == sum(batch.predicted for batch in batches)


def test_each_held_out_pair_is_a_cluster_of_its_own(pair_corpus, config, restless):
    model = restless(config).float()
    held_out = SequenceToSequence().evaluation(pair_corpus, config, 600)
    pairs, clusters_BT, n_bytes = evaluation_pairs(pair_corpus, LENGTH, LENGTH, 600)
    assert len(np.unique(held_out.clusters)) == len(held_out.clusters)
    assert set(held_out.clusters) == set(clusters_BT[clusters_BT >= 0])
    result = evaluate(model, held_out)
    with torch.no_grad():
        logits = model(
            *(torch.from_numpy(side) for side in (pairs.source, pairs.target_in)),
            source_segments=torch.from_numpy(pairs.source_segments),
            target_segments=torch.from_numpy(pairs.target_segments),
        )
    log_p = logits.double().log_softmax(-1).numpy()
    losses = -np.take_along_axis(log_p, pairs.target_out[..., None], axis=2)[..., 0]
    means = {
        c: (losses[clusters_BT == c].sum(), (clusters_BT == c).sum()) for c in held_out.clusters
    }
    total, tokens = np.array(list(means.values())).sum(axis=0)
    residuals = np.array([loss - total / tokens * count for loss, count in means.values()])
    groups = len(means)
    assert result.tokens == tokens
    assert result.loss == pytest.approx(total / tokens, rel=1e-5)
    expected = math.sqrt(groups / (groups - 1) * (residuals**2).sum()) / tokens
    assert result.loss_se == pytest.approx(expected, rel=1e-4)
    assert result.bits_per_byte == pytest.approx(total / math.log(2) / n_bytes, rel=1e-5)


def test_text_for_pairs_and_pairs_for_text_are_refused(
    special_corpus, pair_corpus, config, config_of
):
    with pytest.raises(UsageError, match="holds text") as error:
        SequenceToSequence().check(special_corpus, config)
    assert "prepare_pairs" in error.value.hint
    with pytest.raises(UsageError, match="holds pairs") as error:
        Masked().batch(pair_corpus, config_of("encoder"), seed=0, step=0, rows=1)
    assert "sequence_to_sequence" in error.value.hint


def test_the_model_starts_at_a_uniform_guess(pair_corpus, config):
    result = evaluate(
        build_model(config), SequenceToSequence().evaluation(pair_corpus, config, 400)
    )
    assert result.loss == pytest.approx(math.log(pair_corpus.vocab_size), rel=0.05)

"""Prefix language modelling: who sees whom, what is predicted, exact counts."""

from __future__ import annotations

import math

import numpy as np
import torch

from isoloss.models import build_model
from isoloss.training.evaluation import evaluate
from isoloss.training.objectives import PrefixLM
from isoloss.training.objectives.windows import training_windows


def test_a_prefix_sees_itself_and_nothing_later(special_corpus, config_of, restless):
    config = config_of("isoloss")
    model = restless(config)
    tokens = torch.from_numpy(training_windows(special_corpus, length=32, seed=0, step=0, rows=1))
    tokens, prefix = tokens[:, :-1], torch.tensor([10])
    before = model(tokens, prefix=prefix)[0]

    def touched(position: int) -> torch.Tensor:
        changed = tokens.clone()
        changed[0, position] = (changed[0, position] + 1) % 256
        return (model(changed, prefix=prefix)[0] != before).any(dim=1)

    after_it = touched(20)
    assert not after_it[:20].any()
    assert after_it[20:].all()
    assert touched(9).all()  # the last token of the prefix is seen by all, the first included
    first_beyond = touched(10)
    assert not first_beyond[:10].any()
    assert first_beyond[10:].all()


def test_only_what_follows_the_prefix_is_predicted(special_corpus, config_of):
    config = config_of("isoloss")
    batch = PrefixLM().batch(special_corpus, config, seed=3, step=1, rows=50)
    windows = training_windows(special_corpus, length=32, seed=3, step=1, rows=50)
    lengths = batch.inputs["prefix"].tolist()
    expected = [windows[row, lengths[row] :] for row in range(50)]
    assert np.array_equal(batch.targets.numpy(), np.concatenate(expected))
    places = [row * 32 + np.arange(lengths[row] - 1, 32) for row in range(50)]
    assert np.array_equal(batch.places.numpy(), np.concatenate(places))
    assert batch.tokens == 50 * 32
    assert set(lengths) <= set(range(1, 33))


def test_prefixes_are_uniform_and_counts_exact(special_corpus, config_of):
    config = config_of("isoloss")
    batches = [
        PrefixLM().batch(special_corpus, config, seed=0, step=step, rows=32) for step in range(60)
    ]
    lengths = torch.cat([batch.inputs["prefix"] for batch in batches])
    counts = torch.bincount(lengths, minlength=33)[1:]
    expected = len(lengths) / 32
    assert ((counts - expected).abs() < 4.5 * math.sqrt(expected)).all()
    count = PrefixLM().tokens_in(special_corpus, config, rows=32, seed=0, steps=60, first=20)
    assert count.predicted == sum(batch.predicted for batch in batches[20:])
    assert count.tokens == sum(batch.tokens for batch in batches[20:])


def test_the_evaluation_counts_the_bytes_of_what_is_predicted(special_corpus, config_of):
    config = config_of("isoloss")
    held_out = PrefixLM().evaluation(special_corpus, config, 2_000)
    again = PrefixLM().evaluation(special_corpus, config, 2_000)
    assert all(
        torch.equal(a.inputs["prefix"], b.inputs["prefix"])
        for a, b in zip(held_out.batches, again.batches, strict=True)
    )
    targets = torch.cat([batch.targets for batch in held_out.batches]).numpy()
    n_bytes = int(special_corpus.token_bytes[targets].sum())
    result = evaluate(build_model(config), held_out)
    assert result.tokens == len(targets)
    expected = result.loss * len(targets) / math.log(2) / n_bytes
    assert math.isclose(result.bits_per_byte, expected, rel_tol=1e-12)
    assert result.bits_per_byte_reason == ""

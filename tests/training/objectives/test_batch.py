"""The loss on a batch, its parts, and label smoothing in closed form."""

from __future__ import annotations

import math

import pytest
import torch

from isoloss.training.objectives import Batch, Masked, PrefixLM, SpanCorruption, batch_loss
from isoloss.training.objectives.batch import predicted_logits


def test_the_head_at_some_places_equals_all_logits_there(special_corpus, config_of, restless):
    config = config_of("encoder")
    model = restless(config)
    batch = Masked().batch(special_corpus, config, seed=0, step=0, rows=4)
    everywhere = model(**batch.inputs).flatten(0, 1)
    torch.testing.assert_close(predicted_logits(model, batch), everywhere[batch.places])
    assert batch.predicted == 4 * 5 < everywhere.shape[0]


@pytest.mark.parametrize(
    ("objective", "family"),
    [(Masked(), "encoder"), (PrefixLM(), "isoloss"), (SpanCorruption(), "encoder-decoder")],
)
def test_parts_of_a_batch_make_up_the_whole(objective, family, special_corpus, config_of, restless):
    config = config_of(family)
    model = restless(config)
    whole = objective.batch(special_corpus, config, seed=0, step=3, rows=7)
    parts = whole.split(3)
    assert [part.rows for part in parts] == [3, 3, 1]
    assert sum(part.tokens for part in parts) == whole.tokens
    assert sum(part.encoder_tokens for part in parts) == whole.encoder_tokens
    assert torch.equal(torch.cat([part.targets for part in parts]), whole.targets)
    losses = [batch_loss(model, part) * part.predicted for part in parts]
    total = torch.stack(losses).sum() / whole.predicted
    torch.testing.assert_close(total, batch_loss(model, whole))


def test_padding_does_not_count_in_the_parts():
    segments = torch.tensor([[1, 1, 0], [1, 0, 0]])
    batch = Batch(
        inputs={
            "source": torch.ones(2, 4, dtype=torch.long),
            "target": torch.ones(2, 3, dtype=torch.long),
            "target_segments": segments,
        },
        targets=torch.ones(3, dtype=torch.long),
        places=torch.tensor([0, 1, 3]),
        tokens=11,
        encoder_tokens=8,
    )
    first, second = batch.split(1)
    assert (first.tokens, first.encoder_tokens, first.places.tolist()) == (6, 4, [0, 1])
    assert (second.tokens, second.encoder_tokens, second.places.tolist()) == (5, 4, [0])


def test_label_smoothing_is_the_closed_form(special_corpus, config_of, restless):
    config = config_of("isoloss")
    model = restless(config)
    batch = PrefixLM().batch(special_corpus, config, seed=0, step=0, rows=2)
    log_p_NV = predicted_logits(model, batch).log_softmax(-1)
    own_N = log_p_NV.gather(1, batch.targets[:, None]).squeeze(1)
    expected = -(0.8 * own_N + 0.2 * log_p_NV.mean(dim=1)).mean()
    torch.testing.assert_close(batch_loss(model, batch, label_smoothing=0.2), expected)
    plain = batch_loss(model, batch).item()
    assert not math.isclose(expected.item(), plain, rel_tol=1e-3)


def test_a_batch_stays_itself_where_it_lies():
    tokens = torch.zeros(1, 2, dtype=torch.long)
    batch = Batch(inputs={"tokens": tokens}, targets=tokens.flatten(), tokens=2)
    assert batch.to("cpu") is batch
    moved = batch.to("meta")
    assert moved.inputs["tokens"].device.type == moved.targets.device.type == "meta"

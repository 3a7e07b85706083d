"""The head for spans: scores where a boundary may be, and a loss over positions."""

from __future__ import annotations

import math

import pytest
import torch

from isoloss.architecture import config_for_width
from isoloss.errors import UsageError
from isoloss.models import build_model
from isoloss.models.span_head import SpanModel


def model(**options: object) -> SpanModel:
    config = config_for_width(
        16, vocab_size=40, context_length=12, n_layer=1, **{"family": "bert", **options}
    )
    return SpanModel(build_model(config, seed=1), seed=2)


def test_scores_are_products_with_the_hidden_states() -> None:
    spans = model()
    tokens = torch.arange(24).view(2, 12) % 40
    hidden = spans.encoder.hidden(tokens)
    wanted = torch.einsum("btd,kd->bkt", hidden, spans.head.weight)
    torch.testing.assert_close(spans(tokens), wanted)


def test_nothing_is_scored_where_no_boundary_may_be() -> None:
    allowed = torch.zeros(1, 12, dtype=torch.bool)
    allowed[0, [0, 3, 4]] = True
    scores = model()(torch.arange(12)[None], allowed=allowed)
    assert (scores.isfinite() == allowed[:, None]).all()
    assert (scores[~scores.isfinite()] == -math.inf).all()


def test_the_head_of_the_vocabulary_is_left_alone() -> None:
    """A tied head is the embedding, which is trained; BERT's other parts of the head are not."""
    spans = model()
    frozen = {name for name, p in spans.named_parameters() if not p.requires_grad}
    assert {name.split(".")[1] for name in frozen} == {"head", "head_transform", "head_norm"}
    assert spans.encoder.embedding.weight.requires_grad
    assert model(family="encoder").encoder.head.weight.requires_grad is False


def test_first_values_follow_the_seed_alone() -> None:
    torch.manual_seed(5)
    first = model()
    torch.manual_seed(6)
    assert torch.equal(first.head.weight, model().head.weight)
    assert not torch.equal(first.head.weight, SpanModel(first.encoder, seed=3).head.weight)
    other = SpanModel(first.encoder, seed=3)
    other.take_head({name: tensor.detach() for name, tensor in first.head_tensors().items()})
    assert torch.equal(first.head.weight, other.head.weight)


def test_a_decoder_has_no_spans() -> None:
    config = config_for_width(16, vocab_size=40, context_length=12)
    with pytest.raises(UsageError, match="from an encoder, found a model of kind decoder"):
        SpanModel(build_model(config))

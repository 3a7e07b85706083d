"""NanoChat has no temperature of a head: widening the heads says it all the same."""

from __future__ import annotations

import pytest
import torch

from isoloss.errors import UsageError
from isoloss.models.huggingface import to_huggingface
from isoloss.models.huggingface.conversion import model_from_parts
from isoloss.models.huggingface.nanochat import widened


@pytest.mark.parametrize(
    ("scales", "width"),
    [([1.0, 1.0], 16), ([0.2, 1.0], 32), ([1.4, -1.0], 32), ([0.0, 1.9], 64), ([5.5, -0.5], 496)],
)
def test_any_scales_give_equal_logits(scales, width, make_model, make_theirs, logits) -> None:
    ours = make_model("isoloss")
    with torch.no_grad():
        for block in ours.stack.blocks:
            block.attention.q_scale.copy_(torch.tensor(scales))
    values, weights = to_huggingface(ours)
    assert values["head_dim"] == width
    a, b = logits(ours, make_theirs(values, weights))
    torch.testing.assert_close(a, b, atol=1e-4, rtol=0)


def test_scales_matter_in_that_test(make_model, make_theirs, logits) -> None:
    """The same weights with other scales give other logits, so equality above says something."""
    ours = make_model("isoloss")
    theirs = make_theirs(*to_huggingface(ours))
    with torch.no_grad():
        ours.stack.blocks[0].attention.q_scale.mul_(1.5)
    a, b = logits(ours, theirs)
    assert (a - b).abs().max() > 0.01


def test_heads_grow_no_more_than_needed() -> None:
    assert widened(16, torch.tensor([1.0, 1.0])) == 16
    assert widened(16, torch.tensor([1.0, 2.0**0.5 - 1e-6])) == 32
    assert widened(16, torch.tensor([1.5])) == 48  # 1.5² is above 2


def test_a_soft_cap_on_logits_is_refused(make_model) -> None:
    values, weights = to_huggingface(make_model("isoloss"))
    with pytest.raises(UsageError, match=r"final_logit_softcapping=15\.0 has no counterpart"):
        model_from_parts({**values, "final_logit_softcapping": 15.0}, weights)
    del values["final_logit_softcapping"]  # transformers then takes 15
    with pytest.raises(UsageError, match="final_logit_softcapping"):
        model_from_parts(values, weights)

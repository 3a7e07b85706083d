"""The Transformer against its formulas, written out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from isoloss.architecture import TransformerConfig, config_for_width
from isoloss.errors import UsageError
from isoloss.models import Attention, Decoder, fused_attention, plain_attention
from isoloss.models.masks import Mask
from isoloss.models.positions import rotary_table, rotate

CONFIG = config_for_width(32, vocab_size=50, context_length=12)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def restless(config: TransformerConfig = CONFIG) -> Decoder:
    """A decoder in float64 whose every weight differs from its (partly zero) start."""
    model = Decoder(config).double()
    with torch.no_grad():
        for index, parameter in enumerate(model.parameters()):
            parameter.add_(0.3 * random(*parameter.shape, seed=index))
    return model


def by_hand(q_TK: Tensor, k_TK: Tensor, v_TK: Tensor) -> Tensor:
    """Attention of one head, position by position."""
    rows = []
    for t in range(len(q_TK)):
        weights = torch.exp(k_TK[: t + 1] @ q_TK[t] / math.sqrt(q_TK.shape[1]))
        rows.append((weights[:, None] * v_TK[: t + 1]).sum(0) / weights.sum())
    return torch.stack(rows)


@pytest.mark.parametrize("kernel", [plain_attention, fused_attention])
def test_kernels_and_their_gradients_equal_the_sum_by_hand(kernel) -> None:
    inputs = [random(2, 3, 7, 4, seed=seed).requires_grad_() for seed in range(3)]
    weight = random(2, 3, 7, 4, seed=9)
    got = kernel(*inputs)
    expected = torch.stack(
        [torch.stack([by_hand(*(x[b, h] for x in inputs)) for h in range(3)]) for b in range(2)]
    )
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(
        torch.autograd.grad((got * weight).sum(), inputs),
        torch.autograd.grad((expected * weight).sum(), inputs),
    )


def rotated_by_hand(x_TK: Tensor) -> Tensor:
    """RoFormer's rotation of pairs (first half, second half) as complex numbers."""
    half = x_TK.shape[1] // 2
    angle = torch.arange(len(x_TK), dtype=torch.float64)[:, None] * 10_000.0 ** (
        -torch.arange(half, dtype=torch.float64) / half
    )
    turned = torch.complex(x_TK[:, :half], x_TK[:, half:]) * torch.polar(
        torch.ones_like(angle), angle
    )
    return torch.cat((turned.real, turned.imag), dim=1)


def module_by_hand(module: Attention, x_TD: Tensor) -> Tensor:
    width, size = x_TD.shape[1], module.head_dim
    q_TD, k_TD, v_TD = (x_TD @ w.T for w in module.qkv.weight.split(width))
    heads = []
    for h in range(module.n_head):
        part = slice(h * size, (h + 1) * size)
        q, k = (
            rotated_by_hand(y[:, part] / y[:, part].square().mean(1, keepdim=True).sqrt())
            for y in (q_TD, k_TD)
        )
        heads.append(by_hand(q * module.q_scale[h], k, v_TD[:, part]))
    return torch.cat(heads, dim=1) @ module.out.weight.T


def test_module_and_its_gradients_equal_the_formulas_by_hand() -> None:
    module = restless().stack.layers()[0].attention
    assert module.n_head == 2
    x_BTD = random(2, 9, 32, seed=5).requires_grad_()
    cos_TK, sin_TK = (t.double() for t in rotary_table(9, module.head_dim))
    got = module(x_BTD, Mask(causal=True), (cos_TK, sin_TK))
    expected = torch.stack([module_by_hand(module, x) for x in x_BTD])
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)  # the table is float32
    at = [x_BTD, *module.parameters()]
    weight = random(2, 9, 32, seed=6)
    torch.testing.assert_close(
        torch.autograd.grad((got * weight).sum(), at),
        torch.autograd.grad((expected * weight).sum(), at),
        rtol=1e-4,
        atol=1e-4,
    )


def test_decoder_equals_its_blocks_by_hand() -> None:
    model = restless()
    tokens = torch.tensor([3, 1, 4, 1, 5, 9, 2, 6])

    def norm(x: Tensor) -> Tensor:
        return x / x.square().mean(1, keepdim=True).sqrt()

    x_TD = norm(model.embedding.weight[tokens])
    for block in model.stack.layers():
        x_TD = x_TD + module_by_hand(block.attention, norm(x_TD))
        inner = norm(x_TD) @ block.feed_forward.up.weight.T
        x_TD = x_TD + inner.clamp(min=0) ** 2 @ block.feed_forward.down.weight.T
    expected = norm(x_TD) @ model.head.weight.T
    torch.testing.assert_close(model(tokens[None])[0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shift", [1, 5, 30])
def test_rotation_sees_only_the_distance(shift: int) -> None:
    cos_TK, sin_TK = (t.double() for t in rotary_table(64, 8))
    q, k = random(8, seed=1), random(8, seed=2)

    def score(i: int, j: int) -> Tensor:
        turned = [
            rotate(x.view(1, 1, 1, 8), cos_TK[p : p + 1], sin_TK[p : p + 1])
            for x, p in ((q, i), (k, j))
        ]
        return (turned[0] * turned[1]).sum()

    for i, j in ((9, 2), (3, 3), (0, 20)):
        torch.testing.assert_close(score(i, j), score(i + shift, j + shift), rtol=1e-5, atol=1e-5)
    assert not torch.isclose(score(9, 2), score(9, 3))


@pytest.mark.parametrize("width", [16, 64])
def test_loss_at_step_0_is_that_of_a_uniform_guess(width: int) -> None:
    model = Decoder(config_for_width(width, vocab_size=77, context_length=8)).double()
    tokens = torch.arange(16).view(2, 8)
    loss = F.cross_entropy(model(tokens).flatten(0, 1), tokens.flatten())
    assert loss.item() == pytest.approx(math.log(77), abs=1e-6)


def test_no_position_sees_the_future() -> None:
    model = restless()
    tokens = torch.randint(0, 50, (1, 12), generator=torch.Generator().manual_seed(0))
    changed = tokens.clone()
    changed[0, 7] = (changed[0, 7] + 1) % 50
    before, after = model(tokens), model(changed)
    assert torch.equal(before[:, :7], after[:, :7])
    assert not torch.isclose(before[:, 7:], after[:, 7:]).all(-1).any()


def test_seed_decides_the_weights_whatever_the_global_state() -> None:
    first = Decoder(CONFIG, seed=3)
    torch.rand(5)
    second, other = Decoder(CONFIG, seed=3), Decoder(CONFIG, seed=4)
    pairs = list(zip(first.parameters(), second.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(first.embedding.weight, other.embedding.weight)


def test_more_positions_than_the_context_are_refused() -> None:
    with pytest.raises(UsageError, match="13 positions exceed the 12 that the model was made for"):
        Decoder(CONFIG)(torch.zeros(1, 13, dtype=torch.long))

"""Muon against the polar factor and against PyTorch's own."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from isoloss.architecture import config_for_width
from isoloss.models import Decoder
from isoloss.training import Recipe
from isoloss.training.optimizer import Optimizer, orthogonalize

RECIPE = Recipe(base_learning_rate=0.01, matrix_learning_rate=0.02)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("rows", "columns"), [(16, 16), (64, 16), (100, 32)])
def test_orthogonalize_keeps_the_directions_and_evens_the_lengths(rows: int, columns: int) -> None:
    stack = random(5, rows, columns) * torch.tensor([1e-4, 1e-2, 1.0, 10.0, 1e4])[:, None, None]
    for matrix, got in zip(stack, orthogonalize(stack), strict=True):
        left, values, right = torch.linalg.svd(matrix, full_matrices=False)
        # In the singular basis of the input the result is diagonal: the polar factor, about.
        inner = left.mT @ got @ right.mT
        off_diagonal = inner - torch.diag(inner.diagonal())
        assert off_diagonal.abs().max() < 1e-3
        strong = values > 0.05 * values.max()
        assert inner.diagonal()[strong].min() > 0.5
        assert inner.diagonal().max() < 1.3
        polar = left @ right
        cosine = (polar * got).sum() / (polar.norm() * got.norm())
        assert cosine > 0.96


def test_a_zero_gradient_moves_nothing() -> None:
    assert orthogonalize(torch.zeros(2, 8, 4)).equal(torch.zeros(2, 8, 4))


def model_with_gradients(seed: int = 0) -> Decoder:
    model = Decoder(config_for_width(32, vocab_size=40, context_length=8), seed=seed)
    give_gradients(model, seed)
    return model


def give_gradients(model: Decoder, seed: int) -> None:
    for index, parameter in enumerate(model.parameters()):
        parameter.grad = random(*parameter.shape, seed=100 * seed + index)


def reference_steps(weight: Tensor, gradients: list[Tensor], rate: float) -> Tensor:
    """Steps of torch.optim.Muon, whose rate grows by sqrt(max(1, rows / columns))."""
    parameter = torch.nn.Parameter(weight.clone())
    muon = torch.optim.Muon(
        [parameter], lr=rate, momentum=RECIPE.momentum, nesterov=True, weight_decay=0.0
    )
    for gradient in gradients:
        parameter.grad = gradient
        muon.step()
    return parameter.detach()


def test_steps_equal_those_of_pytorchs_muon() -> None:
    model = model_with_gradients()
    optimizer = Optimizer(model, RECIPE)
    block = model.stack.layers()[1]
    # The third of the stacked matrix that makes the keys, the output, both feed-forward parts.
    views = {
        "key": lambda: block.attention.qkv.weight[32:64],
        "out": lambda: block.attention.out.weight,
        "up": lambda: block.feed_forward.up.weight,
        "down": lambda: block.feed_forward.down.weight,
    }
    grads = {
        "key": lambda: block.attention.qkv.weight.grad[32:64],  # pyright: ignore
        "out": lambda: block.attention.out.weight.grad,
        "up": lambda: block.feed_forward.up.weight.grad,
        "down": lambda: block.feed_forward.down.weight.grad,
    }
    before = {name: view().detach().clone() for name, view in views.items()}
    seen: dict[str, list[Tensor]] = {name: [] for name in views}
    for seed in (1, 2):
        give_gradients(model, seed)
        for name, grad in grads.items():
            seen[name].append(grad().clone())
        optimizer.step(0.5)
    # PyTorch widens the rate of `up` by 2 as we do, and leaves `down`, which we halve.
    rates = {"key": 0.01, "out": 0.01, "up": 0.01, "down": 0.005}
    for name, view in views.items():
        expected = reference_steps(before[name], seen[name], rates[name]) - before[name]
        got = view().detach() - before[name]
        # PyTorch iterates in bfloat16, which has 8 bits.
        assert (got - expected).norm() < 0.02 * expected.norm(), name


def test_the_rest_takes_the_steps_of_adamw() -> None:
    model = model_with_gradients()
    rate = RECIPE.learning_rate(32)
    assert rate == pytest.approx(0.02)
    copies = [torch.nn.Parameter(p.detach().clone()) for p in (model.embedding.weight,)]
    reference = torch.optim.AdamW(
        copies, lr=rate * 0.25, betas=RECIPE.betas, eps=RECIPE.eps, weight_decay=0.0
    )
    optimizer = Optimizer(model, RECIPE)
    for seed in (1, 2, 3):
        give_gradients(model, seed)
        assert model.embedding.weight.grad is not None
        copies[0].grad = model.embedding.weight.grad.clone()
        reference.step()
        optimizer.step(0.25)
    torch.testing.assert_close(model.embedding.weight, copies[0])


def test_every_parameter_is_moved_by_one_of_the_two() -> None:
    model = model_with_gradients()
    before = [p.detach().clone() for p in model.parameters()]
    Optimizer(model, RECIPE).step(1.0)
    for (name, after), old in zip(model.named_parameters(), before, strict=True):
        assert (after != old).float().mean() > 0.99, name


def test_updates_are_equally_large_at_every_width() -> None:
    for width in (16, 64):
        model = Decoder(config_for_width(width, vocab_size=40, context_length=8))
        give_gradients(model, 1)
        up = model.stack.layers()[0].feed_forward.up.weight
        before = up.detach().clone()
        Optimizer(model, RECIPE).step(1.0)
        spectral = torch.linalg.matrix_norm(up.detach() - before, 2) / RECIPE.matrix_learning_rate
        assert 0.6 < spectral / math.sqrt(4) < 1.3

"""Muon against the polar factor and against PyTorch's own."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from isoloss.architecture import config_for_width
from isoloss.models import Decoder, LanguageModel, build_model, parameter_roles
from isoloss.training import Recipe, learning_rates
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


def give_gradients(model: LanguageModel, seed: int) -> None:
    for index, parameter in enumerate(model.parameters()):
        parameter.grad = random(*parameter.shape, seed=100 * seed + index)


def gradient_of(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


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
    named = dict(model.named_parameters())
    inside = "stack.blocks.1"
    # The third of the stacked matrix that makes the keys, the output, both feed-forward parts.
    views = {
        "key": lambda: named[f"{inside}.attention.qkv.weight"][32:64],
        "out": lambda: named[f"{inside}.attention.out.weight"],
        "up": lambda: named[f"{inside}.feed_forward.up.weight"],
        "down": lambda: named[f"{inside}.feed_forward.down.weight"],
    }
    grads = {
        "key": lambda: gradient_of(named[f"{inside}.attention.qkv.weight"])[32:64],
        "out": lambda: gradient_of(named[f"{inside}.attention.out.weight"]),
        "up": lambda: gradient_of(named[f"{inside}.feed_forward.up.weight"]),
        "down": lambda: gradient_of(named[f"{inside}.feed_forward.down.weight"]),
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
        up = dict(model.named_parameters())["stack.blocks.0.feed_forward.up.weight"]
        before = up.detach().clone()
        Optimizer(model, RECIPE).step(1.0)
        spectral = torch.linalg.matrix_norm(up.detach() - before, 2) / RECIPE.matrix_learning_rate
        assert 0.6 < spectral / math.sqrt(4) < 1.3


def reference_update(gradient: Tensor) -> Tensor:
    """The polar factor, scaled by sqrt(fan out / fan in), of a first step's gradient."""
    left, _, right = torch.linalg.svd(gradient, full_matrices=False)
    return left @ right * (gradient.shape[0] / gradient.shape[1]) ** 0.5


@pytest.mark.parametrize(
    ("options", "name", "parts"),
    [
        ({"n_kv_head": 1}, "stack.blocks.0.attention.qkv.weight", [32, 16, 16]),
        ({"family": "llama"}, "stack.blocks.0.feed_forward.up.weight", [96, 96]),
        ({"family": "encoder-decoder"}, "decoder.blocks.0.cross_attention.kv.weight", [32, 32]),
        ({"n_expert": 3}, "stack.blocks.0.feed_forward.router.weight", [3]),
        ({"family": "bert"}, "head_transform.weight", [32]),
    ],
)
def test_every_stacked_matrix_is_moved_by_itself(
    options: dict[str, Any], name: str, parts: list[int]
) -> None:
    config = config_for_width(32, vocab_size=40, context_length=8, n_layer=1, **options)
    model = build_model(config)
    give_gradients(model, 1)
    weight = dict(model.named_parameters())[name]
    before = weight.detach().clone()
    Optimizer(model, RECIPE).step(1.0)
    moved = (before - weight.detach()) / RECIPE.matrix_learning_rate
    assert weight.grad is not None
    for update, gradient in zip(moved.split(parts), weight.grad.split(parts), strict=True):
        expected = reference_update(gradient)
        cosine = (update * expected).sum() / (update.norm() * expected.norm())
        assert cosine > 0.97
        assert update.norm() == pytest.approx(float(expected.norm()), rel=0.3)


def test_every_expert_is_moved_by_itself() -> None:
    config = config_for_width(16, vocab_size=40, context_length=8, n_layer=1, n_expert=3)
    model = build_model(config)
    give_gradients(model, 1)
    experts = dict(model.named_parameters())["stack.blocks.0.feed_forward.down"]
    assert experts.grad is not None
    experts.grad[1] = 0  # no token was sent to it
    before = experts.detach().clone()
    Optimizer(model, RECIPE).step(1.0)
    moved = (before - experts.detach()) / RECIPE.matrix_learning_rate
    assert moved[1].abs().max() == 0
    for index in (0, 2):
        expected = reference_update(experts.grad[index])
        cosine = (moved[index] * expected).sum() / (moved[index].norm() * expected.norm())
        assert cosine > 0.97


def test_adamw_alone_is_adamw() -> None:
    recipe = replace(RECIPE, optimizer="adamw", weight_decay=0.1, parameterization="mup")
    model = model_with_gradients()
    copy = model_with_gradients()
    rates = learning_rates(parameter_roles(copy), recipe, copy.config)
    assert len(set(rates.values())) == 2
    reference = torch.optim.AdamW(
        [{"params": [p], "lr": rates[name] * 0.5} for name, p in copy.named_parameters()],
        betas=recipe.betas,
        eps=recipe.eps,
        weight_decay=0.1,
    )
    optimizer = Optimizer(model, recipe)
    for seed in (1, 2):
        give_gradients(model, seed)
        give_gradients(copy, seed)
        optimizer.step(0.5)
        reference.step()
    for (name, got), expected in zip(model.named_parameters(), copy.parameters(), strict=True):
        torch.testing.assert_close(got, expected, msg=name)


def test_muons_matrices_decay_when_asked() -> None:
    moved = []
    for decayed in ("adamw", "matrices"):
        recipe = replace(RECIPE, weight_decay=0.1, weight_decay_on=decayed)
        model = model_with_gradients()
        weight = model.stack.layers()[0].attention.qkv.weight
        before = weight.detach().clone()
        Optimizer(model, recipe).step(1.0)
        moved.append(weight.detach() - before)
    expected = -RECIPE.matrix_learning_rate * 0.1 * before
    torch.testing.assert_close(moved[1] - moved[0], expected, rtol=1e-3, atol=1e-6)


def test_a_parameter_without_a_gradient_goes_on_with_its_moments() -> None:
    model, copy = model_with_gradients(), model_with_gradients()
    optimizers = [Optimizer(m, RECIPE) for m in (model, copy)]
    for optimizer in optimizers:
        optimizer.step(1.0)
    for parameter in model.parameters():
        parameter.grad = None
    for parameter in copy.parameters():
        parameter.grad = torch.zeros_like(parameter)
    for optimizer in optimizers:
        optimizer.step(1.0)
    for got, expected in zip(model.parameters(), copy.parameters(), strict=True):
        assert torch.equal(got, expected)

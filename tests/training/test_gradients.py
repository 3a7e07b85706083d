"""Loss and gradients of a batch: cut anywhere, computed again, with randomness from the step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from isoloss.models import build_model
from isoloss.training import Recipe, RunConfig
from isoloss.training.gradients import _parts, accumulate
from isoloss.training.objectives import OBJECTIVES, Batch
from isoloss.training.run_config import corpus_batches


def restless(run: RunConfig, dtype: torch.dtype = torch.float64):
    """A model whose every weight differs from its (partly zero) start."""
    model = build_model(run.architecture, seed=1).to(dtype)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.add_(0.2 * noise.to(dtype))
    return model


def gradients(
    run: RunConfig, batch: Batch, recipe: Recipe, *, step: int = 0, dtype: torch.dtype
) -> tuple[float, dict[str, Tensor]]:
    model = restless(run, dtype).train()
    model.checkpoint_activations(recipe.checkpoint_activations)
    loss = accumulate(model, batch, run.objective.loss, recipe, seed=0, step=step)
    found = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    return loss.item(), found


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_loss_and_gradients_do_not_depend_on_the_cut(objective: str, run_of: Any) -> None:
    run, corpus = run_of(objective)
    batch = corpus_batches(corpus, run)(3)
    loss, whole = gradients(run, batch, run.recipe, dtype=torch.float64)
    for micro in (32, 100, 200):
        recipe = replace(run.recipe, micro_batch_tokens=micro)
        assert len(_parts(batch, recipe)) > 1
        cut, parts = gradients(run, batch, recipe, dtype=torch.float64)
        assert cut == pytest.approx(loss, rel=1e-12)
        assert parts.keys() == whole.keys()
        for name, gradient in parts.items():
            torch.testing.assert_close(gradient, whole[name], rtol=1e-8, atol=1e-12)


def test_the_parts_predict_unequally_many_tokens(run_of: Any) -> None:
    run, corpus = run_of("sequence_to_sequence")
    batch = corpus_batches(corpus, run)(3)
    assert len({part.predicted for part in batch.split(1)}) > 1


def test_computing_activations_again_changes_no_bit(run_of: Any) -> None:
    for options in ({"dropout": 0.3}, {"n_expert": 4}):
        run, corpus = run_of("causal", model=options)
        batch = corpus_batches(corpus, run)(0)
        kept = gradients(run, batch, run.recipe, dtype=torch.float32)
        recipe = replace(run.recipe, checkpoint_activations=True)
        again = gradients(run, batch, recipe, dtype=torch.float32)
        assert again[0] == kept[0]
        assert all(torch.equal(again[1][name], kept[1][name]) for name in kept[1])


def test_dropout_is_a_function_of_the_step_and_leaves_no_trace(run_of: Any) -> None:
    run, corpus = run_of("causal", model={"dropout": 0.3})
    batch = corpus_batches(corpus, run)(0)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, _ = gradients(run, batch, run.recipe, dtype=torch.float32)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    again, _ = gradients(run, batch, run.recipe, dtype=torch.float32)
    other, _ = gradients(run, batch, run.recipe, step=1, dtype=torch.float32)
    assert first == again != other


def test_the_balance_of_experts_is_trained_on_and_not_reported(run_of: Any) -> None:
    found = []
    for weight in (0.0, 0.5):
        run, corpus = run_of("causal", model={"n_expert": 4, "balance_weight": weight})
        batch = corpus_batches(corpus, run)(0)
        loss, grads = gradients(run, batch, run.recipe, dtype=torch.float64)
        router = next(g for name, g in grads.items() if "router" in name)
        found.append((loss, router))
    assert found[0][0] == found[1][0]
    assert not torch.allclose(found[0][1], found[1][1])


def test_bfloat16_is_near_and_not_equal(run_of: Any) -> None:
    run, corpus = run_of("causal")
    batch = corpus_batches(corpus, run)(0)
    exact, wide = gradients(run, batch, run.recipe, dtype=torch.float32)
    recipe = replace(run.recipe, precision="bfloat16")
    near, narrow = gradients(run, batch, recipe, dtype=torch.float32)
    assert near == pytest.approx(exact, rel=0.01)
    assert near != exact
    assert all(g.dtype == torch.float32 for g in narrow.values())
    both = [torch.cat([g.flatten() for g in side.values()]) for side in (wide, narrow)]
    assert torch.nn.functional.cosine_similarity(both[0], both[1], dim=0) > 0.99

"""Sizes of a model's activations, and of their change over the first steps of training.

Shape suffixes: B rows, T positions, D width, N predicted tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from isoloss.architecture import TransformerConfig
from isoloss.models import LanguageModel
from isoloss.models.stack import Stack
from isoloss.training.gradients import accumulate
from isoloss.training.objectives.batch import Batch, batch_loss, count_positions, predicted_logits
from isoloss.training.recipe import Recipe
from isoloss.training.state import TrainingState

TARGET = "target logit"
ROWS = 8
_FOLLOWS = 0.5
"""Share of tokens that their predecessor decides."""
_HIDDEN = 0.25
"""Share of positions that a masked model must fill in."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Root mean square of one layer's output on the probe batch, and of its change since step 0.

    Of `target logit` the size of the mean over positions, which is no root mean square.
    """

    layer: str
    width: int
    seed: int
    step: int
    size: float
    change: float


def measured_sizes(
    config: TransformerConfig, recipe: Recipe, *, steps: int, seeds: int
) -> list[Sizes]:
    """Every layer of a model at steps 0 to `steps`; a seed sees equal batches at every width."""
    return [row for seed in range(seeds) for row in _sizes_of_one(config, recipe, steps, seed)]


def _sizes_of_one(
    config: TransformerConfig, recipe: Recipe, steps: int, seed: int
) -> Iterator[Sizes]:
    state = TrainingState.start(config, recipe, seed=seed)
    probe = chain_batch(config, seed=seed, step=0)
    first = activations(state.model, probe)
    for step in range(steps + 1):
        if step:
            batch = chain_batch(config, seed=seed, step=step - 1)
            state.model.train()
            state.model.zero_grad(set_to_none=True)
            accumulate(state.model, batch, batch_loss, recipe, seed=seed, step=step - 1)
            state.optimizer.step(1.0)
        now = activations(state.model, probe)
        for layer, value in now.items():
            size = _mean_size if layer == TARGET else _root_mean_square
            yield Sizes(
                layer=layer,
                width=config.d_model,
                seed=seed,
                step=step,
                size=size(value),
                change=size(value - first[layer]),
            )


def activations(model: LanguageModel, batch: Batch) -> dict[str, Tensor]:
    """The output of every layer on a batch by name, from the bottom of the model to the top.

    Double precision, without dropout. `target logit` is the logit of each true token less the
    mean logit, (N,).
    """
    found: dict[str, Tensor] = {}
    training = model.training
    model.eval()
    try:
        with _watched(model, found), torch.no_grad():
            logits_NV = predicted_logits(model, batch).double()
    finally:
        model.train(training)
    found["logits"] = logits_NV
    target_N = logits_NV.gather(1, batch.targets[:, None])[:, 0]
    found[TARGET] = target_N - logits_NV.mean(dim=1)
    return found


@contextmanager
def _watched(model: LanguageModel, found: dict[str, Tensor]) -> Iterator[None]:
    """Keep what the layers put out in `found`; afterwards the model is as it was."""

    def keep(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        return lambda _module, _given, out: found.__setitem__(name, out.double())

    def keep_input(name: str) -> Callable[[nn.Module, Any], None]:
        return lambda _module, given: found.__setitem__(name, given[0].double())

    handles: list[Any] = []
    stacks = {name: part for name, part in model.named_children() if isinstance(part, Stack)}
    try:
        for side, stack in stacks.items():
            prefix = f"{side} " if len(stacks) > 1 else ""
            blocks = stack.layers()
            handles.append(blocks[0].register_forward_pre_hook(keep_input(f"{prefix}embedding")))
            for number, block in enumerate(blocks, 1):
                parts = {
                    "attention": block.attention,
                    "cross-attention": block.cross_attention,
                    "feed-forward": block.feed_forward,
                }
                for part, module in parts.items():
                    if module is not None:
                        name = f"{prefix}block {number} {part}"
                        handles.append(module.register_forward_hook(keep(name)))
            handles.append(stack.register_forward_hook(keep(f"{prefix}hidden")))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _root_mean_square(values: Tensor) -> float:
    return values.square().mean().sqrt().item()


def _mean_size(values: Tensor) -> float:
    return values.mean().abs().item()


def chain_batch(config: TransformerConfig, *, seed: int, step: int) -> Batch:
    """A batch of invented text: frequencies by Zipf's law, every other token set by the one before.

    Frequencies matter. Where all tokens are as likely, what a step does to one logit has no
    common direction over positions, and its size says nothing about learning. A causal model
    predicts the next token, a masked one hidden tokens, and an encoder-decoder the successor of
    every source token. The last entry of the vocabulary marks hidden tokens and starts.
    """
    rng = np.random.default_rng([seed, step])
    kinds, mark = config.vocab_size - 1, config.vocab_size - 1
    follower = np.random.default_rng(0).permutation(kinds)
    length = config.longest_source if config.kind == "encoder_decoder" else config.context_length
    text = _chain(rng, follower, length + 1)
    if config.kind == "decoder":
        return _batch({"tokens": text[:, :-1]}, text[:, 1:])
    if config.kind == "encoder":
        tokens = text[:, 1:]
        hidden = rng.random(tokens.shape) < _HIDDEN
        hidden[:, 0] = True  # something is hidden in every row
        places = torch.from_numpy(np.flatnonzero(hidden))
        return _batch({"tokens": np.where(hidden, mark, tokens)}, tokens[hidden], places)
    source = text[:, 1:]
    translation = follower[source][:, : config.context_length]
    begun = np.concatenate([np.full((ROWS, 1), mark), translation[:, :-1]], axis=1)
    return _batch({"source": source, "target": begun}, translation)


def _chain(rng: np.random.Generator, follower: np.ndarray, length: int) -> np.ndarray:
    share = 1 / np.arange(1, len(follower) + 1)
    drawn = rng.choice(len(follower), size=(ROWS, length), p=share / share.sum())
    follows = rng.random((ROWS, length)) < _FOLLOWS
    for place in range(1, length):
        drawn[:, place] = np.where(
            follows[:, place], follower[drawn[:, place - 1]], drawn[:, place]
        )
    return drawn


def _batch(
    inputs: Mapping[str, np.ndarray], targets: np.ndarray, places: Tensor | None = None
) -> Batch:
    given = {name: torch.from_numpy(np.ascontiguousarray(x)) for name, x in inputs.items()}
    counts = count_positions(given)
    return Batch(
        inputs=given,
        targets=torch.from_numpy(np.ascontiguousarray(targets)).flatten(),
        places=places,
        tokens=sum(counts.values()),
        encoder_tokens=counts.get("source", 0),
    )

"""One forward and backward pass: loss and gradients of a batch, in parts where it must be.

Nothing here knows which device it runs on, and PyTorch's global random state is as it was
afterwards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor

from isoloss.models import LanguageModel
from isoloss.training.objectives.batch import Batch
from isoloss.training.recipe import Recipe

Loss = Callable[[LanguageModel, Batch], Tensor]
"""Mean loss of a batch per predicted token, a scalar."""


def accumulate(
    model: LanguageModel, batch: Batch, loss: Loss, recipe: Recipe, *, seed: int, step: int
) -> Tensor:
    """Add the gradients of a batch's mean loss to those there; returns that loss, a scalar.

    Parts are weighted by the tokens that they predict, so loss and gradients are those of the
    whole batch wherever it is cut. The load-balancing loss of experts, which is no mean over
    tokens, is weighted by tokens processed. It is trained on and not part of the loss returned.
    """
    parts = _parts(batch, recipe)
    total: Tensor | None = None
    for index, part in enumerate(parts):
        with _randomness(model, seed, step, index), _autocast(model, recipe):
            value = loss(model, part)
            balance = model.balance_loss()
        whole = len(parts) == 1
        share = part.predicted / batch.predicted
        weighted = value if whole else value * share
        aim = weighted
        if balance is not None:
            aim = weighted + (balance if whole else balance * (part.tokens / batch.tokens))
        aim.backward()
        total = weighted.detach() if total is None else total + weighted.detach()
    assert total is not None
    return total


def _parts(batch: Batch, recipe: Recipe) -> list[Batch]:
    if recipe.micro_batch_tokens is None:
        return [batch]
    rows = max(1, recipe.micro_batch_tokens * batch.rows // recipe.batch_tokens)
    return [part for part in batch.split(rows) if part.predicted]


def _autocast(model: LanguageModel, recipe: Recipe):
    if recipe.precision == "float32":
        return nullcontext()
    device = model.embedding.weight.device.type
    return torch.autocast(device_type=device, dtype=torch.bfloat16)


@contextmanager
def _randomness(model: LanguageModel, seed: int, step: int, part: int) -> Iterator[None]:
    """Dropout drawn from (seed, step, part) alone; nothing is touched without dropout."""
    if not model.config.dropout:
        yield
        return
    device, chosen = model.embedding.weight.device, dropout_seed(seed, step, part)
    if device.type == "cpu":
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(chosen)  # torch.manual_seed reaches accelerators
            yield
    else:
        with torch.random.fork_rng([device.index or 0], device_type=device.type):
            torch.get_device_module(device).manual_seed(chosen)
            yield


def dropout_seed(seed: int, step: int, part: int) -> int:
    """63 bits that neighbouring steps share nothing of."""
    text = f"isoloss dropout {seed} {step} {part}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "little") >> 1

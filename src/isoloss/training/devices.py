"""Where a run trains, and what to do where the memory ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from isoloss.errors import EnvironmentProblem, UsageError
from isoloss.training.recipe import Recipe

_FULL = ("out of memory", "can't allocate memory", "not enough memory", "failed to allocate")


def resolve_device(name: str) -> str:
    """The device that a name means here: `auto` is the accelerator where there is one.

    Raises:
        UsageError: the name is none of `cpu`, `cuda` and `auto` (an index may follow `cuda`).
        EnvironmentProblem: this machine has no such device.

    >>> resolve_device("cpu")
    'cpu'
    """
    kind = name.partition(":")[0]
    if kind not in ("cpu", "cuda", "auto"):
        raise UsageError(f"device must be cpu, cuda or auto; found {name!r}")
    found = torch.accelerator.is_available()
    accelerator = torch.accelerator.current_accelerator() if found else None
    if name == "auto":
        return "cpu" if accelerator is None or accelerator.type != "cuda" else "cuda"
    if kind == "cuda" and (accelerator is None or accelerator.type != "cuda"):
        raise EnvironmentProblem(
            f"device {name!r} was asked for, and PyTorch finds no CUDA device here",
            hint="Take device='cpu', or install a build of PyTorch for this machine's GPU.",
        )
    return name


@contextmanager
def out_of_memory(recipe: Recipe) -> Iterator[None]:
    """Say what to lower where memory runs out in a step."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is a RuntimeError
        reason = (str(error).splitlines() or [""])[0]
        full = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not full and not any(word in reason.lower() for word in _FULL):
            raise
        micro = recipe.micro_batch_tokens or recipe.batch_tokens
        ways = [f"set micro_batch_tokens below {micro:,} (the result is the same but for rounding)"]
        if not recipe.checkpoint_activations:
            ways.append("set checkpoint_activations")
        ways.append("shorten the context, or take a smaller model")
        raise EnvironmentProblem(
            f"out of memory while training ({reason})", hint=f"To fit: {'; '.join(ways)}."
        ) from error

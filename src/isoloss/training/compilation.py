"""`torch.compile` for the loss of a batch."""

from __future__ import annotations

import warnings
from functools import lru_cache

import torch
from torch import Tensor

from isoloss.errors import EnvironmentProblem
from isoloss.models import LanguageModel
from isoloss.training.gradients import Loss
from isoloss.training.objectives.batch import Batch


@lru_cache(maxsize=8)
def compiled(loss: Loss) -> Loss:
    """The loss function compiled, forward and backward; one compilation for each shape.

    PyTorch compiles at the first call, for some seconds to a minute, and wants a C++ compiler
    on a CPU. The numbers differ from those of the plain function by rounding.

    Raises:
        EnvironmentProblem: (at the first call) it cannot compile here.
    """
    with _quiet():
        fast = torch.compile(loss, dynamic=False)

    def checked(model: LanguageModel, batch: Batch) -> Tensor:
        try:
            with _quiet():
                return fast(model, batch)
        except Exception as error:
            if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
                reason = (str(error).splitlines() or [type(error).__name__])[0]
                raise EnvironmentProblem(
                    f"torch.compile does not work here ({reason})",
                    hint="Leave out compile, or install a C++ compiler.",
                ) from error
            raise

    return checked


def _quiet() -> warnings.catch_warnings:
    """Without PyTorch's warnings about its own deprecated parts."""
    return warnings.catch_warnings(action="ignore", category=DeprecationWarning)

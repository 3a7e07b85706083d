"""Low-rank adapters (LoRA, arXiv:2106.09685) in the linear maps of the blocks, by `peft`.

A map W becomes W + alpha/rank · B A, with A of `rank` rows and B of `rank` columns. Only A and B
are trained; B starts at 0, so nothing is changed before the first step.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from isoloss.errors import EnvironmentProblem, UsageError

_TARGETS = {
    "attention": ("qkv", "out"),
    "cross_attention": ("q", "kv", "out"),
    "feed_forward": ("up", "down"),
}
_MARK = "lora_"


@dataclass(frozen=True, kw_only=True)
class LoRA:
    """Size and scale of adapters.

    Args:
        rank: rows of A.
        alpha: B A is multiplied by alpha/rank; alpha is twice the rank when None.

    Raises:
        UsageError: not positive.
    """

    rank: int
    alpha: float | None = None

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise UsageError(f"the rank of adapters must be positive, found {self.rank}")
        if self.alpha is not None and not 0 < self.alpha < math.inf:
            raise UsageError(f"alpha of adapters must be positive, found {self.alpha}")

    @property
    def alpha_value(self) -> float:
        """Alpha as a number; the scale of the adapters is this over the rank."""
        return 2.0 * self.rank if self.alpha is None else float(self.alpha)

    def to_dict(self) -> dict[str, Any]:
        """For JSON and for a run's id."""
        return {"rank": self.rank, "alpha": self.alpha_value}


def adapted_maps(model: nn.Module) -> list[str]:
    """Names of the linear maps that get adapters, of attention and feed-forward alike.

    A gated feed-forward part computes with halves of the matrix of `up`, not with the map, so
    `up` stays as it is there; so do the matrices of experts, which are no maps of their own.
    """
    found: list[str] = []
    for name, module in model.named_modules():
        part, _, own = name.rpartition(".")
        kind = part.rpartition(".")[2]
        if own in _TARGETS.get(kind, ()) and isinstance(module, nn.Linear):
            gated = own == "up" and getattr(model.get_submodule(part), "gated", False)
            if not gated:
                found.append(name)
    return found


def add_adapters(model: nn.Module, lora: LoRA, *, seed: int) -> None:
    """Put adapters into a model, in place; from then on they alone have gradients.

    Args:
        model: a model of isoloss; a head for spans stays trainable.
        lora: rank and scale.
        seed: of A's first values.

    Raises:
        EnvironmentProblem: `peft` is not installed.
    """
    peft = _peft()
    settings = peft.LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha_value,
        lora_dropout=0.0,
        target_modules=adapted_maps(model),
    )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        peft.inject_adapter_in_model(settings, model)
    span_head = ("head.weight", "head.bias") if hasattr(model, "head_tensors") else ()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(_MARK in name or name in span_head)


def merge_adapters(model: nn.Module) -> None:
    """Add the adapters to the matrices that they stand beside, and take them out, in place."""
    for name, module in list(model.named_modules()):
        if hasattr(module, "get_base_layer") and hasattr(module, "merge"):
            layer: Any = module
            layer.merge()
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, layer.get_base_layer())


def _peft() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the packages that it imports
            import peft
    except ImportError as error:
        raise EnvironmentProblem(
            "adapters (--lora) need peft, which is not installed", hint="pip install 'isoloss[hf]'"
        ) from error
    return peft

"""What the weights of a family in Hugging Face are, and how its configs are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from isoloss.architecture import TransformerConfig
from isoloss.architecture.hub_configs import ACTIVATIONS, HubFamily, HubValues
from isoloss.errors import DataError, UsageError
from isoloss.models.huggingface.pieces import State

Values = HubValues
"""The content of a `config.json`."""

_OTHER_NAMES = {"gelu_new": "gelu_tanh", "swish": "silu"}


@dataclass(frozen=True, kw_only=True)
class Family:
    """A family, and the way there and back.

    Attributes:
        hub: what of a config of ours it can say, and how.
        model_types: `model_type` of the configs that are read.
        outward: our config and weights → theirs.
        inward: theirs → ours.
    """

    hub: HubFamily
    model_types: tuple[str, ...]
    outward: Callable[[TransformerConfig, Mapping[str, Tensor]], tuple[Values, State]]
    inward: Callable[[Values, Mapping[str, Tensor]], tuple[TransformerConfig, State]]

    @property
    def name(self) -> str:
        """As in `--family`."""
        return self.hub.name

    @property
    def auto_class(self) -> str:
        """The class of `transformers` that loads what is written."""
        return self.hub.auto_class


def rotary_base(values: Values) -> float:
    """The wavelength base of their rotary positions.

    Raises:
        UsageError: positions are scaled, or turn a part of each head only.
    """
    rope = values.get("rope_parameters") or values.get("rope_scaling") or {}
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind != "default":
        raise UsageError(
            f"rotary positions of type {kind!r} have no counterpart in isoloss, only 'default'",
            hint="Models with scaled positions (Llama 3.1 and later, YaRN) cannot be imported.",
        )
    part = rope.get("partial_rotary_factor", values.get("partial_rotary_factor")) or 1.0
    if part != 1.0:
        raise UsageError(f"rotary positions over {part:g} of each head have no counterpart")
    return float(rope.get("rope_theta") or values.get("rope_theta") or 10_000.0)


def plain_activation(name: str) -> str:
    """Our name of an activation of theirs.

    Raises:
        UsageError: isoloss does not have it.
    """
    known = {theirs: ours for ours, theirs in ACTIVATIONS.items()} | _OTHER_NAMES
    if name not in known:
        raise UsageError(
            f"activation {name!r} has no counterpart in isoloss",
            hint=f"Activations that can be imported: {', '.join(known)}.",
        )
    return known[name]


def head_width(values: Values, d_model: int, n_head: int) -> int | None:
    """Width of a head where it is not that of an even split."""
    width = values.get("head_dim") or d_model // n_head
    return None if width * n_head == d_model else int(width)


def shared_heads(values: Values, n_head: int) -> int | None:
    """Heads for keys and values where they are fewer than those for queries."""
    shared = values.get("num_key_value_heads") or n_head
    return None if shared == n_head else int(shared)


def norm_eps(found: float, default: float) -> float | None:
    """What a norm adds, None where it is the default of isoloss."""
    return None if found == default else float(found)


def given(values: Values, name: str) -> Any:
    """A value that a config must have.

    Raises:
        DataError: it is not there.
    """
    if values.get(name) is None:
        raise DataError(f"config.json has no {name!r}", hint="Give a folder saved by transformers.")
    return values[name]


def refuse(values: Values, **expected: Any) -> None:
    """Refuse options of theirs that change what a model computes in a way we do not have.

    Raises:
        UsageError: an option that is there has another value.
    """
    for name, value in expected.items():
        if name in values and values[name] not in (value, None):
            raise UsageError(
                f"{name}={values[name]!r} has no counterpart in isoloss (only {value!r})"
            )


def refuse_rest(rest: list[str]) -> None:
    """Refuse weights that no table speaks of: dropping them would give another model.

    Raises:
        DataError: there are some.
    """
    if rest:
        raise DataError(
            f"weights that isoloss has no place for: {', '.join(rest[:4])}"
            + (f" and {len(rest) - 4} more" if len(rest) > 4 else ""),
            hint="The model is not of the plain family that its config names.",
        )

"""What each parameter of a model is, read from its place and shape.

Optimisers, µP and initial values need to know which numbers are matrices of the residual
branches, which map into the vocabulary, and which are vectors. They ask here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from isoloss.architecture import TransformerConfig

if TYPE_CHECKING:
    from isoloss.models.language_model import LanguageModel

RoleName = Literal["embedding", "hidden", "output", "vector"]
_RESIDUAL = ("attention.out.weight", "feed_forward.down.weight", "feed_forward.down")
_QKV, _KV, _UP = "attention.qkv.weight", "cross_attention.kv.weight", "feed_forward.up"


@dataclass(frozen=True, kw_only=True)
class Role:
    """A parameter's part in the model.

    Attributes:
        name: as in `named_parameters`.
        role: `embedding` (tokens or positions → width), `hidden` (a matrix of a block: width →
            width), `output` (width → vocabulary) or `vector` (scales, shifts, biases).
        fan_in, fan_out: inputs and outputs of the map; 1 and the size for a vector.
        rows: heights of the matrices that are stacked in it (queries, keys and values are one
            parameter, and so are a gate and its value), whose sum is `fan_out`.
        residual: whether its output is added to the residual stream.
        experts: matrices side by side along the first axis; 0 for a plain matrix.
    """

    name: str
    role: RoleName
    fan_in: int
    fan_out: int
    rows: tuple[int, ...] = ()
    residual: bool = False
    experts: int = 0


def parameter_roles(model: LanguageModel) -> tuple[Role, ...]:
    """The role of every parameter of a `LanguageModel`, in the order of `named_parameters`."""
    return tuple(
        _role(name, tuple(parameter.shape), model.config)
        for name, parameter in model.named_parameters()
    )


def _role(name: str, shape: tuple[int, ...], config: TransformerConfig) -> Role:
    if name.endswith(("embedding.weight", ".positions")):
        return Role(name=name, role="embedding", fan_in=1, fan_out=shape[-1])
    if name == "head.weight":
        return Role(name=name, role="output", fan_in=shape[1], fan_out=shape[0])
    if len(shape) < 2:
        return Role(name=name, role="vector", fan_in=1, fan_out=max(shape, default=1))
    fan_out, fan_in = shape[-2:]
    return Role(
        name=name,
        role="hidden",
        fan_in=fan_in,
        fan_out=fan_out,
        rows=_rows(name, fan_out, config),
        residual=name.endswith(_RESIDUAL),
        experts=shape[0] if len(shape) > 2 else 0,
    )


def _rows(name: str, fan_out: int, config: TransformerConfig) -> tuple[int, ...]:
    """Heights of the matrices stacked in one parameter."""
    width = config.head_dim
    if name.endswith(_QKV):
        return (config.n_head * width, config.kv_heads * width, config.kv_heads * width)
    if name.endswith(_KV):
        return (fan_out // 2, fan_out // 2)
    if config.gated and name.endswith((_UP, _UP + ".weight")):
        return (fan_out // 2, fan_out // 2)
    return (fan_out,)

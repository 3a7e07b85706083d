"""Families of architectures by name, and the member of a family that has a given width.

A family is a set of options; what changes from rung to rung of a ladder is the width alone.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from isoloss.architecture.config import HEAD_DIM, TransformerConfig
from isoloss.errors import UsageError

LAYERS = 3
"""Depth of the ladder's models; an encoder-decoder has two layers on each side."""
LAYERS_EACH_SIDE = 2

_LLAMA: dict[str, Any] = {
    "norm_weights": True,
    "norm_eps": 1e-5,
    "embedding_norm": False,
    "activation": "swiglu",
    "qk_norm": "none",
    "initialisation": "gpt2",
}
_CLASSIC: dict[str, Any] = {
    "norm": "layernorm",
    "norm_weights": True,
    "norm_bias": True,
    "positions": "learned",
    "activation": "gelu",
    "qk_norm": "none",
    "biases": "all",
    "tied_embeddings": True,
    "initialisation": "normal",
}

FAMILIES: dict[str, dict[str, Any]] = {
    # isoloss's own: rotary positions, QK norm, squared ReLU, RMSNorm without weights
    "isoloss": {},
    "encoder": {"kind": "encoder"},
    "encoder-decoder": {"kind": "encoder_decoder"},
    # those with a counterpart in Hugging Face (isoloss.models.huggingface)
    "llama": _LLAMA,
    "qwen3": {**_LLAMA, "qk_norm": "weighted", "norm_eps": 1e-6, "tied_embeddings": True},
    "gpt2": {**_CLASSIC, "embedding_norm": False, "activation": "gelu_tanh"},
    "bert": {
        **_CLASSIC,
        "kind": "encoder",
        "norm_position": "post",
        "norm_eps": 1e-12,
        "head_bias": True,
        "head_transform": True,
    },
    "bart": {**_CLASSIC, "kind": "encoder_decoder", "norm_position": "post"},
}
"""Options of each family beside the sizes."""


def family_options(family: str) -> dict[str, Any]:
    """The options of a family.

    Raises:
        UsageError: no such family; a close name is given.
    """
    if family not in FAMILIES:
        close = difflib.get_close_matches(family, FAMILIES, n=1)
        raise UsageError(
            f"no such family of models: {family!r}",
            hint=(f"Did you mean {close[0]!r}? " if close else "")
            + f"Families: {', '.join(FAMILIES)}.",
        )
    return dict(FAMILIES[family])


def config_for_width(
    d_model: int,
    *,
    vocab_size: int,
    context_length: int,
    n_layer: int | None = None,
    family: str = "isoloss",
    **options: Any,
) -> TransformerConfig:
    """The member of a family that has this width.

    Heads are `HEAD_DIM` wide and the feed-forward part four times the width (a gated one two
    thirds of that, so that three matrices weigh as much as two), so width (and depth, where
    asked) is the only thing that changes from rung to rung.

    Args:
        d_model: width, a multiple of `HEAD_DIM` for whole heads.
        vocab_size, context_length: as in `TransformerConfig`.
        n_layer: depth (of each side of an encoder-decoder); 3, or 2 and 2, when None.
        family: a name of `FAMILIES`.
        options: any field of `TransformerConfig`, over the family's.

    Raises:
        UsageError: no such family, an unknown option, or sizes that do not divide.

    >>> config_for_width(48, vocab_size=512, context_length=64, family="llama").d_ff
    128
    """
    chosen = {**family_options(family), **options}
    two_sided = chosen.get("kind") == "encoder_decoder"
    depth = n_layer or (LAYERS_EACH_SIDE if two_sided else LAYERS)
    gated = str(chosen.get("activation", "")).endswith("glu")
    sizes: dict[str, Any] = {
        "vocab_size": vocab_size,
        "context_length": context_length,
        "d_model": d_model,
        "n_layer": depth,
        "n_head": max(1, d_model // HEAD_DIM),
        "d_ff": feed_forward_width(d_model, gated=gated),
    }
    if two_sided:
        sizes["n_encoder_layer"] = depth
    try:
        return TransformerConfig(**{**sizes, **chosen})
    except TypeError as error:
        raise UsageError(
            f"unknown option of a model: {error}",
            hint="See TransformerConfig for the options.",
        ) from error


def feed_forward_width(d_model: int, *, gated: bool) -> int:
    """Hidden width of the feed-forward part that belongs to a width in every family.

    Four times the width; of a gated part 8/3 of it, rounded up to a multiple of 16 (of 8 below
    width 32), so that its three matrices weigh about as much as two.

    >>> feed_forward_width(64, gated=False), feed_forward_width(64, gated=True)
    (256, 176)
    """
    if not gated:
        return 4 * d_model
    step = 16 if d_model >= 32 else 8
    return -(-8 * d_model // (3 * step)) * step


def options_from_text(options: Mapping[str, str]) -> dict[str, Any]:
    """Options of a config as they stand on a command line: JSON (12, 1e-5, true, null), else text.

    Raises:
        UsageError: a switch is neither true nor false.

    >>> options_from_text({"n_expert": "4", "positions": "alibi"})
    {'n_expert': 4, 'positions': 'alibi'}
    """
    switches = {f.name for f in fields(TransformerConfig) if isinstance(f.default, bool)}
    values: dict[str, Any] = {}
    for name, text in options.items():
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
        if name in switches and not isinstance(values[name], bool):
            raise UsageError(f"--set {name} expects true or false, found {text!r}")
    return values

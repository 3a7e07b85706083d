"""What the families of the classic Transformer (BERT, BART, GPT-2) share: LayerNorm and biases
everywhere, learned positions, even heads.
"""

from __future__ import annotations

from typing import Any

from isoloss.architecture import TransformerConfig
from isoloss.models.huggingface.family import ACTIVATIONS
from isoloss.models.huggingface.pieces import Piece

NEEDS: dict[str, tuple[Any, ...]] = {
    "norm": ("layernorm",),
    "positions": ("learned",),
    "activation": tuple(ACTIVATIONS),
    "qk_norm": ("none",),
    "window": (None,),
    "n_expert": (0,),
}


def uneven_heads(config: TransformerConfig) -> list[str]:
    """Heads that the classic families do not have: shared ones, or of a width of their own."""
    found = []
    if config.kv_heads != config.n_head:
        found.append(f"n_kv_head={config.n_kv_head!r}")
    if config.head_dim * config.n_head != config.d_model:
        found.append(f"head_width={config.head_width!r}")
    return found


def linear(ours: str, *theirs: str, rows: tuple[int, ...], transposed: bool = False) -> list[Piece]:
    """Matrix and bias of a linear map; theirs always has a bias."""
    return [
        Piece(f"{ours}.weight", tuple(f"{n}.weight" for n in theirs), rows, None, transposed),
        Piece(f"{ours}.bias", tuple(f"{n}.bias" for n in theirs), rows, 0.0),
    ]


def norm(ours: str, theirs: str, width: int) -> list[Piece]:
    """Scale and shift of a LayerNorm; theirs always has both."""
    return [
        Piece(f"{ours}.weight", (f"{theirs}.weight",), (width,), 1.0),
        Piece(f"{ours}.bias", (f"{theirs}.bias",), (width,), 0.0),
    ]

"""What the families of the classic Transformer (BERT, BART, GPT-2) share: LayerNorm and biases
everywhere, learned positions, even heads.
"""

from __future__ import annotations

from isoloss.models.huggingface.pieces import Piece


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

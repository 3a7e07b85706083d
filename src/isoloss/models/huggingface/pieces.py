"""Names and layouts of weights, ours and theirs, as one table that is read both ways.

isoloss stacks queries, keys and values in one matrix, and a gate and its value; Hugging Face
mostly keeps them apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from isoloss.errors import DataError

State = dict[str, Tensor]
"""Weights by name."""


@dataclass(frozen=True)
class Piece:
    """One parameter of ours, and what it is called there.

    Attributes:
        ours: our name.
        theirs: their names; several where ours is stacked of them along its rows.
        rows: heights of those parts.
        fill: what all entries of a vector that our model does not have would be (a scale of 1, a
            bias of 0), where theirs always has one.
        transposed: theirs is (in, out), as in GPT-2.
    """

    ours: str
    theirs: tuple[str, ...]
    rows: tuple[int, ...] = ()
    fill: float | None = None
    transposed: bool = False


def outward(pieces: Iterable[Piece], ours: Mapping[str, Tensor]) -> State:
    """Our weights under their names; each tensor is a copy of its own."""
    theirs: State = {}
    for piece in pieces:
        if piece.ours in ours:
            weight = ours[piece.ours].detach()
        else:
            assert piece.fill is not None, piece.ours
            weight = torch.full((sum(piece.rows),), piece.fill)
        parts = [weight.T] if piece.transposed else list(_split(weight, piece))
        for name, part in zip(piece.theirs, parts, strict=True):
            theirs[name] = part.contiguous().clone()
    return theirs


def _split(weight: Tensor, piece: Piece) -> tuple[Tensor, ...]:
    return (weight,) if len(piece.theirs) == 1 else weight.split(piece.rows)


def inward(pieces: Iterable[Piece], theirs: Mapping[str, Tensor]) -> State:
    """Their weights under our names, in float32.

    Raises:
        DataError: a weight is missing.
    """
    ours: State = {}
    for piece in pieces:
        missing = [name for name in piece.theirs if name not in theirs]
        if missing:
            raise DataError(
                f"no weight {missing[0]!r} in the model",
                hint="Give a model with its head for language modelling, saved whole.",
            )
        parts = [theirs[name].detach().float() for name in piece.theirs]
        ours[piece.ours] = (parts[0].T if piece.transposed else torch.cat(parts)).contiguous()
    return ours


def without(state: Mapping[str, Tensor], used: Iterable[str], known: tuple[str, ...]) -> list[str]:
    """Names that are neither used nor end like one of `known` (buffers, other heads)."""
    seen = set(used)
    return sorted(name for name in state if name not in seen and not name.endswith(known))


def names_of(pieces: Iterable[Piece]) -> set[str]:
    """All names of theirs that a table speaks of."""
    return {name for piece in pieces for name in piece.theirs}

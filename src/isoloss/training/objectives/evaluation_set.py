"""Held-out batches with what their losses are grouped by: what a model is judged on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from isoloss.training.objectives.batch import Batch
from isoloss.training.objectives.windows import HeldOutWindows

BATCH_ROWS = 32
"""Rows that are evaluated together."""


@dataclass(frozen=True, kw_only=True)
class EvaluationSet:
    """Batches of held-out text in a fixed order, and the units that their losses are summed by.

    A unit is what is predicted of one window or of one pair.

    Attributes:
        batches: inputs and targets.
        units: of each batch, the unit of each predicted token, (N,), counted from 0 in the
            batch and ascending.
        clusters: the document, block or pair of each unit of all batches, (U,): losses within
            one are not independent.
        unit_bytes: UTF-8 bytes of the text that each unit predicts, (U,); None where bits per
            byte do not apply.
        no_bytes: why they do not.
        domains: the domain of each unit, (U,); None where the corpus has none.
    """

    batches: tuple[Batch, ...]
    units: tuple[np.ndarray, ...]
    clusters: np.ndarray
    unit_bytes: np.ndarray | None = None
    no_bytes: str = ""
    domains: np.ndarray | None = None

    @property
    def tokens(self) -> int:
        """Predicted tokens."""
        return sum(batch.predicted for batch in self.batches)


def set_of_pairs(
    cluster_BT: np.ndarray, make: Callable[[slice], Batch], *, token_bytes: np.ndarray
) -> EvaluationSet:
    """Held-out rows of pairs in batches that `make` makes of a part of them; a pair is a unit.

    Args:
        cluster_BT: the pair of each predicted token, -1 for padding.
        make: the batch of some rows.
        token_bytes: UTF-8 bytes of every entry of the vocabulary.
    """
    batches: list[Batch] = []
    units: list[np.ndarray] = []
    clusters: list[np.ndarray] = []
    for first in range(0, len(cluster_BT), BATCH_ROWS):
        part = slice(first, first + BATCH_ROWS)
        batches.append(make(part))
        pair_N = cluster_BT[part][cluster_BT[part] >= 0]
        begins_N = np.diff(pair_N, prepend=-1) != 0
        units.append(np.cumsum(begins_N) - 1)
        clusters.append(pair_N[begins_N])
    return EvaluationSet(
        batches=tuple(batches),
        units=tuple(units),
        clusters=np.concatenate(clusters),
        unit_bytes=bytes_of_units(batches, units, token_bytes),
    )


def set_of_windows(
    held_out: HeldOutWindows,
    make: Callable[[slice], Batch],
    *,
    token_bytes: np.ndarray | None = None,
    no_bytes: str = "",
) -> EvaluationSet:
    """Held-out windows in batches that `make` makes of a part of them; a window is a unit."""
    parts = [slice(i, i + BATCH_ROWS) for i in range(0, len(held_out.windows), BATCH_ROWS)]
    batches = tuple(make(part) for part in parts)
    units = tuple(batch.rows_of_targets().numpy() for batch in batches)
    return EvaluationSet(
        batches=batches,
        units=units,
        clusters=held_out.clusters,
        unit_bytes=None if token_bytes is None else bytes_of_units(batches, units, token_bytes),
        no_bytes=no_bytes,
        domains=held_out.domains,
    )


def bytes_of_units(
    batches: Sequence[Batch], units: Sequence[np.ndarray], token_bytes: np.ndarray
) -> np.ndarray:
    """UTF-8 bytes of the tokens that each unit predicts, (U,) int64."""
    sizes = [
        np.bincount(unit_N, weights=token_bytes[batch.targets.numpy()])
        for batch, unit_N in zip(batches, units, strict=True)
    ]
    return np.concatenate(sizes).astype(np.int64)

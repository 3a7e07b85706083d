"""Pairs → training and validation pairs that share neither source nor target, not even nearly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isoloss.corpus.selection import Spool, near_duplicates
from isoloss.corpus.selection.splitting import VALIDATION_SHARE
from isoloss.errors import DataError

LEAST_PAIRS = 40
SHINGLE_WORDS = 2
"""Sentences are short: runs of five words would make most of them unlike any other."""


@dataclass(frozen=True, kw_only=True)
class PairSelection:
    """Numbers of the pairs of each part, in their first order, and what was left out.

    Attributes:
        train, validation: (P,) int64.
        duplicates: pairs that equal an earlier one.
        border_exact, border_near: training pairs whose source or target is (nearly) that of a
            validation pair.
    """

    train: np.ndarray
    validation: np.ndarray
    duplicates: int
    border_exact: int
    border_near: int


def select_pairs(spool: Spool, *, near: float | None, folder: Path | None) -> PairSelection:
    """Split the pairs of a spool, in which each source is followed by its target.

    All pairs with one source go to the same part, so that another translation of a validation
    sentence is not trained on. A training pair may have the source of another training pair.

    Raises:
        DataError: too few pairs.
    """
    digests = spool.digests.reshape(-1, 8)
    order = np.lexsort(digests.T[::-1])
    same = (digests[order[1:]] == digests[order[:-1]]).all(axis=1)
    unique = order[np.append(True, ~same)] if len(order) else order
    if len(unique) < LEAST_PAIRS:
        raise DataError(
            f"{len(unique)} different pairs are too few to hold some out; {LEAST_PAIRS} are needed",
            hint="Give more pairs; the fields name source and target.",
        )
    held_out = _first_groups(digests[unique, :4], VALIDATION_SHARE * len(unique))
    validation, train = np.sort(unique[held_out]), np.sort(unique[~held_out])
    exact = np.isin(_keys(digests[train, 4:]), _keys(digests[validation, 4:]))
    left = train[~exact]
    nearly = np.zeros(len(left), dtype=bool)
    if near is not None:
        for side in (0, 1):
            nearly |= _near_border(spool, validation, left, side, near, folder)
    if not len(left[~nearly]):
        raise DataError(
            "nothing is left to train on: every pair nearly repeats a validation pair",
            hint="Give more varied pairs, or keep near-duplicates.",
        )
    return PairSelection(
        train=left[~nearly],
        validation=validation,
        duplicates=len(digests) - len(unique),
        border_exact=int(exact.sum()),
        border_near=int(nearly.sum()),
    )


def _first_groups(sources: np.ndarray, share: float) -> np.ndarray:
    """Whether each pair is of the first groups of equal sources (sorted) that make up a share."""
    begins = np.append(True, (sources[1:] != sources[:-1]).any(axis=1))
    group = np.cumsum(begins) - 1
    before = np.flatnonzero(begins)  # pairs before each group
    return before[group] < share


def _keys(digests: np.ndarray) -> np.ndarray:
    """Digests as values that compare as a whole, (N,)."""
    return np.ascontiguousarray(digests).view("V32").reshape(-1)


def _near_border(
    spool: Spool,
    validation: np.ndarray,
    train: np.ndarray,
    side: int,
    threshold: float,
    folder: Path | None,
) -> np.ndarray:
    """Whether the source (0) or target (1) of each training pair is nearly a validation one."""
    texts: Sequence[list[int]] = spool.ranges[
        np.concatenate([validation, train]) * 2 + side
    ].tolist()
    found = near_duplicates(
        np.array([end - start for start, end in texts]),
        lambda i: spool.read(*texts[i]),
        threshold=threshold,
        words=SHINGLE_WORDS,
        protected=len(validation),
        folder=folder,
    )
    return found[len(validation) :] >= 0
